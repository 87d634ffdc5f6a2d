//! Batches for worlds: records that say which they are.

use bytes::Bytes;
use event::ledger::{Head, Work};
use event::{Batch, DeviceId, Hold, Layout, Origin, Parts, Record, RecordFlags, StreamId};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::ops::Range;

/// A mailbox that a world empties by hand.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<Letters>);

#[derive(Debug, Default)]
struct Letters {
    works: VecDeque<Work>,
    refuses: bool,
}

impl Head for Mailbox {
    fn send(&self, work: Work) -> Result<(), Box<Work>> {
        let mut letters = self.0.lock();
        if letters.refuses {
            return Err(Box::new(work));
        }
        letters.works.push_back(work);
        Ok(())
    }
}

impl Mailbox {
    /// The next work.
    pub fn next(&self) -> Option<Work> {
        self.0.lock().works.pop_front()
    }

    /// Puts work back to the front.
    pub fn put_back(&self, work: Work) {
        self.0.lock().works.push_front(work);
    }

    /// How much work waits.
    pub fn len(&self) -> usize {
        self.0.lock().works.len()
    }

    /// Whether no work waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it takes no more.
    pub fn is_refusing(&self) -> bool {
        self.0.lock().refuses
    }

    /// Takes no more from now on, or does again.
    pub fn refuse(&self, refuses: bool) {
        self.0.lock().refuses = refuses;
    }

    /// Takes no more and keeps nothing: for the end of a process. What lies in a mailbox knows the book, and the book the
    /// mailbox, so none of them would go.
    pub fn end(&self) {
        self.refuse(true);
        self.throw_away();
    }

    /// Throws everything away, outside of the mailbox's lock: that tells the book.
    pub fn throw_away(&self) {
        let all = std::mem::take(&mut self.0.lock().works);
        drop(all);
    }
}

/// A batch of lines that say `numbers`, each filled up with blanks to `width`.
pub fn batch_of(stream: StreamId, first_seq: u64, numbers: Range<u64>, width: usize, hold: Hold) -> Batch {
    let mut slab = Vec::new();
    let mut spans = Vec::new();
    for number in numbers {
        let offset = slab.len() as u32;
        slab.extend_from_slice(format!("{number:>width$}").as_bytes());
        let len = slab.len() as u32 - offset;
        spans.push(Record { offset, len, origin: 0, flags: RecordFlags::default() });
        slab.push(b'\n');
    }
    Batch::seal(Parts {
        slab: Bytes::from(slab),
        records: spans,
        origins: vec![Origin { device: DeviceId(1), peer: None, received: 0 }],
        stream,
        first_seq,
        layout: Layout::Delimited(b'\n'),
        hold,
    })
}

/// A batch of lines that say their numbers within the stream.
pub fn batch(stream: StreamId, first_seq: u64, records: u32, width: usize, hold: Hold) -> Batch {
    batch_of(stream, first_seq, first_seq..first_seq + u64::from(records), width, hold)
}

/// The number that a line says.
pub fn number(line: &[u8]) -> Option<u64> {
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}
