//! The specification of a child: how to start it, where, and what to do when it ends.

use super::actor::{Child, Host, Me};
use super::exit::StartError;
use super::faults::Faults;
use super::nursery::Nursery;
use super::pulse::Pulse;
use super::tree::{Condition, Tree};
use crate::data::sockets::Sockets;
use crate::quarantine::Quarantine;
use futures_util::future::BoxFuture;
use ractor::{Actor, ActorCell};
use seams::{Clock, Disk, Rng};
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How long a home may take to start a child.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A child's name among its siblings; no slashes.
pub type ChildName = Arc<str>;

/// What a child is, for the picture and for the log.
pub type Kind = &'static str;

/// When a child is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Whenever it ends.
    Always,
    /// When it fails; a child that is done is forgotten.
    OnFailure,
    /// Never.
    Never,
}

/// How long to wait before the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure; doubles with each one that follows.
    pub first: Duration,
    /// Never longer than this.
    pub most: Duration,
    /// A life that lasted so long starts the count anew.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { first: Duration::from_millis(200), most: seconds(60), reset_after: seconds(60) }
    }
}

/// How many failures within which time are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// So many failures park the child.
    pub failures: u32,
    /// Within this time.
    pub within: Duration,
    /// A parked child is tried again so often.
    pub retry_parked: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self { failures: 5, within: Duration::from_secs(600), retry_parked: Duration::from_secs(120) }
    }
}

/// When a child is started again, and its time limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When it is started again.
    pub restart: Restart,
    /// How long to wait before that.
    pub backoff: Backoff,
    /// How many failures are too many.
    pub intensity: Intensity,
    /// Working longer than this on one thing is a hang.
    pub work_within: Duration,
    /// Time for an orderly end before it is killed.
    pub stop_within: Duration,
}

impl Rules {
    /// The usual rules with this restart rule. All children with them share them: there are thousands.
    pub fn usual(restart: Restart) -> Arc<Self> {
        static USUAL: LazyLock<[Arc<Rules>; 3]> = LazyLock::new(|| {
            [Restart::Always, Restart::OnFailure, Restart::Never].map(|restart| {
                Arc::new(Rules {
                    restart,
                    backoff: Backoff::default(),
                    intensity: Intensity::default(),
                    work_within: Duration::from_secs(10),
                    stop_within: Duration::from_secs(5),
                })
            })
        });
        Arc::clone(&USUAL[restart as usize])
    }
}

/// Where a child runs.
#[derive(Clone)]
pub enum Home {
    /// With its supervisor, on the control runtime.
    Control,
    /// On a lane, as long as it is the lane's present life.
    Lane(Arc<crate::data::lane::Lane>),
}

/// A started child, as its supervisor needs it.
pub struct Started {
    /// The ractor actor.
    pub cell: ActorCell,
    /// Asks it to stop in an orderly way; it ends by itself then.
    pub stop: Box<dyn Fn() + Send + Sync>,
}

/// How to start a child; called for each of its lives.
pub type StartFn = Arc<dyn Fn(StartContext) -> BoxFuture<'static, Result<Started, StartError>> + Send + Sync>;

/// The specification of a child.
#[derive(Clone)]
pub struct ChildSpec {
    /// Unique among its siblings.
    pub name: ChildName,
    /// What it is.
    pub kind: Kind,
    /// When it is started again, and its time limits.
    pub rules: Arc<Rules>,
    /// Where it runs.
    pub home: Home,
    /// How to start it.
    pub start: StartFn,
}

impl ChildSpec {
    /// A child with the usual policy that is made anew by `make` for each life.
    pub fn new<C: Child>(
        name: impl Into<ChildName>,
        kind: Kind,
        home: Home,
        make: impl Fn() -> anyhow::Result<C> + Send + Sync + 'static,
    ) -> Self {
        let start: StartFn = Arc::new(move |context: StartContext| {
            let child = make();
            Box::pin(async move { context.spawn(child.map_err(StartError::Unfit)?).await })
        });
        Self::with_start(name, kind, home, start)
    }

    /// A child that is started by a function of its own.
    pub fn with_start(name: impl Into<ChildName>, kind: Kind, home: Home, start: StartFn) -> Self {
        Self { name: name.into(), kind, rules: Rules::usual(Restart::Always), home, start }
    }

    /// With another restart rule.
    pub fn restart(mut self, restart: Restart) -> Self {
        let is_usual = *self.rules == *Rules::usual(self.rules.restart);
        match is_usual {
            true => self.rules = Rules::usual(restart),
            false => self.rules_mut().restart = restart,
        }
        self
    }

    /// With another time for an orderly end.
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.rules_mut().stop_within = limit;
        self
    }

    /// Its rules, to change them for it alone.
    pub fn rules_mut(&mut self) -> &mut Rules {
        Arc::make_mut(&mut self.rules)
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildSpec({} {})", self.kind, self.name)
    }
}

/// What every actor of a Director shares: no global state, so that several Directors fit in a process.
#[derive(Clone, Debug)]
pub struct Common {
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub rng: Rng,
    /// The live picture.
    pub tree: Tree,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Bound sockets, which outlive the actors that use them.
    pub sockets: Sockets,
    /// Failures caused on purpose.
    pub faults: Faults,
    /// Where events go that nobody can take.
    pub quarantine: Quarantine,
}

/// What a child gets for one of its lives.
#[derive(Clone)]
pub struct StartContext {
    /// Its path from the root.
    pub path: Arc<str>,
    /// Where it asks for children: they become its siblings, under the same supervisor.
    pub nursery: Nursery,
    /// Where it says what it does.
    pub pulse: Pulse,
    /// Which life this is; no two that a supervisor starts share a number.
    pub generation: u32,
    /// What all actors share.
    pub common: Arc<Common>,
    /// Set when it is asked to stop.
    pub stopping: CancellationToken,
    /// Where it runs.
    pub home: Home,
}

impl StartContext {
    /// Spawns a child at its home, linked to its supervisor.
    pub async fn spawn<C: Child>(self, child: C) -> Result<Started, StartError> {
        let supervisor = self.nursery.supervisor();
        let (home, stopping) = (self.home.clone(), self.stopping.clone());
        let spawn = Actor::spawn_linked(None, Host::<C>::default(), (child, self), supervisor);
        let (actor, _) = match home {
            Home::Control => spawn.await?,
            Home::Lane(lane) => spawn_at(&lane.runtime(), spawn).await??,
        };
        let cell = actor.get_cell();
        let stop = Box::new(move || {
            stopping.cancel();
            // A child that is gone already needs no letter.
            let _ = actor.cast(super::actor::Letter::Stop);
        });
        Ok(Started { cell, stop })
    }

    /// The number of the lane it runs on; that of the first for what runs beside them.
    pub fn lane(&self) -> usize {
        match &self.home {
            Home::Control => 0,
            Home::Lane(lane) => lane.index,
        }
    }

    /// Says how the child fares.
    pub fn report(&self, condition: Condition) {
        self.common.tree.set_condition(&self.path, condition);
    }
}

/// Runs a future on another runtime; a home that hangs takes nobody along.
async fn spawn_at<T: Send + 'static>(
    home: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, StartError> {
    match tokio::time::timeout(START_LIMIT, home.spawn(future)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(e)) => Err(StartError::Unfit(anyhow::anyhow!("its runtime ended: {e}"))),
        Err(_) => Err(StartError::TimedOut(START_LIMIT)),
    }
}

impl<M: Send + 'static> Me<M> {
    /// Says how the actor fares.
    pub fn report(&self, condition: Condition) {
        self.context.report(condition);
    }
}
