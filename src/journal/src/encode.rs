//! [`Encoder`]: records to the bytes that are written, without copying what is not compressed.

use std::io::IoSlice;
use std::ops::Range;

use crate::format::{ALIGNMENT, Coding, RECORD_HEADER_BYTES, RecordHeader, record_extent};
use crate::options::Compression;
use crate::position::Position;

/// One record to append: its bytes are the parts, one after the other.
pub type Parts<'a> = &'a [&'a [u8]];

/// Records shorter than this are not compressed: the header outweighs what is saved.
const MIN_COMPRESSED_BYTES: usize = 256;

/// Records that are stored as they are after compression did not pay, doubling up to this.
const MAX_RECORDS_SKIPPED: u32 = 256;

/// Prepares batches for writing; remembers whether compression pays.
#[derive(Debug)]
pub(crate) struct Encoder {
    compression: Compression,
    /// Records to store as they are before compression is tried again.
    skip: u32,
    /// What `skip` becomes after the next failure.
    skip_next: u32,
    joined: Vec<u8>,
    compressed: Vec<u8>,
}

/// A batch that knows its size, before it knows its place.
#[derive(Debug)]
pub(crate) struct Encoded<'a> {
    records: Vec<Stored<'a>>,
    compressed: &'a [u8],
    /// Bytes that the batch takes in a segment.
    pub(crate) extent: u64,
    /// Bytes as they were given.
    pub(crate) plain_bytes: u64,
}

#[derive(Debug)]
struct Stored<'a> {
    source: Source<'a>,
    stored_bytes: u64,
    plain_bytes: u64,
    crc: u32,
}

#[derive(Debug)]
enum Source<'a> {
    Parts(Parts<'a>),
    /// Of the compressed bytes.
    Compressed(Range<usize>),
}

/// The headers of a batch in its place. Kept apart from the slices, which point into it.
#[derive(Debug)]
pub(crate) struct Headers(Vec<[u8; RECORD_HEADER_BYTES]>);

impl Encoder {
    pub(crate) fn new(compression: Compression) -> Self {
        Self { compression, skip: 0, skip_next: 1, joined: Vec::new(), compressed: Vec::new() }
    }

    pub(crate) fn encode<'a>(&'a mut self, records: &'a [Parts<'a>]) -> Encoded<'a> {
        self.compressed.clear();
        let mut stored = Vec::with_capacity(records.len());
        let (mut extent, mut plain) = (0, 0);
        for &parts in records {
            let record = self.encode_one(parts);
            extent += record_extent(record.stored_bytes);
            plain += record.plain_bytes;
            stored.push(record);
        }
        Encoded { records: stored, compressed: &self.compressed, extent, plain_bytes: plain }
    }

    fn encode_one<'a>(&mut self, parts: Parts<'a>) -> Stored<'a> {
        let plain: usize = parts.iter().map(|part| part.len()).sum();
        if self.compression == Compression::Lz4 && plain >= MIN_COMPRESSED_BYTES {
            if self.skip > 0 {
                self.skip -= 1;
            } else if let Some(range) = self.compress(parts, plain) {
                return Stored {
                    crc: crc32c::crc32c(&self.compressed[range.clone()]),
                    stored_bytes: range.len() as u64,
                    plain_bytes: plain as u64,
                    source: Source::Compressed(range),
                };
            }
        }
        let crc = parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part));
        Stored { source: Source::Parts(parts), stored_bytes: plain as u64, plain_bytes: plain as u64, crc }
    }

    /// Where in `compressed` the record is, if that saves an eighth.
    fn compress(&mut self, parts: Parts<'_>, plain: usize) -> Option<Range<usize>> {
        let start = self.compressed.len();
        self.compressed.resize(start + lz4_flex::block::get_maximum_output_size(plain), 0);
        let output = &mut self.compressed[start..];
        let written = match parts {
            [part] => lz4_flex::block::compress_into(part, output),
            parts => {
                self.joined.clear();
                for part in parts {
                    self.joined.extend_from_slice(part);
                }
                lz4_flex::block::compress_into(&self.joined, output)
            }
        };
        // The output is as large as the library asks for; if it were not, the record is stored as it is.
        let written = written.unwrap_or(usize::MAX);
        if written > plain - plain / 8 {
            self.compressed.truncate(start);
            self.skip = self.skip_next;
            self.skip_next = (self.skip_next * 2).min(MAX_RECORDS_SKIPPED);
            return None;
        }
        self.compressed.truncate(start + written);
        self.skip_next = 1;
        Some(start..start + written)
    }
}

