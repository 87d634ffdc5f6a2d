//! How faults of each kind begin and end.
//!
//! | kind | by |
//! |---|---|
//! | actors | orders, one after the other, from a task of this process; they go on in the next life |
//! | disk, clock | orders; given again to a new process before it goes |
//! | process | signals, limits |
//! | configuration | files below its folder |

use super::fault::{Actors, Fault};
use super::order::{Misfortune, Order};
use super::process::Process;
use super::running::{FaultId, LOOK, Subject, SubjectError};
use super::storm;
use super::tree::Node;
use rustix::process::Signal;
use seams::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A file that no YAML parser takes, and that says what it is.
const BROKEN: &str = "# placed here by a rehearsal, to be removed by it\ndevices: [unclosed\n";
const BROKEN_FILE: &str = "config/rehearsal-broken.yml";
/// A driver that finds nobody to strike looks again after so long.
const AGAIN: Duration = Duration::from_millis(50);

/// A fault in force.
#[derive(Debug)]
pub(super) struct Active {
    fault: Fault,
    by: By,
}

#[derive(Debug)]
enum By {
    /// A task of ours strikes again and again.
    Driver(Driver),
    /// The process knows it by this number; none while there is no process.
    Disk {
        number: Option<u64>,
        struck_before: u64,
    },
    Clock,
    /// Whatever it was is done, and is undone at the end.
    Once(Arc<Process>),
    File,
}

