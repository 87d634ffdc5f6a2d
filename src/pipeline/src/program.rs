//! A compiled sequence of pipelines and how a batch goes through it.

use crate::compile::{Compiler, Library};
use crate::condition::Condition;
use crate::context::{Context, Progress, Scratch, Tally};
use crate::failure::Failure;
use crate::files::UsedFile;
use crate::origin::Origin;
use crate::output::{Dropped, Failed, Output, Routing};
use crate::source::{Diagnostic, Place};
use crate::step::{Flow, Pipeline, Thrown};
use crate::ticks;
use event::model::{Event, KeyId, Keys, Path, Slot, json_read};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps that one event may take; a million cheap ones take a few hundredths of a second.
pub const MAX_STEPS: u32 = 1_000_000;

/// A step of a program, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u32);

/// What a step is.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// The pipeline it stands in.
    pub pipeline: Arc<str>,
    /// Whether that pipeline says that events which fail in it are to be kept in quarantine.
    pub quarantine: bool,
    /// The processor's name.
    pub kind: &'static str,
    /// Its tag.
    pub tag: Option<Arc<str>>,
    /// Where it is written.
    pub at: Place,
}

/// What a step did so far, exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCounts {
    /// How often it ran; a false condition doesn't count.
    pub executed: u64,
    /// How often it failed, whether or not a handler took it.
    pub failed: u64,
    /// How many events it dropped.
    pub dropped: u64,
    /// The time it took, with all steps inside it.
    pub nanos: u64,
}

#[derive(Debug, Default)]
struct Counter {
    executed: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    nanos: AtomicU64,
}

/// A record that a program runs on.
#[derive(Clone, Copy, Debug)]
pub struct Input<'r> {
    /// Its number in the batch.
    pub record: u32,
    /// Its bytes.
    pub bytes: &'r [u8],
    /// What its bytes are.
    pub form: Form,
    /// Where it came from.
    pub origin: &'r Origin<'r>,
}

/// What the bytes of a record are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As received: they become the field `message`.
    Message,
    /// An event as JSON, as an earlier program wrote it.
    Event,
}

/// Compiled pipelines, one after the other. Shared by all lanes.
pub struct Program {
    pub(crate) pipelines: Vec<Arc<Pipeline>>,
    pub(crate) steps: Vec<StepInfo>,
    counters: Vec<Counter>,
    metadata: Option<Metadata>,
    guard: Option<Guard>,
    /// Where the time of the run goes, if a pipeline looks there.
    run_time: Option<Path>,
    files: Vec<UsedFile>,
}

/// What programs look at beside the event, which is put there for those only.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Uses {
    /// `_vmetric`.
    pub(crate) metadata: bool,
    /// `_ingest.timestamp`.
    pub(crate) run_time: bool,
}

/// Which events go on, asked between two pipelines of a program: the condition of a route.
#[derive(Clone, Debug)]
pub struct Guard {
    /// It is asked before the pipeline of this number; their count: after the last.
    pub before: usize,
    /// What has to hold.
    pub condition: Condition,
}

/// Where metadata goes; only for programs that look at it.
struct Metadata {
    device_id: Path,
    device_name: Path,
    device_type: Path,
    address: Path,
    timestamp: Path,
}

impl Program {
    /// Compiles the pipelines of these names, to be run one after the other: those of the device, that of the route, those
    /// of the target.
    ///
    /// # Errors
    /// Everything that is wrong with them, or with pipelines that they call.
    pub fn compile(keys: &Keys, library: &Library, names: &[&str]) -> Result<Self, Vec<Diagnostic>> {
        Compiler::new(keys, library).program(names)
    }

