//! A thread for an actor that blocks: it ends when its actor does, however that ends.

use super::custody::Custody;
use crate::child::Me;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

const RUN: u8 = 0;
const FINISH: u8 = 1;
const CUT: u8 = 2;

/// What a thread looks at to know whether it shall go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Leash(Arc<AtomicU8>);

impl Leash {
    /// Whether it is to go on.
    pub(super) fn runs(&self) -> bool {
        self.0.load(SeqCst) == RUN
    }

    /// Whether its actor is gone: nothing more is to be begun.
    pub(super) fn is_cut(&self) -> bool {
        self.0.load(SeqCst) == CUT
    }
}

/// The actor's end of the leash.
struct Hand {
    leash: Leash,
    custody: Custody,
}

impl Hand {
    fn pull(&self, state: u8) {
        self.leash.0.fetch_max(state, SeqCst);
        self.custody.wake();
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.pull(CUT);
    }
}

/// Runs `body` on a thread of its own until it ends; it is told when the actor is asked to stop.
///
/// # Errors
/// When the thread panics.
pub(super) async fn run<M: Send + 'static>(
    me: &Me<M>,
    custody: &Custody,
    body: impl FnOnce(&Leash) + Send + 'static,
) -> anyhow::Result<()> {
    let hand = Hand { leash: Leash::default(), custody: custody.clone() };
    let leash = hand.leash.clone();
    let mut thread = tokio::task::spawn_blocking(move || body(&leash));
    let ended = tokio::select! {
        biased;
        ended = me.waiting(&mut thread) => ended,
        () = me.stopping() => {
            hand.pull(FINISH);
            me.waiting(thread).await
        }
    };
    ended.map_err(|e| anyhow::anyhow!("its thread failed: {e}"))
}
