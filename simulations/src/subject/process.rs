//! A process of the Director under test: started, told, signalled, waited for.
//!
//! It is started by a thread of its own, which reads what it says and stays until it is over: the kernel kills a child
//! with the **thread** that started it, and that thread must not go earlier. Signals go through a pidfd, so that they
//! never reach a stranger who got the same number.

use super::SubjectError;
use super::life::{End, Life, Outcome, Usage};
use super::metrics::Metrics;
use super::order::{Answer, Ended, Order, Said, Told};
use super::setup::Setup;
use parking_lot::Mutex;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, pidfd_open,
    pidfd_send_signal, prlimit, waitid,
};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::sync::{oneshot, watch};

/// An order is carried out at once; who does not answer within this stands still.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    number: u32,
    pid: u32,
    began: SystemTime,
    errors: PathBuf,
    pidfd: OwnedFd,
    orders: Mutex<ChildStdin>,
    next_order: AtomicU64,
    awaited: Arc<Awaited>,
    seen: Arc<Mutex<Usage>>,
    end: watch::Receiver<Option<End>>,
    thread: Option<JoinHandle<()>>,
}

/// Who waits for which answer; none any more when the process has ended.
type Awaited = Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>;

/// What the thread tells of a process that was started.
struct Begun {
    pid: u32,
    pidfd: OwnedFd,
    orders: ChildStdin,
}

impl Process {
    /// Starts it; it waits for [`Order::Go`].
    pub(super) fn start(setup: &Setup, root: &Path, number: u32) -> io::Result<Self> {
        let folder = root.join("under-test");
        std::fs::create_dir_all(&folder)?;
        let errors = folder.join(format!("stderr-{number}"));
        let mut command = Command::new(&setup.program);
        command.arg("-path").arg(root).arg("-under-test").arg(serde_json::to_string(&setup.terms)?);
        command.current_dir(root).env_remove("NOTIFY_SOCKET").envs(setup.environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&errors)?);

