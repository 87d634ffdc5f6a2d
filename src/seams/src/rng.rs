//! [`Rng`]: chance that a seed repeats.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of pseudo-random numbers (SplitMix64). Clones draw from the same sequence, also from
/// other threads, without a lock.
///
/// For jitter, salts and simulations; **not** for keys, tokens or anything a stranger must not guess.
#[derive(Clone, Debug)]
pub struct Rng(Arc<AtomicU64>);

/// SplitMix64's step: 2^64 divided by the golden ratio, odd, so that all 2^64 states are visited.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

// === impl Rng ===

impl Rng {
    /// The sequence of this seed: the same on every machine.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    /// A sequence that differs from run to run, seeded by the operating system.
    pub fn from_system() -> Self {
        // The standard library keys its hash maps from the system's randomness.
        Self::seeded(RandomState::new().hash_one(STEP))
    }

    /// An own sequence for a part of the program, derived from this one's present state and the
    /// label. Drawing from the fork does not disturb this sequence.
    pub fn fork(&self, label: &str) -> Self {
        let mut state = self.0.load(Ordering::Relaxed);
        for byte in label.bytes() {
            state = mix(state.wrapping_add(STEP) ^ u64::from(byte));
        }
        Self::seeded(mix(state))
    }

    /// Any number.
    pub fn next_u64(&self) -> u64 {
        mix(self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP))
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0.
    ///
    /// Favours some numbers by less than `bound / 2^64`.
    pub fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Whether something happens that happens in `times` of `out_of` cases.
    pub fn chance(&self, times: u64, out_of: u64) -> bool {
        self.below(out_of) < times
    }

    /// Fills a buffer with any bytes.
    pub fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
fn mix(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence_of_seed_1234567_comes_out() {
        // https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64
        let rng = Rng::seeded(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| rng.next_u64()).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(drawn, published);
    }

    #[test]
    fn a_fork_does_not_disturb_its_origin_and_labels_differ() {
        let (one, two) = (Rng::seeded(7), Rng::seeded(7));
        let fork = one.fork("jitter");
        fork.next_u64();
        assert_eq!(one.next_u64(), two.next_u64());
        let rng = Rng::seeded(7);
        assert_ne!(rng.fork("a").next_u64(), rng.fork("b").next_u64());
    }

    #[test]
    fn a_bound_is_never_reached_and_every_number_below_it_is() {
        let rng = Rng::seeded(1);
        let mut seen = [0u32; 6];
        for _ in 0..600 {
            seen[rng.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|&times| times > 50), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert!(rng.chance(1, 1) && !rng.chance(0, 10));
    }

    #[test]
    fn a_buffer_of_any_length_is_filled() {
        let mut buffer = [0u8; 13];
        Rng::seeded(3).fill(&mut buffer);
        assert!(buffer[8..].iter().any(|&byte| byte != 0));
    }
}
