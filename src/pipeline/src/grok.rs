//! Grok expressions: named patterns expanded to one regular expression.
//!
//! The dictionary in `patterns/legacy` is that of logstash-patterns-core (Apache-2.0), which Elastic calls the legacy set.

use crate::pattern::Pattern;
use event::model::{Keys, Path};
use std::collections::HashMap;

/// How deep patterns may refer to each other.
pub const MAX_DEPTH: usize = 32;
/// How long an expanded expression may be, in bytes.
pub const MAX_EXPANDED_BYTES: usize = 256 * 1024;

macro_rules! legacy {
    ($($file:literal),+) => { &[$(include_str!(concat!("../patterns/legacy/", $file))),+] };
}

#[rustfmt::skip]
const LEGACY: &[&str] = legacy!(
    "grok-patterns", "aws", "bacula", "bind", "bro", "exim", "firewalls", "haproxy", "httpd", "java", "junos",
    "linux-syslog", "maven", "mcollective", "mongodb", "nagios", "postgresql", "rails", "redis", "ruby", "squid"
);

/// Patterns by name.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    patterns: HashMap<String, String>,
}

impl Dictionary {
    /// The built-in names.
    pub fn legacy() -> Self {
        let mut dictionary = Self::default();
        for file in LEGACY {
            dictionary.define_all(file);
        }
        dictionary
    }

    /// Adds or replaces a pattern.
    pub fn define(&mut self, name: &str, pattern: &str) {
        self.patterns.insert(name.to_owned(), pattern.to_owned());
    }

    /// Adds a file of patterns: a name, a blank and the pattern on each line.
    pub fn define_all(&mut self, file: &str) {
        for line in file.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, pattern)) = line.split_once([' ', '\t']) {
                self.define(name, pattern.trim_start());
            }
        }
    }
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// As it stands.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A truth value.
    Bool,
}

/// A field and the groups that it gets its value from.
#[derive(Debug)]
pub struct Field {
    /// Where it goes.
    pub path: Path,
    /// What it becomes.
    pub to: FieldType,
    /// The groups.
    pub groups: Vec<usize>,
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    /// The regular expression.
    pub pattern: Pattern,
    /// Its fields.
    pub fields: Vec<Field>,
}

impl Expression {
    /// Expands and compiles an expression.
    ///
    /// # Errors
    /// A name that is not there, patterns that refer to themselves, or a regular expression that is not valid.
    pub fn compile(keys: &Keys, dictionary: &Dictionary, text: &str) -> Result<Self, String> {
        let mut expansion = Expansion { dictionary, out: String::new(), names: Vec::new() };
        expansion.expand(text, 0)?;
        let pattern = Pattern::compile(&expansion.out)?;
        let groups = pattern.group_names();
        let mut fields: Vec<Field> = Vec::new();
        for (number, (name, to)) in expansion.names.iter().enumerate() {
            let wanted = format!("{GROUP}{number}");
            let Some(group) = groups.iter().position(|group| group.as_deref() == Some(&wanted)) else {
                continue;
            };
            let path = Path::parse(keys, name).map_err(|why| format!("the field {name:?}: {why}"))?;
            match fields.iter_mut().find(|field| field.path.segments() == path.segments()) {
                Some(field) => field.groups.push(group),
                None => fields.push(Field { path, to: *to, groups: vec![group] }),
            }
        }
        Ok(Self { pattern, fields })
    }
}

/// Groups get names of our own: fields have dots and brackets, which groups may not.
const GROUP: &str = "grok";

struct Expansion<'d> {
    dictionary: &'d Dictionary,
    out: String,
    names: Vec<(String, FieldType)>,
}

