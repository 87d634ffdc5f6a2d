//! Compression of files: every write is a whole gzip member (RFC 1952) or zstd frame (RFC 8878).
//!
//! Both formats allow one after the other, and every tool reads them so. Thus what was written is readable at once, and
//! a write that failed can be cut off. It costs compression where little comes: a member has 20 bytes of its own and
//! knows nothing of the ones before. Under load a write holds up to a megabyte.

use flate2::write::GzEncoder;
use std::io::{self, Write};

/// How the content of files is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// A gzip member for each write.
    Gzip,
    /// A zstd frame for each write.
    Zstd,
}

impl Compression {
    /// `{{.Compression}}`
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// Compresses one write; none when there is nothing to do.
    pub(super) fn compress(self, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Compression::None => Ok(None),
            Compression::Gzip => {
                let out = Vec::with_capacity(bytes.len() / 4);
                let mut encoder = GzEncoder::new(out, flate2::Compression::default());
                encoder.write_all(bytes)?;
                encoder.finish().map(Some)
            }
            Compression::Zstd => zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL).map(Some),
        }
    }
}
