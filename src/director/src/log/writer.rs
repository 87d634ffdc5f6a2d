//! The thread that writes the log.

use super::level::Level;
use super::line::Line;
use super::repeats::Repeats;
use super::rotating_file::{MAX_FILE_BYTES, RotatingFile};
use super::{Log, Sinks};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime};

/// How often what was repeated is summed up.
const TICK: Duration = Duration::from_secs(1);

/// What the writer is sent.
#[derive(Debug)]
pub(super) enum ToWriter {
    /// A line.
    Line(Line),
    /// Other places to write to.
    Sinks(Sinks),
    /// Answer when everything before is written.
    Flush(SyncSender<()>),
}

/// The writer.
pub(super) struct Writer {
    log: Log,
    sinks: Sinks,
    service: Option<RotatingFile>,
    debug: Option<RotatingFile>,
    repeats: Repeats,
    zone: TimeZone,
}

impl Writer {
    pub(super) fn new(log: Log, sinks: Sinks) -> Self {
        let (service, debug) = files(&sinks);
        Self { log, sinks, service, debug, repeats: Repeats::default(), zone: TimeZone::system() }
    }

    /// Writes until nobody logs any more.
    pub(super) fn run(mut self, from_log: &Receiver<ToWriter>) {
        loop {
            match from_log.recv_timeout(TICK) {
                Ok(ToWriter::Line(line)) => self.take(&line),
                Ok(ToWriter::Sinks(sinks)) => {
                    if sinks != self.sinks {
                        (self.service, self.debug) = files(&sinks);
                        self.sinks = sinks;
                    }
                }
                Ok(ToWriter::Flush(done)) => {
                    for sum in self.repeats.all_sums() {
                        self.write(&sum);
                    }
                    // Whoever asked may have given up.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.sum_up();
        }
    }

    fn take(&mut self, line: &Line) {
        if self.repeats.is_new(line, Instant::now()) {
            self.write(line);
        }
    }

    fn sum_up(&mut self) {
        let left_out = self.log.0.left_out.swap(0, Relaxed);
        if left_out > 0 {
            let text = format!("{left_out} log lines were left out, since they came too fast");
            self.write(&Line::own(Level::Warning, text));
        }
        for sum in self.repeats.sums(Instant::now()) {
            self.write(&sum);
        }
    }

    fn write(&mut self, line: &Line) {
        let text =
            format!("{} [{}] [vmetric-director] {}\n", self.stamp(line.at), line.level.name(), line.text);
        self.log.tell_followers(line.level, &text);
        if line.level as u8 > self.log.0.level.load(Relaxed) {
            return; // a follower wanted it
        }
        if self.sinks.console {
            // A console that is gone is no reason to end.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
        if let Some(debug) = &mut self.debug {
            debug.write(&text);
        }
        // Details go to a file of their own where there is one.
        if let Some(service) = &mut self.service
            && (line.level <= Level::Information || self.debug.is_none())
        {
            service.write(&text);
        }
    }

    fn stamp(&self, at: SystemTime) -> String {
        let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
        Zoned::new(at, self.zone.clone()).strftime("[%Y-%m-%d %H:%M:%S]").to_string()
    }
}

fn files(sinks: &Sinks) -> (Option<RotatingFile>, Option<RotatingFile>) {
    let file =
        |name| sinks.folder.as_ref().map(|folder| RotatingFile::new(folder.join(name), MAX_FILE_BYTES));
    (file("director.log"), if sinks.debug_file { file("debug.log") } else { None })
}
