//! Lines of a file joined to events: stack traces, indented continuations, lines that end with a backslash.
//!
//! ```text
//!   Exception in thread "main"       ┐
//!       at com.example.Main.run      ├ one event: pattern `^\s`, where matching lines
//!       at com.example.Main.main     ┘ continue the one before (`Joins::Before`)
//!   Exception in …                     the next
//! ```
//!
//! The last event of a file is only known to be complete when something follows; the caller calls
//! [`Joiner::flush`] after a time without lines. Nothing is discarded: an event at its limit is handed on,
//! and the next line begins another.

use regex::bytes::{Regex, RegexBuilder};

/// Where a line that continues belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// To the line before it (Filebeat's `match: after`): `^\s` joins indented lines to the one they follow.
    Before,
    /// To the line behind it (Filebeat's `match: before`): `\\$` joins lines that end with a backslash to the
    /// next.
    Behind,
}

/// Which lines belong together.
#[derive(Clone, Debug)]
pub struct Rules {
    pattern: Regex,
    negate: bool,
    joins: Joins,
    limits: Limits,
}

/// How large an event may become by joining; each counts as 1 where 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most lines of an event.
    pub max_lines: u32,
    /// The most bytes of an event, with the line feeds between its lines. A single line may be longer.
    pub max_bytes: u32,
}

/// A pattern that is no regular expression, or one that is too large.
#[derive(Clone, Debug, thiserror::Error)]
#[error("multiline pattern \"{pattern}\" is refused: {source}; correct the expression")]
pub struct PatternError {
    pattern: String,
    source: regex::Error,
}

/// An event that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its lines, with line feeds between them.
    pub bytes: &'a [u8],
    /// How many lines.
    pub lines: u32,
    /// What ended it.
    pub ended_by: EndedBy,
}

/// What ends an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The pattern.
    Pattern,
    /// [`Limits`]; the next event is its continuation.
    Limit,
    /// [`Joiner::flush`].
    Flush,
}

/// Joins the lines of one file.
#[derive(Debug)]
pub struct Joiner {
    rules: Rules,
    held: Vec<u8>,
    held_lines: u32,
}

// === impl Rules ===

impl Rules {
    /// Lines that match `pattern` (with `negate`: that don't) continue an event.
    ///
    /// # Errors
    /// Where `pattern` is no regular expression (syntax of the `regex` crate, on bytes), or compiles to more
    /// than 1 MiB.
    pub fn new(pattern: &str, negate: bool, joins: Joins, limits: Limits) -> Result<Self, PatternError> {
        const MOST_COMPILED_BYTES: usize = 1 << 20;
        let pattern = RegexBuilder::new(pattern)
            .size_limit(MOST_COMPILED_BYTES)
            .build()
            .map_err(|source| PatternError { pattern: pattern.to_owned(), source })?;
        Ok(Self { pattern, negate, joins, limits })
    }

    fn continues(&self, line: &[u8]) -> bool {
        self.pattern.is_match(line) != self.negate
    }
}

// === impl Joiner ===

impl Joiner {
    /// A joiner at the beginning of a file.
    pub fn new(rules: Rules) -> Self {
        Self { rules, held: Vec::new(), held_lines: 0 }
    }

