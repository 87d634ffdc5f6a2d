//! `-journal`: what is on disk, read only, beside a running Director too: segments, cursors, checksums, events.

use super::quarantine::object;
use super::shown::{Lines, put_bytes, time};
use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use actors::journal::record::{self, Stored};
use actors::quarantine::{Kept, Marks};
use actors::target::spool::{self, look::SpooledEvent};
use jiff::Timestamp;
use journal::inspect::{self, Depth, Inspection};
use journal::{Gap, GapCause, Position, Record};
use seams::RealDisk;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use supervisors::replay::Bound;

/// Does what the words after `-journal` say.
pub(super) fn journal(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let words = arguments.value("journal").unwrap_or_default();
    let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
    let (action, folder) = match first {
        "" | "list" => (Action::List, rest),
        "cursors" => (Action::Cursors, rest),
        "verify" => (Action::Verify, rest),
        "extract" => (Action::Extract, rest),
        _ => (Action::List, words),
    };
    let folders = match folder {
        "" => place.journals(),
        folder => vec![PathBuf::from(folder)],
    };
    if folders.is_empty() {
        let text =
            format!("there is no journal below {}; name its folder", place.root().join("storage").display());
        return Err(Failed::new(Exit::Failure, anyhow::anyhow!(text)));
    }
    let span = Span::of(arguments)?;
    let mut lines = Lines::begin();
    let mut whole = true;
    for folder in &folders {
        whole &= match action {
            Action::Extract => extract(folder, &span, arguments.has("json"), &mut lines)?,
            action => describe(folder, action, arguments.has("json"), &mut lines)?,
        };
    }
    lines.end()?;
    Ok(if whole { Exit::Ok } else { Exit::Failure })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    List,
    Cursors,
    Verify,
    Extract,
}

/// From where to where; the end is not part of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) from: Bound,
    pub(super) to: Bound,
}

impl Span {
    pub(super) fn of(arguments: &Arguments) -> Result<Self, Failed> {
        let bound = |name: &'static str| -> Result<Bound, Failed> {
            let Some(text) = arguments.value(name) else { return Ok(Bound::Open) };
            if let Ok(position) = text.parse() {
                return Ok(Bound::Position(position));
            }
            let time = text.parse::<Timestamp>().ok().and_then(|at| u64::try_from(at.as_nanosecond()).ok());
            time.map(Bound::Time).ok_or_else(|| {
                let text = format!(
                    "-{name} can't be \"{text}\"; write a position such as 1200, or a time such as 2026-05-01T12:00:00Z"
                );
                Failed::new(Exit::Usage, anyhow::anyhow!(text))
            })
        };
        Ok(Self { from: bound("from")?, to: bound("to")? })
    }

    fn positions(&self) -> std::ops::Range<Position> {
        let from = if let Bound::Position(from) = self.from { from } else { 0 };
        let to = if let Bound::Position(to) = self.to { to } else { u64::MAX };
        Position(from)..Position(to)
    }

    fn takes(&self, at: u64) -> bool {
        self.from.admits_after(at) && self.to.admits_before(at)
    }
}

