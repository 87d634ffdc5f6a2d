//! A stream of events that are sent once more, on branches that were chosen for them.

use actors::data::Lane;
use actors::quarantine::Quarantine;
use actors::quarantine::desk::Replays;
use actors::router::RouteTable;
use bytes::Bytes;
use event::{
    Batch, BranchId, DeviceFlow, DeviceId, Layout, Ledger, Origin, Parts, Record, RecordFlags, Share,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// A batch goes on at so many records or bytes.
const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 64 << 10;

/// An event to be sent once more.
#[derive(Clone, Debug)]
pub(super) struct Again {
    /// Its number where it is kept.
    pub(super) id: u64,
    /// How often it was sent once more before.
    pub(super) replays: u32,
    pub(super) peer: Option<SocketAddr>,
    pub(super) received: u64,
    pub(super) truncated: bool,
    pub(super) event: Bytes,
}

/// Events of one device on the same branches.
pub(super) struct Feed {
    device: DeviceId,
    ledger: Ledger,
    table: RouteTable,
    quarantine: Quarantine,
    replays: Arc<Replays>,
    pending: Vec<Again>,
    pending_bytes: usize,
    next_seq: u64,
    /// Of what was sent and is not settled.
    under_way: VecDeque<u64>,
    settled: u64,
}

impl Feed {
    /// A feed on a lane.
    pub(super) fn open(
        lane: &Arc<Lane>,
        table: &RouteTable,
        quarantine: &Quarantine,
        flow: Arc<DeviceFlow>,
        device: DeviceId,
        branches: &[BranchId],
    ) -> Self {
        let ledger = lane.open_stream(flow);
        // In quarantine or in the journal it is already.
        ledger.keep_no_more();
        table.detour(ledger.stream(), branches.into());
        Self {
            device,
            table: table.clone(),
            replays: quarantine.replaying(ledger.stream()),
            quarantine: quarantine.clone(),
            ledger,
            pending: Vec::new(),
            pending_bytes: 0,
            next_seq: 0,
            under_way: VecDeque::new(),
            settled: 0,
        }
    }

    /// Sends an event, or gathers it with those that follow.
    pub(super) async fn push(&mut self, share: &Share, again: Again) {
        self.pending_bytes += again.event.len();
        self.pending.push(again);
        if self.pending.len() >= BATCH_RECORDS || self.pending_bytes >= BATCH_BYTES {
            self.flush(share).await;
        }
    }

    /// Sends what was gathered; waits for memory.
    pub(super) async fn flush(&mut self, share: &Share) {
        if self.pending.is_empty() {
            return;
        }
        let hold = share.take(u32::try_from(self.pending_bytes).unwrap_or(u32::MAX)).await;
        let (mut slab, mut records, mut origins) =
            (Vec::with_capacity(self.pending_bytes), Vec::new(), Vec::new());
        for again in self.pending.drain(..) {
            let flags = if again.truncated { RecordFlags::TRUNCATED } else { RecordFlags::default() };
            let (offset, len, origin) = (slab.len() as u32, again.event.len() as u32, origins.len() as u16);
            slab.extend_from_slice(&again.event);
            records.push(Record { offset, len, origin, flags });
            origins.push(Origin { device: self.device, peer: again.peer, received: again.received });
            self.replays.push(again.id, again.replays);
            self.under_way.push_back(again.id);
        }
        self.pending_bytes = 0;
        let batch = Batch::seal(Parts {
            slab: slab.into(),
            records,
            origins,
            stream: self.ledger.stream(),
            first_seq: self.next_seq,
            layout: Layout::Scattered,
            hold,
        });
        self.next_seq = batch.next_seq();
        self.ledger.submit(batch);
    }

    /// The numbers of the events that were settled since the last call.
    pub(super) fn settled(&mut self) -> Vec<u64> {
        let upto = self.ledger.settled();
        let count = (upto - self.settled) as usize;
        self.settled = upto;
        self.under_way.drain(..count).collect()
    }

    /// Whether everything that was sent is settled.
    pub(super) fn is_done(&self) -> bool {
        self.pending.is_empty() && self.under_way.is_empty()
    }

    /// How many were sent so far, and how many of them are in quarantine again.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.next_seq, self.replays.again())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.quarantine.replay_ended(self.ledger.stream());
        // What is still under way must not meet the routes of its device.
        if self.is_done() {
            self.table.end_detour(self.ledger.stream());
        }
    }
}
