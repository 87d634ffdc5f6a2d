//! Lets faults happen: at links, at endpoints, in and around the Director.

use super::run::Happened;
use super::world::{Host, Source, World};
use super::{AnyFault, Planned};
use crate::endpoints::mood::EndpointFault;
use crate::links::LinkFault;
use crate::subject;
use actors::child::faults::matches;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Actors that are to fail get to it within this time: one that was started again waits for a while.
const STRIKING: Duration = Duration::from_secs(6);
/// A collector is behind by so many events at most, when a log is cleared.
const UNREAD: u64 = 500;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A fault and what it takes to let it happen.
pub(super) struct Fault {
    /// Whom it strikes.
    pub(super) world: Arc<World>,
    /// As it was planned.
    pub(super) planned: Planned,
    /// When the load began.
    pub(super) began: Instant,
    /// The names of those in force.
    pub(super) active: Arc<Mutex<Vec<String>>>,
    /// Gives each its key.
    pub(super) keys: Arc<AtomicU64>,
    /// It stands in the scenario.
    pub(super) written: bool,
    /// Held by a fault that goes alone.
    pub(super) alone: Arc<tokio::sync::Mutex<()>>,
}

impl Fault {
    /// Drawn faults may find nobody to strike; those of a scenario have to.
    pub(super) async fn happen(self) -> Happened {
        tokio::time::sleep_until(self.began + self.planned.at).await;
        let _alone = match &self.planned.fault {
            AnyFault::Director(fault) if goes_alone(fault) => Some(self.alone.lock().await),
            _ => None,
        };
        let began = self.began.elapsed().as_secs_f64();
        self.active.lock().push(self.planned.fault.name());
        let outcome = match self.planned.every {
            None => self.once(self.planned.length).await,
            Some(every) => self.again_and_again(every).await,
        };
        let name = self.planned.fault.name();
        let mut active = self.active.lock();
        if let Some(at) = active.iter().position(|other| *other == name) {
            active.remove(at);
        }
        drop(active);
        let (struck, trouble) = match outcome {
            Ok(Some(0)) if self.written => (Some(0), Some("it struck nobody".to_owned())),
            Ok(struck) => (struck, None),
            Err(e) => (None, Some(format!("{e:#}"))),
        };
        Happened { planned: self.planned, began, ended: self.began.elapsed().as_secs_f64(), struck, trouble }
    }

    /// Half of each turn with the fault, half without.
    async fn again_and_again(&self, every: Duration) -> anyhow::Result<Option<u64>> {
        let until = self.began + self.planned.at + self.planned.length;
        let mut struck = None;
        while Instant::now() < until {
            let turn = Instant::now() + every;
            if let Some(times) = self.once(every / 2).await? {
                struck = Some(struck.unwrap_or(0) + times);
            }
            tokio::time::sleep_until(turn.min(until)).await;
        }
        Ok(struck)
    }

    async fn once(&self, length: Duration) -> anyhow::Result<Option<u64>> {
        match &self.planned.fault {
            AnyFault::Link { to, fault } => {
                let ended = self.on_links(to, *fault);
                sleep(length).await;
                self.off_links(to, ended);
                Ok(None)
            }
            AnyFault::Endpoint { of, fault } => {
                let on_link = fault.on_link().map(|on_link| self.on_links(of, on_link));
                let key = self.keys.fetch_add(1, Relaxed);
                self.on_endpoints(of, *fault, key);
                sleep(length).await;
                self.off_endpoints(of, *fault, key);
                if let Some(key) = on_link {
                    self.off_links(of, key);
                }
                Ok(None)
            }
            AnyFault::Director(fault) => {
                let id = self.world.subject.begin(fault).await?;
                match times(fault) {
                    Some(times) if length.is_zero() => {
                        let until = Instant::now() + STRIKING;
                        while Instant::now() < until && self.world.subject.struck(id).await? < times {
                            sleep(LOOK).await;
                        }
                    }
                    Some(_) | None => sleep(length).await,
                }
                Ok(Some(self.world.subject.end(id).await?))
            }
        }
    }

    fn on_links(&self, pattern: &str, fault: LinkFault) -> u64 {
        let key = self.keys.fetch_add(1, Relaxed);
        for (_, link) in self.world.links.iter().filter(|(name, _)| matches(pattern, name)) {
            link.begin(key, fault);
        }
        key
    }

    fn off_links(&self, pattern: &str, key: u64) {
        for (_, link) in self.world.links.iter().filter(|(name, _)| matches(pattern, name)) {
            link.end(key);
        }
    }

    fn on_endpoints(&self, pattern: &str, fault: EndpointFault, key: u64) {
        for sink in self.world.sinks.iter().filter(|sink| matches(pattern, &sink.target)) {
            sink.mood.begin(key, fault);
        }
        for source in self.world.sources.iter().filter(|source| matches(pattern, &source.device)) {
            on_host(source, fault);
        }
    }

    fn off_endpoints(&self, pattern: &str, fault: EndpointFault, key: u64) {
        for sink in self.world.sinks.iter().filter(|sink| matches(pattern, &sink.target)) {
            sink.mood.end(key);
            // Whoever is connected under the wrong terms has to come again.
            if let (Some(LinkFault::LinkReset), Some(link)) =
                (fault.on_link(), self.world.links.get(&sink.target))
            {
                link.begin(key, LinkFault::LinkReset);
            }
        }
        for source in self.world.sources.iter().filter(|source| matches(pattern, &source.device)) {
            off_host(source, fault);
        }
    }
}

/// A process that starts is not stopped before it is ready, and finds a configuration without mistakes: one such fault
/// waits for the other.
fn goes_alone(fault: &subject::Fault) -> bool {
    let broken = matches!(fault, subject::Fault::ConfigurationBroken(_) | subject::Fault::MemoryLimited(_));
    fault.stops_the_process() || broken
}

/// How often a fault of actors is to strike.
fn times(fault: &subject::Fault) -> Option<u64> {
    match fault {
        subject::Fault::ActorPanics(actors)
        | subject::Fault::ActorErrors(actors)
        | subject::Fault::ActorHangs(actors) => Some(actors.times.unwrap_or(1)),
        _ => None,
    }
}

fn on_host(source: &Source, fault: EndpointFault) {
    match (&source.host, fault) {
        (Host::Linux(host), EndpointFault::WrongPassword) => host.faults().refuse.store(true, Relaxed),
        (Host::Linux(host), EndpointFault::HostRebooted) => host.cut(),
        (Host::Windows(host, ..), EndpointFault::WrongPassword) => host.set_password("another one"),
        (Host::Windows(host, ..), EndpointFault::HostRebooted) => host.reboot(),
        (Host::Windows(host, channel, next), EndpointFault::LogCleared) => {
            // What nobody has read is gone, and nobody promised it.
            source.origin.withdraw_last(UNREAD);
            host.logs().clear(channel);
            next.store(1, Relaxed);
        }
        _ => {}
    }
}

fn off_host(source: &Source, fault: EndpointFault) {
    match (&source.host, fault) {
        (Host::Linux(host), EndpointFault::WrongPassword) => host.faults().refuse.store(false, Relaxed),
        (Host::Windows(host, ..), EndpointFault::WrongPassword) => {
            host.set_password(super::rewrite::WINDOWS_USER.1);
        }
        _ => {}
    }
}
