//! [`Subject`]: a Director under test, over all its lives.

use super::fault::Fault;
use super::faults::Active;
use super::life::{End, Life, Usage};
use super::metrics::Metrics;
use super::order::Order;
use super::process::Process;
use super::request;
use super::setup::Setup;
use super::tree::Tree;
use parking_lot::Mutex;
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A start that takes longer has failed.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(60);
/// An orderly stop takes thirty seconds at most; who needs longer is killed.
const STOP_WITHIN: Duration = Duration::from_secs(45);
/// Between two looks at something that is waited for.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// A Director under test; clones are the same one. Its process is killed with the last of them.
#[derive(Clone, Debug)]
pub struct Subject(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) setup: Setup,
    root: PathBuf,
    lives: Mutex<Vec<Arc<Process>>>,
    /// One start at a time.
    starting: tokio::sync::Mutex<()>,
    pub(super) faults: Mutex<BTreeMap<FaultId, Active>>,
    pub(super) next_fault: Mutex<u64>,
    /// Dropped last: the process is gone by then.
    _temporary: Option<TempDir>,
}

/// A fault that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub(super) u64);

/// What may go wrong with the test itself.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The operating system refused something.
    #[error("the Director under test: {0}")]
    System(#[from] io::Error),
    /// It runs, and can't be started a second time.
    #[error("the Director under test runs already")]
    Runs,
    /// It does not run.
    #[error("the Director under test is down")]
    Down,
    /// It ended before it was ready.
    #[error("the Director under test ended before it was ready; it said:\n{0}")]
    EndedEarly(String),
    /// It was not ready in time.
    #[error("the Director under test was not ready within {READY_WITHIN:?}; it said:\n{0}")]
    NotReady(String),
    /// It did not stop in time and was killed.
    #[error("the Director under test did not stop within {STOP_WITHIN:?} and was killed")]
    NotStopped,
    /// It did not answer an order.
    #[error(
        "the Director under test did not answer in time; it stands still, or its thread for orders is gone"
    )]
    NoAnswer,
    /// It refused an order.
    #[error("the Director under test refused: {0}")]
    Refused(String),
    /// The fault can't happen to this one.
    #[error("{0}")]
    Impossible(String),
    /// A page that is not understood.
    #[error("the answer to {0} is not understood: {1}")]
    Unclear(&'static str, String),
    /// There is no such fault.
    #[error("this fault is over already")]
    Over,
}

impl Subject {
    /// Writes the configuration into the folder; nothing runs yet.
    ///
    /// # Errors
    /// When the files can't be written.
    pub fn new(setup: Setup) -> Result<Self, SubjectError> {
        let (root, temporary) = match &setup.root {
            Some(root) => {
                std::fs::create_dir_all(root)?;
                (root.clone(), None)
            }
            None => {
                let folder = tempfile::Builder::new().prefix("director-under-test-").tempdir()?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        let subject = Self(Arc::new(Inner {
            root: root.canonicalize()?,
            lives: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            faults: Mutex::default(),
            next_fault: Mutex::new(0),
            _temporary: temporary,
            setup,
        }));
        for (name, text) in &subject.0.setup.files {
            subject.write(name, text)?;
        }
        Ok(subject)
    }

    /// Its folder, with `vmetric.yml`, `config/` and `storage/`.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Replaces a file below its folder at once, as editors do; a running Director loads a changed configuration.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, name: impl AsRef<Path>, text: &str) -> Result<(), SubjectError> {
        let path = self.root().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut aside = path.clone().into_os_string();
        aside.push(".aside");
        std::fs::write(&aside, text)?;
        Ok(std::fs::rename(aside, path)?)
    }

    /// Starts a process; faults of disk and clock that are in force are there from its first moment.
    ///
    /// # Errors
    /// When one runs already, or it can't be started.
    pub async fn launch(&self) -> Result<(), SubjectError> {
        self.launch_one().await.map(drop)
    }

    async fn launch_one(&self) -> Result<Arc<Process>, SubjectError> {
        let _one = self.0.starting.lock().await;
        if self.is_alive() {
            return Err(SubjectError::Runs);
        }
        let number = self.0.lives.lock().len() as u32 + 1;
        let (setup, root) = (self.0.setup.clone(), self.root().to_owned());
        let started = tokio::task::spawn_blocking(move || Process::start(&setup, &root, number)).await;
        let process = Arc::new(started.map_err(io::Error::other)??);
        self.0.lives.lock().push(Arc::clone(&process));
        let went = match self.resume_faults(&process).await {
            Ok(()) => process.order(Order::Go).await.map(drop),
            refused => refused,
        };
        match went {
            Ok(()) => Ok(process),
            // It says why on its standard error.
            Err(SubjectError::Down) => Err(SubjectError::EndedEarly(process.errors())),
            Err(e) => Err(e),
        }
    }

    /// Starts a process and waits until it is ready.
    ///
    /// # Errors
    /// When one runs already, it can't be started, ends, or is not ready in time.
    pub async fn start(&self) -> Result<(), SubjectError> {
        let process = self.launch_one().await?;
        self.ready_of(&process).await
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends before, or takes too long.
    pub async fn ready(&self) -> Result<(), SubjectError> {
        let process = self.process().ok_or(SubjectError::Down)?;
        self.ready_of(&process).await
    }

    async fn ready_of(&self, process: &Process) -> Result<(), SubjectError> {
        let until = Instant::now() + READY_WITHIN;
        loop {
            if let Ok((200, _)) = self.get("/ready").await {
                return Ok(());
            }
            if !process.is_alive() {
                return Err(SubjectError::EndedEarly(process.errors()));
            }
            if Instant::now() >= until {
                return Err(SubjectError::NotReady(format!("{}{}", process.errors(), self.log())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// SIGKILL; returns when it is over.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&self) -> Result<End, SubjectError> {
        let process = self.process().ok_or(SubjectError::Down)?;
        process.signal(Signal::KILL);
        Ok(process.ended().await)
    }

    /// SIGSTOP: it stands still; its peers see a process that does not answer.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> Result<(), SubjectError> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> Result<(), SubjectError> {
        self.signal(Signal::CONT)
    }

    /// SIGTERM, without waiting for what comes of it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn ask_to_stop(&self) -> Result<(), SubjectError> {
        self.signal(Signal::TERM)
    }

    /// SIGTERM; returns when it is over, with what it reported as left and its last counters.
    ///
    /// # Errors
    /// When it does not run, or does not stop in time.
    pub async fn terminate(&self) -> Result<End, SubjectError> {
        let process = self.process().ok_or(SubjectError::Down)?;
        process.signal(Signal::TERM);
        self.stopped(&process).await
    }

    /// Waits for the end of a process that was told to stop.
    pub(super) async fn stopped(&self, process: &Process) -> Result<End, SubjectError> {
        match tokio::time::timeout(STOP_WITHIN, process.ended()).await {
            Ok(end) => Ok(end),
            Err(_) => {
                process.signal(Signal::KILL);
                process.ended().await;
                Err(SubjectError::NotStopped)
            }
        }
    }

    /// Stops it in an orderly way if it runs, and starts it again.
    ///
    /// # Errors
    /// When it does not stop, or can't be started.
    pub async fn restart(&self) -> Result<(), SubjectError> {
        if self.is_alive() {
            self.terminate().await?;
        }
        self.start().await
    }

    /// The live tree.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn tree(&self) -> Result<Tree, SubjectError> {
        self.json("/tree").await
    }

    /// Its counters, as `/metrics` shows them; they begin anew with each process.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<Metrics, SubjectError> {
        let (_, page) = self.get("/metrics").await?;
        Ok(Metrics::read(&page))
    }

    /// A page in JSON: `/stats`, `/health`, `/activity`.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub async fn json<T: DeserializeOwned>(&self, page: &'static str) -> Result<T, SubjectError> {
        let (_, body) = self.get(page).await?;
        serde_json::from_str(&body).map_err(|e| SubjectError::Unclear(page, e.to_string()))
    }

    /// A page of the control socket: status and body.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn get(&self, page: &str) -> Result<(u16, String), SubjectError> {
        Ok(request::get(&self.root().join("storage/control.sock"), page).await?)
    }