    /// Takes the next line, without its line end, and calls `ready` for each event that it completes: two at
    /// most.
    pub fn push(&mut self, line: &[u8], mut ready: impl FnMut(Event<'_>)) {
        let continues = self.rules.continues(line);
        if self.rules.joins == Joins::Before && !continues {
            self.end(EndedBy::Pattern, &mut ready);
        }
        if self.is_full_for(line) {
            self.end(EndedBy::Limit, &mut ready);
        }
        if self.held_lines > 0 {
            self.held.push(b'\n');
        }
        self.held.extend_from_slice(line);
        self.held_lines += 1;
        if self.rules.joins == Joins::Behind && !continues {
            self.end(EndedBy::Pattern, &mut ready);
        }
    }

    /// Hands on what is held: no more lines came for a time, or the file ended.
    pub fn flush(&mut self, mut ready: impl FnMut(Event<'_>)) {
        self.end(EndedBy::Flush, &mut ready);
    }

    /// How many lines wait for the end of their event. A checkpoint lies before them.
    pub fn held_lines(&self) -> u32 {
        self.held_lines
    }

    /// Their bytes, with the line feeds between them.
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }

    fn is_full_for(&self, line: &[u8]) -> bool {
        let Limits { max_lines, max_bytes } = self.rules.limits;
        let bytes = self.held.len() + 1 + line.len();
        self.held_lines > 0 && (self.held_lines >= max_lines || bytes > max_bytes as usize)
    }

    fn end(&mut self, ended_by: EndedBy, ready: &mut impl FnMut(Event<'_>)) {
        /// A buffer that one large event has grown is given back.
        const KEPT_BYTES: usize = 64 * 1024;
        if self.held_lines == 0 {
            return;
        }
        ready(Event { bytes: &self.held, lines: self.held_lines, ended_by });
        self.held.clear();
        self.held.shrink_to(KEPT_BYTES);
        self.held_lines = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOMY: Limits = Limits { max_lines: 500, max_bytes: 1 << 20 };

    fn joined(
        pattern: &str,
        negate: bool,
        joins: Joins,
        limits: Limits,
        lines: &[&str],
    ) -> Vec<(String, EndedBy)> {
        let mut joiner = Joiner::new(Rules::new(pattern, negate, joins, limits).unwrap());
        let mut events = Vec::new();
        let mut ready = |event: Event<'_>| {
            events.push((String::from_utf8_lossy(event.bytes).into_owned(), event.ended_by))
        };
        for line in lines {
            joiner.push(line.as_bytes(), &mut ready);
        }
        joiner.flush(&mut ready);
        assert_eq!((joiner.held_lines(), joiner.held_bytes()), (0, 0));
        events
    }

    fn texts(events: &[(String, EndedBy)]) -> Vec<&str> {
        events.iter().map(|(text, _)| text.as_str()).collect()
    }

    #[test]
    fn indented_lines_join_the_one_before() {
        let events = joined(r"^\s", false, Joins::Before, ROOMY, &["a", " b", " c", "d", "e", " f"]);
        assert_eq!(texts(&events), ["a\n b\n c", "d", "e\n f"]);
        assert_eq!(events[2].1, EndedBy::Flush);
    }

    #[test]
    fn with_negate_only_lines_with_a_date_begin_an_event() {
        let events = joined(r"^\d{4}-", true, Joins::Before, ROOMY, &["lost", "2026-1", "x", "y", "2026-2"]);
        assert_eq!(texts(&events), ["lost", "2026-1\nx\ny", "2026-2"]);
    }

    #[test]
    fn lines_that_end_with_a_backslash_join_the_next_and_end_at_once() {
        let events = joined(r"\\$", false, Joins::Behind, ROOMY, &["a \\", "b", "c", "d \\"]);
        assert_eq!(texts(&events), ["a \\\nb", "c", "d \\"]);
        assert_eq!(
            events.iter().map(|event| event.1).collect::<Vec<_>>(),
            [EndedBy::Pattern, EndedBy::Pattern, EndedBy::Flush]
        );
    }

    #[test]
    fn an_event_at_its_limit_is_handed_on_and_nothing_is_discarded() {
        let lines = Limits { max_lines: 2, max_bytes: 100 };
        let events = joined(r"^\s", false, Joins::Before, lines, &["a", " b", " c", " d", "e"]);
        assert_eq!(texts(&events), ["a\n b", " c\n d", "e"]);
        assert_eq!(events[0].1, EndedBy::Limit);
        let bytes = Limits { max_lines: 9, max_bytes: 4 };
        let events =
            joined(r"^\s", false, Joins::Before, bytes, &["a", " b", " c", " longer than the limit"]);
        assert_eq!(texts(&events), ["a\n b", " c", " longer than the limit"]);
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        let error = Rules::new("(", false, Joins::Before, ROOMY).unwrap_err().to_string();
        assert!(error.starts_with("multiline pattern \"(\" is refused"), "{error}");
    }

    proptest! {
        #[test]
        fn every_line_is_in_exactly_one_event_in_order(
            lines in prop::collection::vec("[ a\\\\]{0,3}", 0..30),
            negate in any::<bool>(),
            behind in any::<bool>(),
            max_lines in 0u32..5,
            max_bytes in 0u32..12,
        ) {
            let joins = if behind { Joins::Behind } else { Joins::Before };
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let events = joined("^ ", negate, joins, Limits { max_lines, max_bytes }, &lines);
            prop_assert_eq!(texts(&events).join("\n"), lines.join("\n"));
        }
    }
}
