//! [`Faults`]: which calls fail, counted and planned.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::clock::SimulatedClock;

use super::Operation;

/// Counts the calls and says of each whether it works.
#[derive(Debug, Default)]
pub(super) struct Faults {
    counts: BTreeMap<Operation, u64>,
    operations: u64,
    at: BTreeMap<u64, io::ErrorKind>,
    next_of: BTreeMap<Operation, (u64, io::ErrorKind)>,
    machine: MachineState,
    slow: Option<Slow>,
}

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Verdict {
    Works,
    Fails(io::Error),
    /// The machine stops in the middle of it.
    Stops(io::Error),
    /// The machine is off: nothing happens.
    Off(io::Error),
}

#[derive(Debug, Default)]
enum MachineState {
    #[default]
    Runs,
    StopsAt(u64),
    Stopped,
}

#[derive(Debug)]
struct Slow {
    clock: SimulatedClock,
    each: Duration,
    bytes_per_second: u64,
}

impl Faults {
    pub(super) fn next(&mut self, operation: Operation, bytes: u64) -> Verdict {
        let number = self.operations;
        self.operations += 1;
        *self.counts.entry(operation).or_default() += 1;
        match self.machine {
            MachineState::Runs => {}
            MachineState::StopsAt(stop) if number < stop => {}
            MachineState::StopsAt(_) => {
                self.machine = MachineState::Stopped;
                return Verdict::Stops(stopped());
            }
            MachineState::Stopped => return Verdict::Off(stopped()),
        }
        if let Some(slow) = &self.slow {
            let transfer = bytes as f64 / slow.bytes_per_second as f64;
            slow.clock.advance(slow.each + Duration::from_secs_f64(transfer));
        }
        if let Some(error) = self.at.remove(&number) {
            return Verdict::Fails(error.into());
        }
        match self.next_of.get_mut(&operation) {
            Some((times, error)) if *times > 0 => {
                *times -= 1;
                Verdict::Fails((*error).into())
            }
            _ => Verdict::Works,
        }
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn operations_of(&self, operation: Operation) -> u64 {
        self.counts.get(&operation).copied().unwrap_or(0)
    }

    pub(super) fn stop_at(&mut self, number: u64) {
        self.machine = MachineState::StopsAt(number);
    }

    pub(super) fn stop_now(&mut self) {
        self.machine = MachineState::Stopped;
    }

    pub(super) fn fail_at(&mut self, number: u64, error: io::ErrorKind) {
        self.at.insert(number, error);
    }

    pub(super) fn fail_next(&mut self, operation: Operation, times: u64, error: io::ErrorKind) {
        self.next_of.insert(operation, (times, error));
    }

    pub(super) fn heal(&mut self) {
        self.at.clear();
        self.next_of.clear();
        self.slow = None;
        if let MachineState::StopsAt(_) = self.machine {
            self.machine = MachineState::Runs;
        }
    }

    pub(super) fn slow_down(&mut self, clock: SimulatedClock, each: Duration, bytes_per_second: u64) {
        self.slow = Some(Slow { clock, each, bytes_per_second: bytes_per_second.max(1) });
    }
}

fn stopped() -> io::Error {
    io::Error::other("the simulated machine is off")
}
