//! `-simulate`: rehearses a bad day with a configuration, in a folder and on addresses of its own.

use super::say;
use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use anyhow::Context;
use parking_lot::Mutex;
use seams::Rng;
use simulations::scenario::report::Report;
use simulations::scenario::run::{self, Progress};
use simulations::scenario::world::Means;
use simulations::scenario::{Planned, Scenario, page, read};
use simulations::shrink::smallest;
use simulations::subject::Defence;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No further run of a shrinking begins after so long.
const SHRINKING: Duration = Duration::from_secs(1800);

/// What the command line asks for.
struct Asked {
    file: String,
    scenario: Scenario,
    program: PathBuf,
    given: config::Source,
    without: Option<Defence>,
    shrink: bool,
    report: Option<PathBuf>,
    json: bool,
    /// Flags that the command to repeat a run has, too.
    flags: String,
}

/// Rehearses a scenario once or several times; the exit code is 1 when an expectation does not hold.
pub(super) fn simulate(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let asked = Asked::of(arguments, place)?;
    // Short enough to be typed again.
    let any = Rng::from_system().below(1_000_000);
    let seed: u64 = arguments.read("seed", any, "a number")?;
    let runs: u64 = arguments.read("runs", 1, "a number")?;
    let mut failed = Vec::new();
    for seed in (seed..).take(runs as usize) {
        let (report, plan) = asked.run(seed, None)?;
        asked.tell(&report)?;
        if report.passed {
            continue;
        }
        failed.push(seed);
        if asked.shrink {
            asked.shrink(seed, &plan)?;
        }
    }
    if runs > 1 {
        let passed = runs - failed.len() as u64;
        say(&format!("{passed} of {runs} runs passed{}\n", shown(&failed)))?;
    }
    Ok(if failed.is_empty() { Exit::Ok } else { Exit::Failure })
}

fn shown(failed: &[u64]) -> String {
    if failed.is_empty() {
        return String::new();
    }
    let seeds: Vec<String> = failed.iter().map(u64::to_string).collect();
    format!("; failed with seed {}", seeds.join(", "))
}

impl Asked {
    fn of(arguments: &Arguments, place: &Place) -> Result<Self, Failed> {
        let file = arguments.value("simulate").unwrap_or_default().to_owned();
        let scenario = read::file(Path::new(&file)).map_err(|mistakes| {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Failed::new(Exit::Configuration, anyhow::anyhow!("{}", lines.join("\n")))
        })?;
        let short = arguments.has("short");
        let mut flags = String::new();
        for name in ["path", "config-path"] {
            if let Some(value) = arguments.value(name) {
                flags.push_str(&format!(" -{name} {value}"));
            }
        }
        if short {
            flags.push_str(" -short");
        }
        let without = arguments.value("without").map(|name| {
            serde_json::from_value(name.into()).map_err(|e| {
                Failed::new(Exit::Usage, anyhow::anyhow!("-without {name} is not understood: {e}"))
            })
        });
        Ok(Self {
            file,
            scenario: if short { scenario.shortened() } else { scenario },
            program: std::env::current_exe().context("cannot tell where this program is")?,
            given: place.source.clone(),
            without: without.transpose()?,
            shrink: arguments.has("shrink"),
            report: arguments.value("report").map(PathBuf::from),
            json: arguments.has("json"),
            flags,
        })
    }

    /// A run, with this plan of faults or with that of the seed; its report and its plan.
    fn run(&self, seed: u64, plan: Option<Vec<Planned>>) -> Result<(Report, Vec<Planned>), Failed> {
        let (program, given) = (self.program.clone(), self.given.clone());
        let means = Means { program, given, seed, without: self.without };
        let line = Arc::new(ProgressLine::new());
        let shown = Arc::clone(&line);
        let show = Arc::new(move |progress: &Progress| shown.show(progress));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let rehearsal = runtime.block_on(run::run(&self.scenario, &means, plan, show));
        line.clear();
        let rehearsal =
            rehearsal.with_context(|| format!("the rehearsal of {} broke off (seed {seed})", self.file))?;
        runtime.shutdown_timeout(Duration::from_secs(1));
        let plan = rehearsal.faults.iter().map(|happened| happened.planned.clone()).collect();
        Ok((Report::of(&self.scenario, seed, &self.command(seed), &rehearsal), plan))
    }

    /// Looks for the fewest faults with which it still fails, and shows them as a scenario would have them.
    fn shrink(&self, seed: u64, plan: &[Planned]) -> Result<(), Failed> {
        let (began, mut runs, mut broken) = (Instant::now(), 0, None);
        let fewest = smallest(plan, |plan| {
            if began.elapsed() > SHRINKING || broken.is_some() {
                return false;
            }
            runs += 1;
            match self.run(seed, Some(plan.to_vec())) {
                Ok((report, _)) => !report.passed,
                Err(failed) => {
                    broken = Some(failed);
                    false
                }
            }
        });
        if let Some(failed) = broken {
            return Err(failed);
        }
        let mut text =
            format!("it fails with {} of {} faults ({runs} runs):\nfaults:\n", fewest.len(), plan.len());
        for planned in &fewest {
            text.push_str(&format!("  - {}\n", planned.yaml()));
        }
        say(&text)?;
        Ok(())
    }

    /// The command that repeats a run.
    fn command(&self, seed: u64) -> String {
        format!("vmetric-director -simulate {} -seed {seed}{}", self.file, self.flags)
    }

    fn tell(&self, report: &Report) -> Result<(), Failed> {
        say(&if self.json { report.json() + "\n" } else { report.text() + "\n" })?;
        let Some(folder) = &self.report else { return Ok(()) };
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let name = format!("{}-{}", report.scenario, report.seed);
        let page = page::html(report);
        for (extension, text) in [("txt", report.text()), ("json", report.json()), ("html", page)] {
            let path = folder.join(format!("{name}.{extension}"));
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// One line on the terminal that says how far it is.
struct ProgressLine {
    terminal: bool,
    last: Mutex<Option<Instant>>,
}

impl ProgressLine {
    fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), last: Mutex::new(None) }
    }

    fn show(&self, progress: &Progress) {
        let often = if self.terminal { Duration::from_millis(100) } else { Duration::from_secs(10) };
        let mut last = self.last.lock();
        if last.is_some_and(|last| last.elapsed() < often) {
            return;
        }
        *last = Some(Instant::now());
        let Progress { phase, time: (done, all), events: (sent, came), faults } = progress;
        let (done, all) = (done.as_secs_f64(), all.as_secs_f64());
        let faults = if faults.is_empty() { String::new() } else { format!("  [{}]", faults.join(", ")) };
        let line = format!("{phase} {done:.0}/{all:.0} s  sent {sent}  delivered {came}{faults}");
        let (before, after) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        // Whoever closed the terminal does not want to see it.
        let _ = write!(io::stderr(), "{before}{line}{after}");
    }

    fn clear(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
