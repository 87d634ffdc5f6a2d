//! From what a host sent to batches.

use crate::data::device::Device;
use crate::data::lane::{Berth, Lane};
use bytes::Bytes;
use event::batch::{MAX_BATCH_RECORDS, Parts};
use event::slab::SLAB_BYTES;
use event::{Batch, Hold, Layout, Ledger, Origin, Record, RecordFlags, Slab, UnixNanos};
use protocol::framing::{Counters, Delimiter, Ending, Framer, Framing, Limits, Span};
use seams::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// What ends a line.
const LINE_END: u8 = b'\n';

/// A stream of a host: its files, its journal, or its commands.
pub struct Intake {
    /// The device.
    pub device: Arc<Device>,
    lane: Arc<Lane>,
    ledger: Ledger,
    clock: Clock,
    peer: Option<SocketAddr>,
    next_seq: u64,
    spans: Vec<Span>,
    chunks: Vec<Chunk>,
    _berth: Berth,
}

/// The spans of one batch.
#[derive(Clone, Copy)]
struct Chunk {
    /// After the last span.
    spans: usize,
    /// After the last consumed byte.
    bytes: usize,
    contiguous: bool,
}

/// A slab that was read into, with what it takes of the budget.
pub struct Filled {
    /// The bytes.
    pub slab: Slab,
    /// Lines begin here.
    pub from: usize,
    /// Behind the last byte.
    pub to: usize,
    /// What it takes.
    pub hold: Hold,
}

/// The beginning of a line whose end has not come, with what it takes of the budget (R4).
pub struct Rest {
    /// The bytes.
    pub bytes: Vec<u8>,
    hold: Hold,
}

/// Lines on their way, and how they are counted.
pub struct LineFramer {
    framer: Framer,
    counted: Counters,
}

impl LineFramer {
    /// Lines of at most so many bytes.
    pub fn new(max_message_bytes: u32) -> Self {
        let framer = Framer::new(Framing::Delimiter(Delimiter::line_feed()), Limits { max_message_bytes });
        Self { framer, counted: Counters::default() }
    }
}

impl Intake {
    /// A stream that begins.
    pub fn new(device: Arc<Device>, lane: Arc<Lane>, clock: Clock, peer: Option<SocketAddr>) -> Self {
        let ledger = lane.open_stream(Arc::clone(&device.flow));
        let _berth = lane.berth();
        let (spans, chunks) = (Vec::new(), Vec::new());
        Self { device, lane, ledger, clock, peer, next_seq: 0, spans, chunks, _berth }
    }

    /// The number after the last record up to which everything is settled.
    pub fn acknowledged(&self) -> watch::Receiver<u64> {
        self.ledger.acknowledged()
    }

    /// The number of the next record.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Nothing left over from an earlier read.
    pub fn nothing(&self) -> Rest {
        Rest { bytes: Vec::new(), hold: self.device.share.nothing() }
    }

    /// Bytes that are to stand at the front of the next slab.
    pub fn keep(&self, bytes: &[u8], mut hold: Hold) -> Rest {
        Rest { bytes: bytes.to_vec(), hold: hold.split(bytes.len() as u32) }
    }

    /// A slab to read into, the rest at its front. To be asked for when there is something to read (R3); waits for budget.
    pub async fn room(&self, rest: Rest) -> (Slab, Hold) {
        let bytes = (rest.bytes.len() * 2).max(SLAB_BYTES);
        let mut hold = match rest.bytes.is_empty() {
            true => self.device.share.take(bytes as u32).await,
            false => self.device.share.take_for_incomplete(bytes as u32, rest.hold.overdraws()).await,
        };
        let mut slab = self.lane.slabs.take(bytes);
        slab.bytes_mut()[..rest.bytes.len()].copy_from_slice(&rest.bytes);
        hold.merge(rest.hold);
        (slab, hold)
    }

    /// Hands on the complete lines. `mark` is told what of the slab is done with, and the number behind the last record in
    /// it, for each batch. Returns how much was done with in the end, and the rest.
    pub fn lines(
        &mut self,
        framer: &mut LineFramer,
        filled: Filled,
        mut mark: impl FnMut(&[u8], u64),
    ) -> (usize, Rest) {
        let Filled { slab, from, to, mut hold } = filled;
        let consumed = self.find(framer, &slab.bytes()[..to], from);
        self.count(framer);
        let rest = slab.bytes()[consumed..to].to_vec();
        let end_of_lines = self.chunks.last().map_or(from, |chunk| chunk.bytes);
        let next_seq = self.next_seq + self.spans.len() as u64;
        if consumed > end_of_lines {
            // The rest of a line that was too long, or empty lines.
            mark(&slab.bytes()[..consumed], next_seq);
        }
        if self.spans.is_empty() {
            let hold = hold.split(rest.len() as u32);
            return (consumed, Rest { bytes: rest, hold });
        }
        let capacity = slab.capacity();
        let (bytes, spare) = slab.freeze(consumed);
        let taken = if spare.is_some() { consumed } else { capacity };
        drop(spare);
        // First what is complete: a permission to overdraw goes with it, so that it ends (R4).
        let mut last_hold = Some(hold.split(taken as u32));
        let rest = Rest { hold: hold.split(rest.len() as u32), bytes: rest };
        drop(hold);
        let mut first = 0;
        for chunk in 0..self.chunks.len() {
            let Chunk { spans, bytes: upto, contiguous } = self.chunks[chunk];
            let last = spans == self.spans.len();
            let hold = last_hold.take_if(|_| last).unwrap_or_else(|| self.device.share.nothing());
            let layout = if contiguous { Layout::Delimited(LINE_END) } else { Layout::Scattered };
            let records = self.spans[first..spans].iter().map(record).collect();
            if !last || consumed == end_of_lines {
                mark(&bytes[..upto], self.next_seq + (spans - first) as u64);
            }
            self.seal(bytes.clone(), records, layout, hold);
            first = spans;
        }
        (consumed, rest)
    }