        let awaited: Arc<Awaited> = Arc::new(Mutex::new(Some(HashMap::new())));
        let seen = Arc::<Mutex<Usage>>::default();
        let (tell_end, end) = watch::channel(None);
        let (tell_begun, begun) = mpsc::channel();
        let (answers, usage) = (Arc::clone(&awaited), Arc::clone(&seen));
        let thread = std::thread::Builder::new().name(format!("life-{number}")).spawn(move || {
            let child = match begin(command) {
                Ok((child, begun)) => {
                    // Who asked waits for it.
                    let _ = tell_begun.send(Ok(begun));
                    child
                }
                Err(e) => {
                    let _ = tell_begun.send(Err(e));
                    return;
                }
            };
            tell_end.send_replace(Some(accompany(child, &answers, &usage)));
        })?;
        let Begun { pid, pidfd, orders } =
            begun.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that starts it ended")))?;
        Ok(Self {
            number,
            pid,
            began: SystemTime::now(),
            errors,
            pidfd,
            orders: Mutex::new(orders),
            next_order: AtomicU64::new(1),
            awaited,
            seen,
            end,
            thread: Some(thread),
        })
    }

    /// Its record.
    pub(super) fn life(&self) -> Life {
        Life { number: self.number, pid: self.pid, began: self.began, end: self.end.borrow().clone() }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// What it wrote to its standard error.
    pub(super) fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Sends it a signal; false if it is over.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        if signal == Signal::KILL {
            self.usage(); // what it took is not told afterwards
        }
        self.is_alive() && pidfd_send_signal(&self.pidfd, signal).is_ok()
    }

    /// Returns when it is over.
    pub(super) async fn ended(&self) -> End {
        let mut end = self.end.clone();
        let told = end.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        match told {
            Some(end) => end,
            // The thread tells before it goes, unless it panicked; then nothing is known.
            None => std::future::pending().await,
        }
    }

    /// What it costs at present.
    pub(super) fn usage(&self) -> Usage {
        let mut seen = self.seen.lock();
        if self.is_alive() {
            *seen = Usage::of(self.pid).or_before(*seen);
        }
        *seen
    }

    /// Tells it to do something, and waits for the answer.
    pub(super) async fn order(&self, order: Order) -> Result<u64, SubjectError> {
        let number = self.next_order.fetch_add(1, Relaxed);
        let (sender, answer) = oneshot::channel();
        match &mut *self.awaited.lock() {
            Some(awaited) => awaited.insert(number, sender),
            None => return Err(SubjectError::Down),
        };
        let mut line = serde_json::to_vec(&Told { number, order }).map_err(io::Error::from)?;
        line.push(b'\n');
        if self.orders.lock().write_all(&line).is_err() {
            return Err(SubjectError::Down);
        }
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(Answer::Done(number))) => Ok(number),
            Ok(Ok(Answer::Refused(why))) => Err(SubjectError::Refused(why)),
            Ok(Err(_)) => Err(SubjectError::Down),
            Err(_) => Err(SubjectError::NoAnswer),
        }
    }

    /// Limits what it may allocate to what it has and some more. Not its address space: the allocator reserves plenty
    /// of that in advance, and would never meet the limit.
    pub(super) fn limit_memory(&self, headroom_bytes: u64) -> io::Result<()> {
        let data = Usage::allocated_bytes(self.pid);
        self.set_limit(Some(data + headroom_bytes))
    }

    /// Takes the limit off.
    pub(super) fn unlimit_memory(&self) -> io::Result<()> {
        self.set_limit(getrlimit(Resource::Data).current)
    }

    fn set_limit(&self, current: Option<u64>) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).filter(|_| self.is_alive());
        let Some(pid) = pid else { return Err(io::ErrorKind::NotFound.into()) };
        // The hard limit stays the one that it has from us: once lowered, only root could raise it.
        let maximum = getrlimit(Resource::Data).maximum;
        prlimit(Some(pid), Resource::Data, Rlimit { current, maximum }).map(|_| ()).map_err(io::Error::from)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that is over needs none.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn begin(mut command: Command) -> io::Result<(Child, Begun)> {
    let mut child = command.spawn()?;
    let pid = child.id();
    // It is not waited for yet, so the number is its own.
    let opened = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
    match (opened, child.stdin.take()) {
        (Ok(pidfd), Some(orders)) => Ok((child, Begun { pid, pidfd, orders })),
        (opened, _) => {
            child.kill()?;
            child.wait()?;
            Err(opened.map_or_else(io::Error::from, |_| io::Error::other("it has no standard input")))
        }
    }
}

/// Reads what the process says until it is over.
fn accompany(mut child: Child, awaited: &Awaited, seen: &Mutex<Usage>) -> End {
    let mut last = None;
    if let Some(said) = child.stdout.take() {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Said::Answer { number, answer }) => {
                    let waits = awaited.lock().as_mut().and_then(|awaited| awaited.remove(&number));
                    if let Some(waits) = waits {
                        // Whoever asked may have given up.
                        let _ = waits.send(answer);
                    }
                }
                Ok(Said::Ended { ended }) => last = Some(ended),
                Err(_) => {} // its log, if that goes to the console
            }
        }
    }
    *awaited.lock() = None;
    let pid = child.id();
    // First without taking it away: a process that is waited for has no CPU time any more.
    let _ = waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    let usage = Usage::of(pid).or_before(*seen.lock());
    let outcome = match child.wait() {
        Ok(status) => {
            status.code().map_or_else(|| Outcome::Killed(status.signal().unwrap_or(0)), Outcome::Exited)
        }
        Err(_) => Outcome::Exited(-1),
    };
    end(outcome, last, usage)
}

fn end(outcome: Outcome, told: Option<Ended>, usage: Usage) -> End {
    let at = SystemTime::now();
    let Some(Ended { left, kept, stats, metrics }) = told else {
        return End { at, outcome, left: None, kept: None, metrics: None, stats: None, usage };
    };
    let metrics = Metrics::read(&metrics);
    let usage = Usage {
        resident_peak_bytes: metrics.count("process_resident_memory_peak_bytes", &[]),
        resident_bytes: metrics.count("process_resident_memory_bytes", &[]),
        cpu_seconds: usage.cpu_seconds,
    };
    End { at, outcome, left: Some(left), kept: Some(kept), metrics: Some(metrics), stats: Some(stats), usage }
}
