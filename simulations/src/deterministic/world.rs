//! [`World`]: real pieces, what surrounds them, and what was promised.

use super::bugs::Bug;
use super::trace::Trace;
use seams::Rng;
use std::fmt;

/// A small world around some pieces of the Director. A plan of steps drives it.
///
/// Steps carry plain numbers and mean something in every state (an index counts modulo what is there), so that any
/// part of a plan is a plan, too: that is what shrinking needs.
pub trait World: Sized {
    /// Its name on the command line.
    const NAME: &'static str;
    /// What is tested, in one line.
    const ABOUT: &'static str;
    /// How often each kind of step is usual; a seed changes that, and leaves some out.
    const KINDS: &'static [u64];
    /// A plan has at most so many steps.
    const MOST_STEPS: u64;

    /// What can happen.
    type Step: Clone + fmt::Debug;

    /// A step of a kind.
    fn draw(kind: usize, rng: &Rng) -> Self::Step;

    /// The beginning. `chance` is for what happens by chance within (torn writes, jitter), and for settings.
    fn begin(chance: &Rng, bug: Option<Bug>) -> Self;

    /// Does a step.
    ///
    /// # Errors
    /// A promise was broken.
    fn act(&mut self, step: &Self::Step, trace: &mut Trace) -> Kept;

    /// What has to be so after every step.
    ///
    /// # Errors
    /// A promise was broken.
    fn check(&mut self) -> Kept {
        Ok(())
    }

    /// Faults are over, everybody is well: everything has to come to its end.
    ///
    /// # Errors
    /// A promise was broken.
    fn finish(&mut self, trace: &mut Trace) -> Kept;
}

/// Whether promises were kept.
pub type Kept = Result<(), Broken>;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub promise: &'static str,
    /// In what way.
    pub how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.how)
    }
}

/// Returns a [`Broken`] promise from the function around it unless a condition holds.
macro_rules! promise {
    ($promise:literal, $holds:expr, $($how:tt)+) => {
        if !$holds {
            return Err($crate::deterministic::world::Broken { promise: $promise, how: format!($($how)+) });
        }
    };
}
pub(crate) use promise;

/// How often each kind of step comes in one plan. Histories in which something never happens find what a steady mix
/// hides (swarm testing: Groce and others 2012).
#[derive(Clone, Debug)]
pub struct Mix(Vec<u64>);

impl Mix {
    /// The mix of a seed.
    pub fn of(usual: &[u64], rng: &Rng) -> Self {
        let weight = |usual: &u64| if rng.chance(1, 6) { 0 } else { usual * (1 + rng.below(3)) };
        let weights: Vec<u64> = usual.iter().map(weight).collect();
        if weights.iter().all(|weight| *weight == 0) { Self(usual.to_vec()) } else { Self(weights) }
    }

    /// The next kind.
    pub fn pick(&self, rng: &Rng) -> usize {
        let mut at = rng.below(self.0.iter().sum());
        for (kind, weight) in self.0.iter().enumerate() {
            if at < *weight {
                return kind;
            }
            at -= weight;
        }
        0
    }
}

/// The element that a number means, whatever there is; none where there is nothing.
pub fn index(number: u64, len: usize) -> Option<usize> {
    (len > 0).then(|| (number % len as u64) as usize)
}
