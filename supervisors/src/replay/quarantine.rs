//! Events of the quarantine are sent once more.

use super::course::{Course, LOOK, TELL};
use super::feed::Again;
use super::{Order, PresentWay};
use crate::control::View;
use crate::wiring::Way;
use actors::quarantine::{Kept, Quarantine, Selection, WayLabel, look};
use bytes::Bytes;
use event::BranchId;
use std::time::Instant;
use tokio::sync::mpsc;

/// Events that are read ahead.
const READ_AHEAD: usize = 16;

/// Begins a replay; lines tell how it goes. When nobody wants to know any more no further events are sent, and those that
/// were are still marked when they are settled.
///
/// # Errors
/// When the order is not understood, or a replay is under way.
pub fn start(view: &View, order: Order, lines: mpsc::Sender<Bytes>) -> anyhow::Result<()> {
    let selection: Selection = order.which.parse()?;
    let course = Course::begin(view, order.target.as_deref(), lines)?;
    tokio::spawn(run(course, selection, order.target));
    Ok(())
}

async fn run(mut course: Course, selection: Selection, target: Option<String>) {
    let (sender, mut events) = mpsc::channel(READ_AHEAD);
    let (quarantine, now) = (course.view.quarantine().clone(), course.view.clock().unix_nanos());
    let reader = tokio::task::spawn_blocking(move || read(&quarantine, &selection, now, &sender));
    let (mut marked, mut told) = (Instant::now(), Instant::now());
    while let Some(kept) = events.recv().await {
        if course.is_alone() {
            break;
        }
        send(&mut course, kept, target.as_deref()).await;
        if marked.elapsed() >= LOOK {
            mark(&mut course).await;
            marked = Instant::now();
        }
    }
    drop(events);
    course.flush().await;
    if let Ok(Err(e)) = reader.await {
        course.say(format!("not all events could be read: {e:#}")).await;
    }
    while !course.is_done() {
        tokio::time::sleep(LOOK).await;
        mark(&mut course).await;
        if told.elapsed() >= TELL && !course.is_done() {
            told = Instant::now();
            course.say(format!("{}; waiting for the others", course.progress())).await;
        }
    }
    course.end().await;
}

async fn send(course: &mut Course, kept: Kept, target: Option<&str>) {
    let Kept { id, meta, event, .. } = kept;
    let again = Again {
        id,
        replays: meta.replays,
        peer: meta.peer,
        received: meta.received,
        truncated: meta.truncated,
        event,
    };
    course.send(&meta.device.name, again, |present, lane| branches(present, &meta.ways, target, lane)).await;
}

/// Marks what is settled.
async fn mark(course: &mut Course) {
    let settled = course.newly_settled();
    if settled.is_empty() {
        return;
    }
    let quarantine = course.view.quarantine().clone();
    let marked = tokio::task::spawn_blocking(move || quarantine.mark_replayed(settled)).await;
    if let Ok(Err(e)) = marked {
        let text = format!("replayed events can't be marked, they are listed as waiting: {e:#}");
        tracing::error!("{text}");
        course.say(text).await;
    }
}

/// Reads what is meant and was there at the beginning: what is set aside again meanwhile is not sent again. Blocks.
fn read(
    quarantine: &Quarantine,
    selection: &Selection,
    now: u64,
    to: &mpsc::Sender<Kept>,
) -> anyhow::Result<()> {
    let end = quarantine.end();
    look(&**quarantine.disk(), quarantine.folder(), |mut kept, marks| {
        if kept.id >= end {
            return false;
        }
        let repeats = marks.replayed.contains(kept.id) && !selection.names_replayed();
        if repeats || !selection.takes(&kept, marks, now) {
            return true;
        }
        kept.payload = None;
        to.blocking_send(kept).is_ok()
    })?;
    Ok(())
}

/// The branches on which an event is sent once more.
fn branches(present: &[PresentWay], was_on: &[WayLabel], target: Option<&str>, lane: usize) -> Vec<BranchId> {
    let mut chosen = Vec::new();
    let mut choose = |takes: &dyn Fn(&Way) -> bool, most: usize| {
        let fitting = present.iter().filter(|present| takes(&present.way)).take(most);
        let before = chosen.len();
        chosen.extend(fitting.filter_map(|present| present.branches.get(lane).copied()));
        chosen.len() > before
    };
    if let Some(target) = target {
        choose(&|way| way.target == target, usize::MAX);
    }
    for label in was_on.iter().filter(|_| target.is_none()) {
        let same_pipelines = |way: &Way| way.sequence.pipelines == label.pipelines;
        // Where pipelines chose the target, they do so again on any way that runs them.
        let found = match label.route.is_empty() {
            true => choose(&same_pipelines, 1),
            false => choose(
                &|way| way.route == label.route && same_pipelines(way) && way.target == label.target,
                1,
            ),
        };
        if !found {
            choose(&|way| way.target == label.target, usize::MAX);
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::Sequence;
    use actors::quarantine::entry::UNKNOWN_ROUTE;
    use event::DeviceId;

    fn way(route: &str, pipelines: &[&str], target: &str, branch: u32) -> PresentWay {
        let pipelines = pipelines.iter().map(|p| (*p).to_owned()).collect();
        let sequence = Sequence { pipelines, guard: None };
        let way = Way { route: route.into(), sequence, target: target.into(), device: DeviceId(1) };
        PresentWay { way, branches: vec![BranchId(branch)] }
    }

    fn label(route: &str, pipelines: &[&str], target: &str) -> WayLabel {
        let pipelines = pipelines.iter().map(|p| (*p).to_owned()).collect();
        WayLabel { route: route.into(), pipelines, target: target.into() }
    }

    #[test]
    fn an_event_takes_the_ways_it_was_on() {
        let present = [
            way("a", &["p"], "x", 1),
            way("a", &["q"], "x", 2),
            way("b", &[], "y", 3),
            way("b", &[], "z", 4),
        ];
        let chosen = |was_on: &[WayLabel], target| {
            branches(&present, was_on, target, 0).iter().map(|branch| branch.0).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[label("a", &["q"], "x")], None), [2]);
        assert_eq!(chosen(&[label("b", &[], "y"), label("b", &[], "z")], None), [3, 4]);
        assert_eq!(chosen(&[label("", &["p"], "z")], None), [1], "its pipelines choose the target again");
        assert_eq!(chosen(&[label("gone", &["r"], "x")], None), [1, 2], "the route has another name now");
        assert_eq!(chosen(&[label("gone", &["r"], "gone")], None), [0; 0]);
        assert_eq!(chosen(&[label("a", &["q"], "x")], Some("y")), [3]);
        assert_eq!(chosen(&[label(UNKNOWN_ROUTE, &[], "x")], None), [1, 2], "all that lead to the target");
        assert_eq!(chosen(&[], None), [0; 0], "nobody knows where to");
    }
}
