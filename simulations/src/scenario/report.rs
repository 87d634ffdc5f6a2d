//! The report of a rehearsal, as text and as JSON.

use super::judge::{self, Finding, Recovery};
use super::run::{Arrived, Rehearsal};
use super::samples::Sample;
use super::{AnyFault, Planned, Scenario};
use crate::account::Fate;
use crate::subject::{Outcome, Span};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::time::Duration;

/// The report of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario.
    pub scenario: String,
    /// What it is about.
    pub about: String,
    /// Where chance came from.
    pub seed: u64,
    /// Whether all expectations hold.
    pub passed: bool,
    /// Expectations with what was found.
    pub findings: Vec<Finding>,
    /// By device and target.
    pub ways: Vec<Way>,
    /// What waited in the end, and what came without a mark.
    pub held: Vec<Held>,
    /// The faults.
    pub faults: Vec<FaultReport>,
    /// The processes of the Director.
    pub processes: Vec<ProcessReport>,
    /// The most memory that a process had.
    pub peak_bytes: u64,
    /// Actors that were started again, in all processes.
    pub restarts: u64,
    /// Length of the load in seconds, and how long it took to settle.
    pub seconds: (f64, f64),
    /// What is worth knowing.
    pub notes: Vec<String>,
    /// The targets, in the order of the samples' columns.
    pub targets: Vec<String>,
    /// The run over time.
    pub samples: Vec<Sample>,
    /// The command that repeats it.
    pub command: String,
    /// The end of the Director's log, if it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log: String,
}

/// What became of a device's events at a target.
#[derive(Clone, Debug, Serialize)]
pub struct Way {
    /// From this device.
    pub device: String,
    /// To this target.
    pub target: String,
    /// Sent to the device.
    pub sent: u64,
    /// Of these, those that routes lead to the target.
    pub due: u64,
    /// Of the due ones, acknowledged.
    pub acknowledged: u64,
    /// Different ones that came.
    pub delivered: u64,
    /// Further arrivals.
    pub repeated: u64,
    /// Promised, and did not come.
    pub lost: u64,
    /// Not promised, and did not come.
    pub unpromised: u64,
    /// After a later one of their stream.
    pub out_of_order: u64,
}

/// What is left to say of a target.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// The target.
    pub target: String,
    /// Whole records that came without a mark: what a cut left of an event, or what the Director says of itself.
    pub fragments: u64,
    /// In memory.
    pub memory: u64,
    /// On disk.
    pub disk: u64,
}

/// A fault.
#[derive(Clone, Debug, Serialize)]
pub struct FaultReport {
    /// Its name.
    pub what: String,
    /// Its settings.
    pub settings: Json,
    /// Seconds from the beginning of the load.
    pub began: f64,
    /// The same.
    pub ended: f64,
    /// How often it struck, where that is known.
    pub struck: Option<u64>,
    /// Until everything that waited was delivered.
    pub recovery: Recovery,
    /// Why it did not happen as planned.
    pub trouble: Option<String>,
}

/// A process.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessReport {
    /// The first is 1.
    pub number: u32,
    /// How it ended.
    pub end: String,
    /// The most memory it had.
    pub peak_bytes: u64,
    /// Seconds of all its threads.
    pub cpu_seconds: f64,
    /// Events that it reported as left behind.
    pub left: Option<u64>,
    /// Of which it kept in its journal.
    pub kept: Option<u64>,
}

impl Report {
    /// Of a rehearsal; `command` repeats it.
    pub fn of(scenario: &Scenario, seed: u64, command: &str, rehearsal: &Rehearsal) -> Self {
        let findings = judge::findings(scenario, rehearsal);
        let passed = findings.iter().all(|finding| finding.found.is_none());
        Self {
            scenario: scenario.name.clone(),
            about: scenario.about.trim().to_owned(),
            seed,
            passed,
            findings,
            ways: rehearsal.fates.iter().map(|((from, to), fate)| Way::of(from, to, fate)).collect(),
            held: held(rehearsal),
            faults: faults(rehearsal),
            processes: rehearsal.lives.iter().map(process).collect(),
            peak_bytes: judge::peak(rehearsal),
            restarts: restarts(rehearsal),
            seconds: (rehearsal.took.0.as_secs_f64(), rehearsal.took.1.as_secs_f64()),
            notes: rehearsal.notes.clone(),
            targets: rehearsal.came.iter().map(|arrived| arrived.target.clone()).collect(),
            samples: rehearsal.kept.samples.clone(),
            command: command.to_owned(),
            log: if passed { String::new() } else { rehearsal.log.clone() },
        }
    }

