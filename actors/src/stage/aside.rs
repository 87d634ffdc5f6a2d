//! What a stage sets aside: events on which its program panicked or exceeded a limit, and those that failed in a pipeline
//! which wants them kept. Costs nothing where there are none.

use super::{Stage, StageMessage};
use crate::child::Me;
use crate::quarantine::Entry;
use event::{Batch, BranchId, Cause, Claim, Settled};
use pipeline::{Failed, StepId};
use std::any::Any;
use std::sync::Arc;

impl Stage {
    /// Puts aside what is to be kept in quarantine, and waits for it.
    pub(super) async fn put_aside(&mut self, me: &Me<StageMessage>, batch: &Batch, claims: &[Claim]) {
        let surroundings = self.table.current();
        let reroutes = surroundings.reroutes.get(&self.place);
        let is_rerouted =
            |claim: &&Claim| reroutes.is_some_and(|all| all.values().any(|branch| *branch == claim.branch()));
        let own: Vec<&Claim> = claims.iter().filter(|claim| !is_rerouted(claim)).collect();
        let branches: Arc<[BranchId]> = own.iter().map(|claim| claim.branch()).collect();
        let first = own.iter().map(|claim| claim.first()).min();
        let entry = |record: u32, cause: Cause, why: &str, at: &str| Entry {
            cause,
            why: why.into(),
            at: at.into(),
            lane: me.context.lane(),
            branches: Arc::clone(&branches),
            batch: batch.clone(),
            record,
            target: None,
            payload: None,
        };
        let panics = self.poisonous.iter().map(|(record, panic)| {
            entry(*record, Cause::Poison, &format!("a processor panicked: {panic}"), &self.sequence())
        });
        let failures = self.output.failed.iter().filter(|failed| is_kept(failed)).map(|failed| {
            let cause = if failed.cause.is_limit() { Cause::Poison } else { Cause::Failed };
            entry(failed.record, cause, &failed.cause.to_string(), &self.step_name(failed.step))
        });
        // Without a claim of its own the batch is here for what was sent elsewhere by name.
        let mut entries: Vec<Entry> =
            panics.chain(failures).filter(|entry| first.is_some_and(|first| entry.record >= first)).collect();
        entries.sort_by_key(|entry| entry.record);
        let whose: Vec<(u32, Cause)> = entries.iter().map(|entry| (entry.record, entry.cause)).collect();
        let kept = me.waiting(me.context.common.quarantine.keep(entries)).await;
        self.aside.extend(whose.into_iter().enumerate().map(|(n, (record, cause))| {
            (record, if n < kept { Settled::Quarantined(cause) } else { Settled::Dropped(cause) })
        }));
    }

    /// The pipelines of the program.
    fn sequence(&self) -> String {
        let mut names: Vec<&str> = self.program.steps().iter().map(|step| &*step.pipeline).collect();
        names.dedup();
        format!("pipeline {}", names.join(", "))
    }

    fn step_name(&self, step: Option<StepId>) -> String {
        let Some(step) = step.and_then(|step| self.program.steps().get(step.0 as usize)) else {
            return self.sequence();
        };
        let tag = step.tag.as_ref().map(|tag| format!(" {tag:?}")).unwrap_or_default();
        let (file, line) = (step.at.file.display(), step.at.line);
        format!("pipeline {}, {}{tag} ({file}:{line})", step.pipeline, step.kind)
    }
}

/// Whether a failed record goes to quarantine: its pipeline says so, or it took more than any may.
pub(super) fn is_kept(failed: &Failed) -> bool {
    failed.kept || failed.cause.is_limit()
}

/// What a panic said.
pub(super) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
