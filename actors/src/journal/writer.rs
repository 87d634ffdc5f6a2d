//! The actor that writes: everything that waits goes into one append.
//!
//! When there is no room, or the disk fails, it says so and tries again; meanwhile batches wait with their budget, and
//! nothing is acknowledged.

use super::custody::Custody;
use super::thread::{self, Leash};
use crate::child::actor::Next;
use crate::child::spec::StartContext;
use crate::child::{Child, Condition, Me};
use std::time::Duration;

/// How long it waits for something to write before it looks whether it shall end.
const WAIT: Duration = Duration::from_secs(1);
/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// The writer.
pub struct Writer {
    custody: Custody,
}

impl Writer {
    /// A writer of these; one at a time.
    pub fn new(custody: Custody) -> Self {
        Self { custody }
    }
}

impl Child for Writer {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let (custody, context) = (self.custody.clone(), me.context.clone());
        thread::run(me, &self.custody, move |leash| write(&custody, leash, &context)).await?;
        Ok(Next::Continue)
    }

    async fn finish(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        let custody = self.custody.clone();
        me.waiting(tokio::task::spawn_blocking(move || close(&custody))).await?;
        Ok(())
    }
}

fn write(custody: &Custody, leash: &Leash, context: &StartContext) {
    let mut teller = Teller::new(context.clone(), "sources wait until it can be written");
    let mut wait = WAIT;
    while !leash.is_cut() {
        let written = custody.write(if leash.runs() { wait } else { Duration::ZERO });
        wait = if written.is_ok() { WAIT } else { RETRY };
        let failed = written.is_err();
        teller.tell(written.err().map(|e| e.to_string()));
        if !leash.runs() && (failed || custody.is_idle()) {
            return;
        }
        if failed {
            // Letters come all the time; the disk is asked from time to time.
            std::thread::sleep(RETRY);
        }
    }
}

/// Leaves the journal so that the next process need not repeat anything.
fn close(custody: &Custody) {
    let synced = custody.sync().map_err(|e| e.to_string());
    let persisted = custody.0.journal.persist_cursors().map_err(|e| e.to_string());
    for error in [synced.err(), persisted.err()].into_iter().flatten() {
        tracing::error!(
            error,
            "the journal could not be closed; the next start may deliver some events again"
        );
    }
}

/// Tells of trouble once, and when it is over.
pub(super) struct Teller {
    context: StartContext,
    consequence: &'static str,
    told: Option<String>,
}

impl Teller {
    pub(super) fn new(context: StartContext, consequence: &'static str) -> Self {
        Self { context, consequence, told: None }
    }

    /// What is wrong at present.
    pub(super) fn tell(&mut self, trouble: Option<String>) {
        if self.told == trouble {
            return;
        }
        match &trouble {
            Some(error) => {
                let text = format!("{error}; {}; retrying", self.consequence);
                tracing::error!(path = &*self.context.path, "{text}");
                self.context.report(Condition::Trouble(text));
            }
            None => {
                tracing::info!(path = &*self.context.path, "the journal works again");
                self.context.common.tree.log(&self.context.path, "the journal works again".to_owned());
                self.context.report(Condition::Well);
            }
        }
        self.told = trouble;
    }
}