    /// As JSON.
    pub fn json(&self) -> String {
        // All of it is maps, lists, texts and numbers.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// As text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let verdict = if self.passed { "PASSED" } else { "FAILED" };
        writeln!(out, "{verdict}: {} (seed {})", self.scenario, self.seed)?;
        if !self.about.is_empty() {
            writeln!(out, "  {}", self.about.replace('\n', "\n  "))?;
        }
        writeln!(out, "\nexpectations")?;
        for Finding { expected, found } in &self.findings {
            match found {
                None => writeln!(out, "  ok    {expected}")?,
                Some(found) => writeln!(out, "  NOT   {expected}: {found}")?,
            }
        }
        self.write_events(out)?;
        if !self.faults.is_empty() {
            writeln!(out, "\nfaults (seconds from the beginning of the load)")?;
        }
        for fault in &self.faults {
            let settings = shown(&fault.settings);
            write!(out, "  {:>7.1} to {:>6.1}  {}{settings}", fault.began, fault.ended, fault.what)?;
            if let Some(struck) = fault.struck {
                write!(out, ", struck {struck} times")?;
            }
            match (&fault.trouble, &fault.recovery) {
                (Some(trouble), _) => writeln!(out, "; {trouble}")?,
                (None, Recovery::After(seconds)) => writeln!(out, "; recovered after {seconds:.1} s")?,
                (None, Recovery::Unseen) => writeln!(out)?,
                (None, Recovery::Never) => writeln!(out, "; never recovered")?,
            }
        }
        writeln!(out, "\nprocesses")?;
        for process in &self.processes {
            let ProcessReport { number, end, peak_bytes, cpu_seconds, left, kept } = process;
            write!(
                out,
                "  {number}: {end}, at most {} MB, {cpu_seconds:.1} s of CPU",
                peak_bytes / 1_000_000
            )?;
            match (left, kept) {
                (Some(left), Some(kept)) => {
                    writeln!(out, ", left {left} events behind, {kept} in its journal")?
                }
                _ => writeln!(out)?,
            }
        }
        writeln!(out, "  actors started again: {}", self.restarts)?;
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        let (load, settling) = self.seconds;
        writeln!(out, "\n{load:.1} s of load, {settling:.1} s until it was quiet")?;
        if !self.passed {
            writeln!(out, "again: {}", self.command)?;
        }
        Ok(())
    }

    fn write_events(&self, out: &mut String) -> std::fmt::Result {
        let names = self.ways.iter().map(|way| way.device.len() + way.target.len() + 4);
        let width = names.max().unwrap_or(0).max(6);
        let heads = ["sent", "due", "acked", "delivered", "repeated", "lost", "unpromised", "unordered"];
        write!(out, "\n  {:width$}", "events")?;
        heads.iter().try_for_each(|head| write!(out, " {head:>10}"))?;
        writeln!(out)?;
        for way in &self.ways {
            write!(out, "  {:width$}", format!("{} -> {}", way.device, way.target))?;
            let Way { sent, due, acknowledged, delivered, repeated, lost, unpromised, out_of_order, .. } =
                way;
            for number in [sent, due, acknowledged, delivered, repeated, lost, unpromised, out_of_order] {
                write!(out, " {number:>10}")?;
            }
            writeln!(out)?;
        }
        for Held { target, fragments, memory, disk } in &self.held {
            if *fragments > 0 {
                writeln!(
                    out,
                    "  {target}: {fragments} records without a mark, such as what a cut left of an event"
                )?;
            }
            if memory + disk > 0 {
                writeln!(out, "  {target}: {memory} events still wait in memory, {disk} on disk")?;
            }
        }
        Ok(())
    }
}

