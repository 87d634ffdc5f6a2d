//! From the bytes that were read to batches: lines as they lie, or events put together from them.

use super::super::content::{Head, PRINT_BYTES, Position};
use super::super::source::Window;
use super::{FileStream, Joined};
use crate::child::Me;
use bytes::Bytes;
use event::batch::{MAX_BATCH_RECORDS, Parts};
use event::slab::SLAB_BYTES;
use event::{Batch, Hold, Layout, Origin, Record, RecordFlags, UnixNanos};
use protocol::framing::{Ending, Span};

/// What ends a line.
const LINE_END: u8 = b'\n';

/// Room that a reader uses again for each file.
#[derive(Default)]
pub struct Scratch {
    spans: Vec<Span>,
    chunks: Vec<Chunk>,
    pub(super) tail: Option<Box<[u8; PRINT_BYTES]>>,
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

impl FileStream {
    /// Finds lines in what was read and hands them on.
    pub(super) fn take_in(
        &mut self,
        me: &Me<()>,
        scratch: &mut Scratch,
        window: Window,
        filled: usize,
        finish: bool,
        hold: Hold,
    ) {
        scratch.spans.clear();
        scratch.chunks.clear();
        let consumed = self.frame(&window.slab.bytes()[..filled], finish, scratch);
        // A message that is longer than what was read.
        let most = self.following.settings.max_message_bytes as usize + SLAB_BYTES;
        let full = filled == window.slab.capacity();
        self.room = if consumed == 0 && full { (self.room * 2).min(most) } else { SLAB_BYTES };
        self.count_messages();
        let tail = &window.tail[..window.tail_len];
        let end = Position::after(tail, &window.slab.bytes()[..consumed], self.read.offset + consumed as u64);
        let now = me.context.common.clock.unix_nanos();
        if !scratch.spans.is_empty() {
            self.following.device.touch(now);
            match self.joined.take() {
                Some(mut joined) => {
                    joined.last_line = me.context.common.clock.now();
                    self.join(scratch, &window, &mut joined, end, now, hold);
                    self.joined = Some(joined);
                    scratch.tail = Some(window.tail);
                }
                None => scratch.tail = Some(self.submit(scratch, window, consumed, now, hold)),
            }
        } else {
            scratch.tail = Some(window.tail);
        }
        self.read = end;
    }

    /// Finds the lines, in chunks of a batch's size. Returns how many bytes are done with.
    fn frame(&mut self, bytes: &[u8], finish: bool, scratch: &mut Scratch) -> usize {
        let mut from = 0;
        loop {
            let first = scratch.spans.len();
            // Lines are never wrong.
            let Ok(scan) = self.framer.scan(&bytes[from..], MAX_BATCH_RECORDS, &mut scratch.spans) else {
                break;
            };
            scratch.chunk(first, from, from + scan.consumed, scan.contiguous);
            from += scan.consumed;
            if !scan.more {
                break;
            }
        }
        if !finish {
            return from;
        }
        let first = scratch.spans.len();
        let fresh = self.fresh_framer();
        let mut framer = std::mem::replace(&mut self.framer, fresh);
        if framer.finish(&bytes[from..], &mut scratch.spans).is_ok() {
            scratch.chunk(first, from, bytes.len(), false);
        }
        bytes.len()
    }

    /// Hands on lines as they lie in the slab.
    fn submit(
        &mut self,
        scratch: &Scratch,
        window: Window,
        consumed: usize,
        now: UnixNanos,
        mut hold: Hold,
    ) -> Box<[u8; PRINT_BYTES]> {
        let Window { tail, tail_len, slab } = window;
        let capacity = slab.capacity();
        let (bytes, spare) = slab.freeze(consumed);
        let taken = if spare.is_some() { consumed } else { capacity };
        drop(spare);
        let mut last_hold = Some(hold.split(taken as u32));
        drop(hold);
        let base = self.read.offset;
        let mut first = 0;
        for chunk in &scratch.chunks {
            let spans = &scratch.spans[first..chunk.spans];
            let last = chunk.spans == scratch.spans.len();
            let hold = last_hold.take_if(|_| last).unwrap_or_else(|| self.following.device.share.nothing());
            let layout = if chunk.contiguous { Layout::Delimited(LINE_END) } else { Layout::Scattered };
            let records = spans.iter().map(record).collect();
            let place = Position::after(&tail[..tail_len], &bytes[..chunk.bytes], base + chunk.bytes as u64);
            self.seal(bytes.clone(), records, layout, place, now, hold);
            first = chunk.spans;
        }
        tail
    }

