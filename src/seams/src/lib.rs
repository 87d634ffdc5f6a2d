//! Disk, clock and randomness behind small seams, each real and simulated.
//!
//! Whatever makes a run differ from the next one comes in through here, so that a test can
//! replay a failure from a seed:
//!
//! * [`Clock`]: monotonic and wall time; [`SimulatedClock`] is advanced by hand, [`ShiftedClock`] is the
//!   system's with a wall time that is off.
//! * [`Rng`]: chance from a seed; a clone shares the sequence, a fork starts an own one.
//! * [`Disk`] and [`DiskFile`]: the one way to files. [`RealDisk`] is the operating system;
//!   [`SimulatedDisk`] tears, loses, fills up, fails and flips bits as it is told.
//!
//! All three are handles: cheap to clone (or behind an [`Arc`](std::sync::Arc)), passed down from
//! whoever starts a thing, never global. A call through [`Clock`] or [`Rng`] costs what the real
//! thing costs and one branch; a call through [`Disk`] one virtual call beside a system call.

#![forbid(unsafe_code)]

mod clock;
mod disk;
#[cfg(unix)]
mod real_disk;
mod rng;
mod simulated_disk;

pub use clock::{Clock, ShiftedClock, SimulatedClock};
pub use disk::{Disk, DiskFile, DiskLock, Entry, OpenMode, read_file, replace_file};
#[cfg(unix)]
pub use real_disk::RealDisk;
pub use rng::Rng;
pub use simulated_disk::{Operation, SECTOR_BYTES, SimulatedDisk};