/// Says what is in a folder; whether it is whole.
fn describe(folder: &Path, action: Action, json: bool, lines: &mut Lines) -> Result<bool, Failed> {
    let depth = if action == Action::Verify { Depth::Verify } else { Depth::Headers };
    let found = inspect::inspect(&RealDisk, folder, depth)?;
    // Beside a writer the newest segment may end in the middle of a record; that is no damage.
    let damaged: Vec<&Gap> = found.segments.iter().flat_map(|segment| &segment.gaps).collect();
    let whole = damaged.is_empty() && found.segments.iter().all(|segment| !segment.header_damaged);
    if json {
        lines.print(as_json(folder, &found).to_string())?;
        return Ok(whole);
    }
    lines.print(summary(folder, &found))?;
    if action != Action::Cursors {
        for segment in &found.segments {
            let (first, last) = segment.unix_nanos.map_or_else(Default::default, |(a, b)| (time(a), time(b)));
            let times =
                if depth == Depth::Verify { format!("{first} to {last}") } else { format!("from {first}") };
            let damage = if segment.header_damaged { ", header damaged" } else { "" };
            lines.print(format!(
                "  segment {:>6}  positions {} to {}, {} of {} KiB used, {times}{damage}",
                segment.id.0,
                segment.positions.start,
                segment.positions.end,
                segment.used_bytes / 1024,
                segment.bytes / 1024,
            ))?;
            for gap in &segment.gaps {
                lines.print(format!("    {}", gap_text(gap)))?;
            }
        }
    }
    for cursor in &found.cursors {
        lines.print(format!(
            "  cursor {:<30}  at {}, {} records and at most {} KiB behind, {} settled ahead",
            cursor.name,
            cursor.watermark,
            cursor.lag_records,
            cursor.lag_bytes / 1024,
            cursor.settled_ahead
        ))?;
    }
    if action == Action::Verify {
        let records: u64 = damaged.iter().map(|gap| gap.records()).sum();
        let verdict = match whole {
            true => "  all checksums are right".to_owned(),
            false => format!(
                "  {records} records in {} places can't be read; those around them can",
                damaged.len()
            ),
        };
        lines.print(verdict)?;
    }
    Ok(whole)
}

fn summary(folder: &Path, found: &Inspection) -> String {
    let bytes: u64 = found.segments.iter().map(|segment| segment.bytes).sum();
    let ends = found.segments.first().zip(found.segments.last());
    let (first, end) = ends.map_or((0, 0), |(first, last)| (first.positions.start.0, last.positions.end.0));
    let mut text = format!(
        "{}: {} records (positions {first} to {end}) in {} segments of {} KiB together, {} spare, {} cursors",
        folder.display(),
        end - first,
        found.segments.len(),
        bytes / 1024,
        found.spares,
        found.cursors.len()
    );
    if !found.strangers.is_empty() {
        text.push_str(&format!("; files that do not belong there: {}", found.strangers.join(", ")));
    }
    text
}

fn as_json(folder: &Path, found: &Inspection) -> Value {
    let segment = |segment: &inspect::SegmentSummary| {
        json!({
            "id": segment.id.0,
            "file": segment.name,
            "positions": [segment.positions.start.0, segment.positions.end.0],
            "bytes": segment.bytes,
            "used_bytes": segment.used_bytes,
            "times": segment.unix_nanos.map(|(first, last)| [time(first), time(last)]),
            "header_damaged": segment.header_damaged,
            "gaps": segment.gaps.iter().map(|gap| [gap.from.0, gap.to.0]).collect::<Vec<_>>(),
        })
    };
    let cursor = |cursor: &journal::CursorStatus| {
        json!({
            "name": cursor.name,
            "watermark": cursor.watermark.0,
            "settled_ahead": cursor.settled_ahead,
            "lag_records": cursor.lag_records,
            "lag_bytes": cursor.lag_bytes,
        })
    };
    json!({
        "folder": folder.display().to_string(),
        "segments": found.segments.iter().map(segment).collect::<Vec<_>>(),
        "cursors": found.cursors.iter().map(cursor).collect::<Vec<_>>(),
        "spares": found.spares,
        "strangers": found.strangers,
    })
}

fn gap_text(gap: &Gap) -> String {
    let why = match gap.cause {
        GapCause::Damaged => "damaged",
        GapCause::Purged => "released",
    };
    format!(
        "positions {} to {} are {why}: {} records, at most {} bytes",
        gap.from,
        gap.to,
        gap.records(),
        gap.bytes
    )
}

/// Prints the events of a folder; whether all could be read.
fn extract(folder: &Path, span: &Span, json: bool, lines: &mut Lines) -> Result<bool, Failed> {
    let form = Form::of(folder);
    let mut outcome: io::Result<()> = Ok(());
    let gaps = inspect::extract(&RealDisk, folder, span.positions(), |record| {
        if !span.takes(record.unix_nanos) {
            return true;
        }
        form.print(&record, json, lines).unwrap_or_else(|e| {
            outcome = Err(e);
            false
        })
    })?;
    outcome?;
    for gap in &gaps {
        eprintln!("{}: {}", folder.display(), gap_text(gap));
    }
    Ok(gaps.is_empty())
}

