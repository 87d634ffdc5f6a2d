//! Spools of targets: which targets have one, how it is kept, and the gates before their senders.

use super::Senders;
use crate::supervisor::StopOrder;
use actors::child::spec::Common;
use actors::child::{ChildSpec, Home};
use actors::data::{Address, Door, Lanes, Target};
use actors::target::spool::settings::SEGMENT_BYTES;
use actors::target::spool::{Gate, Schedule, Spool, SpoolReader, SpoolSettings, SpoolWriter, WhenSpoolFull};
use config::service::StorageLimits;
use config::target::SpoolFull;
use config::{PersistentStorage, Service};
use event::{Book, PlaceId};
use journal::Environment;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A sender with a spool may take so long to finish what it began when it is asked to stop.
pub(super) const FINISH_WITHIN: Duration = Duration::from_secs(3);
/// A gate may take so long to have delivered or written what is in memory.
const CLOSE_WITHIN: Duration = Duration::from_secs(20);
/// A target that takes nothing for so long is down or slow.
const PATIENCE: Duration = Duration::from_secs(1);
/// A target under way with this part of the memory for received data is slow.
const SHARE_OF_BUDGET: u64 = 4;

/// The places of a gate in books, and where it lives.
type GateSeat = (Home, Vec<(Arc<Book>, PlaceId)>);

/// The spools of a Director; they outlive their targets' actors.
#[derive(Debug)]
pub struct Spools {
    folder: PathBuf,
    service: Service,
    by_target: HashMap<String, Arc<Spool>>,
}

/// A target's spool and when it is emptied.
#[derive(Clone, Debug)]
pub struct Spooled {
    spool: Arc<Spool>,
    schedule: Schedule,
}

impl Spools {
    /// None yet; their folders lie below `root`. What the service says of storage holds until the next start.
    pub fn new(root: &Path, service: &Service) -> Self {
        Self { folder: root.join("storage/spool"), service: service.clone(), by_target: HashMap::new() }
    }

    /// The spool of a target, if it is to have one.
    pub fn of_target(
        &mut self,
        shared: &Arc<Target>,
        target: &config::Target,
        common: &Common,
    ) -> Option<Spooled> {
        let scheduled = target.schedule != config::Schedule::Always;
        if self.service.persistent_storage == PersistentStorage::Off && !scheduled {
            return None;
        }
        let mut settings = self.settings(&target.name);
        settings.patience = PATIENCE + target.batch.time;
        settings.scheduled = scheduled;
        settings.quota_bytes = target.spool.max_bytes.unwrap_or(settings.quota_bytes);
        settings.when_full = match target.spool.when_full {
            SpoolFull::Block => WhenSpoolFull::Block,
            SpoolFull::DropOldest => WhenSpoolFull::DropOldest,
        };
        Some(self.spooled(shared, settings, &target.schedule, common))
    }

    /// The spool before a target that a scheduled route has.
    pub fn of_route(
        &mut self,
        shared: &Arc<Target>,
        schedule: &config::Schedule,
        common: &Common,
    ) -> Spooled {
        let mut settings = self.settings(&shared.name);
        settings.scheduled = true;
        self.spooled(shared, settings, schedule, common)
    }

    /// Whether a target's spool holds nothing.
    pub fn is_empty(&self, target: &str) -> bool {
        self.by_target.get(target).is_none_or(|spool| spool.is_empty())
    }

    /// Says which folders hold spools of targets that are not in the configuration.
    pub fn tell_of_strays(&self, common: &Common) {
        for entry in common.disk.list(&self.folder).unwrap_or_default() {
            let folder = self.folder.join(&entry.name);
            if self.by_target.keys().any(|name| self.folder_of(name) == folder) {
                continue;
            }
            let text = format!(
                "{} is the spool of a target that has none now; what waits in it is delivered when the target is back with persistent_storage or a schedule, or remove the folder",
                folder.display()
            );
            tracing::warn!("{text}");
            common.tree.log("targets", text);
        }
    }

    fn settings(&self, name: &str) -> SpoolSettings {
        let service = &self.service;
        let StorageLimits { max_bytes, min_free_bytes } = service.storage_limits;
        SpoolSettings {
            folder: self.folder_of(name),
            synced: service.persistent_storage == PersistentStorage::Synced,
            segment_bytes: SEGMENT_BYTES,
            quota_bytes: max_bytes,
            floor_bytes: min_free_bytes,
            max_age: service.queue_limit,
            when_full: WhenSpoolFull::Block,
            patience: PATIENCE,
            most_bytes: service.memory_budget_bytes / SHARE_OF_BUDGET,
            scheduled: false,
        }
    }

