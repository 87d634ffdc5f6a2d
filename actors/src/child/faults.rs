//! Failures caused on purpose: a wrapper that the nursery puts around any child.
//!
//! A rehearsal or a test asks for a fault by the child's path (or a pattern with `*`); the host of the child
//! carries it out beside the child's own code, which knows nothing of it. Without any fault asked for,
//! it costs one relaxed load for each message.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;

/// What shall happen to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It panics.
    Panic,
    /// It ends with an error.
    Error,
    /// It claims to work and never comes back, though its thread goes on.
    Hang,
    /// It takes its whole thread for so long.
    Spin(Duration),
}

/// The faults asked for; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    pending: AtomicUsize,
    list: Mutex<Vec<(String, Fault)>>,
    changed: Notify,
}

impl Faults {
    /// Asks for one fault of the first child that matches and does something.
    pub fn inject(&self, pattern: impl Into<String>, fault: Fault) {
        let mut list = self.0.list.lock();
        list.push((pattern.into(), fault));
        self.0.pending.store(list.len(), Relaxed);
        drop(list);
        self.0.changed.notify_waiters();
    }

    /// The fault that is meant for this child, if there is one; it is taken off the list.
    pub fn take(&self, path: &str) -> Option<Fault> {
        if self.0.pending.load(Relaxed) == 0 {
            return None;
        }
        let mut list = self.0.list.lock();
        let at = list.iter().position(|(pattern, _)| matches(pattern, path))?;
        let (_, fault) = list.remove(at);
        self.0.pending.store(list.len(), Relaxed);
        Some(fault)
    }

    /// Faults that nobody carried out yet.
    pub fn pending(&self) -> usize {
        self.0.pending.load(Relaxed)
    }

    /// Waits until there is a fault for this child.
    pub async fn wait(&self, path: &str) -> Fault {
        loop {
            let changed = self.0.changed.notified();
            if let Some(fault) = self.take(path) {
                return fault;
            }
            changed.await;
        }
    }
}

/// Shell-style: `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let parts: Vec<&str> = parts.collect();
    let (last, middle) = parts.split_last().map_or(("", &[][..]), |(l, m)| (*l, m));
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_carried_out_once_by_a_child_that_matches() {
        let faults = Faults::default();
        faults.inject("devices/*/connection-*", Fault::Panic);
        assert_eq!(faults.take("targets/out/sender"), None);
        assert_eq!(faults.take("devices/in/connection-7"), Some(Fault::Panic));
        assert_eq!(faults.take("devices/in/connection-7"), None);
    }

    #[test]
    fn patterns_match_like_a_shell() {
        for (pattern, text, yes) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("*", "anything", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("*b*", "abc", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), yes, "{pattern} {text}");
        }
    }
}
