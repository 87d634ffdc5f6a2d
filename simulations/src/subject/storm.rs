//! Configuration changes again and again: each is valid, each replaces a file at once as editors do.
//!
//! Several changes that come faster than the Director loads count as one for it: it takes the last. At the end every
//! file is what it was.

use super::fault::{ReloadStorm, Touching};
use super::faults::{Driver, told_to_stop};
use super::running::{Subject, SubjectError};
use serde_yaml::Value;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const STORM_FILE: &str = "config/rehearsal-storm.yml";
const NAME: &str = "rehearsal_storm";
/// An id that nobody gives to a device.
const ID: u64 = 4_190_000_001;

/// The files that a storm changes.
struct Changes {
    touching: Touching,
    /// A port that nobody used when it began.
    port: u16,
    /// Files of the configuration with devices or targets, as they were.
    files: Vec<(PathBuf, String, Value)>,
    number: u64,
}

/// Begins a storm.
pub(super) fn start(subject: Subject, storm: &ReloadStorm) -> Result<Driver, SubjectError> {
    if !(storm.per_second > 0.0 && storm.per_second <= 1000.0) {
        let text =
            format!("a reload storm of {} changes a second can't be; write 0.1 to 1000", storm.per_second);
        return Err(SubjectError::Impossible(text));
    }
    let mut changes = Changes::of(&subject, storm.touching)?;
    let each = Duration::from_secs_f64(1.0 / storm.per_second);
    let weak = std::sync::Arc::downgrade(&subject.0);
    Ok(Driver::start(move |struck, mut stopping| async move {
        let mut ticks = tokio::time::interval(each);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let goes_on = tokio::select! {
                biased;
                () = told_to_stop(&mut stopping) => false,
                _ = ticks.tick() => true,
            };
            let Some(subject) = weak.upgrade().map(Subject) else { return };
            if !goes_on {
                changes.undo(&subject);
                return;
            }
            if changes.make(&subject).is_ok() {
                struck.fetch_add(1, Relaxed);
            }
        }
    }))
}

impl Changes {
    fn of(subject: &Subject, touching: Touching) -> Result<Self, SubjectError> {
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut files = Vec::new();
        if touching != Touching::Unrelated {
            for name in subject.0.setup.files.keys().filter(|name| is_yaml(name)) {
                let text = std::fs::read_to_string(subject.root().join(name))?;
                let Ok(tree) = serde_yaml::from_str::<Value>(&text) else { continue };
                if describable(&tree) > 0 {
                    files.push((name.clone(), text, tree));
                }
            }
            if files.is_empty() && touching == Touching::Related {
                let text = "no file of the configuration has devices or targets to touch; let the storm touch \
                            unrelated ones";
                return Err(SubjectError::Impossible(text.to_owned()));
            }
        }
        Ok(Self { touching, port, files, number: 0 })
    }

    /// The next change.
    fn make(&mut self, subject: &Subject) -> Result<(), SubjectError> {
        self.number += 1;
        let (number, turn) = (self.number, self.number / 2);
        let related = match self.touching {
            Touching::All => number.is_multiple_of(2) && !self.files.is_empty(),
            Touching::Unrelated => false,
            Touching::Related => true,
        };
        if !related {
            return self.change_unrelated(subject, number);
        }
        let count: u64 = self.files.iter().map(|(_, _, tree)| describable(tree)).sum();
        let mut which = turn % count;
        for (name, _, tree) in &mut self.files {
            let here = describable(tree);
            if which < here {
                describe(tree, which, format!("touched by a rehearsal, change {number}"));
                let text = serde_yaml::to_string(tree).map_err(std::io::Error::other)?;
                return subject.write(&*name, &text);
            }
            which -= here;
        }
        Ok(())
    }

    /// They come, change, and go.
    fn change_unrelated(&self, subject: &Subject, number: u64) -> Result<(), SubjectError> {
        let port = self.port;
        let text = match number % 3 {
            0 => "# placed here by a rehearsal, to be removed by it\ndevices: []\n".to_owned(),
            _ => format!(
                "# placed here by a rehearsal, to be removed by it\n\
                 devices:\n  - {{id: {ID}, name: {NAME}, type: udp, description: change {number}, properties: \
                 {{address: 127.0.0.1, port: {port}}}}}\n\
                 targets:\n  - {{name: {NAME}, type: discard, description: change {number}}}\n"
            ),
        };
        subject.write(STORM_FILE, &text)
    }

    fn undo(&self, subject: &Subject) {
        // Its folder may be gone, with everything in it.
        let _ = std::fs::remove_file(subject.root().join(STORM_FILE));
        for (name, text, _) in &self.files {
            let _ = subject.write(name, text);
        }
    }
}

fn is_yaml(name: &std::path::Path) -> bool {
    let extension = name.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yml" | "yaml"))
        && (name.starts_with("config") || name.components().count() == 1)
}

const LISTS: [&str; 2] = ["devices", "targets"];

/// How many devices and targets are in a file.
fn describable(tree: &Value) -> u64 {
    LISTS.iter().filter_map(|list| tree.get(list)?.as_sequence()).map(|list| list.len() as u64).sum()
}

/// Gives one of them another description.
fn describe(tree: &mut Value, mut which: u64, text: String) {
    for list in LISTS {
        let Some(list) = tree.get_mut(list).and_then(Value::as_sequence_mut) else { continue };
        if let Some(map) = list.get_mut(which as usize).and_then(Value::as_mapping_mut) {
            map.insert("description".into(), text.into());
            return;
        }
        which = which.saturating_sub(list.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_and_target_has_its_turn() {
        let mut tree: Value =
            serde_yaml::from_str("devices: [{id: 1}, {id: 2}]\ntargets: [{name: a}]").expect("read");
        assert_eq!(describable(&tree), 3);
        for which in 0..3 {
            describe(&mut tree, which, which.to_string());
        }
        let text = serde_yaml::to_string(&tree).expect("written");
        for expected in
            ["- id: 1\n  description: '0'", "- id: 2\n  description: '1'", "- name: a\n  description: '2'"]
        {
            assert!(text.contains(expected), "{text}");
        }
    }
}
