//! One Director collects many hosts, on which things go wrong all the time.
//!
//! By default half a minute with as many hosts as two cores carry beside their Director, both unoptimised. The whole of it:
//!
//! ```text
//! SOAK_SECONDS=600 cargo test --release -p vmetric-director --test agentless_soak -- --nocapture
//! ```
//!
//! `SOAK_SEED`, `SOAK_WINDOWS`, `SOAK_LINUX` change what it is drawn from and how many hosts there are.

mod support;

use rustix::process::Signal;
use seams::Rng;
use simulations::crowd::{Arrivals, Crowd};
use std::fs;
use std::time::{Duration, Instant};
use support::Installation;

/// Events of each host a second.
const EVENTS_PER_SECOND: u64 = 5;
/// A Windows host's log keeps so many: two minutes, longer than any fault lasts; more where the machine may be slow.
const KEPT_RECORDS: usize = 600;
const MORE_RECORDS: usize = 2000;
/// Something goes wrong so often.
const MISCHIEF_EVERY: Duration = Duration::from_millis(100);
/// What the Director may take of memory.
const MAX_MEGABYTES: u64 = 250;
/// Hosts that refused a sign-in are asked again after half a minute; the rest is catching up.
const UNTIL_ALL_CAME: Duration = Duration::from_secs(120);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What the kernel says of a process: CPU time in clock ticks (proc(5), stat, fields 14 and 15), largest memory in MB.
fn usage(pid: u32) -> (u64, u64) {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("it runs");
    let (stat, status) = (read("stat"), read("status"));
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    let kilobytes: u64 = peak.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number");
    (ticks, kilobytes / 1024)
}

/// How many connections the devices have.
fn open(installation: &Installation) -> Option<u64> {
    let (_, page) = installation.get("/metrics")?;
    let values = page.lines().filter(|line| line.starts_with("vmetric_device_open{"));
    Some(values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_fail_at_random_lose_nothing_in_one_small_director() {
    let asked = number("SOAK_SECONDS");
    let seconds = asked.unwrap_or(30);
    let (windows, linux) = if asked.is_some() { (1000, 200) } else { (60, 12) };
    let windows = number("SOAK_WINDOWS").unwrap_or(windows) as usize;
    let linux = number("SOAK_LINUX").unwrap_or(linux) as usize;
    let rng = Rng::seeded(number("SOAK_SEED").unwrap_or(1));

    let kept = if asked.is_some() { KEPT_RECORDS } else { MORE_RECORDS };
    let crowd = Crowd::start(windows, linux, kept).await.expect("enough ports and files");
    let arrivals = Arrivals::start().expect("a port");
    let mut installation = Installation::new(&format!(
        "{}{}{}",
        crowd.devices(),
        support::target("out", arrivals.port()),
        support::ROUTE
    ));
    let pid = installation.launch();
    let all = crowd.len() as u64;
    until("all hosts are connected", &installation, || open(&installation) >= Some(all)).await;

    let (ticks, began) = (usage(pid).0, Instant::now());
    let suffered = tokio::select! {
        suffered = crowd.suffer(&rng, MISCHIEF_EVERY, Duration::from_secs(seconds)) => suffered,
        () = crowd.write_steadily(EVENTS_PER_SECOND) => unreachable!("they write for ever"),
    };
    let cores = (usage(pid).0 - ticks) as f64
        / rustix::param::clock_ticks_per_second() as f64
        / began.elapsed().as_secs_f64();
    let missing = || crowd.written().map(|(host, count)| count - arrivals.distinct(host)).sum::<u64>();
    let late = missing();
    until("all events came", &installation, || missing() == 0).await;

    let (count, repeated) = arrivals.counts();
    let median = arrivals.delay("", 50);
    let of = |kind| [50, 90, 99].map(|percent| arrivals.delay(kind, percent));
    let megabytes = usage(pid).1;
    println!(
        "{windows} Windows and {linux} Linux hosts, {seconds} s: {suffered}; {count} events, {repeated} of them again, \
         {late} still to come at the end; delay median, p90, p99: {:?} Windows, {:?} files, {:?} journals; {:.0} % of a core, {megabytes} MB",
        of("w"),
        of("l"),
        of("j"),
        cores * 100.0
    );
    assert_eq!(arrivals.complaints(), Vec::<String>::new());
    assert!(megabytes <= MAX_MEGABYTES, "{megabytes} MB");
    // Time is measured where the builds are those that people run, and nothing else runs.
    if asked.is_some() && !cfg!(debug_assertions) {
        assert!(cores <= 1.0, "{cores} cores");
        assert!(median <= Duration::from_secs(2), "{median:?}");
    }
    installation.signal(Signal::TERM);
    assert!(installation.wait_for_end().success());
}

/// Waits for something, without keeping hosts from their work.
async fn until(what: &str, installation: &Installation, holds: impl Fn() -> bool) {
    let limit = Instant::now() + UNTIL_ALL_CAME;
    while !holds() {
        if Instant::now() > limit {
            let tree = installation.json("/tree").to_string();
            let start = tree.char_indices().nth(4000).map_or(tree.len(), |(at, _)| at);
            panic!("waited in vain: {what}; {}", &tree[..start]);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
