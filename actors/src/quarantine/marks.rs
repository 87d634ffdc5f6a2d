//! What became of events in quarantine: which were purged, which replayed. A small file beside the journal.
//!
//! Memory and file: sixteen bytes for each range of neighbours with the same fate, however many events are kept.

use seams::{Disk, read_file, replace_file};
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::Range;
use std::path::Path;

/// The format of the file.
const FORMAT: u32 = 1;

/// What became of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    format: u32,
    /// Gone as far as users are concerned.
    pub purged: Ranges,
    /// Sent once more, and settled.
    pub replayed: Ranges,
}

/// Numbers, as ranges that do not touch each other, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges(Vec<Range<u64>>);

impl Default for Marks {
    fn default() -> Self {
        Self { format: FORMAT, purged: Ranges::default(), replayed: Ranges::default() }
    }
}

impl Marks {
    /// Reads the file; none if there is none.
    ///
    /// # Errors
    /// When it can't be read or is not understood.
    pub fn load(disk: &dyn Disk, file: &Path) -> io::Result<Option<Self>> {
        let bytes = match read_file(disk, file) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let marks: Self = serde_json::from_slice(&bytes)?;
        match marks.format {
            FORMAT => Ok(Some(marks)),
            other => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("its format is {other}, this program reads {FORMAT}"),
            )),
        }
    }

    /// Writes the file, durably.
    ///
    /// # Errors
    /// When that fails; the file is as it was then.
    pub fn save(&self, disk: &dyn Disk, file: &Path) -> io::Result<()> {
        replace_file(disk, file, &serde_json::to_vec(self)?)
    }

    /// Forgets what lies outside the numbers that there are.
    pub fn keep(&mut self, present: Range<u64>) {
        self.purged.keep(present.clone());
        self.replayed.keep(present);
    }
}

impl Ranges {
    /// Adds numbers.
    pub fn insert(&mut self, added: Range<u64>) {
        if added.is_empty() {
            return;
        }
        let at = self.0.partition_point(|range| range.end < added.start);
        let until = self.0.partition_point(|range| range.start <= added.end);
        let joined =
            self.0[at..until].iter().fold(added, |all, r| all.start.min(r.start)..all.end.max(r.end));
        self.0.splice(at..until, [joined]);
    }

    /// Whether a number is there.
    pub fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|range| range.end <= number);
        self.0.get(at).is_some_and(|range| range.contains(&number))
    }

    /// How many of the numbers of a range are there.
    pub fn count(&self, within: Range<u64>) -> u64 {
        self.within(within).map(|range| range.end - range.start).sum()
    }

    /// How many of the numbers of a range are there and not in `other`.
    pub fn count_without(&self, other: &Self, within: Range<u64>) -> u64 {
        self.within(within).map(|range| (range.end - range.start) - other.count(range)).sum()
    }

    fn within(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let at = self.0.partition_point(|range| range.end <= within.start);
        let (start, end) = (within.start, within.end);
        let touching = self.0[at..].iter().take_while(move |range| range.start < end);
        touching.map(move |range| range.start.max(start)..range.end.min(end))
    }

    /// The first number from `start` on that is not there.
    pub fn first_missing(&self, start: u64) -> u64 {
        let at = self.0.partition_point(|range| range.end <= start);
        self.0.get(at).filter(|range| range.contains(&start)).map_or(start, |range| range.end)
    }

    fn keep(&mut self, present: Range<u64>) {
        for range in &mut self.0 {
            *range = range.start.max(present.start)..range.end.min(present.end);
        }
        self.0.retain(|range| !range.is_empty());
    }
}

impl FromIterator<u64> for Ranges {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut ranges = Self::default();
        for number in numbers {
            ranges.insert(number..number + 1);
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seams::{RealDisk, Rng};
    use std::collections::BTreeSet;

    #[test]
    fn ranges_are_the_set_that_was_put_in() {
        let rng = Rng::seeded(3);
        for _ in 0..200 {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for _ in 0..rng.below(20) {
                let start = rng.below(60);
                let added = start..start + rng.below(8);
                ranges.insert(added.clone());
                set.extend(added);
            }
            assert!(ranges.0.windows(2).all(|pair| pair[0].end < pair[1].start), "{ranges:?}");
            assert!((0..80).all(|n| ranges.contains(n) == set.contains(&n)), "{ranges:?} {set:?}");
            assert_eq!(ranges.count(10..40), set.range(10..40).count() as u64);
            let mut other = Ranges::default();
            other.insert(5..25);
            assert_eq!(ranges.count_without(&other, 10..40), set.range(25..40).count() as u64);
            assert_eq!(ranges.first_missing(20), (20..).find(|n| !set.contains(n)).unwrap());
            ranges.keep(15..30);
            assert!((0..80).all(|n| ranges.contains(n) == (set.contains(&n) && (15..30).contains(&n))));
        }
    }

    #[test]
    fn they_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("marks");
        assert_eq!(Marks::load(&RealDisk, &file).unwrap(), None);
        let mut marks = Marks::default();
        marks.purged.insert(3..9);
        marks.replayed.insert(1..2);
        marks.save(&RealDisk, &file).unwrap();
        assert_eq!(Marks::load(&RealDisk, &file).unwrap(), Some(marks));
        std::fs::write(&file, b"{\"format\":2,\"purged\":[],\"replayed\":[]}").unwrap();
        assert!(Marks::load(&RealDisk, &file).is_err());
    }
}
