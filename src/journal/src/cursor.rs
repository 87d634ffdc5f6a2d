//! [`Progress`]: what of a journal one reader has settled: all below a watermark, and single positions after it.

use std::collections::VecDeque;
use std::ops::Range;

use crate::position::Position;

/// Bits after the watermark that a cursor slot stores. What is settled further ahead is remembered
/// while the process lives, and repeated after a crash.
pub(crate) const STORED_BITS: u64 = 7488;

/// Positions are settled in any order, since lanes and connections finish in any order.
///
/// One bit for each position between the watermark and the furthest that is settled: a million records
/// ahead of a stuck one take 125 KB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    watermark: Position,
    /// Bit `n` of the whole is position `watermark + n - skipped`.
    words: VecDeque<u64>,
    /// Bits of the first word that are below the watermark; less than 64.
    skipped: u64,
}

impl Progress {
    pub(crate) fn at(watermark: Position) -> Self {
        Self { watermark, ..Self::default() }
    }

    /// All positions below this are settled.
    pub(crate) fn watermark(&self) -> Position {
        self.watermark
    }

    /// How many positions are settled after the watermark.
    pub(crate) fn settled_ahead(&self) -> u64 {
        let ones: u64 = self.words.iter().map(|word| u64::from(word.count_ones())).sum();
        // Those below the watermark in the first word are not cleared.
        ones - self.skipped.min(ones)
    }

