//! `-version` and `-compare-version`.

use super::say;
use crate::arguments::{Arguments, Mistake};
use crate::exit::Exit;
use crate::failed::Failed;
use std::cmp::Ordering;

const OWN: &str = env!("CARGO_PKG_VERSION");

/// Prints the version.
pub(super) fn version() -> Result<Exit, Failed> {
    say(&format!("vmetric-director {OWN}\n"))
}

/// Says how the version compares with another one.
pub(super) fn compare(arguments: &Arguments) -> Result<Exit, Failed> {
    let other = arguments.value("compare-version").unwrap_or_default();
    let unfit = || Mistake::Unfit("compare-version", other.to_owned(), "numbers such as 1.6.0".to_owned());
    let compared = numbers(OWN).zip(numbers(other)).map(|(own, other)| own.cmp(&other)).ok_or_else(unfit)?;
    let words = match compared {
        Ordering::Less => "older than",
        Ordering::Equal => "equal to",
        Ordering::Greater => "newer than",
    };
    say(&format!("{OWN} is {words} {other}\n"))
}

/// The numbers of a version, without zeros at the end: 1.6 is 1.6.0.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut numbers = version.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(numbers("1.10.0") > numbers("1.9.9"));
        assert_eq!(numbers("v1.6"), numbers("1.6.0"));
        assert_eq!(numbers("latest"), None);
    }
}