    /// The same as a program that notes in its [`Scratch`] what each step did.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_watched(keys: &Keys, library: &Library, names: &[&str]) -> Result<Self, Vec<Diagnostic>> {
        Compiler::new(keys, library).watched().program(names)
    }

    pub(crate) fn new(
        keys: &Keys,
        pipelines: Vec<Arc<Pipeline>>,
        steps: Vec<StepInfo>,
        uses: Uses,
        files: Vec<UsedFile>,
    ) -> Self {
        ticks::anchor();
        let counters = steps.iter().map(|_| Counter::default()).collect();
        let metadata = uses.metadata.then(|| Metadata::new(keys));
        let run_time = uses.run_time.then(|| Path::of_names(keys, &["_ingest", "timestamp"]));
        Self { pipelines, steps, counters, metadata, guard: None, run_time, files }
    }

    /// The same with a guard: events for which it does not hold are passed over, one for which it can't be evaluated fails.
    #[must_use]
    pub fn guarded(mut self, guard: Option<Guard>) -> Self {
        self.guard = guard;
        self
    }

    /// Whether a file that it was compiled with changed since; asks the file system.
    pub fn is_stale(&self) -> bool {
        self.files.iter().any(UsedFile::has_changed)
    }

    /// Its steps; [`StepId`] counts them.
    pub fn steps(&self) -> &[StepInfo] {
        &self.steps
    }

    /// What a step did so far.
    ///
    /// # Panics
    /// When there is no such step.
    pub fn counts(&self, step: StepId) -> StepCounts {
        let counter = &self.counters[step.0 as usize];
        StepCounts {
            executed: counter.executed.load(Ordering::Relaxed),
            failed: counter.failed.load(Ordering::Relaxed),
            dropped: counter.dropped.load(Ordering::Relaxed),
            nanos: counter.nanos.load(Ordering::Relaxed),
        }
    }

    /// Runs the program on records and adds to `out` what became of each. `now` is the time of the run, in nanoseconds since
    /// the Unix epoch. Pure but for [`counts`](Self::counts), which change once, at the end.
    pub fn run<'r>(
        &self,
        scratch: &mut Scratch,
        records: impl IntoIterator<Item = Input<'r>>,
        now: i64,
        out: &mut Output,
    ) {
        let Scratch { doc, room } = scratch;
        room.tallies.clear();
        room.tallies.resize(self.steps.len(), Tally::default());
        let nowhere = Origin::default();
        let mut cx = Context {
            event: doc.start(&[]),
            origin: &nowhere,
            now,
            room,
            out,
            record: 0,
            routing: None,
            staged: Vec::new(),
            progress: Progress::START,
            thrown: None,
            steps: &self.steps,
        };
        for input in records {
            self.run_one(&mut cx, input);
        }
        self.count(&cx.room.tallies);
    }

    fn count(&self, tallies: &[Tally]) {
        let nanos_per_tick = ticks::nanos_per_tick();
        for (counter, tally) in self.counters.iter().zip(tallies) {
            counter.executed.fetch_add(tally.executed, Ordering::Relaxed);
            counter.failed.fetch_add(tally.failed, Ordering::Relaxed);
            counter.dropped.fetch_add(tally.dropped, Ordering::Relaxed);
            let nanos = (tally.ticks as f64 * nanos_per_tick) as u64;
            counter.nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    fn run_one<'c>(&self, cx: &mut Context<'c>, input: Input<'c>) {
        let record = input.record;
        cx.record = record;
        cx.origin = input.origin;
        cx.progress = Progress::START;
        if !cx.staged.is_empty() {
            cx.staged.clear(); // of an event that failed
        }
        if cx.routing.is_some() {
            cx.routing = None;
        }
        let result = match self.prepare(cx, input) {
            Ok(()) => self.run_pipelines(cx),
            Err(failure) => Err(cx.throw(failure)),
        };
        match result {
            Ok(Ended::Kept) => {
                if let Err(cause) = cx.deliver() {
                    let kept = self.keeps(cx.progress.running, &cause);
                    cx.out.failed.push(Failed { record, step: None, cause, kept });
                }
            }
            Ok(Ended::PassedOver) => cx.out.passed_over.push(record),
            Ok(Ended::Dropped) => {
                let step = cx.progress.dropped_by.unwrap_or(StepId(0)); // always some: only steps drop
                cx.out.dropped.push(Dropped { record, step });
            }
            Err(Thrown) => {
                let cause = cx.catch();
                let kept = self.keeps(cx.progress.running, &cause);
                cx.out.failed.push(Failed { record, step: cause.step, cause, kept });
            }
        }
    }

    /// Whether an event that failed while the pipeline of this number ran is to be kept: it says so, or the one it called.
    fn keeps(&self, running: usize, cause: &Failure) -> bool {
        let inner = cause.step.is_some_and(|step| self.steps[step.0 as usize].quarantine);
        inner || self.pipelines.get(running).is_some_and(|pipeline| pipeline.quarantine)
    }

    #[inline]
    fn prepare<'c>(&self, cx: &mut Context<'c>, input: Input<'c>) -> Result<(), Failure> {
        match input.form {
            Form::Message => cx.event.restart(input.bytes),
            Form::Event => read_event(cx, input.bytes)?,
        }
        if self.metadata.is_none() && self.run_time.is_none() {
            return Ok(());
        }
        if let Some(path) = &self.run_time {
            cx.set(path, Slot::Time(cx.now))?;
        }
        self.metadata.as_ref().map_or(Ok(()), |metadata| metadata.put(cx))
    }

    fn run_pipelines(&self, cx: &mut Context<'_>) -> Result<Ended, Thrown> {
        for (n, pipeline) in self.pipelines.iter().enumerate() {
            if !self.lets_pass(n, cx)? {
                return Ok(Ended::PassedOver);
            }
            cx.progress.running = n;
            match pipeline.go(cx)? {
                Flow::Next | Flow::Continue | Flow::GoTo(_) => {}
                Flow::Drop => return Ok(Ended::Dropped),
                Flow::Final | Flow::Return => return Ok(Ended::Kept),
            }
        }
        let passes = self.lets_pass(self.pipelines.len(), cx)?;
        Ok(if passes { Ended::Kept } else { Ended::PassedOver })
    }

    #[inline]
    fn lets_pass(&self, before: usize, cx: &mut Context<'_>) -> Result<bool, Thrown> {
        match &self.guard {
            Some(guard) if guard.before == before => {
                guard.condition.holds(&cx.event, cx.origin).map_err(|failure| cx.throw(failure))
            }
            _ => Ok(true),
        }
    }
}

