//! The program's log: lines in the product's format, to files, the console, and whoever follows.
//!
//! ```text
//!   tracing event ── Lines (text, level) ── channel ── writer's thread ─┬─ storage/logs/director.log, debug.log
//!                                                                       ├─ standard output
//!                                                                       └─ followers (-console)
//! ```
//!
//! Read in this order: [`level`], [`line`] (an event as text), [`repeats`] (what is said again and again is summed up),
//! [`rotating_file`], [`writer`]. A lane that logs formats a line and sends it; files are written on a thread of
//! their own. When that can't keep up, lines are left out and their number is logged. A level that is off costs one
//! load for each statement.

mod level;
mod line;
mod repeats;
mod rotating_file;
mod writer;

use hyper::body::Bytes;
use level::Level;
use line::Line;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use writer::{ToWriter, Writer};

/// So many lines wait for the writer before some are left out.
const LINES_WAITING: usize = 4096;
/// So many lines wait for a follower before some are left out.
const LINES_FOLLOWED: usize = 1024;
/// The end of the program waits so long for the last lines to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// The log; clones share it.
#[derive(Clone)]
pub(crate) struct Log(Arc<Shared>);

struct Shared {
    /// As configured.
    level: AtomicU8,
    /// The most detailed that anybody wants.
    wanted: AtomicU8,
    to_writer: SyncSender<ToWriter>,
    left_out: AtomicU64,
    followers: Mutex<Vec<Follower>>,
    /// `type-id` of each device, by name.
    labels: RwLock<HashMap<String, String>>,
}

/// Somebody who follows the log.
struct Follower {
    level: Level,
    lines: mpsc::Sender<Bytes>,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sinks {
    /// The folder of the log files, if there are to be any.
    pub(crate) folder: Option<PathBuf>,
    /// Whether details go to `debug.log`, apart from the rest.
    pub(crate) debug_file: bool,
    /// Whether lines go to the standard output.
    pub(crate) console: bool,
}

impl Log {
    /// Starts logging for the whole process, as detailed as asked for (1 to 5), to these sinks.
    pub(crate) fn start(level: u8, sinks: Sinks) -> anyhow::Result<Self> {
        let (to_writer, from_log) = sync_channel(LINES_WAITING);
        let level = Level::from_number(level);
        let log = Self(Arc::new(Shared {
            level: AtomicU8::new(level as u8),
            wanted: AtomicU8::new(level as u8),
            to_writer,
            left_out: AtomicU64::new(0),
            followers: Mutex::default(),
            labels: RwLock::default(),
        }));
        let writer = Writer::new(log.clone(), sinks);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&from_log))?;
        tracing_subscriber::registry().with(Lines(log.clone())).try_init()?;
        Ok(log)
    }

    /// Changes level (1 to 5) and sinks.
    pub(crate) fn configure(&self, level: u8, sinks: Sinks) {
        self.0.level.store(Level::from_number(level) as u8, Relaxed);
        self.refresh();
        // It fails only after the end of the writer, which ends with the process.
        let _ = self.0.to_writer.send(ToWriter::Sinks(sinks));
    }

    /// Names devices in log lines as `type-id`.
    pub(crate) fn label(&self, labels: HashMap<String, String>) {
        *self.0.labels.write() = labels;
    }

    /// All lines from now on, as detailed as asked for; the level of files and console stays as it is.
    pub(crate) fn follow(&self, level: u8) -> mpsc::Receiver<Bytes> {
        let (lines, receiver) = mpsc::channel(LINES_FOLLOWED);
        self.0.followers.lock().push(Follower { level: Level::from_number(level), lines });
        self.refresh();
        receiver
    }

    /// Waits until everything said so far is written.
    pub(crate) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.0.to_writer.send(ToWriter::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_WITHIN);
        }
    }

    /// Gives a line to followers; those who left are forgotten.
    fn tell_followers(&self, level: Level, text: &str) {
        let mut followers = self.0.followers.lock();
        let before = followers.len();
        followers.retain(|follower| {
            if level <= follower.level {
                // One that can't keep up misses lines; the files have them.
                let _ = follower.lines.try_send(Bytes::copy_from_slice(text.as_bytes()));
            }
            !follower.lines.is_closed()
        });
        let some_left = followers.len() < before;
        drop(followers);
        if some_left {
            self.refresh();
        }
    }

    /// Finds out how detailed lines have to be, and tells tracing.
    fn refresh(&self) {
        let followed = self.0.followers.lock().iter().map(|follower| follower.level as u8).max();
        let wanted = self.0.level.load(Relaxed).max(followed.unwrap_or(0));
        if self.0.wanted.swap(wanted, Relaxed) != wanted {
            tracing::callsite::rebuild_interest_cache();
        }
    }

    fn send(&self, line: Line) {
        if let Err(TrySendError::Full(_)) = self.0.to_writer.try_send(ToWriter::Line(line)) {
            self.0.left_out.fetch_add(1, Relaxed);
        }
    }
}

/// Makes lines of tracing's events.
struct Lines(Log);

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let level = Level::from(*metadata.level());
        level as u8 <= self.0.0.wanted.load(Relaxed)
            && level::most_of(metadata.target()).is_some_and(|most| level <= most)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(Level::from_number(self.0.0.wanted.load(Relaxed)).into())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event, &self.0.0.labels.read());
        self.0.send(line);
    }
}

/// Logs panics with the place where they happened. Whoever supervises what panicked says what comes of it.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(location, thread, "panic: {message}");
    }));
}
