//! The actor that dispatches the backlog, and then is done.

use super::backlog::{Backlog, Progress, Summary};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use std::time::Duration;

/// How soon a read that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The reader.
pub struct BacklogReader {
    backlog: Backlog,
}

impl BacklogReader {
    /// A reader of these; one at a time.
    pub fn new(backlog: Backlog) -> Self {
        Self { backlog }
    }

    /// Dispatches all of it; false when it is asked to stop before.
    async fn dispatch_all(&self, me: &Me<()>) -> anyhow::Result<bool> {
        let mut in_trouble = false;
        while !self.backlog.is_empty() {
            if me.is_stopping() {
                return Ok(false);
            }
            let backlog = self.backlog.clone();
            let read = match me.waiting(tokio::task::spawn_blocking(move || backlog.read())).await? {
                Ok(read) => read,
                Err(error) => {
                    in_trouble = true;
                    let text = format!("cannot read back what an earlier process left: {error}; retrying");
                    tracing::error!("{text}");
                    me.report(Condition::Trouble(text));
                    // Devices need not wait for the disk.
                    self.backlog.set_progress(Progress::Waiting);
                    tokio::select! {
                        biased;
                        () = me.stopping() => return Ok(false),
                        () = me.waiting(tokio::time::sleep(RETRY)) => continue,
                    }
                }
            };
            if std::mem::take(&mut in_trouble) {
                me.report(Condition::Well);
            }
            for next in read {
                let bytes = next.bytes();
                let hold = match self.backlog.share().try_take(bytes) {
                    Some(hold) => hold,
                    None => {
                        self.backlog.set_progress(Progress::Waiting);
                        me.report(Condition::Note(format!("{} batches wait to be read", self.backlog.len())));
                        tokio::select! {
                            biased;
                            () = me.stopping() => return Ok(false),
                            hold = me.waiting(self.backlog.share().take(bytes)) => hold,
                        }
                    }
                };
                self.backlog.dispatch(next, hold);
            }
        }
        Ok(true)
    }
}

impl Child for BacklogReader {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        if !self.dispatch_all(me).await? {
            return Ok(Next::Continue);
        }
        let Summary { batches, events, orphans } = self.backlog.finish();
        tracing::info!(batches, events, "what an earlier process left is on its way");
        for (what, events) in orphans {
            let text = format!("{events} deliveries are not made: {what} is no longer configured");
            tracing::warn!("{text}");
            me.context.common.tree.log(&me.context.path, text);
        }
        self.backlog.set_progress(Progress::Done);
        Ok(Next::Done)
    }
}
