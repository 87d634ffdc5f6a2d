//! The running program: start, the main loop, stop.
//!
//! The main loop waits for signals and requests; everything else happens in the tree of `supervisors`. A
//! configuration that has mistakes, or can't be put into force, never replaces the one that is running ([`reload`]).

mod reload;
mod signals;
mod surroundings;

use crate::configuration::load;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::log::{Log, Sinks, log_panics};
use crate::place::{Holder, Lock, Place};
use crate::service_manager::ServiceManager;
use anyhow::Context;
use config::{Diagnostic, Snapshot, Source};
use journal::OpenError;
use reload::register;
use signals::Signals;
use std::convert::Infallible;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use supervisors::control::watcher::Known;
use supervisors::control::{Control, Request};
use supervisors::{Director, Inventory, Left, Options};
pub(crate) use surroundings::Surroundings;
use tokio::sync::mpsc;

/// How often the Director looks for retired targets that are done.
const SWEEP: Duration = Duration::from_secs(1);
/// So many requests wait for the main loop before those who ask have to.
const REQUESTS_WAITING: usize = 8;

/// Runs a Director until it is told to stop.
pub(crate) fn run(place: &Place, surroundings: Surroundings) -> Result<Exit, Failed> {
    let known = Known::now(&place.source);
    let (snapshot, warnings) = first_configuration(place)?;
    if !snapshot.service.status {
        println!("director.status is false: this Director is not to run; set it to true to start it");
        return Ok(Exit::Ok);
    }
    let _lock = lock(place)?;
    keep_secrets_out_of_core_dumps();
    let log = Log::start(snapshot.service.debug.level, sinks(place, &snapshot))?;
    log_panics();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let exit = runtime.block_on(daemon(place.clone(), surroundings, snapshot, known, log.clone()));
    if let Err(e) = &exit {
        tracing::error!("{:#}", e.error);
    }
    log.flush();
    // Threads of lanes that are stuck are not waited for.
    runtime.shutdown_background();
    exit
}

/// Passwords and keys are in memory for as long as it runs. systemd-coredump heeds this limit, too (core(5)).
fn keep_secrets_out_of_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // A limit can always be lowered.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// The configuration to start with, and warnings about it. Nothing is written before there is one.
fn first_configuration(place: &Place) -> Result<(Snapshot, Vec<Diagnostic>), Failed> {
    if let Source::Folder(folder) = &place.source {
        let any = ["vmetric.yml", "vmetric.yaml", "vmetric.toml", "config"];
        if !any.iter().any(|name| folder.join(name).exists()) {
            let text = format!(
                "there is no configuration here (no vmetric.yml in {}); to begin with an example, run \
                 vmetric-director -example > vmetric.yml",
                folder.display()
            );
            return Err(Failed::new(Exit::Configuration, anyhow::anyhow!(text)));
        }
    }
    let loaded = load(place);
    if let Some(snapshot) = loaded.snapshot {
        return Ok((snapshot, loaded.diagnostics));
    }
    eprint!("{}", loaded.report());
    let text = "the configuration has mistakes, listed above; nothing was started";
    Err(Failed::new(Exit::Configuration, anyhow::anyhow!(text)))
}

fn lock(place: &Place) -> Result<Lock, Failed> {
    let lock = place
        .lock()
        .with_context(|| format!("cannot write to {}", place.root().join("storage").display()))?;
    lock.map_err(|holder| {
        let who = match holder {
            Holder::Director(Some(pid)) => format!("process {pid}"),
            Holder::Director(None) | Holder::Nobody => "another process".to_owned(),
        };
        let shown = place.root().display();
        let text = format!(
            "a Director runs on {shown} already ({who}); stop it with -path {shown} -stop, or choose another -path"
        );
        Failed::new(Exit::Busy, anyhow::anyhow!(text))
    })
}

fn sinks(place: &Place, snapshot: &Snapshot) -> Sinks {
    let debug = &snapshot.service.debug;
    let console = debug.console || std::io::stdout().is_terminal();
    Sinks { folder: Some(place.logs()), debug_file: debug.log, console }
}

