//! Reads a command line: `-flag value`, `-flag=value`, with one dash or two.

use super::table::{FLAGS, Flag, Takes};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A suggestion is made when a misspelt flag is at most so many edits away.
const MOST_EDITS: usize = 3;

/// A command line that was understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments(BTreeMap<&'static str, String>);

/// What is wrong with a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// There is no such flag; perhaps this one was meant.
    Unknown(String, Option<&'static str>),
    /// A word that belongs to no flag.
    Stray(String),
    /// The value is missing.
    NoValue(&'static Flag),
    /// It takes none.
    NeedsNone(&'static str),
    /// It is there twice.
    Twice(&'static str),
    /// The value does not fit: flag, value, what would.
    Unfit(&'static str, String, String),
}

impl PartialEq for Flag {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Flag {}

/// Reads a command line without the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Arguments, Mistake> {
    let mut arguments = Arguments::default();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            return Err(Mistake::Stray(word));
        };
        let (name, inline) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        let name = if name == "h" { "help" } else { name };
        let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
            return Err(Mistake::Unknown(name.to_owned(), suggestion(name)));
        };
        let value = match (flag.takes, inline) {
            (Takes::Words(_), inline) => {
                let following = std::iter::from_fn(|| words.next_if(|word| !word.starts_with('-')));
                inline.into_iter().chain(following).collect::<Vec<_>>().join(" ")
            }
            (Takes::Nothing, None) => String::new(),
            (Takes::Nothing, Some(_)) => return Err(Mistake::NeedsNone(flag.name)),
            (Takes::Value(_), Some(value)) => value,
            (Takes::Value(_), None) => words.next().ok_or(Mistake::NoValue(flag))?,
        };
        if arguments.0.insert(flag.name, value).is_some() {
            return Err(Mistake::Twice(flag.name));
        }
    }
    Ok(arguments)
}

impl Arguments {
    /// Whether a flag is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of a flag.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a flag as what it stands for, or a default; `fits` says what would be right.
    pub(crate) fn read<T: FromStr>(&self, name: &'static str, default: T, fits: &str) -> Result<T, Mistake> {
        match self.value(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| Mistake::Unfit(name, value.to_owned(), fits.to_owned())),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name, Some(near)) => write!(f, "there is no flag -{name}; did you mean -{near}?"),
            Self::Unknown(name, None) => write!(f, "there is no flag -{name}; -help lists all"),
            Self::Stray(word) => {
                write!(f, "\"{word}\" belongs to no flag; flags begin with a dash, -help lists all")
            }
            Self::NoValue(flag) => match flag.takes {
                Takes::Value(what) => write!(f, "-{} needs a value: -{} {what}", flag.name, flag.name),
                Takes::Nothing | Takes::Words(_) => write!(f, "-{} needs a value", flag.name),
            },
            Self::NeedsNone(name) => write!(f, "-{name} takes no value; write it alone"),
            Self::Twice(name) => write!(f, "-{name} is there twice; keep one"),
            Self::Unfit(name, value, fits) => write!(f, "-{name} can't be \"{value}\"; write {fits}"),
        }
    }
}

/// The flag that was perhaps meant.
fn suggestion(name: &str) -> Option<&'static str> {
    let near = |flag: &Flag| (strsim::osa_distance(name, flag.name), flag.name);
    let (edits, nearest) = FLAGS.iter().map(near).min()?;
    (edits <= MOST_EDITS && edits < name.len()).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, Mistake> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn one_dash_or_two_and_an_equals_sign_or_none() {
        let all =
            ["-path /x -validate", "--path /x --validate", "-path=/x -validate", "--path=/x --validate"];
        for line in all {
            let arguments = read(line).expect(line);
            assert_eq!(arguments.value("path"), Some("/x"));
            assert!(arguments.has("validate") && !arguments.has("example"));
        }
        assert_eq!(read("-message=a=b").expect("understood").value("message"), Some("a=b"));
        assert_eq!(read("-filter -x").expect("understood").value("filter"), Some("-x"));
    }

    #[test]
    fn some_flags_take_all_words_up_to_the_next_one() {
        for line in ["-quarantine purge 1-5 7 -json", "-json -quarantine=purge 1-5 7"] {
            let arguments = read(line).expect(line);
            assert!(arguments.has("json"));
            assert_eq!(arguments.value("quarantine"), Some("purge 1-5 7"));
        }
        assert_eq!(read("-journal").expect("understood").value("journal"), Some(""));
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        let shown = |line: &str| read(line).expect_err(line).to_string();
        assert_eq!(shown("-valdate"), "there is no flag -valdate; did you mean -validate?");
        assert_eq!(shown("-zzzzzzz"), "there is no flag -zzzzzzz; -help lists all");
        assert_eq!(shown("-path"), "-path needs a value: -path DIR");
        assert_eq!(shown("-stop=yes"), "-stop takes no value; write it alone");
        assert_eq!(shown("-stop -stop"), "-stop is there twice; keep one");
        assert!(shown("run").starts_with("\"run\" belongs to no flag"));
        let count = read("-count many").expect("understood").read("count", 1u64, "a number");
        assert_eq!(count.expect_err("no number").to_string(), "-count can't be \"many\"; write a number");
    }
}
