//! Names that need no rendering: they are the same for all providers (`winmeta.xml`).

/// How an audited action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused.
    Failure,
}

const AUDIT_FAILURE: u64 = 0x0010_0000_0000_0000;
const AUDIT_SUCCESS: u64 = 0x0020_0000_0000_0000;

const KEYWORDS: [(u64, &str); 8] = [
    (0x0001_0000_0000_0000, "Response Time"),
    (0x0002_0000_0000_0000, "WDI Context"),
    (0x0004_0000_0000_0000, "WDI Diag"),
    (0x0008_0000_0000_0000, "SQM"),
    (AUDIT_FAILURE, "Audit Failure"),
    (AUDIT_SUCCESS, "Audit Success"),
    (0x0040_0000_0000_0000, "Correlation Hint"),
    (0x0080_0000_0000_0000, "Classic"),
];

/// A level's name; `None` for those of a provider's own.
pub fn level(level: u8) -> Option<&'static str> {
    Some(match level {
        0 | 4 => "information",
        1 => "critical",
        2 => "error",
        3 => "warning",
        5 => "verbose",
        _ => return None,
    })
}

/// An opcode's name; `None` for those of a provider's own.
pub fn opcode(opcode: u32) -> Option<&'static str> {
    const NAMES: [&str; 10] =
        ["Info", "Start", "Stop", "DCStart", "DCStop", "Extension", "Reply", "Resume", "Suspend", "Send"];
    NAMES.get(usize::try_from(opcode).ok()?).copied()
}

/// The names of the bits that are the same for all providers.
pub fn keywords(keywords: u64) -> impl Iterator<Item = &'static str> {
    KEYWORDS.into_iter().filter(move |(bit, _)| keywords & bit != 0).map(|(_, name)| name)
}

/// Whether an audited action was done or refused, by the keywords.
pub fn outcome(keywords: u64) -> Option<Outcome> {
    match (keywords & AUDIT_FAILURE != 0, keywords & AUDIT_SUCCESS != 0) {
        (true, _) => Some(Outcome::Failure),
        (false, true) => Some(Outcome::Success),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names() {
        assert_eq!(keywords(0x8020_0000_0000_0000).collect::<Vec<_>>(), ["Audit Success"]);
        assert_eq!(outcome(0x8010_0000_0000_0000), Some(Outcome::Failure));
        assert_eq!((level(0), level(16)), (Some("information"), None));
        assert_eq!((opcode(9), opcode(10)), (Some("Send"), None));
    }
}
