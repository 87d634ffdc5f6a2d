//! [`Scan`]: walks the records of one segment file, in large blocks, past damage.
//!
//! Everything that reads segments goes through here: opening, readers, inspection, the copy after
//! a failed sync. A walk costs one read a block and a checksum over every byte; a record's bytes are a
//! slice of the block, not a copy.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use seams::DiskFile;

use crate::format::{ALIGNMENT, DATA_START, RECORD_HEADER_BYTES, RecordHeader, u32_at};
use crate::position::{Gap, GapCause, Position};

const HEADER: u64 = RECORD_HEADER_BYTES as u64;

/// Block size while hopping from header to header, where most bytes are not looked at.
const HOP_BLOCK_BYTES: u64 = 64 << 10;

/// What is tried alone after a block could not be read.
const PAGE_BYTES: usize = 4096;

/// A walk through one segment file.
#[derive(Debug)]
pub(crate) struct Scan {
    file: Arc<dyn DiskFile>,
    salt: Option<u32>,
    /// Positions from the segment's first one up to, not including, the next segment's first one.
    positions: Range<Position>,
    /// Bytes from here on are not looked at.
    limit: u64,
    block_bytes: u64,
    on_error: OnError,
    /// The next position that should come.
    expected: Position,
    /// Where to look next.
    offset: u64,
    /// The end of the last record that was whole.
    whole_until: u64,
    block: Bytes,
    block_at: u64,
    unreadable_bytes: u64,
}

/// What to do with bytes that the disk does not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    /// Stop and return the error; the walk can be tried again from there.
    Fail,
    /// Take the pages concerned for damaged and go on.
    SetAside,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole record, its bytes as they are stored.
    Record { header: RecordHeader, stored: Bytes },
    /// Damage; what follows is whole again.
    Gap(Gap),
    /// Nothing more: [`Scan::pass_missing`] says what is missing up to the segment's end.
    End,
}

impl Scan {
    /// Starts at the first record. Without a salt (the segment's header is damaged) the first whole record
    /// in range gives it.
    pub(crate) fn new(
        file: Arc<dyn DiskFile>,
        salt: Option<u32>,
        positions: Range<Position>,
        limit: u64,
        block_bytes: usize,
        on_error: OnError,
    ) -> Self {
        let (expected, block_bytes) = (positions.start, block_bytes as u64);
        Self {
            file,
            salt,
            positions,
            limit,
            block_bytes,
            on_error,
            expected,
            offset: DATA_START,
            whole_until: DATA_START,
            block: Bytes::new(),
            block_at: 0,
            unreadable_bytes: 0,
        }
    }

    /// Lets go of the block.
    pub(crate) fn let_go(&mut self) {
        (self.block, self.block_at) = (Bytes::new(), 0);
    }