impl Encoded<'_> {
    /// The headers of the records from a position on, in a segment with this salt. The caller has made sure
    /// that the batch fits into a segment, so lengths fit into 32 bits.
    pub(crate) fn headers(&self, first: Position, salt: u32, unix_nanos: u64) -> Headers {
        let header = |(index, record): (usize, &Stored<'_>)| {
            let header = RecordHeader {
                salt,
                position: Position(first.0 + index as u64),
                unix_nanos,
                stored_bytes: record.stored_bytes as u32,
                stored_crc: record.crc,
                plain_bytes: record.plain_bytes as u32,
                coding: match record.source {
                    Source::Parts(_) => Coding::Plain,
                    Source::Compressed(_) => Coding::Lz4,
                },
            };
            header.encode()
        };
        Headers(self.records.iter().enumerate().map(header).collect())
    }

    /// What to write, in order.
    pub(crate) fn slices<'b>(&'b self, headers: &'b Headers) -> Vec<IoSlice<'b>> {
        const PADDING: &[u8] = &[0; ALIGNMENT as usize];
        let mut slices = Vec::with_capacity(self.records.len() * 4);
        for (record, header) in self.records.iter().zip(&headers.0) {
            slices.push(IoSlice::new(header));
            match &record.source {
                Source::Parts(parts) => slices.extend(parts.iter().map(|part| IoSlice::new(part))),
                Source::Compressed(range) => slices.push(IoSlice::new(&self.compressed[range.clone()])),
            }
            let used = RECORD_HEADER_BYTES as u64 + record.stored_bytes;
            let padding = (record_extent(record.stored_bytes) - used) as usize;
            if padding > 0 {
                slices.push(IoSlice::new(&PADDING[..padding]));
            }
        }
        slices
    }

    pub(crate) fn len(&self) -> u64 {
        self.records.len() as u64
    }

    /// The longest record as it was given.
    pub(crate) fn longest(&self) -> u64 {
        self.records.iter().map(|record| record.plain_bytes).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_compressed_and_noise_is_stored_as_it_is() {
        let text = b"<13>Oct 11 22:14:15 host app: the same again and again\n".repeat(100);
        let mut noise = vec![0; 5000];
        seams::Rng::seeded(1).fill(&mut noise);
        let mut encoder = Encoder::new(Compression::Lz4);
        let parts: [&[u8]; 2] = [&text, &text];
        let batch: [Parts<'_>; 2] = [&parts, &[&noise]];
        let encoded = encoder.encode(&batch);
        assert!(matches!(encoded.records[0].source, Source::Compressed(_)));
        assert!(encoded.records[0].stored_bytes < 1000);
        assert!(matches!(encoded.records[1].source, Source::Parts(_)));
        assert_eq!(encoded.plain_bytes, 16_000);
    }

    #[test]
    fn noise_is_tried_less_and_less_often() {
        let rng = seams::Rng::seeded(1);
        let mut noise = vec![0; 1000];
        rng.fill(&mut noise);
        let mut encoder = Encoder::new(Compression::Lz4);
        let part: [&[u8]; 1] = [&noise];
        let mut tried = 0;
        for _ in 0..1000 {
            tried += u32::from(encoder.skip == 0);
            encoder.encode(&[&part]);
        }
        assert!(tried < 15, "{tried}");
    }
}
