//! Routes: which devices' events go through which pipelines to which targets.

use crate::{Device, Position};

/// A route. Routes have no order; an event may match several.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Which devices' events it takes; empty: all.
    pub devices: Vec<DevicePattern>,
    /// The `if`, uncompiled, evaluated before pipelines.
    pub condition: Option<(String, Position)>,
    /// Names of pipelines, run in parallel on independent copies.
    pub pipelines: Vec<String>,
    /// Names of targets, each of which gets a copy; empty: the events are discarded, unless a pipeline reroutes them.
    pub targets: Vec<String>,
    /// Whether it is in use.
    pub status: bool,
    /// Where it is.
    pub at: Position,
}

/// Which devices a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DevicePattern {
    /// The device with this id.
    Id(u64),
    /// Devices whose name matches: `*` any text, `?` one character.
    Name(String),
}

impl DevicePattern {
    /// Whether it takes that device.
    pub fn matches(&self, device: &Device) -> bool {
        match self {
            Self::Id(id) => device.id == *id,
            Self::Name(pattern) => wildcard(pattern, &device.name),
        }
    }
}

/// Matches `text` with `*` and `?`; linear space, at most `pattern * text` steps.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None; // after the last star: where to go on in both
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut retry {
                Some((after_star, from)) => {
                    *from += 1;
                    (p, t) = (*after_star, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