    /// The next record, or the damage before it.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        while self.expected < self.positions.end {
            let Some(header) = self.header_at(self.offset)? else {
                if self.search()? {
                    continue;
                }
                return Ok(Step::End);
            };
            let at = self.offset;
            let stored = self.stored_bytes(at, &header)?;
            if crc32c::crc32c(&stored) != header.stored_crc {
                self.offset += header.extent();
                continue;
            }
            if header.position > self.expected {
                let gap = self.gap_to(header.position, at - self.whole_until);
                self.expected = header.position;
                return Ok(Step::Gap(gap));
            }
            self.pass(&header);
            return Ok(Step::Record { header, stored });
        }
        Ok(Step::End)
    }

    /// Hops to a position without reading the records before it. What is damaged before it is not
    /// reported.
    pub(crate) fn seek(&mut self, target: Position) -> io::Result<()> {
        self.hop_while(|header| header.position < target)?;
        self.expected = self.expected.max(target.min(self.positions.end));
        Ok(())
    }

    /// Hops over the records for which a condition holds.
    pub(crate) fn hop_while(&mut self, condition: impl Fn(&RecordHeader) -> bool) -> io::Result<()> {
        let block_bytes = std::mem::replace(&mut self.block_bytes, HOP_BLOCK_BYTES);
        while self.expected < self.positions.end {
            match self.header_at(self.offset)? {
                Some(header) if condition(&header) => self.pass(&header),
                Some(_) => break,
                None if self.search()? => {}
                None => break,
            }
        }
        self.block_bytes = block_bytes;
        Ok(())
    }

    /// The header that comes next; `None` where there is none, or a damaged one.
    pub(crate) fn peek(&mut self) -> io::Result<Option<RecordHeader>> {
        self.header_at(self.offset)
    }

    /// The position that comes next.
    pub(crate) fn expected(&self) -> Position {
        self.expected
    }

    /// Where the last whole record ends.
    pub(crate) fn whole_until(&self) -> u64 {
        self.whole_until
    }

    /// Bytes that the disk did not return, under [`OnError::SetAside`].
    pub(crate) fn unreadable_bytes(&self) -> u64 {
        self.unreadable_bytes
    }

    /// Passes over what is missing at the segment's end, once [`step`](Self::step) has returned the end.
    pub(crate) fn pass_missing(&mut self) -> Option<Gap> {
        let end = self.positions.end;
        if self.expected >= end {
            return None;
        }
        let gap = self.gap_to(end, self.limit - self.whole_until);
        self.expected = end;
        Some(gap)
    }

    /// Bytes of a record that was begun where the last whole one ends.
    pub(crate) fn torn_bytes(&mut self) -> io::Result<u64> {
        let at = self.whole_until;
        if let Some(header) = self.header_at(at)? {
            return Ok(header.extent());
        }
        let header_fits = at + HEADER <= self.limit;
        let start = at.saturating_sub(self.block_at) as usize;
        let salt = self.block.get(start + 4..start + 8);
        let begun = header_fits && salt.is_some_and(|salt| Some(u32_at(salt, 0)) == self.salt);
        Ok(if begun { HEADER } else { 0 })
    }

    /// Takes note of where the segment ends by now.
    pub(crate) fn set_bounds(&mut self, end: Position, limit: u64) {
        self.positions.end = end;
        self.limit = limit;
    }

    /// See [`OnError`].
    pub(crate) fn set_on_error(&mut self, on_error: OnError) {
        self.on_error = on_error;
    }

    fn gap_to(&self, to: Position, bytes: u64) -> Gap {
        Gap { from: self.expected, to, bytes, cause: GapCause::Damaged }
    }

    fn pass(&mut self, header: &RecordHeader) {
        self.offset += header.extent();
        self.whole_until = self.offset;
        self.expected = header.position.next();
    }

    /// The record header at an offset if there is a whole one of this segment.
    fn header_at(&mut self, at: u64) -> io::Result<Option<RecordHeader>> {
        if at + HEADER > self.limit {
            return Ok(None);
        }
        self.fetch(at, HEADER)?;
        let start = (at - self.block_at) as usize;
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes.copy_from_slice(&self.block[start..start + RECORD_HEADER_BYTES]);
        // Before the checksum, because a search asks at every eighth byte.
        if self.salt.is_some_and(|salt| salt != u32_at(&bytes, 4)) {
            return Ok(None);
        }
        let Some(header) = RecordHeader::decode(&bytes) else { return Ok(None) };
        let in_range = header.position >= self.expected && header.position < self.positions.end;
        if !in_range || at + header.extent() > self.limit {
            return Ok(None);
        }
        self.salt = Some(header.salt);
        Ok(Some(header))
    }

    fn stored_bytes(&mut self, at: u64, header: &RecordHeader) -> io::Result<Bytes> {
        let len = u64::from(header.stored_bytes);
        self.fetch(at, HEADER + len)?;
        let start = (at + HEADER - self.block_at) as usize;
        Ok(self.block.slice(start..start + len as usize))
    }

    /// Moves on to the next whole record header after the present offset; false if there is none.
    fn search(&mut self) -> io::Result<bool> {
        self.offset += ALIGNMENT;
        while self.offset + HEADER <= self.limit {
            self.fetch(self.offset, HEADER)?;
            if self.header_at(self.offset)?.is_some() {
                return Ok(true);
            }
            self.offset = self.next_candidate();
        }
        Ok(false)
    }

    /// The next offset worth a look: where the block has the salt, or the block's end.
    fn next_candidate(&self) -> u64 {
        let next = self.offset + ALIGNMENT;
        let Some(salt) = self.salt else { return next };
        let start = (next - self.block_at) as usize;
        let words = self.block.get(start..).unwrap_or_default().chunks_exact(ALIGNMENT as usize);
        let skipped = words.take_while(|word| u32_at(word, 4) != salt).count() as u64;
        next + skipped * ALIGNMENT
    }

    /// Makes the block cover `len` bytes at an offset. The range lies below the limit.
    fn fetch(&mut self, at: u64, len: u64) -> io::Result<()> {
        let covered = self.block_at..self.block_at + self.block.len() as u64;
        if covered.contains(&at) && at + len <= covered.end {
            return Ok(());
        }
        let len = len.max(self.block_bytes.min(self.limit - at)) as usize;
        // A block that nobody holds any more is used again, without clearing it.
        let mut buffer = std::mem::take(&mut self.block).try_into_mut().unwrap_or_default();
        if buffer.capacity() < len {
            buffer = BytesMut::zeroed(len);
        } else {
            buffer.resize(len, 0);
        }
        match self.file.read_exact_at(&mut buffer, at) {
            Ok(()) => {}
            Err(error) if self.on_error == OnError::Fail => return Err(error),
            Err(_) => self.read_pages(&mut buffer, at),
        }
        self.block = buffer.freeze();
        self.block_at = at;
        Ok(())
    }

    /// Reads page by page and leaves zeros for those that fail.
    fn read_pages(&mut self, buffer: &mut [u8], at: u64) {
        for (index, page) in buffer.chunks_mut(PAGE_BYTES).enumerate() {
            if self.file.read_exact_at(page, at + (index * PAGE_BYTES) as u64).is_err() {
                page.fill(0);
                self.unreadable_bytes += page.len() as u64;
            }
        }
    }
}