impl Way {
    fn of(from: &str, to: &str, fate: &Fate) -> Self {
        Self {
            device: from.to_owned(),
            target: to.to_owned(),
            sent: fate.sent,
            due: fate.due,
            acknowledged: fate.acknowledged,
            delivered: fate.delivered,
            repeated: fate.repeated,
            lost: fate.lost,
            unpromised: fate.unpromised,
            out_of_order: fate.out_of_order,
        }
    }
}

impl Planned {
    /// As a scenario has it.
    pub fn yaml(&self) -> String {
        let span = |time: &Duration| Span(Duration::from_millis(time.as_millis() as u64)).to_string();
        let mut out = format!("{{at: {}", span(&self.at));
        // Writing to a string does not fail.
        if !self.length.is_zero() {
            let _ = write!(out, ", for: {}", span(&self.length));
        }
        if let Some(every) = &self.every {
            let _ = write!(out, ", every: {}", span(every));
        }
        let _ = write!(out, ", what: {}", self.fault.name());
        if let Some(map) = settings(self).as_object() {
            map.iter().for_each(|(key, value)| _ = write!(out, ", {key}: {value}"));
        }
        out + "}"
    }
}

/// The settings of a fault.
pub fn settings(planned: &Planned) -> Json {
    let (json, at) = match &planned.fault {
        AnyFault::Link { to, fault } => (serde_json::to_value(fault), Some(to)),
        AnyFault::Endpoint { of, fault } => (serde_json::to_value(fault), Some(of)),
        AnyFault::Director(fault) => (serde_json::to_value(fault), None),
    };
    let mut json = json.unwrap_or(Json::Null);
    if let (Some(at), Some(map)) = (at, json.as_object_mut()) {
        map.insert("where".to_owned(), json!(at));
    }
    if let Some(map) = json.as_object_mut() {
        map.remove("what");
    }
    json
}

fn shown(settings: &Json) -> String {
    let Some(map) = settings.as_object() else { return String::new() };
    let mut out = String::new();
    for (key, value) in map {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Writing to a string does not fail.
        let _ = write!(out, " {key}={text}");
    }
    out
}

/// By what the last process told before it was stopped.
fn held(rehearsal: &Rehearsal) -> Vec<Held> {
    let last = rehearsal.kept.metrics.values().last().cloned().unwrap_or_default();
    let count = |name, target: &str| last.count(name, &[("target", target)]);
    let of = |arrived: &Arrived| Held {
        target: arrived.target.clone(),
        fragments: arrived.unmarked,
        memory: count("vmetric_target_held", &arrived.target),
        disk: count("vmetric_target_spool_held", &arrived.target),
    };
    rehearsal.came.iter().map(of).collect()
}

fn faults(rehearsal: &Rehearsal) -> Vec<FaultReport> {
    let report = |happened: &super::run::Happened| FaultReport {
        what: happened.planned.fault.name(),
        settings: settings(&happened.planned),
        began: happened.began,
        ended: happened.ended,
        struck: happened.struck,
        recovery: judge::recovery(happened, rehearsal),
        trouble: happened.trouble.clone(),
    };
    rehearsal.faults.iter().map(report).collect()
}

fn process(life: &crate::subject::Life) -> ProcessReport {
    let end = life.end.as_ref();
    ProcessReport {
        number: life.number,
        end: match end.map(|end| end.outcome) {
            None => "still runs".to_owned(),
            Some(Outcome::Exited(code)) => format!("ended with code {code}"),
            Some(Outcome::Killed(signal)) => format!("killed by signal {signal}"),
        },
        peak_bytes: end.map_or(0, |end| end.usage.resident_peak_bytes),
        cpu_seconds: end.map_or(0.0, |end| end.usage.cpu_seconds),
        left: end.and_then(|end| end.left),
        kept: end.and_then(|end| end.kept),
    }
}

/// In all processes together, as far as they told.
fn restarts(rehearsal: &Rehearsal) -> u64 {
    let metrics = rehearsal.kept.metrics.values();
    metrics.map(|metrics| metrics.sum("vmetric_actor_restarts", &[]) as u64).sum()
}
