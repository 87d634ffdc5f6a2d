//! A span of the kept journal is sent once more, to a chosen target.
//!
//! What the journal still holds is what some branch owed when its segment was last looked at, whatever lies beside it
//! (segments are given back when everything in them is settled), and what `persistent_storage.keep_for` keeps.

use super::course::{Course, LOOK, TELL};
use super::feed::Again;
use super::{Bound, PresentWay, SpanOrder};
use crate::control::View;
use actors::journal::record::{self, Identity, Stored};
use bytes::Bytes;
use event::{BranchId, RecordFlags};
use journal::inspect::{self, Depth};
use journal::{Position, Record};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio::sync::mpsc;

/// Batches that are read ahead.
const READ_AHEAD: usize = 4;

/// Begins a replay; lines tell how it goes. When nobody wants to know any more, no further events are sent.
///
/// # Errors
/// When target or device are unknown, or a replay is under way.
pub fn start(view: &View, order: SpanOrder, lines: mpsc::Sender<Bytes>) -> anyhow::Result<()> {
    if let Some(device) = &order.device {
        let known = view.snapshot().is_some_and(|snapshot| snapshot.device(device).is_some());
        anyhow::ensure!(known, "there is no device \"{device}\" in the configuration");
    }
    let folder = view.replayer().journal();
    anyhow::ensure!(
        view.quarantine().disk().list(&folder).is_ok(),
        "there is no journal in {}",
        folder.display()
    );
    let course = Course::begin(view, Some(&order.target), lines)?;
    tokio::spawn(run(course, order, folder));
    Ok(())
}

/// Events of one record of the journal.
struct Chunk {
    position: Position,
    /// Of the whole span.
    start: Position,
    end: Position,
    device: String,
    events: Vec<Again>,
}

/// Which events of each stream came by: the journal may have a batch twice, since what is owed for long is written once more.
///
/// Cost: 80 bytes for each stream in the span; streams are read in order, but for what was written once more.
#[derive(Default)]
struct Seen(HashMap<Identity, Vec<Range<u64>>>);

impl Seen {
    /// Whether none of these came by before.
    fn insert(&mut self, stream: Identity, numbers: Range<u64>) -> bool {
        let runs = self.0.entry(stream).or_default();
        // In order, with gaps between them.
        let after = runs.partition_point(|run| run.end < numbers.start);
        match runs.get_mut(after) {
            Some(run) if run.start < numbers.end && numbers.start < run.end => return false,
            Some(run) if run.end == numbers.start => run.end = numbers.end,
            Some(run) if run.start == numbers.end => run.start = numbers.start,
            _ => runs.insert(after, numbers),
        }
        true
    }
}

async fn run(mut course: Course, order: SpanOrder, folder: PathBuf) {
    let (sender, mut chunks) = mpsc::channel(READ_AHEAD);
    let (disk, target) = (course.view.quarantine().disk().clone(), order.target.clone());
    let reader = tokio::task::spawn_blocking(move || read(&*disk, &folder, &order, &sender));
    let (began, mut told) = (Instant::now(), Instant::now());
    while let Some(Chunk { position, start, end, device, events }) = chunks.recv().await {
        if course.is_alone() {
            break;
        }
        for again in events {
            course.send(&device, again, |present, lane| branches(present, &target, lane)).await;
        }
        course.newly_settled();
        if told.elapsed() >= TELL {
            told = Instant::now();
            let (done, all) = (position.since(start), end.since(start).max(1));
            let left = began.elapsed().as_secs_f64() * (all - done) as f64 / done.max(1) as f64;
            let percent = done * 100 / all;
            let text = format!(
                "{percent} %, position {position} of {end}, about {left:.0} s left: {}",
                course.progress()
            );
            course.say(text).await;
        }
    }
    drop(chunks);
    course.flush().await;
    match reader.await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(damaged)) => course.say(format!("{damaged} records of the journal can't be read")).await,
        Ok(Err(e)) => course.say(format!("not all events could be read: {e:#}")).await,
    }
    while !course.is_done() {
        tokio::time::sleep(LOOK).await;
        course.newly_settled();
        if told.elapsed() >= TELL && !course.is_done() {
            told = Instant::now();
            course.say(format!("{}; waiting for the others", course.progress())).await;
        }
    }
    course.end().await;
}

/// All ways of the device to the target.
fn branches(present: &[PresentWay], target: &str, lane: usize) -> Vec<BranchId> {
    let leading = present.iter().filter(|present| present.way.target == target);
    leading.filter_map(|present| present.branches.get(lane).copied()).collect()
}

/// Reads the span as far as it was there at the beginning: what is sent once more may be kept in the journal, too. Returns
/// how many records are damaged. Blocks.
fn read(
    disk: &dyn seams::Disk,
    folder: &Path,
    order: &SpanOrder,
    to: &mpsc::Sender<Chunk>,
) -> anyhow::Result<u64> {
    let found = inspect::inspect(disk, folder, Depth::Headers)?;
    let end = found.segments.last().map_or(Position(0), |segment| segment.positions.end);
    let start = match order.from {
        Bound::Open => Position(0),
        Bound::Position(position) => Position(position),
        // The first segments all of whose records were appended before.
        Bound::Time(time) => {
            let begun = |segment: &&inspect::SegmentSummary| {
                segment.unix_nanos.is_some_and(|(first, _)| first <= time)
            };
            found.segments.iter().rev().find(begun).map_or(Position(0), |segment| segment.positions.start)
        }
    };
    let end = match order.to {
        Bound::Position(position) => end.min(Position(position)),
        Bound::Open | Bound::Time(_) => end,
    };
    let mut seen = Seen::default();
    let gaps = inspect::extract(disk, folder, start..end, |record| {
        let Some(chunk) = chunk(&record, start..end, order, &mut seen) else { return true };
        to.blocking_send(chunk).is_ok()
    })?;
    Ok(gaps.iter().map(journal::Gap::records).sum())
}

/// The events of a record that are meant; none if it holds none.
fn chunk(record: &Record, span: Range<Position>, order: &SpanOrder, seen: &mut Seen) -> Option<Chunk> {
    // A batch is appended after its events were received.
    if matches!(order.from, Bound::Time(from) if record.unix_nanos < from) {
        return None;
    }
    let Stored { identity, first_seq, name, records, origins, slab, .. } =
        record::decode(&record.payload).ok()?;
    if !seen.insert(identity, first_seq..first_seq + records.len() as u64) {
        return None;
    }
    if order.device.as_ref().is_some_and(|device| *device != name) {
        return None;
    }
    let events = records.iter().filter_map(|span| {
        let origin = origins[usize::from(span.origin)];
        let meant = order.from.admits_after(origin.received) && order.to.admits_before(origin.received);
        meant.then(|| Again {
            id: record.position.0,
            replays: 0,
            peer: origin.peer,
            received: origin.received,
            truncated: span.flags.contains(RecordFlags::TRUNCATED),
            event: slab.slice(span.offset as usize..(span.offset + span.len) as usize),
        })
    });
    let events: Vec<Again> = events.collect();
    let (position, start, end) = (record.position, span.start, span.end);
    (!events.is_empty()).then_some(Chunk { position, start, end, device: name, events })
}
