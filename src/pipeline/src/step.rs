//! Steps, blocks of them, pipelines: how an event goes through its processors.
//!
//! A step runs its processor, then its `on_success`, or on failure its `on_failure`. A failure that no handler took
//! goes to the handler of the pipeline, then to the step that called the pipeline, and so on up to the program.

use crate::condition::Condition;
use crate::context::Context;
use crate::failure::Failure;
use crate::program::{MAX_STEPS, StepId};
use crate::ticks;
use crate::watch::{note_failed, note_skipped};
use event::model::{Event, KeyId, Path, Slot};
use std::fmt;
use std::sync::Arc;

/// How many pipelines, groups, loops and handlers may be in each other while running.
pub const MAX_CALL_DEPTH: u32 = 64;

/// What a processor did with the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// On to the next processor.
    Next,
    /// The event is dropped.
    Drop,
    /// No further processor, in whatever pipeline; the event is kept.
    Final,
    /// Out of the innermost group, pipeline or element of a list.
    Return,
    /// On to the next element of the list.
    Continue,
    /// On at the step with this label.
    GoTo(u32),
}

/// What running something gives.
pub type Ran = Result<Flow, Failure>;

/// A failure on its way to a handler. It lies in the context meanwhile, so that what is handed from step to step in the
/// usual case fits a register.
#[derive(Debug)]
pub(crate) struct Thrown;

/// What running steps gives.
pub(crate) type Went = Result<Flow, Thrown>;

/// Something that works on one event. No I/O, no waiting.
pub trait Processor: Send + Sync {
    /// Works on the event.
    ///
    /// # Errors
    /// Why it could not.
    fn run(&self, cx: &mut Context<'_>) -> Ran;
}

/// A processor with its common options.
pub(crate) struct Step {
    pub(crate) id: StepId,
    pub(crate) label: Option<u32>,
    pub(crate) condition: Option<Condition>,
    pub(crate) ignore_failure: bool,
    pub(crate) on_failure: Option<Handler>,
    pub(crate) on_success: Option<Block>,
    pub(crate) processor: Box<dyn Processor>,
    /// Whether its program is watched.
    pub(crate) is_watched: bool,
}

/// Steps in order.
#[derive(Default)]
pub(crate) struct Block {
    pub(crate) steps: Box<[Step]>,
}

/// Steps that run after a failure.
pub(crate) struct Handler {
    pub(crate) block: Block,
    pub(crate) names: Arc<FailureNames>,
}

/// A compiled pipeline.
pub(crate) struct Pipeline {
    pub(crate) name: Arc<str>,
    pub(crate) condition: Option<Condition>,
    pub(crate) ignore_failure: bool,
    pub(crate) block: Block,
    pub(crate) on_failure: Option<Handler>,
    /// What fails in it without a handler is to be kept.
    pub(crate) quarantine: bool,
    /// Where its name is put while it runs, if somebody looks there.
    pub(crate) announced: Option<Path>,
}

/// Where a handler finds what happened, and what each step is called.
pub(crate) struct FailureNames {
    pub(crate) ingest: KeyId,
    pub(crate) message: Path,
    pub(crate) kind: Path,
    pub(crate) tag: Path,
    pub(crate) pipeline: Path,
}

impl Step {
    fn run(&self, cx: &mut Context<'_>) -> Went {
        if cx.progress.fuel == 0 {
            return Err(cx.throw(Failure::limit(format!(
                "the event took more steps than the {MAX_STEPS} it may; look for a go_to that never ends"
            ))));
        }
        cx.progress.fuel -= 1;
        if let Some(condition) = &self.condition {
            match condition.holds(&cx.event, cx.origin) {
                Ok(true) => {}
                Ok(false) => {
                    if self.is_watched {
                        note_skipped(self.id, cx);
                    }
                    return Ok(Flow::Next);
                }
                Err(failure) => {
                    if self.is_watched {
                        note_failed(self.id, &failure, cx);
                    }
                    return self.failed(failure, cx);
                }
            }
        }
        match self.execute(cx) {
            Ok(flow @ (Flow::Next | Flow::GoTo(_))) if self.on_success.is_none() => Ok(flow),
            Ok(flow) => self.succeeded(flow, cx),
            Err(failure) => self.failed(failure, cx),
        }
    }

