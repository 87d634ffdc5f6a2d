//! What the parts of a collector say, together as one condition.

use crate::child::{Condition, StartContext};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the parts say; clones share it.
#[derive(Clone)]
pub struct Status(Arc<Inner>);

struct Inner {
    context: StartContext,
    device: Arc<str>,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    parts: BTreeMap<String, Part>,
    told: Option<Condition>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Note(String),
    Trouble(String),
}

impl Status {
    /// Nothing is said yet.
    pub fn new(context: StartContext, device: Arc<str>) -> Self {
        Self(Arc::new(Inner { context, device, said: Mutex::default() }))
    }

    /// What is true of everything: the parts say nothing any more.
    pub fn only(&self, note: impl Into<String>) {
        self.0.said.lock().parts.clear();
        self.note("", note);
    }

    /// Nothing works: the parts say nothing any more.
    pub fn down(&self, trouble: impl Into<String>) {
        self.0.said.lock().parts.clear();
        self.trouble("", trouble);
    }

    /// A part works.
    pub fn note(&self, part: &str, text: impl Into<String>) {
        self.say(part, Part::Note(text.into()));
    }

    /// A part does not.
    pub fn trouble(&self, part: &str, text: impl Into<String>) {
        self.say(part, Part::Trouble(text.into()));
    }

    /// A part has nothing to say.
    pub fn silent(&self, part: &str) {
        let mut said = self.0.said.lock();
        if said.parts.remove(part).is_some() {
            self.tell(&mut said);
        }
    }

    fn say(&self, part: &str, what: Part) {
        let mut said = self.0.said.lock();
        if said.parts.get(part) == Some(&what) {
            return;
        }
        if let Part::Trouble(text) = &what {
            tracing::warn!(device = &*self.0.device, "{text}");
        }
        said.parts.insert(part.to_owned(), what);
        self.tell(&mut said);
    }

    /// Troubles first; notes only where there are none.
    fn tell(&self, said: &mut Said) {
        let (mut notes, mut troubles) = (Vec::new(), Vec::new());
        for part in said.parts.values() {
            match part {
                Part::Note(text) => notes.push(text.as_str()),
                Part::Trouble(text) => troubles.push(text.as_str()),
            }
        }
        let condition = match troubles.is_empty() {
            true => Condition::Note(notes.join("; ")),
            false => Condition::Trouble(troubles.join("; ")),
        };
        if said.told.as_ref() != Some(&condition) {
            self.0.context.report(condition.clone());
            said.told = Some(condition);
        }
    }
}
