//! A Director that is told to fail: `-under-test TERMS`, for the program that rehearses failures and for tests.
//!
//! It is the same Director, with another disk, another clock and a list of faults; orders come as JSON lines on the
//! standard input, and answers go to the standard output (`simulations::subject::order`). It starts when it is told to,
//! says its last counters when it has stopped, and ends at once when whoever tests it is gone.
//!
//! In no help, since nobody who runs a Director needs it; `docs/simulation-subject.md` describes it.

use crate::arguments::Arguments;
use crate::daemon::{self, Surroundings};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use actors::child::{Fault, Faults};
use anyhow::Context;
use rustix::process::{Signal, set_parent_process_death_signal};
use seams::{Disk, RealDisk, Rng, ShiftedClock};
use serde::Serialize;
use simulations::subject::disk::{Careless, DiskFaults, FaultyDisk, VolatileDisk};
use simulations::subject::order::{Answer, Ended, Misfortune, Order, Said, Told};
use simulations::subject::{Defence, Terms};
use std::io::{BufRead, Write};
use std::path::absolute;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use supervisors::Left;
use supervisors::control::stats::Stats;
use supervisors::control::{View, metrics};

/// What orders reach.
struct Reach {
    actors: Faults,
    disk: DiskFaults,
    clock: ShiftedClock,
    go: Sender<()>,
}

/// Runs it.
pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    // Also when it stands still and can't see that its standard input has ended.
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot tie its life to that of its parent")?;
    let terms: Terms =
        serde_json::from_str(arguments.value("under-test").unwrap_or_default()).map_err(|e| {
            let text = format!("the terms of -under-test are not understood: {e}");
            Failed::new(Exit::Usage, anyhow::anyhow!(text))
        })?;
    let root = absolute(place.root()).context("cannot tell where this is")?;
    // Each process has its own chance: what struck once would strike each life at the same place.
    let rng = Rng::seeded(terms.seed ^ u64::from(std::process::id()).rotate_left(32));
    let (clock, actors) = (ShiftedClock::new(), Faults::default());
    let disk_faults = DiskFaults::new(&root, rng.fork("failing calls"));
    let careless = match terms.without {
        Some(Defence::FileSyncs) => Careless::Files,
        Some(Defence::FolderSyncs) => Careless::Folders,
        Some(Defence::Restarts | Defence::Writes) | None => Careless::No,
    };
    if terms.without == Some(Defence::Restarts) {
        actors.switch_restarts_off();
    }
    let forgets = terms.power_cuts || terms.without == Some(Defence::Writes);
    let real = Arc::new(RealDisk);
    let volatile = forgets.then(|| VolatileDisk::careless(real, rng.fork("early writes"), careless));
    let below: Arc<dyn Disk> = match &volatile {
        Some(volatile) => Arc::new(volatile.clone()),
        None => Arc::new(RealDisk),
    };
    let disk = Arc::new(FaultyDisk::new(below, disk_faults.clone()));

    let (go, gone) = mpsc::channel();
    let reach = Reach { actors: actors.clone(), disk: disk_faults, clock: clock.clone(), go };
    std::thread::Builder::new().name("orders".to_owned()).spawn(move || take_orders(&reach))?;
    // The thread for orders ends with the process alone.
    gone.recv().context("nobody told it to go")?;

    let surroundings =
        Surroundings { disk, clock: clock.clock(), faults: actors, at_end: Box::new(tell_end) };
    let exit = daemon::run(place, surroundings);
    if let Some(volatile) = volatile {
        // What was written outlives a process that ends by itself.
        volatile.flush().context("cannot write what was not synced")?;
    }
    exit
}

/// Says how it ended, with all counters.
fn tell_end(view: &View, left: Left) {
    let stats = Stats::now(view);
    let metrics = metrics::render(&stats);
    let stats = serde_json::to_value(&stats).unwrap_or_default();
    say(&Said::Ended { ended: Ended { left: left.events, kept: left.kept, stats, metrics } });
}

/// Carries orders out until there are no more, and then ends the process: whoever tests it is gone.
fn take_orders(reach: &Reach) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Told { number, order }) => say(&Said::Answer { number, answer: reach.carry_out(order) }),
            Err(e) => eprintln!("this is no order: {e}: {line}"),
        }
    }
    std::process::exit(i32::from(Exit::Failure as u8));
}

/// Says a line, whole, whoever else writes.
fn say(said: &impl Serialize) {
    let Ok(mut line) = serde_json::to_vec(said) else { return };
    line.push(b'\n');
    // If nobody listens any more, the standard input has ended, too.
    let _ = std::io::stdout().lock().write_all(&line);
}

impl Reach {
    fn carry_out(&self, order: Order) -> Answer {
        Answer::Done(match order {
            Order::Go => {
                // A second one finds nobody who waits.
                let _ = self.go.send(());
                0
            }
            Order::Inject { path, misfortune } => self.actors.inject(path, fault(misfortune)),
            Order::Withdraw(number) => u64::from(!self.actors.withdraw(number)),
            Order::Happened(number) => u64::from(!self.actors.is_pending(number)),
            Order::Disk(fault) => match self.disk.begin(&fault) {
                Some(number) => number,
                None => return Answer::Refused(format!("{} is no fault of a disk", fault.name())),
            },
            Order::DiskHeals(number) => match self.disk.end(number) {
                Some(struck) => struck,
                None => return Answer::Refused(format!("there is no fault {number} of the disk")),
            },
            Order::DiskStruck(number) => match self.disk.struck(number) {
                Some(struck) => struck,
                None => return Answer::Refused(format!("there is no fault {number} of the disk")),
            },
            Order::ClockOff(millis) => {
                self.clock.set_off_by(millis);
                0
            }
        })
    }
}

fn fault(misfortune: Misfortune) -> Fault {
    match misfortune {
        Misfortune::Panic => Fault::Panic,
        Misfortune::Error => Fault::Error,
        Misfortune::Hang => Fault::Hang,
    }
}
