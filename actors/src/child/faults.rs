//! Failures caused on purpose: a wrapper that the nursery puts around any child.
//!
//! A rehearsal or a test asks for a fault by the child's path (or a pattern with `*`); the host of the child
//! carries it out beside the child's own code, which knows nothing of it. Without any fault asked for,
//! it costs one relaxed load for each message.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
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
    list: Mutex<Vec<Pending>>,
    numbers: AtomicU64,
    restarts_are_off: AtomicBool,
    changed: Notify,
}

/// A fault that nobody carried out yet.
#[derive(Debug)]
struct Pending {
    number: u64,
    pattern: String,
    fault: Fault,
}

impl Faults {
    /// Asks for one fault of the first child that matches and does something. Returns its number.
    pub fn inject(&self, pattern: impl Into<String>, fault: Fault) -> u64 {
        let number = self.0.numbers.fetch_add(1, Relaxed);
        let mut list = self.0.list.lock();
        list.push(Pending { number, pattern: pattern.into(), fault });
        self.0.pending.store(list.len(), Relaxed);
        drop(list);
        self.0.changed.notify_waiters();
        number
    }

    /// Whether the fault of this number is still to be carried out.
    pub fn is_pending(&self, number: u64) -> bool {
        self.0.list.lock().iter().any(|pending| pending.number == number)
    }

    /// Takes a fault back; false if it was carried out already.
    pub fn withdraw(&self, number: u64) -> bool {
        let mut list = self.0.list.lock();
        let before = list.len();
        list.retain(|pending| pending.number != number);
        self.0.pending.store(list.len(), Relaxed);
        list.len() < before
    }

    /// Takes a defence away, to learn whether a rehearsal notices: who is adopted from now on is never started again.
    pub fn switch_restarts_off(&self) {
        self.0.restarts_are_off.store(true, Relaxed);
    }

    /// Whether nobody shall be started again.
    pub fn are_restarts_off(&self) -> bool {
        self.0.restarts_are_off.load(Relaxed)
    }

    /// The fault that is meant for this child, if there is one; it is taken off the list.
    pub fn take(&self, path: &str) -> Option<Fault> {
        if self.0.pending.load(Relaxed) == 0 {
            return None;
        }
        let mut list = self.0.list.lock();
        let at = list.iter().position(|pending| matches(&pending.pattern, path))?;
        let Pending { fault, .. } = list.remove(at);
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

/// Shell-style: `*` stands for any text, slashes included.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
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
    fn a_fault_that_was_taken_back_does_not_happen() {
        let faults = Faults::default();
        let (first, second) = (faults.inject("a", Fault::Panic), faults.inject("a", Fault::Hang));
        assert!(faults.withdraw(first) && !faults.is_pending(first) && faults.is_pending(second));
        assert_eq!(faults.take("a"), Some(Fault::Hang));
        assert!(!faults.withdraw(second));
        assert_eq!(faults.pending(), 0);
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
