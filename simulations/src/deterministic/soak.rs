//! The command line: one seed, or as many as there is time for.

use super::bugs::Bug;
use super::play::{Outcome, WORLDS, WorldEntry, world};
use std::io::Write;
use std::time::{Duration, Instant};

/// How to use it.
pub const USAGE: &str = "\
usage: soak [WORLD] [options]

Plays seed after seed in one world, or in all in turn, until a promise is broken. Then it shrinks the plan, prints the
trace of what is left and the command that repeats it, and ends with exit code 1.

  -seed N      the first seed (default 1)
  -runs K      so many seeds in each world (default: 1000; no limit where -for is given)
  -for TIME    so long: 90s, 15m, 2h
  -bug NAME    with a mistake that is made on purpose (-bugs lists them)
  -keep A,B,C  only these steps of the plan, and no shrinking
  -trace       prints the trace of the seed, whatever its verdict
  -worlds      lists the worlds
  -bugs        lists the mistakes
";

/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Debug, Default)]
struct Order {
    world: Option<&'static WorldEntry>,
    seed: Option<u64>,
    runs: Option<u64>,
    time: Option<Duration>,
    bug: Option<Bug>,
    keep: Option<Vec<usize>>,
    trace: bool,
    list: Option<List>,
}

#[derive(Clone, Copy, Debug)]
enum List {
    Worlds,
    Bugs,
}

/// A promise that was broken, as it is to be told.
#[derive(Clone, Debug)]
pub struct Failure {
    /// In which world.
    pub world: &'static str,
    /// From which seed.
    pub seed: u64,
    /// The steps that are left.
    pub keep: Vec<usize>,
    /// How many there were.
    pub steps: usize,
    /// What came of the steps that are left.
    pub smallest: Outcome,
    /// The command that repeats it.
    pub command: String,
}

/// Runs what the arguments ask for; the exit code: 0 when every promise was kept, 1 when one was broken, 2 when the
/// arguments are not understood.
pub fn run(arguments: impl Iterator<Item = String>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    // Where nobody reads any more, nothing is to be said.
    match read(arguments) {
        Err(what) => {
            let _ = write!(err, "{what}\n\n{USAGE}");
            2
        }
        Ok(Order { list: Some(list), .. }) => {
            let _ = out.write_all(list.text().as_bytes());
            0
        }
        Ok(order) => soak(&order, out, err),
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut order = Order::default();
    while let Some(argument) = arguments.next() {
        let name = argument.trim_start_matches('-');
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text:?} is no number"));
        match name {
            "seed" => order.seed = Some(number(value()?)?),
            "runs" => order.runs = Some(number(value()?)?),
            "for" => order.time = Some(duration(&value()?)?),
            "bug" => {
                let name = value()?;
                let bug = Bug::of(&name).ok_or(format!("there is no mistake {name:?}; -bugs lists them"))?;
                (order.bug, order.world) = (Some(bug), world(bug.world()));
            }
            "keep" => {
                let numbers = value()?;
                let numbers = numbers.split(',').filter(|n| !n.is_empty()).map(|n| number(n.to_owned()));
                let numbers: Result<Vec<u64>, String> = numbers.collect();
                order.keep = Some(numbers?.into_iter().map(|n| n as usize).collect());
            }
            "trace" => order.trace = true,
            "worlds" => order.list = Some(List::Worlds),
            "bugs" => order.list = Some(List::Bugs),
            _ if argument.starts_with('-') => return Err(format!("{argument} is no option")),
            _ => {
                let found = world(name).ok_or(format!("there is no world {name:?}; -worlds lists them"))?;
                order.world = Some(found);
            }
        }
    }
    if (order.keep.is_some() || order.trace) && (order.world.is_none() || order.seed.is_none()) {
        return Err("-keep and -trace need a world and a seed".to_owned());
    }
    Ok(order)
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 90s, 15m or 2h");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => number,
        "m" => number * 60,
        "h" => number * 3600,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(seconds))
}

