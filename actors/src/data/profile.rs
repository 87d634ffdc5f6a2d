//! What the configuration says about a device and may say otherwise tomorrow, while its connections stay.

use super::rate::RateLimit;
use event::Batch;
use event::flow::Counter;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a device's connections, sockets and pipelines go by; replaced as a whole.
#[derive(Debug, Default)]
pub struct Profile {
    /// The zone of timestamps that name none (RFC 3164).
    pub timezone: Timezone,
    /// Most events a second.
    pub rate: Option<RateLimit>,
    /// Who gets every message as well, as it came in.
    pub replicas: Vec<ReplicaQueue>,
}

/// A time zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Timezone {
    /// That of the machine.
    #[default]
    Local,
    /// Seconds east of UTC.
    Fixed(i32),
    /// A name of the IANA database, known to this machine.
    Named(Arc<str>),
}

/// The way to a replica: short, and never waited for.
#[derive(Clone, Debug)]
pub struct ReplicaQueue {
    batches: mpsc::Sender<Batch>,
    meters: Arc<ReplicaMeters>,
}

/// What became of the messages for a device's replicas; each counts once for each replica.
#[derive(Debug, Default)]
pub struct ReplicaMeters {
    /// Messages handed to the network.
    pub sent: Counter,
    /// Messages dropped because the destination was down or too slow.
    pub dropped: Counter,
}

impl ReplicaQueue {
    /// A queue of at most so many batches, and its other end.
    pub fn new(batches: usize, meters: Arc<ReplicaMeters>) -> (Self, mpsc::Receiver<Batch>) {
        let (sender, receiver) = mpsc::channel(batches);
        (Self { batches: sender, meters }, receiver)
    }

    /// Hands on a batch, or drops and counts its messages when the queue is full.
    pub fn offer(&self, batch: &Batch) {
        if self.batches.try_send(batch.clone()).is_err() {
            self.meters.dropped.add(u64::from(batch.len()));
        }
    }
}

impl Profile {
    /// Hands a batch to all replicas. Costs nothing where there are none.
    pub fn replicate(&self, batch: &Batch) {
        for replica in &self.replicas {
            replica.offer(batch);
        }
    }
}