/// A task that strikes again and again.
#[derive(Debug)]
pub(super) struct Driver {
    /// How often it struck.
    pub(super) struck: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Driver {
    /// Runs what `make` makes of the counter and the sign to stop.
    pub(super) fn start<F>(make: impl FnOnce(Arc<AtomicU64>, watch::Receiver<bool>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let struck = Arc::<AtomicU64>::default();
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(make(Arc::clone(&struck), stopping));
        Self { struck, stop, task }
    }

    /// Lets it finish what it began; returns how often it struck.
    async fn finish(self) -> u64 {
        self.stop.send_replace(true);
        // A driver that panicked has struck as often as it says.
        let _ = self.task.await;
        self.struck.load(Relaxed)
    }
}

/// Returns when a driver is to stop, or whoever could tell it is gone.
pub(super) async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

impl Subject {
    pub(super) async fn begin_fault(&self, fault: &Fault) -> Result<FaultId, SubjectError> {
        let id = {
            let mut next = self.0.next_fault.lock();
            *next += 1;
            FaultId(*next)
        };
        let by = self.strike(id, fault).await?;
        self.0.faults.lock().insert(id, Active { fault: fault.clone(), by });
        if matches!(fault, Fault::ClockJumps(_)) {
            self.set_clock().await?;
        }
        Ok(id)
    }

    async fn strike(&self, id: FaultId, fault: &Fault) -> Result<By, SubjectError> {
        let running = || self.process().ok_or(SubjectError::Down);
        Ok(match fault {
            Fault::ActorPanics(actors) => By::Driver(self.drive(id, actors, Misfortune::Panic)),
            Fault::ActorErrors(actors) => By::Driver(self.drive(id, actors, Misfortune::Error)),
            Fault::ActorHangs(actors) => By::Driver(self.drive(id, actors, Misfortune::Hang)),
            Fault::DiskFull(_)
            | Fault::DiskSlow(_)
            | Fault::WritesFail(_)
            | Fault::SyncsFail(_)
            | Fault::ReadsFail(_) => {
                let number = match self.process() {
                    Some(process) => Some(process.order(Order::Disk(fault.clone())).await?),
                    None => None,
                };
                By::Disk { number, struck_before: 0 }
            }
            Fault::PowerCut(_) if !self.0.setup.terms.power_cuts => {
                let text = "a power cut needs a Director whose unsynced writes are in memory only; start it so \
                            (Setup::power_cuts)";
                return Err(SubjectError::Impossible(text.to_owned()));
            }
            Fault::PowerCut(_) | Fault::ProcessKilled(_) => {
                let process = running()?;
                process.signal(Signal::KILL);
                process.ended().await;
                By::Once(process)
            }
            Fault::ProcessPaused(_) => {
                let process = running()?;
                process.signal(Signal::STOP);
                By::Once(process)
            }
            Fault::ProcessTerminated(_) => {
                let process = running()?;
                process.signal(Signal::TERM);
                By::Once(process)
            }
            Fault::MemoryLimited(limit) => {
                let process = running()?;
                process.limit_memory(limit.headroom_bytes)?;
                By::Once(process)
            }
            Fault::ConfigurationBroken(_) => {
                self.write(BROKEN_FILE, BROKEN)?;
                By::File
            }
            Fault::ReloadStorm(settings) => By::Driver(storm::start(self.clone(), settings)?),
            Fault::ClockJumps(_) => By::Clock,
        })
    }

    pub(super) async fn end_fault(&self, id: FaultId) -> Result<u64, SubjectError> {
        let Active { fault, by } = self.0.faults.lock().remove(&id).ok_or(SubjectError::Over)?;
        match by {
            By::Driver(driver) => Ok(driver.finish().await),
            By::Disk { number, struck_before } => {
                let (Some(number), Some(process)) = (number, self.process()) else {
                    return Ok(struck_before);
                };
                match process.order(Order::DiskHeals(number)).await {
                    Ok(struck) => Ok(struck_before + struck),
                    // Its faults are gone with it.
                    Err(SubjectError::Down) => Ok(struck_before),
                    Err(e) => Err(e),
                }
            }
            By::Clock => {
                self.set_clock().await?;
                Ok(1)
            }
            By::File => {
                std::fs::remove_file(self.root().join(BROKEN_FILE))?;
                Ok(1)
            }
            By::Once(process) => {
                match fault {
                    Fault::ProcessPaused(_) => {
                        // One that was killed meanwhile is somebody else's affair.
                        process.signal(Signal::CONT);
                        return Ok(1);
                    }
                    Fault::ProcessTerminated(_) => {
                        self.stopped(&process).await?;
                    }
                    Fault::MemoryLimited(_) if process.is_alive() => {
                        process.unlimit_memory()?;
                        return Ok(1);
                    }
                    _ => {}
                }
                if !self.is_alive() {
                    self.start().await?;
                }
                Ok(1)
            }
        }
    }

    pub(super) async fn fault_struck(&self, id: FaultId) -> Result<u64, SubjectError> {
        let (number, before) = match self.0.faults.lock().get(&id) {
            None => return Err(SubjectError::Over),
            Some(Active { by: By::Driver(driver), .. }) => return Ok(driver.struck.load(Relaxed)),
            Some(Active { by: By::Disk { number, struck_before }, .. }) => (*number, *struck_before),
            Some(_) => return Ok(1),
        };
        match (number, self.process()) {
            (Some(number), Some(process)) => Ok(before + process.order(Order::DiskStruck(number)).await?),
            _ => Ok(before),
        }
    }

    /// Gives the faults in force to a new process.
    pub(super) async fn resume_faults(&self, process: &Process) -> Result<(), SubjectError> {
        let disks: Vec<(FaultId, Fault)> = {
            let faults = self.0.faults.lock();
            let disks = faults.iter().filter(|(_, active)| matches!(active.by, By::Disk { .. }));
            disks.map(|(id, active)| (*id, active.fault.clone())).collect()
        };
        for (id, fault) in disks {
            let given = process.order(Order::Disk(fault)).await?;
            if let Some(Active { by: By::Disk { number, .. }, .. }) = self.0.faults.lock().get_mut(&id) {
                *number = Some(given);
            }
        }
        process.order(Order::ClockOff(self.clock_off())).await?;
        Ok(())
    }

    /// By how much the wall clock is off, in milliseconds.
    fn clock_off(&self) -> i64 {
        let faults = self.0.faults.lock();
        let jumps = faults.values().map(|active| match &active.fault {
            Fault::ClockJumps(jump) => jump.by.millis,
            _ => 0,
        });
        jumps.sum()
    }

    async fn set_clock(&self) -> Result<(), SubjectError> {
        match self.process() {
            Some(process) => process.order(Order::ClockOff(self.clock_off())).await.map(|_| ()),
            None => Ok(()), // told before it goes
        }
    }

    fn drive(&self, id: FaultId, actors: &Actors, misfortune: Misfortune) -> Driver {
        // It must not keep the Director alive that nobody else wants any more.
        let subject = Arc::downgrade(&self.0);
        let rng = Rng::seeded(self.0.setup.terms.seed).fork(&format!("fault {}", id.0));
        let actors = actors.clone();
        Driver::start(move |struck, stopping| async move {
            let strikes = Strikes { actors, misfortune, rng, struck, stopping };
            strikes.go(move || subject.upgrade().map(Subject)).await;
        })
    }
}

/// Strikes actors, one after the other.
struct Strikes {
    actors: Actors,
    misfortune: Misfortune,
    rng: Rng,
    struck: Arc<AtomicU64>,
    stopping: watch::Receiver<bool>,
}

/// What was asked for and may not have happened yet.
struct Pending {
    process: Arc<Process>,
    number: u64,
}

impl Strikes {
    async fn go(mut self, subject: impl Fn() -> Option<Subject>) {
        let most =
            self.actors.times.unwrap_or(if self.actors.rate_per_second.is_some() { u64::MAX } else { 1 });
        while self.struck.load(Relaxed) < most {
            if let Some(rate) = self.actors.rate_per_second.filter(|rate| *rate > 0.0) {
                // Times between independent events.
                let chance = (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                let wait = Duration::from_secs_f64((-(1.0 - chance).ln() / rate).min(3600.0));
                if !self.wait(wait).await {
                    return;
                }
            }
            // Held only as long as it is needed.
            let Some(director) = subject() else { return };
            let path = match self.actors.rate_per_second {
                None => Some(self.actors.path.clone()),
                Some(_) => self.somebody(&director).await,
            };
            let asked = match path {
                Some(path) => self.ask(&director, path).await,
                None => None,
            };
            drop(director);
            let goes_on = match asked {
                Some(pending) => self.see_through(pending).await,
                None => self.wait(AGAIN).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// An actor that matches, by chance.
    async fn somebody(&self, director: &Subject) -> Option<String> {
        let tree = director.tree().await.ok()?;
        let supervises = |node: &Node| {
            let below = format!("{}/", node.path);
            tree.nodes.iter().any(|other| other.path.starts_with(&below))
        };
        let fit: Vec<&Node> = tree.matching(&self.actors.path).filter(|node| !supervises(node)).collect();
        let one = fit.get(self.rng.below(fit.len() as u64) as usize)?;
        Some(one.path.clone())
    }

    async fn ask(&self, director: &Subject, path: String) -> Option<Pending> {
        let process = director.process()?;
        let number = process.order(Order::Inject { path, misfortune: self.misfortune }).await.ok()?;
        Some(Pending { process, number })
    }

    /// Waits until it has happened; false when there shall be no more.
    async fn see_through(&mut self, Pending { process, number }: Pending) -> bool {
        // With a rate, somebody who does nothing is left alone in the end, so that others have their turn.
        let mut patience = self.actors.rate_per_second.map(|_| 100);
        loop {
            let goes_on = self.wait(LOOK).await;
            let over = !goes_on || patience == Some(0);
            let order = if over { Order::Withdraw(number) } else { Order::Happened(number) };
            match process.order(order).await {
                Ok(0) if over => return goes_on,
                Ok(0) => patience = patience.map(|left| left - 1),
                Ok(_) => {
                    self.struck.fetch_add(1, Relaxed);
                    return goes_on;
                }
                // It happens in the next life.
                Err(_) => return goes_on,
            }
        }
    }

    /// False when it was told to stop.
    async fn wait(&mut self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = told_to_stop(&mut self.stopping) => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}
