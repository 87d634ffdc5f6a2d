//! What goes wrong with a crowd of hosts: drawn from a seed, so that a run can be had again.

use super::{Crowd, Machine};
use crate::windows_host::{Fault, Operation};
use seams::Rng;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;

/// A host whose password was wrong is spared for so long: a second refusal would keep its collector away for a quarter of
/// an hour, as it should.
const SPARED: Duration = Duration::from_secs(120);

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// All connections, and all the host knows of its clients, are gone.
    Reboot,
    /// A connection breaks in the middle of an answer.
    CutInAnswer,
    /// Answers take up to two seconds.
    Slow,
    /// The password is another one for some seconds, and who is connected has to sign in again.
    WrongPassword,
}

/// How often what went wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Suffered {
    reboots: u64,
    cuts: u64,
    slow: u64,
    passwords: u64,
}

/// What hosts suffer, and when that ends.
#[derive(Default)]
struct Course {
    /// Hosts that are to be healed.
    until: HashMap<usize, Instant>,
    /// Whose password was wrong when.
    refused: HashMap<usize, Instant>,
}

impl Crowd {
    /// One host after the other suffers something, for so long; wrong passwords only in the first half, so that those
    /// who wait after a refusal are back soon after the end. All are well again afterwards.
    pub async fn suffer(&self, rng: &Rng, every: Duration, during: Duration) -> Suffered {
        let began = Instant::now();
        let mut suffered = Suffered::default();
        let mut course = Course::default();
        let mut steps = tokio::time::interval(every);
        while began.elapsed() < during {
            steps.tick().await;
            self.heal(&mut course, Instant::now());
            let host = rng.below(self.len() as u64) as usize;
            let mischief = match rng.below(10) {
                0..=2 => Mischief::Reboot,
                3..=5 => Mischief::CutInAnswer,
                6..=8 => Mischief::Slow,
                _ => Mischief::WrongPassword,
            };
            let time = Duration::from_millis(500 + rng.below(1500));
            let is_spared = course.refused.get(&host).is_some_and(|at| at.elapsed() < SPARED);
            let is_late = began.elapsed() > during / 2;
            if course.until.contains_key(&host)
                || mischief == Mischief::WrongPassword && (is_spared || is_late)
            {
                continue;
            }
            self.strike(host, mischief, time, &mut course);
            match mischief {
                Mischief::Reboot => suffered.reboots += 1,
                Mischief::CutInAnswer => suffered.cuts += 1,
                Mischief::Slow => suffered.slow += 1,
                Mischief::WrongPassword => suffered.passwords += 1,
            }
        }
        self.heal(&mut course, Instant::now() + SPARED);
        suffered
    }

    fn strike(&self, number: usize, mischief: Mischief, time: Duration, course: &mut Course) {
        let now = Instant::now();
        match (&self.hosts[number].machine, mischief) {
            (_, Mischief::Reboot) => self.reboot(number),
            (Machine::Windows(host), Mischief::CutInAnswer) => {
                host.fault(Operation::Pull, Fault::CutInAnswer)
            }
            (Machine::Linux(host) | Machine::Journal(host), Mischief::CutInAnswer) => {
                host.faults().cut_after(time.as_millis() as u64)
            }
            (Machine::Windows(host), Mischief::Slow) => host.fault(Operation::Pull, Fault::Slow(time)),
            (Machine::Linux(host) | Machine::Journal(host), Mischief::Slow) => {
                host.faults().slow(time);
                course.until.insert(number, now + time * 3);
            }
            (Machine::Windows(host), Mischief::WrongPassword) => {
                host.set_password("Another-1");
                host.reboot();
                course.until.insert(number, now + time * 5);
            }
            (Machine::Linux(host) | Machine::Journal(host), Mischief::WrongPassword) => {
                host.faults().refuse.store(true, Relaxed);
                host.cut();
                course.until.insert(number, now + time * 5);
            }
        }
        if mischief == Mischief::WrongPassword {
            course.refused.insert(number, now);
        }
    }

    fn heal(&self, course: &mut Course, now: Instant) {
        course.until.retain(|number, until| {
            if *until > now {
                return true;
            }
            match &self.hosts[*number].machine {
                // The password of its settings counts again.
                Machine::Windows(host) => host.set_password(""),
                Machine::Linux(host) | Machine::Journal(host) => {
                    host.faults().slow(Duration::ZERO);
                    host.faults().refuse.store(false, Relaxed);
                }
            }
            false
        });
    }
}

impl fmt::Display for Suffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reboots, cuts, slow, passwords } = self;
        write!(f, "{reboots} reboots, {cuts} answers cut, {slow} times slow, {passwords} wrong passwords")
    }
}
