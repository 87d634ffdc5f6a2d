//! The actor that writes checkpoints down, about twice a second, and once more at the very end.
//!
//! It stops after the targets: only then it is known what they have taken, so that an orderly stop repeats nothing.

use super::checkpoints::Checkpoints;
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use std::io;
use std::time::Duration;

/// Pause between two writes; a killed process repeats at most what was acknowledged in it.
const EVERY: Duration = Duration::from_millis(500);
/// Writing takes at most one part in so many of the time: thousands of files on a slow disk are written less often.
const SHARE_OF_TIME: u32 = 20;
/// At the end the last acknowledgements have so long to come.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(3);

/// The keeper.
pub struct Keeper {
    checkpoints: Checkpoints,
    in_trouble: bool,
}

impl Keeper {
    /// A keeper of these.
    pub fn new(checkpoints: Checkpoints) -> Self {
        Self { checkpoints, in_trouble: false }
    }

    /// Writes what has changed; returns how long that took.
    async fn save(&mut self, me: &Me<()>) -> anyhow::Result<Duration> {
        let began = me.context.common.clock.now();
        let checkpoints = self.checkpoints.clone();
        let saved = me.waiting(tokio::task::spawn_blocking(move || checkpoints.save_changed())).await?;
        self.tell(me, saved);
        Ok(me.context.common.clock.now().duration_since(began))
    }

    fn tell(&mut self, me: &Me<()>, saved: io::Result<()>) {
        let Err(e) = saved else {
            if std::mem::take(&mut self.in_trouble) {
                me.report(Condition::Well);
            }
            return;
        };
        if !std::mem::replace(&mut self.in_trouble, true) {
            let folder = self.checkpoints.folder().display();
            let text = format!(
                "cannot write checkpoints to {folder}: {e}; after a restart files are read again from the last ones; \
                 make room or correct the permissions; retrying"
            );
            tracing::error!("{text}");
            me.report(Condition::Trouble(text));
        }
    }
}

impl Child for Keeper {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let took = self.save(me).await?;
        me.note_in(EVERY.max(took * SHARE_OF_TIME), ());
        Ok(Next::Continue)
    }

    async fn finish(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        // A journal that can't be written to is not waited for: files are read again from the last checkpoint.
        let _ = me.waiting(tokio::time::timeout(CAUGHT_UP_WITHIN, self.checkpoints.caught_up())).await;
        self.save(me).await?;
        Ok(())
    }
}