/// The main loop.
async fn daemon(
    place: Place,
    surroundings: Surroundings,
    snapshot: Snapshot,
    known: Known,
    log: Log,
) -> Result<Exit, Failed> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let manager = ServiceManager::from_environment(|name| std::env::var(name).ok());
    register(&log, &snapshot);
    let (requests, mut asked) = mpsc::channel(REQUESTS_WAITING);
    let follow = log.clone();
    let control = Control {
        socket: place.socket(),
        source: place.source.clone(),
        known,
        requests,
        follow_log: Arc::new(move |level| follow.follow(level)),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "the Director is starting");
    let root = place.root().to_owned();
    let Surroundings { disk, clock, faults, at_end } = surroundings;
    let options = Options { control: Some(control), root, disk, clock, faults, ..Options::default() };
    let mut director = Director::start(snapshot, options).await.map_err(start_failed)?;
    let status = announce(&director);
    manager.ready(&status);

    let mut sweep = tokio::time::interval(SWEEP);
    let mut alive = manager.alive_every.map(tokio::time::interval);
    let why = loop {
        let alive = async {
            match &mut alive {
                Some(every) => every.tick().await,
                None => std::future::pending().await,
            }
        };
        let request = tokio::select! {
            request = signals.next() => request,
            Some(request) = asked.recv() => request,
            _ = sweep.tick() => {
                if !director.is_standing() {
                    let text = "the root of the tree failed; the process ends, to be started afresh";
                    return Err(anyhow::anyhow!(text).into());
                }
                director.sweep().await;
                continue;
            }
            _ = alive => {
                manager.alive();
                continue;
            }
        };
        match request {
            Request::Stop(why) => break why,
            Request::Reload(why) => reload::reload(&mut director, &place, &log, why).await,
        }
    };
    tracing::info!(why, "stopping: nothing more is taken in, what is held is delivered");
    manager.stopping();
    let (view, inventory) = (director.view().clone(), director.inventory().clone());
    let left = stop(director, &mut signals, manager.alive_every.map(|every| (every, &manager))).await;
    at_end(&view, left);
    Ok(report(&inventory, left))
}

/// A journal that another process has open is a Director that runs already.
fn start_failed(error: anyhow::Error) -> Failed {
    let exit = match error.downcast_ref::<OpenError>() {
        Some(OpenError::InUse { .. }) => Exit::Busy,
        _ => Exit::Failure,
    };
    Failed::new(exit, error)
}

/// Says what was started; a Director without devices gets a hint.
fn announce(director: &Director) -> String {
    let snapshot = director.snapshot();
    let devices = snapshot.devices.iter().filter(|device| device.status).count();
    let targets = snapshot.targets.iter().filter(|target| target.status).count();
    let routes = snapshot.routes.iter().filter(|route| route.status).count();
    tracing::info!(devices, targets, routes, "the Director is started");
    if devices == 0 {
        tracing::warn!(
            "no device is configured, so nothing comes in; -example prints a configuration with some"
        );
    }
    format!("{devices} devices, {routes} routes, {targets} targets")
}

/// Stops in an orderly way; a second signal ends it at once.
async fn stop(director: Director, signals: &mut Signals, alive: Option<(Duration, &ServiceManager)>) -> Left {
    let inventory = director.inventory().clone();
    let keep_alive = async {
        let Some((every, manager)) = alive else { return std::future::pending::<Infallible>().await };
        loop {
            manager.alive();
            tokio::time::sleep(every).await;
        }
    };
    tokio::select! {
        left = director.stop() => left,
        () = signals.stop() => {
            tracing::warn!("told to stop a second time; ending at once");
            Left { events: inventory.held(), kept: 0 }
        }
        never = keep_alive => match never {},
    }
}

/// Says what a stopped Director leaves behind.
fn report(inventory: &Inventory, Left { events, kept }: Left) -> Exit {
    if kept > 0 {
        tracing::info!(kept, "these events are in the journal and are delivered after the next start");
    }
    if events == 0 {
        tracing::info!("stopped; everything that was taken in is settled or kept");
        return Exit::Ok;
    }
    report_left(inventory, events);
    Exit::Left
}

fn report_left(inventory: &Inventory, left: u64) {
    for target in inventory.targets() {
        let held = target.flow.held();
        if held > 0 {
            tracing::warn!(target = &*target.name, held, "deliveries that were not made");
        }
    }
    tracing::warn!(left, "stopped; these events were taken in and are not settled");
}
