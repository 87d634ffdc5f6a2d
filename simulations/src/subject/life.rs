//! One process of the Director under test, from start to end; each has a number, and its record is kept.

use super::metrics::Metrics;
use std::time::SystemTime;

/// The record of a process.
#[derive(Clone, Debug)]
pub struct Life {
    /// The first is 1.
    pub number: u32,
    /// Its process id.
    pub pid: u32,
    /// When it was started.
    pub began: SystemTime,
    /// How it ended; none while it lives.
    pub end: Option<End>,
}

/// How a process ended.
#[derive(Clone, Debug)]
pub struct End {
    /// When.
    pub at: SystemTime,
    /// With which exit code or signal.
    pub outcome: Outcome,
    /// Events that it reported as accepted, not settled and lost; none if it could not report.
    pub left: Option<u64>,
    /// Events that it reported as not settled and kept in the journal.
    pub kept: Option<u64>,
    /// Its last counters; none if it had no time to tell them.
    pub metrics: Option<Metrics>,
    /// The same as `/stats` shows them.
    pub stats: Option<serde_json::Value>,
    /// What it cost: at its end, or what was last seen of it.
    pub usage: Usage,
}

/// How a process was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself, with this code.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
}

/// What a process costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Memory at present.
    pub resident_bytes: u64,
    /// The most it ever was.
    pub resident_peak_bytes: u64,
    /// CPU time of all its threads.
    pub cpu_seconds: f64,
}

impl Usage {
    /// Of a process; what `/proc` does not tell is 0. A process that is over has no memory, but its CPU time.
    pub(super) fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name, which is in brackets and may contain anything: field 3 is the state, 14 and 15 are ticks.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Self {
            resident_bytes: bytes(&status, "VmRSS:"),
            resident_peak_bytes: bytes(&status, "VmHWM:"),
            cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        }
    }

    /// What a process allocated for itself, used or not: what `RLIMIT_DATA` counts.
    pub(super) fn allocated_bytes(pid: u32) -> u64 {
        bytes(&std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), "VmData:")
    }

    /// What is known from both looks at the same process, of which this is the later one.
    pub(super) fn or_before(self, before: Self) -> Self {
        Self {
            resident_bytes: if self.resident_bytes > 0 { self.resident_bytes } else { before.resident_bytes },
            resident_peak_bytes: self.resident_peak_bytes.max(before.resident_peak_bytes),
            cpu_seconds: self.cpu_seconds.max(before.cpu_seconds),
        }
    }
}

/// A number of KiB in `/proc/<pid>/status`, as bytes.
fn bytes(status: &str, name: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok();
    status.lines().find_map(value).unwrap_or(0) * 1024
}