    /// Hands on what stands behind the last line end, as a line.
    pub fn last_line(&mut self, framer: &mut LineFramer, line: &[u8], mark: impl FnOnce(u64)) {
        self.spans.clear();
        // Lines are never wrong.
        let _ = framer.framer.finish(line, &mut self.spans);
        self.count(framer);
        if self.spans.is_empty() {
            return;
        }
        let mut hold = self.device.share.nothing();
        hold.grow(line.len() as u32);
        let records: Vec<Record> = self.spans.iter().map(record).collect();
        mark(self.next_seq + records.len() as u64);
        self.seal(Bytes::copy_from_slice(line), records, Layout::Scattered, hold);
    }

    /// Hands on events that are JSON objects, each on a line of its own.
    pub fn events(&mut self, events: Events, mut hold: Hold, mark: impl FnOnce(u64)) {
        if events.records.is_empty() {
            return;
        }
        hold.grow(events.bytes.len() as u32);
        mark(self.next_seq + events.records.len() as u64);
        self.seal(events.bytes.into(), events.records, Layout::Delimited(LINE_END), hold);
    }

    /// Finds the lines, in chunks of a batch's size. Returns how many bytes are done with.
    fn find(&mut self, framer: &mut LineFramer, bytes: &[u8], mut from: usize) -> usize {
        self.spans.clear();
        self.chunks.clear();
        loop {
            let first = self.spans.len();
            let scan = framer.framer.scan(&bytes[from..], MAX_BATCH_RECORDS, &mut self.spans);
            // Lines are never wrong.
            let Ok(scan) = scan else { return from };
            for span in &mut self.spans[first..] {
                span.offset += from as u32;
            }
            from += scan.consumed;
            let spans = self.spans.len();
            if spans > first {
                self.chunks.push(Chunk { spans, bytes: from, contiguous: scan.contiguous });
            }
            if !scan.more {
                return from;
            }
        }
    }

    fn seal(&mut self, slab: Bytes, records: Vec<Record>, layout: Layout, mut hold: Hold) {
        hold.grow((records.len() * size_of::<Record>()) as u32);
        let received: UnixNanos = self.clock.unix_nanos();
        self.device.touch(received);
        let batch = Batch::seal(Parts {
            origins: vec![Origin { device: self.device.id, peer: self.peer, received }],
            stream: self.ledger.stream(),
            first_seq: self.next_seq,
            layout,
            records,
            slab,
            hold,
        });
        self.next_seq = batch.next_seq();
        self.device.submit(&self.ledger, batch);
    }

    /// Adds what the framer counted since the last time to the device's meters.
    fn count(&self, framer: &mut LineFramer) {
        let (now, before) = (framer.framer.counters(), framer.counted);
        let meters = &self.device.meters;
        meters.truncated.add(now.truncated - before.truncated);
        meters.discarded_bytes.add(now.discarded_bytes - before.discarded_bytes);
        meters.empty.add(now.empty - before.empty);
        framer.counted = now;
    }

    /// Waits where the device's rate limit says so, after so many events.
    pub async fn keep_to_rate(&self, events: u64) {
        let wait = match &self.device.profile.load().rate {
            Some(rate) => rate.charge(events, self.clock.now()),
            None => return,
        };
        tokio::time::sleep(wait).await;
    }
}

/// Events that are JSON objects, each followed by a line end.
#[derive(Default)]
pub struct Events {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

impl Events {
    /// Adds one.
    pub fn push(&mut self, event: &serde_json::Value) {
        let offset = self.bytes.len();
        // A value in memory can always be written to memory.
        let _ = serde_json::to_writer(&mut self.bytes, event);
        let len = (self.bytes.len() - offset) as u32;
        self.records.push(Record { offset: offset as u32, len, origin: 0, flags: RecordFlags::EVENT });
        self.bytes.push(LINE_END);
    }

    /// Whether a batch is full.
    pub fn is_full(&self) -> bool {
        self.records.len() >= MAX_BATCH_RECORDS || self.bytes.len() >= SLAB_BYTES
    }
}

fn record(span: &Span) -> Record {
    let flags = match span.ending {
        Ending::Truncated => RecordFlags::TRUNCATED,
        Ending::Whole | Ending::Unterminated => RecordFlags::default(),
    };
    Record { offset: span.offset, len: span.len, origin: 0, flags }
}
