//! Purging: what waits on disk is dropped, counted as that, because somebody asked for it.

use super::append::Trouble;
use super::reader::Reading;
use super::spool::Spool;
use event::Cause;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What was purged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Deliveries.
    pub deliveries: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why nothing was.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// It is not known yet what it holds.
    #[error("the spool is being opened; ask again")]
    NotOpen,
    /// Deliveries are dropped, and may come again after a restart.
    #[error("what was dropped can't be written down, so it may come again after a restart: {0}")]
    Disk(String),
}

impl Spool {
    /// Drops all deliveries on disk, also those that senders have in hand and have not delivered; what a sender has begun to
    /// send may still arrive. Blocks.
    ///
    /// # Errors
    /// When the spool is not open yet, or its cursor can't be written.
    pub fn purge(self: &Arc<Self>) -> Result<Purged, PurgeError> {
        // Neither writer nor reader is at it meanwhile.
        let (_writing, mut reading) = (self.writing.lock(), self.reading.lock());
        let Some(store) = self.store.get() else {
            return if self.is_empty() { Ok(Purged::default()) } else { Err(PurgeError::NotOpen) };
        };
        *reading = Reading::default();
        let purged = self.with(|state, aside| {
            let meters = &self.target.spool;
            let purged = Purged { deliveries: meters.flow.held(), bytes: meters.bytes.load(Relaxed) };
            state.purge(aside);
            store.settle_before(state.end);
            self.count_missing(purged.deliveries, purged.bytes, Cause::Purged);
            purged
        });
        let Purged { deliveries, bytes } = purged;
        if deliveries > 0 {
            self.announce(format!("{deliveries} spooled deliveries ({bytes} bytes) were purged by command"));
        }
        let persisted = store.journal.persist_cursors().map_err(Trouble::from);
        store.journal.release();
        self.write.notify_one();
        self.read.notify_one();
        persisted.map(|()| purged).map_err(|trouble| PurgeError::Disk(trouble.to_string()))
    }
}
