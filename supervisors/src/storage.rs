//! Persistent storage: the journal below `storage/journal/`, its actors, and what an earlier process left in it.
//!
//! It is open before targets and devices are: what is owed is on its way before anything new comes in, and it ends after
//! them. See `actors::journal`.

use crate::Inventory;
use crate::supervisor::Announce;
use actors::child::spec::Common;
use actors::child::{ChildSpec, Home};
use actors::data::Lanes;
use actors::journal::index::Found;
use actors::journal::{
    Backlog, BacklogReader, BranchKeys, Custody, Level, Opened, Progress, Syncer, Upkeep, Writer,
};
use anyhow::Context;
use config::service::{PersistentStorage, StorageLimits};
use config::{DeviceKind, Snapshot};
use event::Budget;
use journal::{Environment, Recovery};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Devices wait so long for the backlog to be dispatched; they start when it waits for its targets, too.
const BACKLOG_WITHIN: Duration = Duration::from_secs(30);
/// Segments are not made larger than this, whatever the largest message: a larger one is in memory only.
const LARGEST_SEGMENT_BYTES: u64 = 1 << 30;
/// The writer has so long to write what is left.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The open journal.
pub(crate) struct Storage {
    custody: Custody,
    segment_bytes: u64,
    found: Option<Found>,
    pub(crate) announce: Announce,
}

impl Storage {
    /// Opens the journal if the configuration asks for one.
    ///
    /// # Errors
    /// When it is in use, can't be written to, or is of another version.
    pub(crate) async fn open(
        snapshot: &Snapshot,
        common: &Common,
        root: &Path,
        options: Option<journal::Options>,
        keys: &BranchKeys,
    ) -> anyhow::Result<Option<Self>> {
        let folder = folder(root);
        let level = match snapshot.service.persistent_storage {
            PersistentStorage::Journal => Level::Written,
            PersistentStorage::Synced => Level::Synced,
            // One that was in use before is looked at, and left as it is.
            PersistentStorage::Off if common.disk.list(&folder).is_ok_and(|files| !files.is_empty()) => {
                Level::Written
            }
            PersistentStorage::Off => return Ok(None),
        };
        let mut options = options.unwrap_or_else(|| usual(snapshot));
        options.max_age = Some(snapshot.service.queue_limit);
        options.keep_for = snapshot.service.storage_limits.keep_for;
        let segment_bytes = options.segment_bytes;
        let environment = Environment {
            disk: Arc::clone(&common.disk),
            clock: common.clock.clone(),
            rng: common.rng.fork("journal"),
        };
        let keys = keys.clone();
        let opened =
            tokio::task::spawn_blocking(move || Custody::open(environment, &folder, options, level, keys));
        let opened = opened.await?;
        if snapshot.service.persistent_storage == PersistentStorage::Off {
            tell_left_behind(common, opened);
            return Ok(None);
        }
        let Opened { custody, recovery, found } = opened.context("cannot use persistent storage")?;
        tell(common, &recovery, &found);
        Ok(Some(Self { custody, segment_bytes, found: Some(found), announce: Announce::default() }))
    }

    /// What the journal's actors share.
    pub(crate) fn custody(&self) -> &Custody {
        &self.custody
    }

    /// The actors.
    pub(crate) fn children(&self) -> Vec<ChildSpec> {
        let (written, synced, kept) = (self.custody.clone(), self.custody.clone(), self.custody.clone());
        let segment_bytes = self.segment_bytes;
        let writer =
            ChildSpec::new("writer", "journal", Home::Control, move || Ok(Writer::new(written.clone())));
        let upkeep = move || Ok(Upkeep::new(kept.clone(), segment_bytes));
        let mut children =
            vec![writer.stop_within(STOP_WITHIN), ChildSpec::new("upkeep", "journal", Home::Control, upkeep)];
        if self.custody.level() == Level::Synced {
            let syncer = move || Ok(Syncer::new(synced.clone()));
            children.push(ChildSpec::new("sync", "journal", Home::Control, syncer).stop_within(STOP_WITHIN));
        }
        children
    }

