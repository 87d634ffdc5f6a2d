//! Faults by switch.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::Duration;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Anything.
    Any,
    /// A token of a sign-in.
    SignIn,
    /// `Identify`.
    Identify,
    /// `Subscribe`.
    Subscribe,
    /// `Pull` of events.
    Pull,
    /// `Unsubscribe`.
    Unsubscribe,
    /// `Create` of a shell.
    CreateShell,
    /// `Command` in a shell.
    Command,
    /// `Receive` from a command.
    Receive,
    /// `Signal` and `Delete`.
    EndShell,
    /// `Enumerate` and `Pull` of WMI.
    Query,
}

/// How it ends.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A SOAP fault with this number.
    Code(u32),
    /// An HTTP status without a body.
    Status(u16),
    /// The connection breaks before an answer.
    Cut,
    /// The connection breaks in the middle of the answer.
    CutInAnswer,
    /// The answer comes so much later.
    Slow(Duration),
    /// The answer is no XML.
    Malformed,
    /// The answer is larger than anything that was asked for: so many bytes.
    Huge(usize),
    /// A sealed answer whose bytes were changed.
    Tampered,
    /// An answer that was recorded elsewhere, HTTP status and SOAP, which relates to this request.
    Recorded(u16, String),
    /// The answer is in UTF-16, as Windows itself writes it; over HTTPS only.
    Utf16,
    /// An answer in the clear where it has to be sealed.
    Clear,
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<VecDeque<(Operation, Fault)>>);

impl Faults {
    pub(super) fn add(&self, on: Operation, fault: Fault) {
        self.0.lock().push_back((on, fault));
    }

    /// The first fault that is meant for this operation; it happens once.
    pub(super) fn take(&self, operation: Operation) -> Option<Fault> {
        let mut pending = self.0.lock();
        let at = pending.iter().position(|(on, _)| *on == operation || *on == Operation::Any)?;
        pending.remove(at).map(|(_, fault)| fault)
    }

    pub(super) fn pending(&self) -> usize {
        self.0.lock().len()
    }
}
