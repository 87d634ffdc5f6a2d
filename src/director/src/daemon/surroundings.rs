//! What a Director finds around it: disk, time, failures caused on purpose.

use actors::child::Faults;
use seams::{Clock, Disk, RealDisk};
use std::sync::Arc;
use supervisors::Left;
use supervisors::control::View;

/// What is told to whoever wants to know it when a Director has stopped.
type AtEnd = Box<dyn FnOnce(&View, Left)>;

/// The surroundings of a Director; those of the operating system unless it is under test.
pub(crate) struct Surroundings {
    /// Files.
    pub(crate) disk: Arc<dyn Disk>,
    /// Time.
    pub(crate) clock: Clock,
    /// Failures caused on purpose.
    pub(crate) faults: Faults,
    /// Who is told how it ended.
    pub(crate) at_end: AtEnd,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            clock: Clock::system(),
            faults: Faults::default(),
            at_end: Box::new(|_, _| {}),
        }
    }
}
