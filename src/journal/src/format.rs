//! The bytes on disk, format 1. Numbers are little-endian.
//!
//! A journal is a folder:
//!
//! ```text
//! lock                                          held by the one process that writes
//! sync-failed                                   empty; there from a failed sync until its segments were copied
//! cursors                                       see `cursor_file`
//! 000000000000002a-0000000000001f40.segment     segment 0x2a, its first record is position 0x1f40
//! 0000000000000007.spare                        a segment file without content, to be used next
//! ```
//!
//! A segment's records end where the first position of the next segment (by id) says, whatever
//! follows them in the file: so a recycled file needs no cleaning, a cut suffix is one new segment,
//! and opening needs no segment but the last.
//!
//! ```text
//! segment header, at 0, the rest up to 4 096 unused       record, at 4 096 and then at multiples of 8
//!   0  8  "vmjrnl\r\n"                                      0  4  crc32c of bytes 4 to 40
//!   8  4  format, 1                                         4  4  salt of the segment
//!  12  4  salt: random, not 0                               8  8  position
//!  16  8  segment id                                       16  8  time of the append, nanoseconds since 1970
//!  24  8  first position                                   24  4  bytes stored
//!  32  8  time it was begun, nanoseconds since 1970        28  4  crc32c of the bytes stored
//!  40  4  crc32c of bytes 0 to 40                          32  4  bytes before compression
//!                                                          36  4  0 = stored as they are, 1 = LZ4 block
//!                                                          40  …  the bytes stored, then zeros up to a multiple of 8
//! ```
//!
//! The salt tells the segment's records from what an earlier life left in the file. A record's header has a
//! checksum of its own, so that a damaged payload costs that one record, and so that positions and
//! times can be found by hopping from header to header.

use crate::position::{Position, SegmentId};

/// The format that is written and read.
pub(crate) const FORMAT: u32 = 1;

/// Where the first record starts: in another page than the header, which is written and synced once.
pub(crate) const DATA_START: u64 = 4096;

/// Lengths in a record are 32 bits.
pub(crate) const MAX_SEGMENT_BYTES: u64 = 2 << 30;

/// What is read to decode a segment header.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 44;

/// What each record costs beside its bytes and up to 7 bytes to the next multiple of 8.
pub(crate) const RECORD_HEADER_BYTES: usize = 40;

/// Records start at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;

const MAGIC: &[u8; 8] = b"vmjrnl\r\n";

/// The first bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) salt: u32,
    pub(crate) id: SegmentId,
    pub(crate) first: Position,
    pub(crate) begun_unix_nanos: u64,
}

/// Why a segment header can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Damaged,
    Format(u32),
}

/// What stands before a record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) salt: u32,
    pub(crate) position: Position,
    pub(crate) unix_nanos: u64,
    pub(crate) stored_bytes: u32,
    pub(crate) stored_crc: u32,
    pub(crate) plain_bytes: u32,
    pub(crate) coding: Coding,
}

/// How a record's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain = 0,
    Lz4 = 1,
}

/// What a file in a journal's folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    Segment { id: SegmentId, first: Position },
    Spare(u64),
}

/// Name of the lock file.
pub(crate) const LOCK_FILE: &str = "lock";

/// Name of the mark that a failed sync leaves. It need not survive a power cut: after one, what can be
/// read is what the disk has.
pub(crate) const SYNC_FAILED_FILE: &str = "sync-failed";

/// Name of the cursor file.
pub(crate) const CURSOR_FILE: &str = "cursors";

// === impl SegmentHeader ===

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.begun_unix_nanos.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..40]);
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// A format is believed only when the checksum fits: a flipped bit is damage, no other format.
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderFault> {
        if &bytes[..8] != MAGIC || u32_at(bytes, 40) != crc32c::crc32c(&bytes[..40]) {
            return Err(HeaderFault::Damaged);
        }
        match u32_at(bytes, 8) {
            FORMAT => Ok(Self {
                salt: u32_at(bytes, 12),
                id: SegmentId(u64_at(bytes, 16)),
                first: Position(u64_at(bytes, 24)),
                begun_unix_nanos: u64_at(bytes, 32),
            }),
            other => Err(HeaderFault::Format(other)),
        }
    }
}

// === impl RecordHeader ===

