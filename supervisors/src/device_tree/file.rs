//! A `file` device: from its configuration to a collector and a reader on each lane.

use actors::child::{ChildSpec, Home};
use actors::data::{Device, Lanes};
use actors::device::file::pattern::Patterns;
use actors::device::file::{Checkpoints, Collector, FileSettings, Following, Multiline, Patience, Reader};
use config::device::{FileDevice, MultilineMatch, Records};
use protocol::multiline::{Joins, Limits, Rules};
use std::sync::Arc;

/// What the subtree of a file device starts with.
pub(super) fn entrance(
    device: &Arc<Device>,
    file: &FileDevice,
    lanes: &Lanes,
    checkpoints: &Checkpoints,
) -> anyhow::Result<Vec<ChildSpec>> {
    let following = Following::new(Arc::clone(device), settings(file)?, checkpoints.clone());
    let desks: Arc<[_]> = following.desks(lanes).into();
    let mut children = Vec::new();
    for desk in desks.iter() {
        let (name, home) = (format!("reader-{}", desk.lane.index), Home::Lane(Arc::clone(&desk.lane)));
        let (following, desk) = (Arc::clone(&following), Arc::clone(desk));
        let make = move || Ok(Reader::new(Arc::clone(&following), Arc::clone(&desk)));
        children.push(ChildSpec::new(name, "reader", home, make));
    }
    let make = move || Ok(Collector::new(Arc::clone(&following), Arc::clone(&desks)));
    children.push(ChildSpec::new("collector", "collector", Home::Control, make));
    Ok(children)
}

fn settings(file: &FileDevice) -> anyhow::Result<FileSettings> {
    let max_message_bytes = u32::try_from(file.max_message_bytes).unwrap_or(u32::MAX);
    let multiline = match &file.records {
        Records::Lines => None,
        Records::Multiline(multiline) => {
            let joins = match multiline.matching {
                MultilineMatch::After => Joins::Before,
                MultilineMatch::Before => Joins::Behind,
            };
            let limits = Limits { max_lines: multiline.max_lines, max_bytes: max_message_bytes };
            let rules = Rules::new(&multiline.pattern, multiline.negate, joins, limits)?;
            Some(Multiline { rules, timeout: multiline.timeout })
        }
    };
    Ok(FileSettings {
        patterns: Patterns::new(&file.paths, &file.exclude)?,
        poll_interval: file.poll_interval,
        ignore_cache: file.ignore_cache,
        multiline,
        max_message_bytes,
        most_readers: file.concurrency.map_or(usize::MAX, |most| most as usize),
        patience: Patience::default(),
    })
}
