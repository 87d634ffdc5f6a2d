//! Disks for the Director under test, made of the real one.
//!
//! ```text
//!   Director ── FaultyDisk (full, slow, failing) ─┬─ RealDisk
//!                                                 └─ VolatileDisk ── RealDisk
//!                                                    (what was not synced is in memory only)
//! ```
//!
//! A call through [`FaultyDisk`] costs a load more while no fault is in force.

mod faulty;
mod volatile;

pub use faulty::{DiskFaults, FaultyDisk};
pub use volatile::{Careless, VolatileDisk};