    /// Dispatches what an earlier process left, once; returns when all of it is on its way, or as much as fits into the
    /// memory for what is read back. `budget` is what devices have that exist no more.
    pub(crate) async fn resume(
        &mut self,
        lanes: &Lanes,
        budget: &Budget,
        read_back: &Budget,
        inventory: &Inventory,
    ) {
        let Some(found) = self.found.take().filter(|found| !found.owed.is_empty()) else { return };
        let (known, devices_budget) = (inventory.clone(), budget.clone());
        let flow_of = Arc::new(move |id: event::DeviceId, name: &str| {
            Arc::clone(&known.device_or_new(id.0, name, &devices_budget).flow)
        });
        let backlog = Backlog::new(self.custody.clone(), found, lanes.clone(), read_back, flow_of);
        let mut progress = backlog.progress();
        let make = move || Ok(BacklogReader::new(backlog.clone()));
        let reader = ChildSpec::new("backlog", "journal", Home::Control, make);
        let reader = reader.restart(actors::child::spec::Restart::OnFailure);
        self.announce.nursery().await.adopt(reader);
        let on_its_way = progress.wait_for(|progress| *progress != Progress::Going);
        if tokio::time::timeout(BACKLOG_WITHIN, on_its_way).await.is_err() {
            tracing::warn!(
                "reading back what an earlier process left takes long; devices are started meanwhile"
            );
        }
    }
}

/// Where the journal lies below a Director's root.
pub fn folder(root: &Path) -> PathBuf {
    root.join("storage").join("journal")
}

/// Segments that a journal needs: one that is written, one that is given back, one laid out, one in reserve.
const MIN_SEGMENTS: u64 = 4;

/// The sizes of the configuration; segments are large enough for the largest message.
fn usual(snapshot: &Snapshot) -> journal::Options {
    let usual = journal::Options::default();
    let largest = snapshot.devices.iter().map(|device| match &device.kind {
        // What is read at once is up to twice as long.
        DeviceKind::Tcp(d) => d.max_message_bytes * 2,
        DeviceKind::Syslog(d) => d.max_message_bytes * 2,
        DeviceKind::File(d) => d.max_message_bytes * 2,
        DeviceKind::Windows(d) => d.max_message_bytes * 2,
        DeviceKind::Linux(d) => d.max_message_bytes * 2,
        DeviceKind::Http(d) => d.max_body_bytes,
        DeviceKind::Udp(_) => 0,
    });
    let needed = (largest.max().unwrap_or(0) + (1 << 20)).next_multiple_of(1 << 20);
    let StorageLimits { max_bytes, min_free_bytes, .. } = snapshot.service.storage_limits;
    let segment_bytes = usual.segment_bytes.max(needed.min(LARGEST_SEGMENT_BYTES));
    // A journal takes turns with a few segments, whatever little it may use.
    let quota_bytes = max_bytes.max(MIN_SEGMENTS * segment_bytes);
    journal::Options { segment_bytes, quota_bytes, floor_bytes: min_free_bytes, ..usual }
}

/// Persistent storage was switched off while something was in it.
fn tell_left_behind(common: &Common, opened: anyhow::Result<Opened>) {
    let text = match opened {
        Ok(opened) if opened.found.owed.is_empty() => return,
        Ok(opened) => format!(
            "{} batches of events in storage/journal/ were not delivered and stay there, since persistent storage is \
             off; switch it on again to have them delivered, or remove the folder",
            opened.found.owed.len()
        ),
        Err(e) => {
            format!("storage/journal/ can't be read, and is not used since persistent storage is off: {e:#}")
        }
    };
    tracing::warn!("{text}");
    common.tree.log("journal", text);
}

/// What was repaired, and what is left to be delivered.
fn tell(common: &Common, recovery: &Recovery, found: &Found) {
    let say = |text: String| {
        tracing::warn!("{text}");
        common.tree.log("journal", text);
    };
    if recovery.torn_bytes > 0 {
        let bytes = recovery.torn_bytes;
        say(format!(
            "{bytes} bytes of an unfinished record at the end of the journal were cut off; no acknowledged one"
        ));
    }
    if recovery.cursors_damaged {
        say("the journal's cursor file is missing or damaged; some events may be delivered again".to_owned());
    }
    if found.damaged > 0 {
        let first = found.gaps.first().map_or(0, |gap| gap.from.0);
        let damaged = found.damaged;
        say(format!(
            "{damaged} records of the journal can't be read, the first at position {first}; they are lost"
        ));
    }
    if !found.owed.is_empty() {
        tracing::info!(batches = found.owed.len(), "an earlier process left events to be delivered");
    }
}