impl Expansion<'_> {
    fn expand(&mut self, text: &str, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!(
                "grok patterns refer to each other more than {MAX_DEPTH} levels deep, or in a circle"
            ));
        }
        if self.out.len() > MAX_EXPANDED_BYTES {
            return Err(format!("the grok expression takes more than {MAX_EXPANDED_BYTES} bytes expanded"));
        }
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix("%{").filter(|inner| !is_reference(inner)) {
                self.out.push_str(r"%\{");
                rest = inner;
            } else if let Some(inner) = rest.strip_prefix("%{")
                && let Some((reference, behind)) = inner.split_once('}')
            {
                self.reference(reference, depth)?;
                rest = behind;
            } else if let Some((name, behind)) = named_group(rest) {
                self.open(name, FieldType::Text);
                rest = behind;
            } else if let Some((replacement, behind)) = oniguruma(rest) {
                self.out.push_str(replacement);
                rest = behind;
            } else if rest.starts_with('\\') {
                let len = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                self.out.push_str(&rest[..len]);
                rest = &rest[len..];
            } else {
                let len = rest.chars().next().map_or(0, char::len_utf8);
                self.out.push_str(&rest[..len]);
                rest = &rest[len..];
            }
        }
        Ok(())
    }

    fn open(&mut self, name: &str, to: FieldType) {
        self.out.push_str(&format!("(?<{GROUP}{}>", self.names.len()));
        self.names.push((name.to_owned(), to));
    }

    /// `NAME`, `NAME:field`, `NAME:field:type`, and `NAME:field=pattern` never: definitions have their own option.
    fn reference(&mut self, reference: &str, depth: usize) -> Result<(), String> {
        let mut parts = reference.splitn(3, ':');
        let name = parts.next().unwrap_or_default();
        let pattern = self.dictionary.patterns.get(name).ok_or_else(|| {
            let hint = crate::suggest::closest(name, self.dictionary.patterns.keys().map(String::as_str));
            format!("there is no grok pattern {name:?}{hint}")
        })?;
        let (field, to) = (parts.next().filter(|field| !field.is_empty()), parts.next());
        let to = match to {
            None | Some("string" | "keyword" | "") => FieldType::Text,
            Some("int" | "long" | "integer") => FieldType::Int,
            Some("float" | "double") => FieldType::Float,
            Some("boolean" | "bool") => FieldType::Bool,
            Some(other) => {
                return Err(format!(
                    "there is no grok type {other:?}; there are int, long, float, double, boolean"
                ));
            }
        };
        match field.map(|field| field.trim_end_matches('?')) {
            Some(field) => self.open(field, to),
            None => self.out.push_str("(?:"),
        }
        let pattern = pattern.clone();
        self.expand(&pattern, depth + 1)?;
        self.out.push(')');
        Ok(())
    }
}

/// Whether this, behind `%{`, refers to a pattern. Elasticsearch takes for text what begins with no pattern's name, such as
/// `%{WORD_tmp.outcome}`, and published pipelines have some.
fn is_reference(inner: &str) -> bool {
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    inner[end..].starts_with([':', '}', '='])
}

/// What Oniguruma, for which the dictionaries are written, reads otherwise: its classes are those of Unicode, `?*`
/// repeats an option, and angle brackets mean themselves even escaped.
fn oniguruma(text: &str) -> Option<(&'static str, &str)> {
    const SPELLINGS: [(&str, &str); 5] = [
        ("[:alnum:]", r"\p{L}\p{M}\p{N}"),
        ("[:alpha:]", r"\p{L}\p{M}"),
        (".?*", ".*"),
        (r"\<", "<"),
        (r"\>", ">"),
    ];
    SPELLINGS.iter().find_map(|(theirs, ours)| Some((*ours, text.strip_prefix(theirs)?)))
}

/// The name of a group that starts here, but not look-behind.
fn named_group(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("(?<").or_else(|| text.strip_prefix("(?P<"))?;
    if inner.starts_with(['=', '!']) {
        return None;
    }
    let (name, behind) = inner.split_once('>')?;
    // The ECS dictionary has a stray mark behind one name: `(?<[error][code]?>…)`.
    Some((name.trim_end_matches('?'), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_no_name_of_a_pattern_is_text() {
        assert!(is_reference("WORD:a}") && is_reference("WORD}"));
        assert!(!is_reference("WORD_tmp.outcome}") && !is_reference("a b}"));
        assert!(Expression::compile(&Keys::default(), &Dictionary::legacy(), "%{WORD_tmp.outcome}").is_ok());
    }

    #[test]
    fn a_name_that_is_not_there_is_refused_with_what_may_be_meant() {
        let refused = Expression::compile(&Keys::default(), &Dictionary::legacy(), "%{NUMBR:a}");
        assert_eq!(
            refused.err().as_deref(),
            Some("there is no grok pattern \"NUMBR\"; did you mean \"NUMBER\"")
        );
    }

    #[test]
    fn patterns_in_a_circle_are_refused() {
        let mut dictionary = Dictionary::default();
        dictionary.define("A", "%{B}");
        dictionary.define("B", "%{A}");
        assert!(Expression::compile(&Keys::default(), &dictionary, "%{A}").is_err());
    }

    #[test]
    fn every_built_in_pattern_compiles() {
        let dictionary = Dictionary::legacy();
        let refused: Vec<String> = dictionary
            .patterns
            .keys()
            .filter_map(|name| {
                let text = format!("%{{{name}}}");
                Expression::compile(&Keys::default(), &dictionary, &text)
                    .err()
                    .map(|why| format!("{name}: {why}"))
            })
            .collect();
        assert_eq!(refused, Vec::<String>::new());
    }
}
