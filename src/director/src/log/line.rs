//! An event as a line: `[device's type-id] text key=value ...`; the writer puts time and level before it.

use super::level::Level;
use std::collections::HashMap;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;
use tracing::Event;
use tracing::field::{Field, Visit};

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// How detailed it is.
    pub(crate) level: Level,
    /// When it was said.
    pub(crate) at: SystemTime,
    /// What was said, on one line.
    pub(crate) text: String,
    /// The same for lines that say the same of the same thing, whatever their details are.
    pub(crate) sameness: u64,
}

impl Line {
    /// An event as a line; `labels` has `type-id` of each device by name.
    pub(crate) fn of(event: &Event<'_>, labels: &HashMap<String, String>) -> Self {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let metadata = event.metadata();
        let mut sameness = DefaultHasher::new();
        (metadata.callsite(), &parts.message, &parts.subject).hash(&mut sameness);
        let mut text = String::new();
        let label = parts.device().and_then(|device| labels.get(device));
        if let Some(label) = label {
            // Writing to a string does not fail.
            let _ = write!(text, "[{label}] ");
        } else if let Some(("device", name)) = &parts.subject {
            let _ = write!(parts.fields, " device={name}");
        }
        text.push_str(&parts.message);
        text.push_str(&parts.fields);
        let at = SystemTime::now();
        Self { level: (*metadata.level()).into(), at, text: one_line(text), sameness: sameness.finish() }
    }

    /// A line of the log's own.
    pub(crate) fn own(level: Level, text: String) -> Self {
        Self { level, at: SystemTime::now(), sameness: 0, text }
    }
}

/// What is found in an event.
#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
    /// Which device, target or actor it is about.
    subject: Option<(&'static str, String)>,
}

impl Parts {
    /// The device it is about.
    fn device(&self) -> Option<&str> {
        match self.subject.as_ref()? {
            ("device", name) => Some(name),
            ("path", path) => path.strip_prefix("devices/")?.split('/').next(),
            _ => None,
        }
    }

    fn add(&mut self, field: &Field, value: &str) {
        let name = field.name();
        if name == "message" {
            self.message.push_str(value);
            return;
        }
        if self.subject.is_none() && matches!(name, "device" | "target" | "path") {
            self.subject = Some((field.name(), value.to_owned()));
            if name == "device" {
                return; // it stands before the text
            }
        }
        let _ = match value.is_empty() || value.contains([' ', '"', '=']) {
            true => write!(self.fields, " {name}={value:?}"),
            false => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

/// A line break in what a peer sent must not look like another line of the log.
fn one_line(text: String) -> String {
    if !text.contains(|c: char| c.is_control()) {
        return text;
    }
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::sync::Arc;
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt};

    #[derive(Clone, Default)]
    struct Caught(Arc<Mutex<Vec<Line>>>);

    impl<S: tracing::Subscriber> Layer<S> for Caught {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let labels = HashMap::from([("edge".to_owned(), "tcp-7".to_owned())]);
            self.0.lock().push(Line::of(event, &labels));
        }
    }

    fn lines(say: impl FnOnce()) -> Vec<Line> {
        let caught = Caught::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(caught.clone()), say);
        std::mem::take(&mut *caught.0.lock())
    }

    #[test]
    fn device_lines_carry_type_and_id() {
        let lines = lines(|| {
            tracing::info!(device = "edge", address = "0.0.0.0:514", "listener is started");
            tracing::error!(path = "devices/edge/listener", error = "it broke", "failed");
            tracing::warn!(device = "unknown", "odd");
        });
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "[tcp-7] listener is started address=0.0.0.0:514",
                "[tcp-7] failed path=devices/edge/listener error=\"it broke\"",
                "odd device=unknown",
            ]
        );
    }

    #[test]
    fn what_a_peer_sent_stays_on_its_line() {
        let lines = lines(|| tracing::warn!("a\n[2026-01-01 00:00:00] [Error] forged\x1b[2J"));
        assert_eq!(lines[0].text, "a\\n[2026-01-01 00:00:00] [Error] forged\\u{1b}[2J");
    }

    #[test]
    fn the_same_said_of_the_same_thing_is_recognised_whatever_the_details() {
        let lines = lines(|| {
            for (device, peer) in [("a", 1), ("a", 2), ("b", 1)] {
                tracing::warn!(device, peer, "connection ended");
            }
        });
        assert_eq!(lines[0].sameness, lines[1].sameness);
        assert_ne!(lines[0].sameness, lines[2].sameness);
    }
}