    fn spooled(
        &mut self,
        shared: &Arc<Target>,
        settings: SpoolSettings,
        schedule: &config::Schedule,
        common: &Common,
    ) -> Spooled {
        let schedule = match schedule {
            config::Schedule::Always => Schedule::Always,
            config::Schedule::Every(pause) => Schedule::Every(*pause),
            config::Schedule::Cron(cron) => Schedule::Cron(cron.as_str().into()),
        };
        let spool = match self.by_target.get(&*shared.name) {
            Some(spool) => {
                spool.change(settings);
                Arc::clone(spool)
            }
            None => {
                let (disk, clock, rng) = (Arc::clone(&common.disk), common.clock.clone(), common.rng.clone());
                let spool = Spool::new(Arc::clone(shared), settings, Environment { disk, clock, rng });
                self.by_target.insert(shared.name.to_string(), Arc::clone(&spool));
                spool
            }
        };
        Spooled { spool, schedule }
    }

    /// A target's name as the name of a folder: letters, digits, `-`, `_`, `.` and `@` as they are, all else as `%` and two digits.
    fn folder_of(&self, name: &str) -> PathBuf {
        let mut folder = String::new();
        for (n, byte) in name.bytes().enumerate() {
            match byte {
                b'.' if n == 0 => folder.push_str("%2E"),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@' => {
                    folder.push(byte.into())
                }
                _ => folder.push_str(&format!("%{byte:02X}")),
            }
        }
        self.folder.join(folder)
    }
}

/// A gate on each lane.
pub(super) fn gates_on_lanes(lanes: &Lanes, places: &[PlaceId]) -> Vec<GateSeat> {
    let seat = |(lane, place): (&Arc<actors::data::Lane>, &PlaceId)| {
        (Home::Lane(Arc::clone(lane)), vec![(Arc::clone(&lane.book), *place)])
    };
    lanes.all().iter().zip(places).map(seat).collect()
}

/// A spool before a target that has doors of its own: what a scheduled route has.
pub fn relay(spooled: &Spooled, lanes: &Lanes, places: &[PlaceId], doors: Vec<Arc<dyn Door>>) -> Senders {
    let senders = Senders { doors, children: Arc::new(Vec::new), stop_order: StopOrder::Together };
    spooled.before(senders, &gates_on_lanes(lanes, places))
}

impl Spooled {
    /// Puts gates before senders, one before each.
    pub(super) fn before(&self, senders: Senders, seats: &[GateSeat]) -> Senders {
        let ports = seats.len();
        let gates: Vec<_> =
            seats.iter().map(|(home, seats)| (home.clone(), Address::at(seats.clone()))).collect();
        let doors = gates.iter().map(|(_, address)| Arc::clone(address) as Arc<dyn Door>).collect();
        let (spooled, inner) = (self.clone(), senders.doors);
        let children = move || {
            let mut children = spooled.children();
            children.extend((senders.children)());
            for (port, ((home, address), door)) in gates.iter().zip(&inner).enumerate() {
                let (spool, address, door) =
                    (Arc::clone(&spooled.spool), Arc::clone(address), Arc::clone(door));
                let make = move || {
                    let (spool, address, door) =
                        (Arc::clone(&spool), Arc::clone(&address), Arc::clone(&door));
                    Ok(Gate::new(spool, address, door, (port, ports)))
                };
                let gate = ChildSpec::new(format!("gate-{port}"), "gate", home.clone(), make);
                children.push(gate.stop_within(CLOSE_WITHIN));
            }
            children
        };
        Senders { doors, children: Arc::new(children), stop_order: StopOrder::Reverse }
    }

    fn children(&self) -> Vec<ChildSpec> {
        let spool = Arc::clone(&self.spool);
        let writer =
            ChildSpec::new("spool", "spool", Home::Control, move || Ok(SpoolWriter::new(Arc::clone(&spool))));
        let spool = Arc::clone(&self.spool);
        let reader = ChildSpec::new("spool-reader", "spool", Home::Control, move || {
            Ok(SpoolReader::new(Arc::clone(&spool)))
        });
        let mut children = vec![writer, reader];
        if self.schedule != Schedule::Always {
            let (spool, schedule) = (Arc::clone(&self.spool), self.schedule.clone());
            children.push(ChildSpec::new("schedule", "schedule", Home::Control, move || {
                Ok(actors::target::spool::SpoolSchedule::new(Arc::clone(&spool), schedule.clone()))
            }));
        }
        children
    }
}

impl Senders {
    /// The one door for all lanes.
    pub(super) fn for_all(mut self, lanes: &Lanes) -> Self {
        if let Some(door) = self.doors.pop() {
            self.doors = lanes.all().iter().map(|_| Arc::clone(&door)).collect();
        }
        self
    }
}