/// What the records of a journal are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Batches as they were received, and notes of what happened to them.
    Batches,
    /// Events in quarantine.
    Quarantine,
    /// Deliveries that wait, or waited, for a target.
    Spool,
    /// Something else.
    Other,
}

impl Form {
    /// Journals are told apart by the names of their folders, spools by that of the one around them.
    fn of(folder: &Path) -> Self {
        // As the Director names it, whatever way leads there.
        let whole = folder.canonicalize();
        let folder = whole.as_deref().unwrap_or(folder);
        if folder.parent().and_then(Path::file_name).is_some_and(|name| name == "spool") {
            return Self::Spool;
        }
        match folder.file_name().and_then(|name| name.to_str()) {
            Some("journal") => Self::Batches,
            Some("quarantine") => Self::Quarantine,
            _ => Self::Other,
        }
    }

    /// Prints the events of a record; whether anybody still reads.
    fn print(self, record: &Record, json: bool, lines: &mut Lines) -> io::Result<bool> {
        match self {
            Self::Batches => match record::decode(&record.payload) {
                Ok(stored) => print_batch(record, &stored, json, lines),
                // A note of what happened to batches, which holds no events.
                Err(record::DecodeError::Unknown { .. }) => Ok(true),
                Err(record::DecodeError::Damaged) => print_raw(record, json, lines),
            },
            Self::Quarantine => match Kept::decode(record) {
                Ok(kept) if json => lines.print(object(&kept, &Marks::default()).to_string()),
                Ok(kept) => lines.print(&kept.event),
                Err(_) => print_raw(record, json, lines),
            },
            Self::Spool => match spool::look::events(record) {
                Some(events) => print_spooled(record, &events, json, lines),
                None => print_raw(record, json, lines),
            },
            Self::Other => print_raw(record, json, lines),
        }
    }
}

fn print_spooled(
    record: &Record,
    events: &[SpooledEvent],
    json: bool,
    lines: &mut Lines,
) -> io::Result<bool> {
    for SpooledEvent { origin, stream, sequence, bytes } in events {
        let goes_on = if json {
            let mut object = serde_json::Map::new();
            object.insert("position".to_owned(), record.position.0.into());
            object.insert("spooled".to_owned(), time(record.unix_nanos).into());
            object.insert("device_id".to_owned(), origin.device.0.into());
            object.insert("stream".to_owned(), (*stream).into());
            object.insert("sequence".to_owned(), (*sequence).into());
            object.insert("received".to_owned(), time(origin.received).into());
            if let Some(peer) = origin.peer {
                object.insert("peer".to_owned(), peer.to_string().into());
            }
            put_bytes(&mut object, "event", bytes);
            lines.print(Value::Object(object).to_string())?
        } else {
            lines.print(bytes)?
        };
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(true)
}

fn print_batch(record: &Record, stored: &Stored, json: bool, lines: &mut Lines) -> io::Result<bool> {
    for (n, span) in stored.records.iter().enumerate() {
        let event = &stored.slab[span.offset as usize..(span.offset + span.len) as usize];
        let goes_on = if json {
            let origin = &stored.origins[usize::from(span.origin)];
            let mut object = serde_json::Map::new();
            object.insert("position".to_owned(), record.position.0.into());
            object.insert("device".to_owned(), stored.name.clone().into());
            object.insert("stream".to_owned(), stored.identity.stream.into());
            object.insert("sequence".to_owned(), (stored.first_seq + n as u64).into());
            object.insert("received".to_owned(), time(origin.received).into());
            if let Some(peer) = origin.peer {
                object.insert("peer".to_owned(), peer.to_string().into());
            }
            put_bytes(&mut object, "event", event);
            lines.print(Value::Object(object).to_string())?
        } else {
            lines.print(event)?
        };
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(true)
}

fn print_raw(record: &Record, json: bool, lines: &mut Lines) -> io::Result<bool> {
    if json { lines.print(raw(record).to_string()) } else { lines.print(&record.payload) }
}

/// A record whose form is not known here.
fn raw(record: &Record) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("position".to_owned(), record.position.0.into());
    object.insert("appended".to_owned(), time(record.unix_nanos).into());
    put_bytes(&mut object, "bytes", &record.payload);
    Value::Object(object)
}
