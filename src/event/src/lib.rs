//! What everything passes on: batches, the budget they live on, the claims on them, and events.
//!
//! Read in this order:
//! * [`batch`]: received bytes with the spans of their records, sealed once and shared by reference count;
//! * [`slab`]: the recycled buffers behind them; [`budget`]: the memory they may take in all;
//! * [`ledger`]: which branch still owes what, and what is dispatched again when an actor dies;
//! * [`flow`]: exact counters of what came in and went out, with the cause of every drop; [`latency`]: how long it took.

#![forbid(unsafe_code)]

pub mod batch;
pub mod budget;
pub mod flow;
pub mod ids;
pub mod latency;
pub mod ledger;
pub mod model;
pub mod slab;

pub use batch::{Batch, Layout, Origin, Parts, Record, RecordFlags, UnixNanos};
pub use budget::{Budget, Hold, Share};
pub use flow::{Cause, DeviceFlow, Settled, TargetFlow};
pub use ids::{BranchId, DeviceId, PlaceId, StreamId};
pub use latency::Latency;
pub use ledger::{Book, Claim, Head, Keeper, Ledger, Note, Scribe, Work};
pub use slab::{Slab, SlabPool};