    #[inline]
    fn execute(&self, cx: &mut Context<'_>) -> Ran {
        let start = ticks::now();
        let result = self.processor.run(cx);
        let tally = &mut cx.room.tallies[self.id.0 as usize];
        tally.executed += 1;
        tally.ticks += ticks::now().saturating_sub(start);
        result
    }

    fn succeeded(&self, flow: Flow, cx: &mut Context<'_>) -> Went {
        if flow == Flow::Drop && cx.progress.dropped_by.is_none() {
            cx.progress.dropped_by = Some(self.id);
            cx.room.tallies[self.id.0 as usize].dropped += 1;
        }
        let Some(block) = &self.on_success else { return Ok(flow) };
        match deeper(cx, |cx| block.go(cx))? {
            Flow::Next => Ok(flow),
            other => Ok(other),
        }
    }

    #[cold]
    fn failed(&self, mut failure: Failure, cx: &mut Context<'_>) -> Went {
        cx.room.tallies[self.id.0 as usize].failed += 1;
        failure.step.get_or_insert(self.id);
        if failure.is_final {
            return Err(cx.throw(failure));
        }
        let result = match &self.on_failure {
            Some(handler) => handler.run(failure, cx),
            None => Err(cx.throw(failure)),
        };
        match result {
            Err(Thrown) if self.ignore_failure && !cx.has_thrown_final() => Ok(Flow::Next),
            other => other,
        }
    }
}

impl Block {
    /// Runs the steps, for a processor that has some.
    pub(crate) fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.go(cx).map_err(|Thrown| cx.catch())
    }

    pub(crate) fn go(&self, cx: &mut Context<'_>) -> Went {
        let mut at = 0;
        while let Some(step) = self.steps.get(at) {
            match step.run(cx)? {
                Flow::Next => at += 1,
                Flow::GoTo(label) => match self.position(label) {
                    Some(target) => at = target,
                    None => return Ok(Flow::GoTo(label)),
                },
                other => return Ok(other),
            }
            if cx.progress.recovered {
                return Ok(Flow::Next);
            }
        }
        Ok(Flow::Next)
    }

    fn position(&self, label: u32) -> Option<usize> {
        self.steps.iter().position(|step| step.label == Some(label))
    }
}

impl Handler {
    /// Runs the handler. Its failure is the failure of what it handles.
    #[cold]
    pub(crate) fn run(&self, failure: Failure, cx: &mut Context<'_>) -> Went {
        if let Err(obstacle) = self.note(&failure, cx) {
            return Err(cx.throw(obstacle));
        }
        cx.progress.handlers += 1;
        let result = deeper(cx, |cx| self.block.go(cx));
        cx.progress.handlers -= 1;
        self.forget(cx);
        cx.progress.recovered = false;
        result.map_err(|Thrown| {
            let mut inner = cx.catch();
            inner.step = inner.step.or(failure.step);
            cx.throw(inner)
        })
    }

    fn note(&self, failure: &Failure, cx: &mut Context<'_>) -> Result<(), Failure> {
        let names = &self.names;
        let step = failure.step.and_then(|step| cx.steps.get(step.0 as usize));
        let message = failure.to_string();
        let mut put = |path: &Path, text: &str| -> Result<(), Failure> {
            let slot = cx.event.text(text.as_bytes())?;
            cx.event.set(path, slot)?;
            Ok(())
        };
        put(&names.message, &message)?;
        if let Some(step) = step {
            put(&names.kind, step.kind)?;
            put(&names.tag, step.tag.as_deref().unwrap_or_default())?;
            put(&names.pipeline, &step.pipeline)?;
        }
        Ok(())
    }