    /// The lines of its log, over all lives, the oldest first; as far as files are kept.
    pub fn log(&self) -> String {
        let name = |n: u32| if n == 0 { "director.log".to_owned() } else { format!("director.log.{n}") };
        let files = (0..=9).rev().map(|n| self.root().join("storage/logs").join(name(n)));
        files.filter_map(|file| std::fs::read_to_string(file).ok()).collect()
    }

    /// What the present process wrote to its standard error, or the last one did.
    pub fn errors(&self) -> String {
        self.0.lives.lock().last().map(|process| process.errors()).unwrap_or_default()
    }

    /// What the present process costs, or what was last seen of the last one.
    pub fn usage(&self) -> Usage {
        let last = self.0.lives.lock().last().cloned();
        last.map_or(Usage::default(), |process| process.usage())
    }

    /// Whether a process runs (or stands still).
    pub fn is_alive(&self) -> bool {
        self.process().is_some()
    }

    /// All processes so far, the present one last.
    pub fn lives(&self) -> Vec<Life> {
        self.0.lives.lock().iter().map(|process| process.life()).collect()
    }

    /// The process that runs.
    pub(super) fn process(&self) -> Option<Arc<Process>> {
        self.0.lives.lock().last().filter(|process| process.is_alive()).cloned()
    }

    fn signal(&self, signal: Signal) -> Result<(), SubjectError> {
        let process = self.process().ok_or(SubjectError::Down)?;
        if process.signal(signal) { Ok(()) } else { Err(SubjectError::Down) }
    }

    /// A fault begins. What a process fault does at once is done when this returns.
    ///
    /// # Errors
    /// When it can't happen to this Director, or at present.
    pub async fn begin(&self, fault: &Fault) -> Result<FaultId, SubjectError> {
        self.begin_fault(fault).await
    }

    /// A fault ends: what was broken works again, a process that was stopped is started and ready. Returns how often
    /// it struck: actors that failed, calls that failed or waited, signals, configurations.
    ///
    /// # Errors
    /// When it is over already, or the Director does not start.
    pub async fn end(&self, fault: FaultId) -> Result<u64, SubjectError> {
        self.end_fault(fault).await
    }

    /// How often a fault struck so far.
    ///
    /// # Errors
    /// When it is over already, or the Director does not answer.
    pub async fn struck(&self, fault: FaultId) -> Result<u64, SubjectError> {
        self.fault_struck(fault).await
    }
}
