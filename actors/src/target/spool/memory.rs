//! [`Memory`]: what a spool may hold of what it read back (R5).
//!
//! All readers of a process share one budget, fairly; what an earlier process left in the journal is read back within it,
//! too. Beside it each spool has a little of its own, so that a target that comes up again always gets something to begin
//! with, whatever the others hold. So the process holds the budget and, for each spool, [`OWN_BYTES`] and one record.

use event::{Budget, Hold, Share};

/// What a spool may hold besides its share of the budget.
pub(super) const OWN_BYTES: u64 = 64 << 10;

/// The memory of one spool.
pub(super) struct Memory {
    budget: Budget,
    shared: Share,
    own: Share,
}

impl Memory {
    /// Memory within this budget.
    pub(super) fn within(budget: &Budget) -> Self {
        Self { budget: budget.clone(), shared: budget.share(), own: Budget::new(0).share() }
    }

    /// For a record that is not kept.
    pub(super) fn nothing(&self) -> Hold {
        self.own.nothing()
    }

    /// Memory for a record, and whether it is the spool's own; none if it has to be waited for.
    pub(super) fn try_take(&self, bytes: u32) -> Option<(Hold, bool)> {
        if self.has_own() {
            return Some((self.own.nothing().more(bytes), true));
        }
        Some((self.shared.try_take(bytes)?, false))
    }

    /// Memory of the budget, in turn with others.
    pub(super) async fn take(&self, bytes: u32) -> Hold {
        self.shared.take(bytes).await
    }

    /// Whether some of its own is left.
    pub(super) fn has_own(&self) -> bool {
        self.own.used() < OWN_BYTES
    }

    /// Whether somebody waits for some.
    pub(super) fn is_scarce(&self) -> bool {
        self.budget.is_waited_for()
    }
}
