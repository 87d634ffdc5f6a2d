//! `file`: local files.

use std::path::PathBuf;

use super::{Beside, Decoded, Format, Retry, STREAM_BATCH, TargetKind};
use crate::fields::Fields;
use crate::not_yet;
use crate::readers::{Bytes, Choice, FilePath, Flag, Text, Whole};

/// Properties of a `file` target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTarget {
    /// Folder; by default the service root.
    pub location: PathBuf,
    /// Template of file names.
    pub name: String,
    /// Suffix of file names, `{{.Extension}}`.
    pub extension: String,
    /// How events are laid out.
    pub layout: FileLayout,
    /// `batch_size`: a file with this many events is complete.
    pub rotate_events: u32,
    /// `max_size`: a file of this many bytes is complete.
    pub rotate_bytes: u64,
    /// How files are compressed; only lines are.
    pub compression: FileCompression,
    /// `no_buffer`: every write goes to the file at once.
    pub no_buffer: bool,
}

/// How events are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileLayout {
    /// One event a line.
    Lines,
    /// `multijson`: one JSON array.
    JsonArray,
}

/// How files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileCompression {
    /// Not at all.
    None,
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

/// What `format` says.
#[derive(Clone, Copy)]
enum Word {
    Json,
    MultiJson,
    Raw,
}

const NAME: &str = "vmetric.{{.Timestamp}}.{{.Extension}}";

pub(super) fn decode(fields: &mut Fields, beside: &Beside) -> Decoded {
    not_yet::accept("file target", fields);
    let root = fields.context.root;
    let about = "folder; by default the service root";
    let location = fields.optional("location", FilePath(root), about).unwrap_or_else(|| root.to_owned());
    let name = fields.or("name", Text, NAME.to_owned(), NAME, "template of file names");
    let words = Choice(&[("json", Word::Json), ("multijson", Word::MultiJson), ("raw", Word::Raw)]);
    let about = "json: an object a line, multijson: an array, raw: the text a line; by default json";
    let word = fields.optional("format", words, about);
    let (layout, format) = match word {
        None => (FileLayout::Lines, beside.format),
        Some(Word::Json) => (FileLayout::Lines, Some(Format::Json)),
        Some(Word::MultiJson) => (FileLayout::JsonArray, Some(Format::Json)),
        Some(Word::Raw) => (FileLayout::Lines, Some(Format::Raw)),
    };
    let words = Choice(&[
        ("none", FileCompression::None),
        ("gzip", FileCompression::Gzip),
        ("zstd", FileCompression::Zstd),
    ]);
    let about = "how files are compressed; every write is a gzip member or zstd frame of its own";
    let compression = fields.or("compression", words, FileCompression::None, "none", about);
    if layout == FileLayout::JsonArray && compression != FileCompression::None {
        fields.wrong("compression", "set format: json to compress, since an array is changed at its end");
    }
    let default = match (format, compression) {
        (Some(Format::Raw), FileCompression::None) => "log",
        (Some(Format::Raw), FileCompression::Gzip) => "log.gz",
        (Some(Format::Raw), FileCompression::Zstd) => "log.zst",
        (Some(Format::Json) | None, FileCompression::None) => "json",
        (Some(Format::Json) | None, FileCompression::Gzip) => "json.gz",
        (Some(Format::Json) | None, FileCompression::Zstd) => "json.zst",
    };
    let extension = fields.or("extension", Text, default.to_owned(), default, "suffix of file names");
    let events = beside.batch_size.unwrap_or(100_000);
    let about = "a file with this many events is complete";
    let rotate_events = fields.or("batch_size", Whole(1..=super::MAX_EVENTS), events, events, about);
    let about = "a file of this many bytes is complete";
    let rotate_bytes = fields.or("max_size", Bytes(1024..=1 << 50), 32_000_000, "32MB", about);
    let no_buffer = fields.or("no_buffer", Flag, false, false, "every write goes to the file at once");
    let kind = TargetKind::File(FileTarget {
        location,
        name,
        extension,
        layout,
        rotate_events,
        rotate_bytes,
        compression,
        no_buffer,
    });
    Decoded { kind, batch: STREAM_BATCH, format, retry: Retry::DEFAULT }
}