    fn forget(&self, cx: &mut Context<'_>) {
        let names = &self.names;
        for path in [&names.message, &names.kind, &names.tag, &names.pipeline] {
            cx.event.remove(path);
        }
        let Slot::Map(root) = cx.event.slot(Event::ROOT) else { return };
        let Some(ingest) = cx.event.field(root, names.ingest) else { return };
        if matches!(cx.event.slot(ingest), Slot::Map(fields) if fields.len() == 0) {
            cx.event.unlink(Event::ROOT, ingest);
        }
    }
}

impl Pipeline {
    /// Runs the pipeline, for a processor that calls it.
    pub(crate) fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.go(cx).map_err(|Thrown| cx.catch())
    }

    pub(crate) fn go(&self, cx: &mut Context<'_>) -> Went {
        let result = match &self.announced {
            None => self.go_unannounced(cx),
            Some(path) => self.go_announced(path, cx),
        };
        match result {
            Ok(Flow::Return) => Ok(Flow::Next),
            Ok(Flow::GoTo(_)) => Err(cx.throw(Failure::fixed(
                "go_to leads into a group, loop or handler; its target must be beside it or further out",
            ))),
            other => other,
        }
    }

    fn go_announced(&self, path: &Path, cx: &mut Context<'_>) -> Went {
        let outer = cx.event.get(path).unwrap_or(Slot::Null);
        let name = cx.event.text(self.name.as_bytes()).map_err(Failure::from);
        if let Err(failure) = name.and_then(|name| cx.set(path, name)) {
            return Err(cx.throw(failure));
        }
        let result = self.go_unannounced(cx);
        match cx.set(path, outer) {
            Err(failure) if result.is_ok() => Err(cx.throw(failure)),
            _ => result,
        }
    }

    #[inline]
    fn go_unannounced(&self, cx: &mut Context<'_>) -> Went {
        if let Some(condition) = &self.condition {
            match condition.holds(&cx.event, cx.origin) {
                Ok(true) => {}
                Ok(false) => return Ok(Flow::Next),
                Err(failure) => return Err(cx.throw(failure)),
            }
        }
        match self.block.go(cx) {
            Err(Thrown) => self.failed(cx),
            flow => flow,
        }
    }

    #[cold]
    fn failed(&self, cx: &mut Context<'_>) -> Went {
        if cx.has_thrown_final() {
            return Err(Thrown);
        }
        if self.ignore_failure {
            return Ok(Flow::Next);
        }
        match &self.on_failure {
            Some(handler) => {
                let failure = cx.catch();
                handler.run(failure, cx)
            }
            None => Err(Thrown),
        }
    }
}

/// Goes one level deeper, for a processor that runs others.
pub(crate) fn nested(cx: &mut Context<'_>, run: impl FnOnce(&mut Context<'_>) -> Ran) -> Ran {
    check_depth(cx)?;
    cx.progress.depth += 1;
    let result = run(cx);
    cx.progress.depth -= 1;
    result
}

fn deeper(cx: &mut Context<'_>, run: impl FnOnce(&mut Context<'_>) -> Went) -> Went {
    if let Err(failure) = check_depth(cx) {
        return Err(cx.throw(failure));
    }
    cx.progress.depth += 1;
    let result = run(cx);
    cx.progress.depth -= 1;
    result
}

fn check_depth(cx: &Context<'_>) -> Result<(), Failure> {
    if cx.progress.depth < MAX_CALL_DEPTH {
        return Ok(());
    }
    Err(Failure::limit(format!(
        "pipelines, groups, loops and handlers are more than {MAX_CALL_DEPTH} deep in each other"
    )))
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipeline({}, {} steps)", self.name, self.block.steps.len())
    }
}