    pub(crate) fn is_settled(&self, position: Position) -> bool {
        if position < self.watermark {
            return true;
        }
        let bit = position.since(self.watermark) + self.skipped;
        self.words.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Settles a range of positions; those that are settled already stay so.
    pub(crate) fn settle(&mut self, range: Range<Position>) {
        if range.end <= self.watermark || range.is_empty() {
            return;
        }
        if range.start <= self.watermark {
            self.raise_to(range.end);
            return;
        }
        let base = self.watermark.0 - self.skipped;
        let (start, end) = (range.start.0 - base, range.end.0 - base);
        if self.words.is_empty() {
            // The bits below the watermark count as settled.
            self.words.push_back((1 << self.skipped) - 1);
        }
        let words = end.div_ceil(64) as usize;
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
        for bit in start..end {
            self.words[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }

    /// Settles everything below a position.
    pub(crate) fn raise_to(&mut self, position: Position) {
        if position <= self.watermark {
            return;
        }
        let target = position.since(self.watermark) + self.skipped;
        let whole = ((target / 64) as usize).min(self.words.len());
        self.words.drain(..whole);
        self.watermark = position;
        self.skipped = target % 64;
        if let Some(first) = self.words.front_mut() {
            *first |= (1 << self.skipped) - 1;
        }
        self.run_up();
    }

    /// Forgets what was settled at and after a position, because those records are gone and their
    /// positions will be used again. Says whether that changed anything.
    pub(crate) fn lower_to(&mut self, end: Position) -> bool {
        if self.watermark > end {
            *self = Self::at(end);
            return true;
        }
        let kept = end.since(self.watermark) + self.skipped;
        let before = self.words.iter().map(|word| word.count_ones()).sum::<u32>();
        self.words.truncate(kept.div_ceil(64) as usize);
        if kept < self.words.len() as u64 * 64
            && let Some(last) = self.words.back_mut()
        {
            *last &= (1 << (kept % 64)) - 1;
        }
        let changed = self.words.iter().map(|word| word.count_ones()).sum::<u32>() != before;
        self.trim();
        changed
    }

    /// The bits after the watermark, as a slot stores them.
    pub(crate) fn stored_bits(&self) -> [u8; STORED_BITS as usize / 8] {
        let mut bits = [0; STORED_BITS as usize / 8];
        let shift = self.skipped as u32;
        for (index, chunk) in bits.chunks_exact_mut(8).enumerate() {
            let low = self.words.get(index).copied().unwrap_or(0) >> shift;
            let next = self.words.get(index + 1).copied().unwrap_or(0);
            let high = if shift == 0 { 0 } else { next << (64 - shift) };
            chunk.copy_from_slice(&(low | high).to_le_bytes());
        }
        bits
    }

    /// From a watermark and the bits of a slot.
    pub(crate) fn from_stored(watermark: Position, bits: &[u8]) -> Self {
        let mut progress = Self::at(watermark);
        for chunk in bits.chunks_exact(8) {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            progress.words.push_back(u64::from_le_bytes(word));
        }
        progress.run_up();
        progress
    }

    /// Moves the watermark over what is settled right after it.
    fn run_up(&mut self) {
        while let Some(&first) = self.words.front() {
            let ones = u64::from(first.trailing_ones());
            self.watermark.0 += ones - self.skipped;
            self.skipped = ones;
            if ones < 64 {
                break;
            }
            self.words.pop_front();
            self.skipped = 0;
        }
        self.trim();
    }

    /// Forgets words in which nothing after the watermark is settled.
    fn trim(&mut self) {
        while self.words.back() == Some(&0) {
            self.words.pop_back();
        }
        if self.words.len() == 1 && self.words[0] == (1 << self.skipped) - 1 {
            self.words.clear();
        }
        if self.words.is_empty() {
            self.skipped = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn range(from: u64, to: u64) -> Range<Position> {
        Position(from)..Position(to)
    }

    #[test]
    fn the_watermark_waits_for_the_first_that_is_missing() {
        let mut progress = Progress::at(Position(10));
        progress.settle(range(11, 14));
        progress.settle(range(200, 201));
        assert_eq!((progress.watermark(), progress.settled_ahead()), (Position(10), 4));
        progress.settle(range(10, 11));
        assert_eq!((progress.watermark(), progress.settled_ahead()), (Position(14), 1));
        assert!(progress.is_settled(Position(200)) && !progress.is_settled(Position(199)));
        progress.settle(range(14, 200));
        assert_eq!((progress.watermark(), progress.settled_ahead()), (Position(201), 0));
    }

    #[test]
    fn what_is_settled_far_ahead_is_repeated_after_it_was_stored() {
        let mut progress = Progress::at(Position(5));
        progress.settle(range(6, 5 + STORED_BITS + 100));
        let stored = Progress::from_stored(progress.watermark(), &progress.stored_bits());
        assert!(stored.is_settled(Position(5 + STORED_BITS - 1)));
        assert!(!stored.is_settled(Position(5 + STORED_BITS)));
    }

    #[derive(Clone, Debug)]
    enum Change {
        Settle(u64, u64),
        Raise(u64),
        Lower(u64),
        Store,
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let change = prop_oneof![
            6 => (0..600u64, 0..80u64).prop_map(|(from, len)| Change::Settle(from, from + len)),
            1 => (0..600u64).prop_map(Change::Raise),
            1 => (0..600u64).prop_map(Change::Lower),
            1 => Just(Change::Store),
        ];
        prop::collection::vec(change, 0..60)
    }

    proptest! {
        #[test]
        fn progress_equals_a_plain_set_of_settled_positions(changes in changes()) {
            let mut progress = Progress::at(Position(3));
            let mut set: BTreeSet<u64> = (0..3).collect();
            for change in changes {
                match change {
                    Change::Settle(from, to) => {
                        progress.settle(range(from, to));
                        set.extend(from..to);
                    }
                    Change::Raise(to) => {
                        progress.raise_to(Position(to));
                        set.extend(0..to);
                    }
                    Change::Lower(to) => {
                        let before = set.len();
                        set.retain(|&position| position < to);
                        prop_assert_eq!(progress.lower_to(Position(to)), set.len() != before);
                    }
                    Change::Store => {
                        let bits = progress.stored_bits();
                        progress = Progress::from_stored(progress.watermark(), &bits);
                    }
                }
                let watermark = (0..).find(|position| !set.contains(position)).unwrap();
                prop_assert_eq!(progress.watermark(), Position(watermark));
                prop_assert_eq!(progress.settled_ahead(), set.range(watermark..).count() as u64);
                for position in 0..700 {
                    prop_assert_eq!(progress.is_settled(Position(position)), set.contains(&position));
                }
            }
        }
    }
}
