//! Errors and warnings that come again and again are written once, and then summed up once a minute.

use super::level::Level;
use super::line::Line;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What is said again within this time is summed up.
const WINDOW: Duration = Duration::from_secs(60);
/// So many different lines are remembered; beyond that they are written as they come.
const MAX_REMEMBERED: usize = 512;

/// What was said lately.
#[derive(Debug, Default)]
pub(crate) struct Repeats(HashMap<u64, Said>);

#[derive(Debug)]
struct Said {
    since: Instant,
    again: u64,
    last: Line,
}

impl Repeats {
    /// Whether a line is to be written now.
    pub(crate) fn is_new(&mut self, line: &Line, now: Instant) -> bool {
        if line.level > Level::Warning {
            return true;
        }
        if let Some(said) = self.0.get_mut(&line.sameness) {
            said.again += 1;
            said.last = line.clone();
            return false;
        }
        if self.0.len() < MAX_REMEMBERED {
            self.0.insert(line.sameness, Said { since: now, again: 0, last: line.clone() });
        }
        true
    }

    /// Sums up what is over; to be called about once a second.
    pub(crate) fn sums(&mut self, now: Instant) -> Vec<Line> {
        self.sums_of(|said| now.saturating_duration_since(said.since) >= WINDOW)
    }

    /// Sums up everything, at the end.
    pub(crate) fn all_sums(&mut self) -> Vec<Line> {
        self.sums_of(|_| true)
    }

    fn sums_of(&mut self, is_over: impl Fn(&Said) -> bool) -> Vec<Line> {
        let over = self.0.extract_if(|_, said| is_over(said)).filter(|(_, said)| said.again > 0);
        let sum = |(_, Said { again, mut last, .. }): (u64, Said)| {
            last.text.push_str(&format!(" (and {again} times more in the last minute; this is the last)"));
            last
        };
        let mut sums: Vec<Line> = over.map(sum).collect();
        sums.sort_by_key(|line| line.at);
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, text: &str, sameness: u64) -> Line {
        Line { sameness, ..Line::own(level, text.to_owned()) }
    }

    #[test]
    fn repeated_errors_are_summed_up() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        assert!(repeats.is_new(&line(Level::Error, "refused 1", 7), now));
        assert!(!repeats.is_new(&line(Level::Error, "refused 2", 7), now));
        assert!(!repeats.is_new(&line(Level::Error, "refused 3", 7), now));
        assert!(repeats.is_new(&line(Level::Error, "other", 8), now));
        assert!(repeats.sums(now).is_empty());
        let sums = repeats.sums(now + WINDOW);
        let texts: Vec<&str> = sums.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["refused 3 (and 2 times more in the last minute; this is the last)"]);
        assert!(repeats.is_new(&line(Level::Error, "refused 4", 7), now + WINDOW));
    }

    #[test]
    fn information_is_never_left_out() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let information = line(Level::Information, "started", 1);
        assert!(repeats.is_new(&information, now) && repeats.is_new(&information, now));
    }
}