fn read_event<'c>(cx: &mut Context<'c>, bytes: &'c [u8]) -> Result<(), Failure> {
    cx.event.restart_empty(bytes);
    let whole = cx.event.whole_record();
    let root = json_read::read(&mut cx.event, whole, json_read::Duplicates::Last)
        .map_err(|why| Failure::text(format!("the event can't be read: {why}")))?;
    if !matches!(root, Slot::Map(_)) {
        return Err(Failure::fixed("the event is no json object"));
    }
    cx.event.put(Event::ROOT, root);
    Ok(())
}

/// How an event left the pipelines.
enum Ended {
    Kept,
    Dropped,
    /// The guard does not hold.
    PassedOver,
}

impl Metadata {
    fn new(keys: &Keys) -> Self {
        let path = |names: [&str; 3]| Path::of_names(keys, &names);
        Self {
            device_id: path(["_vmetric", "device", "id"]),
            device_name: path(["_vmetric", "device", "name"]),
            device_type: path(["_vmetric", "device", "type"]),
            address: path(["_vmetric", "device", "address"]),
            timestamp: path(["_vmetric", "event", "timestamp"]),
        }
    }

    fn put(&self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let Slot::Map(root) = cx.event.slot(Event::ROOT) else { return Ok(()) };
        if cx.event.field(root, KeyId::VMETRIC).is_some() {
            return Ok(()); // an earlier program put it there
        }
        let origin = cx.origin;
        cx.set(&self.device_id, Slot::Int(origin.device_id))?;
        for (path, text) in [(&self.device_name, origin.device_name), (&self.device_type, origin.device_type)]
        {
            let slot = cx.event.text(text.as_bytes())?;
            cx.set(path, slot)?;
        }
        if let Some(peer) = origin.peer {
            let slot = cx.event.text(peer.ip().to_string().as_bytes())?;
            cx.set(&self.address, slot)?;
        }
        cx.set(&self.timestamp, Slot::Time(origin.received as i64))
    }
}

impl Context<'_> {
    /// Puts the event out: what is staged for targets, or, if nothing ever was, the event as it is now.
    fn deliver(&mut self) -> Result<(), Failure> {
        if self.commit(None) || self.progress.committed {
            return Ok(());
        }
        let routing = self.routing.take();
        self.put_out(routing.as_ref())
    }

    /// Writes the event as it is now, for where it goes.
    pub(crate) fn put_out(&mut self, routing: Option<&Routing>) -> Result<(), Failure> {
        self.out.write(self.record, routing, &self.event).map_err(Failure::from)
    }

    /// Puts out what was staged: all of it, or for one target. Says whether there was any.
    pub(crate) fn commit(&mut self, destination: Option<&str>) -> bool {
        if self.staged.is_empty() {
            return false;
        }
        let mut any = false;
        let staged = std::mem::take(&mut self.staged);
        for entry in staged {
            if destination.is_some_and(|wanted| entry.routing.destination.as_deref() != Some(wanted)) {
                self.staged.push(entry);
                continue;
            }
            any = true;
            let starts = (self.out.bytes.len(), self.out.texts.bytes.len());
            self.out.bytes.extend_from_slice(&entry.json);
            self.out.texts.bytes.extend_from_slice(&entry.text);
            let forms = self.out.forms_for(Some(&entry.routing));
            self.out.end_event(self.record, Some(&entry.routing), forms, starts);
        }
        self.progress.committed |= any;
        any
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("pipelines", &self.pipelines)
            .field("steps", &self.steps.len())
            .finish()
    }
}