impl RecordHeader {
    pub(crate) fn encode(&self) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[4..8].copy_from_slice(&self.salt.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.unix_nanos.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.stored_bytes.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.stored_crc.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.plain_bytes.to_le_bytes());
        bytes[36..].copy_from_slice(&(self.coding as u32).to_le_bytes());
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` when the bytes are no record header, or a damaged one.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER_BYTES]) -> Option<Self> {
        if u32_at(bytes, 0) != crc32c::crc32c(&bytes[4..]) {
            return None;
        }
        let coding = match u32_at(bytes, 36) {
            0 => Coding::Plain,
            1 => Coding::Lz4,
            _ => return None,
        };
        Some(Self {
            salt: u32_at(bytes, 4),
            position: Position(u64_at(bytes, 8)),
            unix_nanos: u64_at(bytes, 16),
            stored_bytes: u32_at(bytes, 24),
            stored_crc: u32_at(bytes, 28),
            plain_bytes: u32_at(bytes, 32),
            coding,
        })
    }

    /// Bytes from this record's start to the next one's.
    pub(crate) fn extent(&self) -> u64 {
        record_extent(u64::from(self.stored_bytes))
    }
}

/// Bytes that a record takes in a segment.
pub(crate) fn record_extent(stored_bytes: u64) -> u64 {
    (RECORD_HEADER_BYTES as u64 + stored_bytes).next_multiple_of(ALIGNMENT)
}

// === impl FileName ===

impl FileName {
    /// `None` for names that a journal does not give.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Some(stem) = name.strip_suffix(".segment") {
            let (id, first) = stem.split_once('-')?;
            return Some(Self::Segment {
                id: SegmentId(hexadecimal(id)?),
                first: Position(hexadecimal(first)?),
            });
        }
        name.strip_suffix(".spare").and_then(hexadecimal).map(Self::Spare)
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Segment { id, first } => write!(formatter, "{:016x}-{:016x}.segment", id.0, first.0),
            Self::Spare(number) => write!(formatter, "{number:016x}.spare"),
        }
    }
}

/// Exactly the sixteen lowercase digits that are written, so that a name has one spelling.
fn hexadecimal(digits: &str) -> Option<u64> {
    let lowercase = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() == 16 && lowercase { u64::from_str_radix(digits, 16).ok() } else { None }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> SegmentHeader {
        SegmentHeader { salt: 7, id: SegmentId(42), first: Position(8000), begun_unix_nanos: 5 }
    }

    fn record() -> RecordHeader {
        RecordHeader {
            salt: 7,
            position: Position(8001),
            unix_nanos: 6,
            stored_bytes: 9,
            stored_crc: 10,
            plain_bytes: 11,
            coding: Coding::Lz4,
        }
    }

    #[test]
    fn headers_come_back_as_they_were_written() {
        assert_eq!(SegmentHeader::decode(&segment().encode()), Ok(segment()));
        assert_eq!(RecordHeader::decode(&record().encode()), Some(record()));
        assert_eq!(record().extent(), 56);
    }

    #[test]
    fn any_flipped_bit_in_a_header_is_found() {
        for bit in 0..SEGMENT_HEADER_BYTES * 8 {
            let mut bytes = segment().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Damaged));
        }
        for bit in 0..RECORD_HEADER_BYTES * 8 {
            let mut bytes = record().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&bytes), None);
        }
    }

    #[test]
    fn another_format_is_recognised_as_such() {
        let mut bytes = segment().encode();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..40]);
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Format(2)));
    }

    #[test]
    fn laid_out_zeros_are_no_record() {
        assert_eq!(RecordHeader::decode(&[0; RECORD_HEADER_BYTES]), None);
    }

    #[test]
    fn file_names_have_one_spelling() {
        let name = FileName::Segment { id: SegmentId(42), first: Position(8000) };
        assert_eq!(name.to_string(), "000000000000002a-0000000000001f40.segment");
        assert_eq!(FileName::parse(&name.to_string()), Some(name));
        assert_eq!(FileName::parse(&FileName::Spare(7).to_string()), Some(FileName::Spare(7)));
        for other in
            ["", "lock", "cursors", "2a-1f40.segment", "000000000000002A.spare", "+00000000000002a.spare"]
        {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
