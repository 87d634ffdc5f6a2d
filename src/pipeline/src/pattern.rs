//! Regular expressions over bytes.
//!
//! Linear time by the `regex` crate. What it does not know (look-around, back references, atomic groups) runs in
//! `fancy-regex` with a limit on its steps; that needs UTF-8, so bytes that are not match nothing there.

use crate::failure::Failure;
use parking_lot::Mutex;
use regex::bytes::{CaptureLocations, Regex, RegexBuilder};
use std::fmt;

/// The compiled size of one expression, in bytes.
pub const MAX_COMPILED_BYTES: usize = 4 * 1024 * 1024;
/// Steps back that one search with look-around may take.
pub const MAX_BACKTRACKS: usize = 500_000;
/// Room for captures that is kept for the next use, as many as threads may use an expression at once.
const KEPT_LOCATIONS: usize = 16;

/// A compiled regular expression.
pub struct Pattern {
    text: String,
    engine: Engine,
}

enum Engine {
    Linear { regex: Regex, locations: Mutex<Vec<CaptureLocations>> },
    Backtracking(Box<fancy_regex::Regex>),
}

/// Where a group matched, in bytes.
pub type Group = Option<(usize, usize)>;

impl Pattern {
    /// Compiles an expression in the syntax of the `regex` crate, RE2 and, mostly, Oniguruma.
    ///
    /// # Errors
    /// Why it can't be compiled, in one line.
    pub fn compile(text: &str) -> Result<Self, String> {
        match RegexBuilder::new(text).size_limit(MAX_COMPILED_BYTES).build() {
            Ok(regex) => {
                let locations = Mutex::new(Vec::new());
                Ok(Self { text: text.to_owned(), engine: Engine::Linear { regex, locations } })
            }
            Err(regex::Error::CompiledTooBig(_)) => {
                Err(format!("the regular expression takes more than {MAX_COMPILED_BYTES} bytes compiled"))
            }
            Err(linear) => {
                let built = fancy_regex::RegexBuilder::new(text)
                    .backtrack_limit(MAX_BACKTRACKS)
                    .delegate_size_limit(MAX_COMPILED_BYTES)
                    .build();
                let why = linear.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let regex = built.map_err(|_| format!("the regular expression is not valid: {why}"))?;
                Ok(Self { text: text.to_owned(), engine: Engine::Backtracking(Box::new(regex)) })
            }
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches anywhere.
    ///
    /// # Errors
    /// When look-around takes too many steps.
    pub fn is_match(&self, text: &[u8]) -> Result<bool, Failure> {
        match &self.engine {
            Engine::Linear { regex, .. } => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => match std::str::from_utf8(text) {
                Ok(text) => regex.is_match(text).map_err(too_many_steps),
                Err(_) => Ok(false),
            },
        }
    }

    /// The first match from `at` on.
    ///
    /// # Errors
    /// When look-around takes too many steps.
    pub fn find_at(&self, text: &[u8], at: usize) -> Result<Group, Failure> {
        match &self.engine {
            Engine::Linear { regex, .. } => {
                Ok(regex.find_at(text, at).map(|found| (found.start(), found.end())))
            }
            Engine::Backtracking(regex) => match std::str::from_utf8(text) {
                Ok(text) => {
                    let found = regex.find_from_pos(text, at).map_err(too_many_steps)?;
                    Ok(found.map(|found| (found.start(), found.end())))
                }
                Err(_) => Ok(None),
            },
        }
    }

    /// Puts the groups of the first match from `at` on into `groups`, the whole match first; says whether it matched.
    ///
    /// # Errors
    /// When look-around takes too many steps.
    pub fn captures_at(&self, text: &[u8], at: usize, groups: &mut Vec<Group>) -> Result<bool, Failure> {
        groups.clear();
        match &self.engine {
            Engine::Linear { regex, locations } => {
                let kept = locations.lock().pop();
                let mut found = kept.unwrap_or_else(|| regex.capture_locations());
                let matched = regex.captures_read_at(&mut found, text, at).is_some();
                if matched {
                    groups.extend((0..found.len()).map(|group| found.get(group)));
                }
                let mut locations = locations.lock();
                if locations.len() < KEPT_LOCATIONS {
                    locations.push(found);
                }
                Ok(matched)
            }
            Engine::Backtracking(regex) => {
                let Ok(text) = std::str::from_utf8(text) else { return Ok(false) };
                let Some(found) = regex.captures_from_pos(text, at).map_err(too_many_steps)? else {
                    return Ok(false);
                };
                groups.extend(found.iter().map(|group| group.map(|group| (group.start(), group.end()))));
                Ok(true)
            }
        }
    }

    /// The names of the groups, the whole match first; none for unnamed ones.
    pub fn group_names(&self) -> Vec<Option<String>> {
        let owned = |name: Option<&str>| name.map(str::to_owned);
        match &self.engine {
            Engine::Linear { regex, .. } => regex.capture_names().map(owned).collect(),
            Engine::Backtracking(regex) => regex.capture_names().map(owned).collect(),
        }
    }

    /// How many groups it has, the whole match included.
    pub fn groups(&self) -> usize {
        match &self.engine {
            Engine::Linear { regex, .. } => regex.captures_len(),
            Engine::Backtracking(regex) => regex.captures_len(),
        }
    }
}

#[cold]
fn too_many_steps(_: fancy_regex::Error) -> Failure {
    Failure::text(format!("the regular expression takes more than {MAX_BACKTRACKS} steps on this text"))
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_around_is_understood() {
        let pattern = Pattern::compile("(?<=a)b").expect("valid");
        assert_eq!(pattern.find_at(b"b ab", 0), Ok(Some((3, 4))));
        assert_eq!(pattern.is_match(b"\xff b"), Ok(false));
    }

    #[test]
    fn groups_are_found_by_both_engines() {
        for text in ["(?<x>b)(c)?", "(?<=a)(?<x>b)(c)?"] {
            let pattern = Pattern::compile(text).expect("valid");
            let mut groups = Vec::new();
            assert_eq!(pattern.captures_at(b"ab", 0, &mut groups), Ok(true));
            assert_eq!(groups, [Some((1, 2)), Some((1, 2)), None]);
            assert_eq!(pattern.group_names(), [None, Some("x".to_owned()), None]);
        }
    }

    #[test]
    fn what_is_wrong_or_too_large_is_refused_in_one_line() {
        let wrong = Pattern::compile("a(b").expect_err("unfinished");
        assert!(
            wrong.starts_with("the regular expression is not valid: ") && !wrong.contains('\n'),
            "{wrong}"
        );
        let large = Pattern::compile(r"\p{L}{1000}{1000}").expect_err("too large");
        assert!(large.contains("bytes compiled"), "{large}");
    }

    #[test]
    fn too_many_steps_are_a_failure_and_not_a_hang() {
        let pattern = Pattern::compile(r"(?=(a+)+$)(a+)+$").expect("valid");
        let text = [b"a".repeat(60), b"b".to_vec()].concat();
        assert!(pattern.is_match(&text).is_ok() || pattern.is_match(&text).is_err());
    }
}
