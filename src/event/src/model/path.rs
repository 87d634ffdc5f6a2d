//! Dotted paths: `log.syslog.severity`, `items.0.name`, `labels["app.kubernetes.io/name"]`.
//!
//! A path is resolved when the configuration is compiled: each of its names is a number by then, and one that is
//! all digits may also be the position of an element in a list.

use super::keys::{KeyId, Keys};
use std::fmt;
use std::sync::Arc;

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The name, for maps.
    pub key: KeyId,
    /// The position, for lists.
    pub index: Option<u32>,
}

/// A path from the root of an event.
#[derive(Clone, PartialEq, Eq)]
pub struct Path {
    segments: Arc<[Segment]>,
    text: Arc<str>,
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing, or nothing between two dots.
    #[error("a field path has an empty part; write it like `source.ip`")]
    EmptyPart,
    /// `[` without its `]`, or something behind it that is neither `.` nor `[`.
    #[error("a field path has an unfinished `[`; write it like `labels[\"a.b\"]`")]
    Bracket,
}

impl Path {
    /// Resolves a path. The forms `a.b`, `a["b"]`, `a['b']`, `a[0]` and mixtures of them are understood.
    ///
    /// # Errors
    /// When a part is empty or a bracket is not closed.
    pub fn parse(keys: &Keys, text: &str) -> Result<Self, PathError> {
        let mut segments = Vec::new();
        split(text, |name| segments.push(segment(keys.compiled(name), name)))?;
        Ok(Self { segments: segments.into(), text: text.into() })
    }

    /// A path of these names as they are, whatever is in them.
    pub fn of_names(keys: &Keys, names: &[&str]) -> Self {
        let segments: Vec<Segment> = names.iter().map(|name| segment(keys.compiled(name), name)).collect();
        Self { segments: segments.into(), text: names.join(".").into() }
    }

    /// This path and one name more.
    pub fn child(&self, keys: &Keys, name: &str) -> Self {
        let mut segments = self.segments.to_vec();
        segments.push(segment(keys.compiled(name), name));
        Self { segments: segments.into(), text: format!("{}.{name}", self.text).into() }
    }

    /// The path beside this one: its last name has `suffix` behind it, whose dots are part of the name.
    pub fn beside(&self, keys: &Keys, suffix: &str) -> Self {
        let mut segments = self.segments.to_vec();
        if let Some(last) = segments.last_mut() {
            let name = format!("{}{suffix}", String::from_utf8_lossy(&keys.name(last.key)));
            *last = segment(keys.compiled(&name), &name);
        }
        Self { segments: segments.into(), text: format!("{}{suffix}", self.text).into() }
    }

    /// Its steps.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// As it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

pub(crate) fn segment(key: KeyId, name: &str) -> Segment {
    let is_index = name.bytes().all(|b| b.is_ascii_digit()) && name.len() < 10;
    Segment { key, index: if is_index { name.parse().ok() } else { None } }
}

/// Gives the parts of a path to `part`, in order.
pub(crate) fn split(text: &str, mut part: impl FnMut(&str)) -> Result<(), PathError> {
    let mut rest = text;
    loop {
        if let Some(inner) = rest.strip_prefix('[') {
            let (name, behind) = bracketed(inner).ok_or(PathError::Bracket)?;
            part(name);
            rest = behind;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return Err(PathError::EmptyPart);
            }
            part(&rest[..end]);
            rest = &rest[end..];
        }
        match rest.as_bytes().first() {
            None => return Ok(()),
            Some(b'[') => {}
            Some(b'.') => rest = &rest[1..],
            Some(_) => return Err(PathError::Bracket),
        }
    }
}

fn bracketed(inner: &str) -> Option<(&str, &str)> {
    let quote = inner.chars().next().filter(|c| matches!(c, '"' | '\''));
    match quote {
        Some(quote) => {
            let (name, behind) = inner[1..].split_once(quote)?;
            Some((name, behind.strip_prefix(']')?))
        }
        None => {
            let (name, behind) = inner.split_once(']')?;
            (!name.is_empty()).then_some((name, behind))
        }
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({})", self.text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<Vec<String>, PathError> {
        let mut parts = Vec::new();
        split(text, |part| parts.push(part.to_owned()))?;
        Ok(parts)
    }

    #[test]
    fn dots_and_brackets_part_a_path() {
        assert_eq!(parts("a"), Ok(vec!["a".into()]));
        assert_eq!(parts("a.b.0"), Ok(vec!["a".into(), "b".into(), "0".into()]));
        assert_eq!(parts("a[\"b.c\"].d"), Ok(vec!["a".into(), "b.c".into(), "d".into()]));
        assert_eq!(parts("['a.b'][2]"), Ok(vec!["a.b".into(), "2".into()]));
        assert_eq!(parts("@timestamp"), Ok(vec!["@timestamp".into()]));
    }

    #[test]
    fn a_path_beside_another_has_a_longer_last_name_whatever_dots_are_in_it() {
        let keys = Keys::default();
        for (path, suffix, names) in [
            ("a.b", "_x", &["a", "b_x"][..]),
            ("a[\"b.c\"]", "_x", &["a", "b.c_x"]),
            ("['a.b']", ".x", &["a.b.x"]),
            ("a[0]", "_x", &["a", "0_x"]),
        ] {
            let beside = Path::parse(&keys, path).expect("valid").beside(&keys, suffix);
            assert_eq!(beside.segments(), Path::of_names(&keys, names).segments(), "{path}");
        }
    }

    #[test]
    fn empty_parts_and_open_brackets_are_refused() {
        for text in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(parts(text), Err(PathError::EmptyPart), "{text}");
        }
        for text in ["a[", "a[]", "a[\"b]", "a[b]c"] {
            assert_eq!(parts(text), Err(PathError::Bracket), "{text}");
        }
    }

    #[test]
    fn a_part_of_digits_may_be_a_position() {
        let path = Path::parse(&Keys::default(), "items.12.x").expect("valid");
        let positions: Vec<_> = path.segments().iter().map(|s| s.index).collect();
        assert_eq!(positions, [None, Some(12), None]);
    }
}
