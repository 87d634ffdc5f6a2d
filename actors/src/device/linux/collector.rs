//! The actor of a Linux host: connects, reads, backs off, for ever.

use super::channel::Line;
use super::commands::{CommandLoop, Task};
use super::connect::{dial, greet, resolve};
use super::files::FileLoop;
use super::follow::Follow;
use super::journal::{self, Access, JournalLoop};
use super::lines::Intake;
use super::settings::{Files, Journal, LinuxSettings, SYSTEM_LOGS};
use super::shell::Shell;
use super::sign_in::sign_in;
use super::status::Status;
use super::trouble::{AFTER_REFUSAL, AFTER_REFUSALS, Again, MOST_REFUSALS, Trouble};
use crate::child::actor::Next;
use crate::child::{Child, Me};
use crate::data::device::Device;
use crate::data::lane::Lane;
use crate::device::file::Checkpoints;
use crate::device::file::pattern::Patterns;
use crate::device::positions::Positions;
use crate::device::spread::Spread;
use futures_util::future::{BoxFuture, select_all};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// The first wait after trouble that passes; doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(60);
/// Goodbyes may take so long.
const GOODBYE: Duration = Duration::from_secs(1);

/// What of a collector outlives its lives; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// It had its turn among those that begin together.
    begun: AtomicBool,
    /// Refused sign-ins in a row: locking an account out takes few.
    refusals: AtomicU32,
}

/// What a collector works with.
#[derive(Clone)]
pub struct Means {
    /// The device.
    pub device: Arc<Device>,
    /// Where its streams live.
    pub lane: Arc<Lane>,
    /// What it does.
    pub settings: Arc<LinuxSettings>,
    /// Where its places are kept.
    pub checkpoints: Checkpoints,
    /// Who begins when.
    pub spread: Spread,
    /// What it remembers.
    pub memory: Memory,
}

/// The collector.
pub struct Collector {
    means: Means,
    positions: Arc<Positions>,
}

impl Collector {
    /// The collector of a device; one at a time.
    pub fn new(means: Means) -> Self {
        let positions = means.checkpoints.positions(means.device.id);
        Self { means, positions }
    }

    async fn collect(&self, me: &Me<()>, status: &Status) -> anyhow::Result<()> {
        let common = &me.context.common;
        if !self.means.memory.0.begun.swap(true, Relaxed) {
            let wait = self.means.spread.arrive(&common.clock, &common.rng);
            status.only(format!("begins in {} s", wait.as_secs()));
            tokio::time::sleep(wait).await;
        }
        self.load().await?;
        let mut wait = FIRST_WAIT;
        loop {
            let began = common.clock.now();
            let trouble = match self.connect(status).await {
                Ok((line, peer)) => {
                    self.means.device.meters.opened.add(1);
                    self.means.device.meters.open.up();
                    let trouble = self.serve(me, status, line, peer).await;
                    self.means.device.meters.open.down();
                    trouble
                }
                Err(trouble) => trouble,
            };
            if common.clock.now().duration_since(began) > GOOD {
                wait = FIRST_WAIT;
            }
            let pause = match trouble.again {
                Again::Soon => {
                    let spread = common.rng.below(wait.as_millis() as u64 / 2 + 1);
                    let pause = wait + Duration::from_millis(spread);
                    wait = (wait * 2).min(LONGEST_WAIT);
                    pause
                }
                Again::After(pause) => pause,
                Again::Refused => self.refused(),
            };
            self.means.device.meters.ended.add(cause(&trouble));
            status.down(format!("{}; trying again in {}", trouble.text, spoken(pause)));
            tokio::time::sleep(pause).await;
        }
    }

    /// Takes over checkpoints, the first time.
    async fn load(&self) -> anyhow::Result<()> {
        let (positions, checkpoints) = (Arc::clone(&self.positions), self.means.checkpoints.clone());
        let device = self.means.device.id;
        let load = move || positions.load_once(|| checkpoints.load_positions(device));
        tokio::task::spawn_blocking(load).await?;
        Ok(())
    }

    /// How long to wait after a refused sign-in.
    fn refused(&self) -> Duration {
        let refusals = self.means.memory.0.refusals.fetch_add(1, Relaxed) + 1;
        if refusals < MOST_REFUSALS { AFTER_REFUSAL } else { AFTER_REFUSALS }
    }

    async fn connect(&self, status: &Status) -> Result<(Line, SocketAddr), Trouble> {
        let settings = &self.means.settings;
        let place = settings.place();
        status.only(format!("connecting to {place}"));
        let addresses = resolve(settings).await?;
        let socket = dial(settings, &addresses).await?;
        let peer = socket.peer_addr().map_err(|e| Trouble::unreachable(settings, &e))?;
        let mut greeted = greet(settings, socket).await?;
        status.only(format!("signing in at {place} as {}", settings.user.name));
        let by = sign_in(settings, &mut greeted.handle).await?;
        self.means.memory.0.refusals.store(0, Relaxed);
        let device = &*self.means.device.name;
        tracing::info!(device, host = place, host_key = greeted.fingerprint, by, "signed in");
        status.only(format!("connected to {place}"));
        Ok((Line::new(greeted.handle, Arc::clone(settings)), peer))
    }