impl List {
    fn text(self) -> String {
        match self {
            List::Worlds => {
                WORLDS.iter().map(|world| format!("{:10} {}\n", world.name, world.about)).collect()
            }
            List::Bugs => {
                Bug::ALL.into_iter().map(|bug| format!("{:10} {}\n", bug.world(), bug.name())).collect()
            }
        }
    }
}

fn soak(order: &Order, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let worlds: Vec<&WorldEntry> = order.world.map_or(WORLDS.iter().collect(), |world| vec![world]);
    let first = order.seed.unwrap_or(1);
    if order.keep.is_some() || order.trace {
        let outcome = (worlds[0].play)(first, order.keep.as_deref(), order.bug);
        return show(&outcome, out);
    }
    let runs = order.runs.unwrap_or(if order.time.is_some() { u64::MAX } else { 1000 });
    let (began, mut shown) = (Instant::now(), Instant::now());
    let mut played = vec![(0u64, Duration::ZERO); worlds.len()];
    for seed in first..first.saturating_add(runs) {
        if order.time.is_some_and(|time| began.elapsed() >= time) {
            break;
        }
        for (n, world) in worlds.iter().enumerate() {
            let at = Instant::now();
            let outcome = (world.play)(seed, None, order.bug);
            played[n] = (played[n].0 + 1, played[n].1 + at.elapsed());
            if outcome.verdict.is_err() {
                let _ =
                    writeln!(err, "\n{}: seed {seed} fails; shrinking {} steps", world.name, outcome.steps);
                let failure = examine(world, seed, &outcome, order.bug);
                let _ = write!(out, "{failure}");
                return 1;
            }
        }
        if shown.elapsed() >= SHOW_EVERY {
            shown = Instant::now();
            let all: u64 = played.iter().map(|(seeds, _)| seeds).sum();
            let rate = all as f64 / began.elapsed().as_secs_f64() * 60.0;
            let _ = write!(err, "\r{all} seeds, the last {seed}, {rate:.0} a minute, all promises kept ");
            let _ = err.flush();
        }
    }
    let _ = writeln!(err);
    for (world, (seeds, time)) in worlds.iter().zip(&played) {
        let rate = *seeds as f64 / time.as_secs_f64().max(1e-9) * 60.0;
        let _ = writeln!(out, "{:10} {seeds:>9} seeds, {rate:>8.0} a minute, all promises kept", world.name);
    }
    0
}

fn show(outcome: &Outcome, out: &mut dyn Write) -> u8 {
    let _ = writeln!(out, "{}", outcome.trace.text());
    match &outcome.verdict {
        Ok(()) => {
            let _ = writeln!(out, "all promises kept; trace {:016x}", outcome.trace.digest());
            0
        }
        Err(broken) => {
            let _ = writeln!(out, "broken: {broken}");
            1
        }
    }
}

/// Shrinks what failed.
pub fn examine(world: &WorldEntry, seed: u64, outcome: &Outcome, bug: Option<Bug>) -> Failure {
    let keep = (world.shrink)(seed, bug);
    let smallest = (world.play)(seed, Some(&keep), bug);
    let numbers: Vec<String> = keep.iter().map(usize::to_string).collect();
    let bug = bug.map_or(String::new(), |bug| format!(" -bug {}", bug.name()));
    let command = format!("soak {}{bug} -seed {seed} -keep {}", world.name, numbers.join(","));
    Failure { world: world.name, seed, keep, steps: outcome.steps, smallest, command }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { world, seed, keep, steps, smallest, command } = self;
        writeln!(f, "world {world}, seed {seed}: of {steps} steps these {} suffice:", keep.len())?;
        writeln!(f, "{}", smallest.trace.text())?;
        if let Err(broken) = &smallest.verdict {
            writeln!(f, "broken: {broken}")?;
        }
        writeln!(f, "to repeat it: {command}")
    }
}
