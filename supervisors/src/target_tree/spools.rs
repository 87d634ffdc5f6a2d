//! Spools of targets: which targets have one, how it is kept, and the gates before their senders.

use super::Senders;
use crate::spool_desk::SpoolDesk;
use crate::supervisor::StopOrder;
use actors::child::spec::Common;
use actors::child::{ChildSpec, Home};
use actors::data::{Address, Door, Lanes, Target};
use actors::target::spool::settings::SEGMENT_BYTES;
use actors::target::spool::{Gate, Schedule, Spool, SpoolReader, SpoolSettings, SpoolWriter, WhenSpoolFull};
use config::service::StorageLimits;
use config::target::SpoolFull;
use config::{PersistentStorage, Service};
use event::{Book, Budget, PlaceId};
use journal::Environment;
use seams::Disk;
use std::path::Path;
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
    service: Service,
    read_back: Budget,
    desk: SpoolDesk,
}

/// A target's spool and when it is emptied.
#[derive(Clone, Debug)]
pub struct Spooled {
    spool: Arc<Spool>,
    schedule: Schedule,
}

impl Spools {
    /// None yet; their folders lie below `root`. What the service says of storage holds until the next start. All hold what
    /// they read back within one budget.
    pub fn new(root: &Path, service: &Service, disk: Arc<dyn Disk>, read_back: Budget) -> Self {
        Self { service: service.clone(), read_back, desk: SpoolDesk::new(root, disk) }
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
        self.desk.spool(target).is_none_or(|spool| spool.is_empty())
    }

    /// Says which folders hold spools of targets that are not in the configuration, and removes those that hold nothing.
    pub async fn tell_of_strays(&self, common: &Common) {
        let desk = self.desk.clone();
        // It fails only when the process ends.
        let strays = tokio::task::spawn_blocking(move || desk.look_after_strays()).await.unwrap_or_default();
        for text in strays {
            tracing::warn!("{text}");
            common.tree.log("targets", text);
        }
    }

    /// What commands have of them.
    pub fn desk(&self) -> SpoolDesk {
        self.desk.clone()
    }

    fn settings(&self, name: &str) -> SpoolSettings {
        let service = &self.service;
        let StorageLimits { max_bytes, min_free_bytes, .. } = service.storage_limits;
        SpoolSettings {
            folder: self.desk.folder(name),
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
        let spool = match self.desk.spool(&shared.name) {
            Some(spool) => {
                spool.change(settings);
                spool
            }
            None => {
                let (disk, clock, rng) = (Arc::clone(&common.disk), common.clock.clone(), common.rng.clone());
                let environment = Environment { disk, clock, rng };
                let spool = Spool::new(Arc::clone(shared), settings, environment, &self.read_back);
                self.desk.add(&shared.name, &spool);
                spool
            }
        };
        Spooled { spool, schedule }
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