    /// Puts lines together and hands on the events that are complete.
    fn join(
        &mut self,
        scratch: &Scratch,
        window: &Window,
        joined: &mut Joined,
        end: Position,
        now: UnixNanos,
        mut hold: Hold,
    ) {
        let bytes = window.slab.bytes();
        let tail = &window.tail[..window.tail_len];
        let mut events = Events::default();
        for span in &scratch.spans {
            let begins = events.records.len();
            let held = joined.joiner.held_lines() > 0;
            joined.joiner.push(&bytes[span.range()], |event| events.push(event.bytes));
            // The held event begins with this line when there was none, or when this line ended it.
            if !held || events.records.len() > begins {
                let at = span.offset as usize;
                joined.from = Position::after(tail, &bytes[..at], self.read.offset + at as u64);
            }
            if events.records.len() >= MAX_BATCH_RECORDS - 1 || events.bytes.len() >= SLAB_BYTES {
                let place = match joined.joiner.held_lines() {
                    0 => {
                        let at = (span.range().end + 1).min(bytes.len());
                        Position::after(tail, &bytes[..at], self.read.offset + at as u64)
                    }
                    _ => joined.from,
                };
                let part = hold.split(events.bytes.len() as u32);
                self.seal_events(std::mem::take(&mut events), place, now, part);
            }
        }
        joined.hold = hold.split(joined.joiner.held_bytes() as u32);
        if !events.records.is_empty() {
            let place = if joined.joiner.held_lines() == 0 { end } else { joined.from };
            self.seal_events(events, place, now, hold);
        }
    }

    /// An event whose further lines did not come is complete.
    pub(super) fn flush(&mut self, me: &Me<()>) {
        let mut events = Events::default();
        if let Some(joined) = &mut self.joined {
            joined.joiner.flush(|event| events.push(event.bytes));
        }
        if !events.records.is_empty() {
            let mut hold = self.following.device.share.nothing();
            hold.grow(events.bytes.len() as u32);
            let now = me.context.common.clock.unix_nanos();
            self.seal_events(events, self.read, now, hold);
        }
    }

    fn seal_events(&mut self, events: Events, place: Position, now: UnixNanos, hold: Hold) {
        self.seal(events.bytes.into(), events.records, Layout::Delimited(LINE_END), place, now, hold);
    }

    /// Hands on a batch after which the file is read up to `place`.
    fn seal(
        &mut self,
        slab: Bytes,
        records: Vec<Record>,
        layout: Layout,
        place: Position,
        now: UnixNanos,
        mut hold: Hold,
    ) {
        hold.grow((records.len() * size_of::<Record>()) as u32);
        let batch = Batch::seal(Parts {
            origins: vec![Origin { device: self.following.device.id, peer: None, received: now }],
            stream: self.ledger.stream(),
            first_seq: self.next_seq,
            layout,
            records,
            slab,
            hold,
        });
        self.next_seq = batch.next_seq();
        let file = self.source.file();
        // A head that can't be read now is read with a later batch.
        let head = || Head::of(file, place.offset).ok();
        self.following.registry.mark(self.key, self.tenure, self.next_seq, place, now, head);
        self.ledger.submit(batch);
    }

    /// Adds what the framer counted since the last time to the device's meters.
    pub(super) fn count_messages(&mut self) {
        let (now, before) = (self.framer.counters(), self.counted);
        let meters = &self.following.device.meters;
        meters.truncated.add(now.truncated - before.truncated);
        meters.discarded_bytes.add(now.discarded_bytes - before.discarded_bytes);
        meters.empty.add(now.empty - before.empty);
        self.counted = now;
    }
}

impl Scratch {
    /// The spans from `first` on are a batch that ends at `bytes`; their offsets were counted from `from`.
    fn chunk(&mut self, first: usize, from: usize, bytes: usize, contiguous: bool) {
        for span in &mut self.spans[first..] {
            span.offset += from as u32;
        }
        let spans = self.spans.len();
        if spans > first {
            self.chunks.push(Chunk { spans, bytes, contiguous });
        }
    }
}

/// Events put together from lines, each followed by a line end.
#[derive(Default)]
struct Events {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

impl Events {
    fn push(&mut self, event: &[u8]) {
        let (offset, len) = (self.bytes.len() as u32, event.len() as u32);
        self.records.push(Record { offset, len, origin: 0, flags: RecordFlags::default() });
        self.bytes.extend_from_slice(event);
        self.bytes.push(LINE_END);
    }
}

fn record(span: &Span) -> Record {
    let flags = match span.ending {
        Ending::Truncated => RecordFlags::TRUNCATED,
        Ending::Whole | Ending::Unterminated => RecordFlags::default(),
    };
    Record { offset: span.offset, len: span.len, origin: 0, flags }
}