    /// Reads all inputs until the connection breaks or the actor is asked to stop.
    async fn serve(&self, me: &Me<()>, status: &Status, line: Line, peer: SocketAddr) -> Trouble {
        let settings = &self.means.settings;
        let loops = match self.begin(me, status, &line, peer).await {
            Ok(loops) => loops,
            Err(trouble) => return trouble,
        };
        if loops.is_empty() {
            return Trouble::lasting(format!(
                "there is nothing to read on {}: name path or journal",
                settings.place()
            ));
        }
        let (ended, _, _) = select_all(loops).await;
        let trouble = ended.err().unwrap_or_else(|| Trouble::ended(settings));
        // A connection that is broken already can't be closed in good order.
        let _ = tokio::time::timeout(GOODBYE, line.close()).await;
        trouble
    }

    async fn begin(
        &self,
        me: &Me<()>,
        status: &Status,
        line: &Line,
        peer: SocketAddr,
    ) -> Result<Vec<BoxFuture<'static, Result<(), Trouble>>>, Trouble> {
        let settings = &self.means.settings;
        let common = &me.context.common;
        let mut shell = Shell::open(line, &common.rng).await?;
        let (files, journal) = self.inputs(status, &mut shell).await?;
        let (device, lane) = (&self.means.device, &self.means.lane);
        let intake = || Intake::new(Arc::clone(device), Arc::clone(lane), common.clock.clone(), Some(peer));
        let mut loops: Vec<BoxFuture<'static, Result<(), Trouble>>> = Vec::new();
        if let Some(files) = files {
            let intake = intake();
            let positions = Arc::clone(&self.positions);
            let follow = Follow::new(positions, intake.acknowledged(), settings.max_message_bytes);
            let files = FileLoop::new(Arc::clone(settings), files, shell, intake, follow, status.clone());
            loops.push(Box::pin(files.run()));
        }
        if let Some(journal) = journal {
            let positions = Arc::clone(&self.positions);
            let journal = JournalLoop::new(line.clone(), journal, intake(), positions, status.clone());
            loops.push(Box::pin(journal.run()));
        }
        for task in Task::all(&settings.inputs) {
            let commands = CommandLoop::new(line.clone(), intake(), status.clone(), task);
            loops.push(Box::pin(commands.run()));
        }
        Ok(loops)
    }

    /// What is read: what is named, or what there is.
    async fn inputs(
        &self,
        status: &Status,
        shell: &mut Shell,
    ) -> Result<(Option<Files>, Option<Journal>), Trouble> {
        let settings = &self.means.settings;
        let inputs = &settings.inputs;
        let (mut files, mut journal) = (inputs.files.clone(), inputs.journal.clone());
        if journal.is_none() && !inputs.find {
            return Ok((files, journal));
        }
        let (place, user) = (settings.place(), &settings.user.name);
        match journal::access(shell).await? {
            Access::Whole if inputs.find => journal = Some(Journal::default()),
            Access::Whole => {}
            Access::Own if inputs.find => files = Some(system_logs()),
            Access::Own => status.trouble("journal access", journal::grant(user, &place)),
            Access::None if inputs.find => files = Some(system_logs()),
            Access::None => {
                let text = format!("there is no journal on {place}; remove journal, and name files by path");
                status.trouble("journal access", text);
                journal = None;
            }
        }
        Ok((files, journal))
    }
}

/// Where nothing is named and the journal can't be read.
fn system_logs() -> Files {
    let paths: Vec<String> = SYSTEM_LOGS.map(str::to_owned).to_vec();
    // Both are plain paths.
    let patterns = Patterns::new(&paths, &[]).unwrap_or_default();
    Files { paths, patterns }
}

/// The name of a trouble in metrics.
fn cause(trouble: &Trouble) -> &'static str {
    match trouble.again {
        Again::Soon => "disconnected",
        Again::After(_) => "unusable",
        Again::Refused => "refused",
    }
}

fn spoken(time: Duration) -> String {
    match time.as_secs() {
        0 => "a second".to_owned(),
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds => format!("{} minutes", seconds / 60),
    }
}

impl Child for Collector {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let status = Status::new(me.context.clone(), Arc::clone(&self.means.device.name));
        tokio::select! {
            biased;
            () = me.stopping() => Ok(Next::Done),
            ended = me.waiting(self.collect(me, &status)) => ended.map(|()| Next::Done),
        }
    }
}
