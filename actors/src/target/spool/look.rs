//! Spools as files: what waits in one, the events of its records, and removing one that nobody has open.

use super::record::{Incoming, Malformed};
use super::store::CURSOR;
use crate::target::events::Events;
use bytes::Bytes;
use event::{Budget, Origin};
use journal::inspect::{self, Depth};
use journal::{Position, ReadError, Record};
use seams::Disk;
use std::path::Path;

/// What waits in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Deliveries; more than that where some were settled out of order, or are settled and not yet written down.
    pub deliveries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest was spooled, in nanoseconds since the Unix epoch.
    pub since: Option<u64>,
    /// Bytes of disk that the spool's files take.
    pub disk_bytes: u64,
}

/// An event that waits for its target, or was delivered.
#[derive(Clone, Debug)]
pub struct SpooledEvent {
    /// Where and when it was received.
    pub origin: Origin,
    /// The stream in the process that received it, and the number of the event's record there.
    pub stream: u64,
    /// See `stream`.
    pub sequence: u64,
    /// Its bytes, as the target gets them but for framing.
    pub bytes: Bytes,
}

/// Looks at what waits in a spool's folder. Changes nothing and takes no lock. Blocks.
///
/// # Errors
/// When the disk fails, or the files are of another version.
pub fn look(disk: &dyn Disk, folder: &Path) -> Result<Waiting, ReadError> {
    let found = inspect::inspect(disk, folder, Depth::Headers)?;
    let disk_bytes = found.segments.iter().map(|segment| segment.bytes).sum();
    let mut waiting = Waiting { disk_bytes, ..Waiting::default() };
    let Some((first, last)) = found.segments.first().zip(found.segments.last()) else { return Ok(waiting) };
    let (start, end) = (first.positions.start, last.positions.end);
    let cursor = found.cursors.iter().find(|cursor| cursor.name == CURSOR);
    let watermark = cursor.map_or(start, |cursor| cursor.watermark.max(start));
    if watermark >= end {
        return Ok(waiting);
    }
    let mut before = (0, 0);
    inspect::extract(disk, folder, watermark..end, |record| {
        waiting.since = Some(record.unix_nanos);
        before = Incoming::sums(&record.payload).unwrap_or_default();
        false
    })?;
    let mut after = before;
    inspect::extract(disk, folder, Position(end.0 - 1)..end, |record| {
        if let Ok(incoming) = read(&record.payload) {
            let stamp = incoming.stamp;
            after = (
                stamp.deliveries_before + u64::from(incoming.deliveries),
                stamp.bytes_before + incoming.bytes,
            );
        }
        true
    })?;
    waiting.deliveries = after.0.saturating_sub(before.0);
    waiting.bytes = after.1.saturating_sub(before.1);
    Ok(waiting)
}

/// The events of a spool's record; none if it is of another version, or damaged.
pub fn events(record: &Record) -> Option<Vec<SpooledEvent>> {
    let incoming = read(&record.payload).ok()?;
    let batch = incoming.payload.batch();
    let (stream, first) = (batch.stream().0, batch.first_seq());
    let event = |event: crate::target::events::Event<'_>| SpooledEvent {
        origin: *event.origin,
        stream,
        sequence: first + u64::from(event.record),
        bytes: Bytes::copy_from_slice(event.bytes),
    };
    Some(Events::new(&incoming.payload, 0).map(event).collect())
}

/// Reads a record as the process that took it in would: its streams keep their numbers.
fn read(record: &Bytes) -> Result<Incoming, Malformed> {
    let process = record.get(40..48).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    Incoming::read(record.clone(), process, Budget::new(0).share().nothing())
}

/// The name of the folder of a target's spool: letters, digits, `-`, `_`, `.` and `@` as they are, all else as `%` and two
/// digits.
pub fn folder_of(target: &str) -> String {
    let mut folder = String::new();
    for (n, byte) in target.bytes().enumerate() {
        match byte {
            b'.' if n == 0 => folder.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@' => folder.push(byte.into()),
            _ => folder.push_str(&format!("%{byte:02X}")),
        }
    }
    folder
}

/// The target whose spool has a folder of this name; none if no target's has.
pub fn name_of(folder: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), folder.as_bytes());
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok().filter(|name| folder_of(name) == folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_after_targets_and_lead_back_to_them() {
        for (target, folder) in [
            ("out", "out"),
            ("my target/2", "my%20target%2F2"),
            ("..", "%2E."),
            ("daily@route", "daily@route"),
            ("größe", "gr%C3%B6%C3%9Fe"),
        ] {
            assert_eq!(folder_of(target), folder);
            assert_eq!(name_of(folder).as_deref(), Some(target));
        }
        for folder in ["a b", "a%2", "a%zz", "%61", "%FF"] {
            assert_eq!(name_of(folder), None, "{folder}");
        }
    }
}
