//! A sealed, immutable slab of received bytes of one stream with the spans of its records.
//!
//! Cloning a batch counts a reference. Bytes are never changed on the way: what a sender writes
//! for an event that no pipeline touched are the bytes that came in.

use crate::budget::Hold;
use crate::ids::{DeviceId, StreamId};
use bytes::Bytes;
use std::net::SocketAddr;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A batch goes on at this many bytes at the latest.
pub const MAX_BATCH_BYTES: usize = crate::slab::SLAB_BYTES;
/// A batch goes on at this many records at the latest.
pub const MAX_BATCH_RECORDS: usize = 1024;

/// Nanoseconds since the Unix epoch.
pub type UnixNanos = u64;

/// A sealed batch; clone = count a reference.
#[derive(Clone, Debug)]
pub struct Batch(Arc<Sealed>);

/// What a batch consists of.
#[derive(Debug)]
pub struct Sealed {
    slab: Bytes,
    records: Vec<Record>,
    origins: Vec<Origin>,
    stream: StreamId,
    first_seq: u64,
    layout: Layout,
    hold: Hold,
}

/// Where a record's bytes are in the slab, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// First byte in the slab.
    pub offset: u32,
    /// Length in bytes, without delimiter or length prefix.
    pub len: u32,
    /// Index into the batch's origins.
    pub origin: u16,
    /// What is special about it.
    pub flags: RecordFlags,
}

/// What is special about a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordFlags(pub u16);

impl RecordFlags {
    /// The message was longer than allowed and was cut.
    pub const TRUNCATED: RecordFlags = RecordFlags(1);
    /// The datagram ended with a line feed, which is no part of the record but lies behind it.
    pub const LINE_FEED: RecordFlags = RecordFlags(2);
    /// The bytes are a JSON object on one line: the fields of an event that its collector has decoded.
    pub const EVENT: RecordFlags = RecordFlags(4);

    /// Whether all flags of `other` are set.
    pub fn contains(self, other: RecordFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where and when a record was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The device of the configuration.
    pub device: DeviceId,
    /// The peer's address; none for files.
    pub peer: Option<SocketAddr>,
    /// When its bytes were read.
    pub received: UnixNanos,
}

/// How records lie in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Anyhow.
    Scattered,
    /// One after the other without gaps, each followed by exactly this byte: a sender with the same
    /// delimiter writes any range of them at once.
    Delimited(u8),
}

/// What [`Batch::seal`] needs.
#[derive(Debug)]
pub struct Parts {
    /// The received bytes.
    pub slab: Bytes,
    /// The records in them, in order.
    pub records: Vec<Record>,
    /// Their origins.
    pub origins: Vec<Origin>,
    /// The stream.
    pub stream: StreamId,
    /// Number of the first record within the stream.
    pub first_seq: u64,
    /// How records lie in the slab.
    pub layout: Layout,
    /// The budget that the bytes take.
    pub hold: Hold,
}

impl Batch {
    /// Seals a batch.
    ///
    /// # Panics
    /// When a record lies outside the slab or names no origin, or when there are no records: a
    /// batch can't be built wrong.
    pub fn seal(parts: Parts) -> Self {
        let Parts { slab, records, origins, stream, first_seq, layout, hold } = parts;
        assert!(!records.is_empty(), "a batch has records");
        let end = |r: &Record| r.offset as usize + r.len as usize;
        let trailer = usize::from(layout != Layout::Scattered);
        for record in &records {
            assert!(end(record) + trailer <= slab.len(), "a record lies in the slab");
            assert!(usize::from(record.origin) < origins.len(), "a record has an origin");
        }
        Self(Arc::new(Sealed { slab, records, origins, stream, first_seq, layout, hold }))
    }
}

impl Deref for Batch {
    type Target = Sealed;

    fn deref(&self) -> &Sealed {
        &self.0
    }
}

impl Sealed {
    /// Number of records.
    #[allow(clippy::len_without_is_empty)] // a batch is never empty
    pub fn len(&self) -> u32 {
        self.records.len() as u32
    }

    /// All records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// All origins.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// The bytes of record `index`.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn bytes(&self, index: u32) -> &[u8] {
        let record = &self.records[index as usize];
        &self.slab[record.offset as usize..][..record.len as usize]
    }

    /// Where record `index` came from.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn origin(&self, index: u32) -> &Origin {
        &self.origins[usize::from(self.records[index as usize].origin)]
    }

    /// The records of `range` with their delimiters as one slice, if they lie so.
    ///
    /// # Panics
    /// When the range is empty or outside the batch.
    pub fn delimited(&self, range: Range<u32>, delimiter: u8) -> Option<&[u8]> {
        if self.layout != Layout::Delimited(delimiter) {
            return None;
        }
        let first = &self.records[range.start as usize];
        let last = &self.records[range.end as usize - 1];
        Some(&self.slab[first.offset as usize..last.offset as usize + last.len as usize + 1])
    }

    /// Charges the same device for bytes made from this batch (copies, JSON), without waiting (R1).
    pub fn charge(&self, bytes: u32) -> Hold {
        self.hold.more(bytes)
    }

    /// How records lie in the slab.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The slab.
    pub fn slab(&self) -> &Bytes {
        &self.slab
    }

    /// The stream.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Number of the first record within its stream.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// Number after the last record within its stream.
    pub fn next_seq(&self) -> u64 {
        self.first_seq + self.records.len() as u64
    }
}
