//! A stage: one compiled program of pipelines on one lane.
//!
//! It gets raw batches with the claims of all branches that need this program, runs the program once, and hands the
//! events that are left to the senders of those branches. The run is synchronous and pure, under `catch_unwind`: an
//! event that makes a processor panic, or exceeds a limit, goes to quarantine, the others go on, and no actor restarts for
//! it; the batch waits for that (a group append and a sync), the lane does not. Long batches are run
//! in parts, so that the lane's sockets get their turn. What is set aside, and how: [`aside`].

mod aside;

use crate::child::actor::Next;
use crate::child::{Child, Faults, Me};
use crate::data::address::{Address, Occupancy, TakesWork};
use crate::data::buffers::Buffers;
use crate::data::delivery::{Delivery, Door, Encoded, EncodedEvent, Payload};
use crate::tap::Taps;
use aside::{is_kept, said};
use bytes::Bytes;
use event::ledger::Work;
use event::model::Keys;
use event::{Batch, BranchId, Cause, Claim, DeviceId, Hold, Layout, RecordFlags, Settled};
use parking_lot::RwLock;
use pipeline::{Form, Forms, Input, Origin, Output, Program, Scratch};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records that are run before the clock is looked at.
const TURN_RECORDS: u32 = 128;
/// After so long others on the lane get their turn. A usual batch is through by then, so that it is written while it is
/// in the cache; with a turn every 256 records, readers ran ahead by the whole budget, and everything came from memory.
const TURN: Duration = Duration::from_micros(500);

/// What is written behind each event: what most targets want, so that they need not copy it.
const DELIMITER: u8 = b'\n';

/// What is said of failing events at most, for each batch.
const LOGGED_AT_MOST: usize = 1;

/// What stages of a lane need to know of the configuration; replaced as a whole by a new one.
#[derive(Clone, Default)]
pub struct StageTable {
    surroundings: Arc<RwLock<Arc<Surroundings>>>,
    taps: Taps,
}

/// The surroundings of stages.
#[derive(Default)]
pub struct Surroundings {
    /// Where the events of a branch go.
    pub doors: HashMap<BranchId, Arc<dyn Door>>,
    /// For each stage, by the place it has: the branch to each target that a pipeline may name.
    pub reroutes: HashMap<event::PlaceId, HashMap<Arc<str>, BranchId>>,
    /// What pipelines are told of devices.
    pub devices: HashMap<DeviceId, DeviceLabel>,
    /// Branches whose targets want text instead of JSON.
    pub texts: HashSet<BranchId>,
    /// These targets.
    pub text_targets: Arc<HashSet<Arc<str>>>,
}

/// What pipelines are told of a device.
#[derive(Clone, Debug)]
pub struct DeviceLabel {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub kind: &'static str,
}

impl StageTable {
    /// Of a lane with these onlookers.
    pub fn with_taps(taps: Taps) -> Self {
        Self { taps, ..Self::default() }
    }

    /// Puts new surroundings into force.
    pub fn replace(&self, surroundings: Surroundings) {
        *self.surroundings.write() = Arc::new(surroundings);
    }

    /// The surroundings in force.
    pub fn current(&self) -> Arc<Surroundings> {
        Arc::clone(&self.surroundings.read())
    }
}

/// What a stage is sent.
#[derive(Debug)]
pub struct StageMessage(Work);

impl TakesWork for StageMessage {
    fn from_work(work: Work) -> Self {
        Self(work)
    }

    fn into_work(self) -> Option<Work> {
        Some(self.0)
    }
}

/// The actor.
pub struct Stage {
    address: Arc<Address<StageMessage>>,
    place: event::PlaceId,
    program: Arc<Program>,
    changes: bool,
    keys: Keys,
    table: StageTable,
    scratch: Scratch,
    output: Output,
    buffers: Buffers,
    /// Records on which the program panicked, and what it said.
    poisonous: Vec<(u32, String)>,
    /// What became of records that were to be kept in quarantine.
    aside: Vec<(u32, Settled)>,
    occupancy: Option<Occupancy<StageMessage>>,
    /// Failures of the program that are asked for, by this name: `program:` and the stage's path.
    mischief: Option<(Faults, String)>,
}

impl Stage {
    /// A stage at this address, whose place in the lane's book is `place`. A program without pipelines, which only
    /// asks a guard, leaves records as they came in: it `changes` nothing.
    pub fn new(
        address: Arc<Address<StageMessage>>,
        place: event::PlaceId,
        program: Arc<Program>,
        keys: Keys,
        table: StageTable,
        changes: bool,
    ) -> Self {
        Self {
            address,
            place,
            program,
            scratch: Scratch::new(&keys),
            keys,
            table,
            changes,
            output: Output { delimiter: vec![DELIMITER], ..Output::default() },
            buffers: Buffers::default(),
            poisonous: Vec::new(),
            aside: Vec::new(),
            occupancy: None,
            mischief: None,
        }
    }

    /// Runs the program on these records; what became of them is in `output` and `poisonous`.
    fn run(&mut self, batch: &Batch, records: Range<u32>, label: &DeviceLabel, now: i64) {
        let before = Mark::of(&self.output);
        if self.attempt(batch, records.clone(), label, now).is_ok() {
            return;
        }
        before.restore(&mut self.output);
        for record in records {
            let before = Mark::of(&self.output);
            if let Err(panic) = self.attempt(batch, record..record + 1, label, now) {
                before.restore(&mut self.output);
                self.poisonous.push((record, panic));
            }
        }
    }

    /// Runs the program; its panic is an error.
    fn attempt(
        &mut self,
        batch: &Batch,
        records: Range<u32>,
        label: &DeviceLabel,
        now: i64,
    ) -> Result<(), String> {
        // All records of a batch are of one device; their peers may differ.
        let origins: Vec<Origin<'_>> =
            batch.origins().iter().map(|origin| pipeline_origin(origin, label)).collect();
        let inputs = records.map(|record| Input {
            record,
            bytes: batch.bytes(record),
            form: form(batch.records()[record as usize].flags),
            origin: &origins[usize::from(batch.records()[record as usize].origin)],
        });
        let (program, scratch, output) = (&self.program, &mut self.scratch, &mut self.output);
        let mischief = &self.mischief;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let asked = mischief.as_ref().and_then(|(faults, name)| faults.take(name));
            assert!(asked.is_none(), "a panic that was asked for");
            program.run(scratch, inputs, now, output);
        }));
        ran.map_err(|panic| {
            // A half-done scratch is of no use.
            self.scratch = Scratch::new(&self.keys);
            said(&*panic)
        })
    }

    fn report(&self, device: &str) {
        let dropped = || self.output.failed.iter().filter(|failed| !is_kept(failed));
        for failed in dropped().take(LOGGED_AT_MOST) {
            let count = dropped().count();
            tracing::warn!(device, count, error = %failed.cause, "events dropped: a processor failed and nothing handled it");
        }
    }

    /// Hands each claim its events.
    fn deliver(
        &mut self,
        batch: &Batch,
        claims: impl IntoIterator<Item = Claim>,
        surroundings: &Surroundings,
    ) {
        let mut claims: Vec<Claim> = claims.into_iter().collect();
        let nothing = HashMap::new();
        let reroutes = surroundings.reroutes.get(&self.place).unwrap_or(&nothing);
        let verdicts = self.verdicts(batch, reroutes);
        for branch in verdicts.rerouted() {
            if claims.iter().any(|claim| claim.branch() == branch) {
                continue;
            }
            // Nobody gets it who asks a second time: it is dispatched by itself then.
            let fork = claims.iter().find_map(|claim| claim.fork(branch, claim.first()));
            claims.extend(fork);
        }
        let made = self.made(batch);
        for mut claim in claims {
            let form = if surroundings.texts.contains(&claim.branch()) { &made.text } else { &made.json };
            let events = match verdicts.plain {
                true => Arc::clone(&form.events),
                false => verdicts.events_for(&claim, &form.events, reroutes),
            };
            if !verdicts.plain {
                verdicts.except(&mut claim, batch.len(), &made.json.events, reroutes);
            }
            if events.is_empty() {
                claim.settle(Settled::Delivered);
                continue;
            }
            let Some(door) = surroundings.doors.get(&claim.branch()) else {
                // Its target is being replaced: the claim goes back to the book, which dispatches it again.
                continue;
            };
            let (batch, hold) = (batch.clone(), Arc::clone(&made.hold));
            let (bytes, delimiter, json) = (form.bytes.clone(), form.delimiter, form.json);
            let encoded = Encoded { batch, bytes, json, delimiter, events, hold };
            if !claim.advance() {
                continue;
            }
            self.table.taps.show_made(&encoded, claim.branch());
            // A refused delivery is dropped: its claim goes back to the book.
            let _ = door.deliver(Delivery { payload: Payload::Encoded(encoded), claim });
        }
    }

    /// What is to be written for these claims.
    fn forms(&self, claims: &[Claim], surroundings: &Surroundings) -> Forms {
        if !self.changes {
            return Forms::NONE;
        }
        let wants_text = |claim: &Claim| surroundings.texts.contains(&claim.branch());
        Forms { json: !claims.iter().all(wants_text), text: claims.iter().any(wants_text) }
    }

    /// Takes what was written out of the output.
    fn made(&mut self, batch: &Batch) -> Made {
        let output = &mut self.output;
        if output.forms == Forms::NONE {
            let delimiter = match batch.layout() {
                Layout::Delimited(delimiter) => delimiter,
                // No record is followed by it: whoever asks for a range in one piece gets none.
                Layout::Scattered => 0,
            };
            let event = |kept: &pipeline::Kept| {
                let record = &batch.records()[kept.record as usize];
                EncodedEvent { record: kept.record, start: record.offset, end: record.offset + record.len }
            };
            let events: Arc<[EncodedEvent]> = output.kept.iter().map(event).collect();
            let form = Written { bytes: batch.slab().clone(), events, delimiter, json: false };
            return Made { json: form.clone(), text: form, hold: Arc::new(batch.charge(0)) };
        }
        let event =
            |kept: &pipeline::Kept| EncodedEvent { record: kept.record, start: kept.start, end: kept.end };
        let events = output.kept.iter().map(event).collect();
        let bytes = self.buffers.seal(std::mem::replace(&mut output.bytes, self.buffers.take()));
        let json = Written { bytes, events, delimiter: DELIMITER, json: true };
        let spans = output.kept.iter().zip(&output.texts.spans);
        let event = |(kept, &(start, end)): (&pipeline::Kept, &(u32, u32))| EncodedEvent {
            record: kept.record,
            start,
            end,
        };
        let events = spans.map(event).collect();
        let bytes = Bytes::from(std::mem::take(&mut output.texts.bytes));
        let text = Written { bytes, events, delimiter: DELIMITER, json: false };
        let hold = Arc::new(batch.charge((json.bytes.len() + text.bytes.len()) as u32));
        Made { json, text, hold }
    }

    fn verdicts(&self, batch: &Batch, reroutes: &HashMap<Arc<str>, BranchId>) -> Verdicts {
        let output = &self.output;
        let all_kept = output.dropped.is_empty()
            && output.failed.is_empty()
            && output.passed_over.is_empty()
            && self.poisonous.is_empty()
            && self.aside.is_empty();
        if all_kept && output.routings.is_empty() {
            return Verdicts { plain: true, ways: Vec::new(), ended: Vec::new() };
        }
        let (mut ways, mut ended) = (Vec::new(), Vec::new());
        for kept in &output.kept {
            let destination = kept.routing.and_then(|n| output.routings[n as usize].destination.as_ref());
            let way = match destination {
                None => Way::Route,
                Some(name) => match reroutes.get(name) {
                    Some(branch) => Way::Branch(*branch),
                    None => {
                        tracing::warn!(
                            destination = &**name,
                            "event dropped: a pipeline sends it to an unknown target"
                        );
                        ended.push((kept.record, Settled::Dropped(Cause::Failed)));
                        Way::Nowhere
                    }
                },
            };
            ways.push(way);
        }
        ended.extend(output.dropped.iter().map(|d| (d.record, Settled::Dropped(Cause::Pipeline))));
        let failed = output.failed.iter().filter(|failed| !is_kept(failed));
        ended.extend(failed.map(|f| (f.record, Settled::Dropped(Cause::Failed))));
        ended.extend(&self.aside);
        debug_assert!(ended.iter().all(|(record, _)| *record < batch.len()));
        Verdicts { plain: false, ways, ended }
    }
}

/// What collectors have decoded is an event, all else is the message of one.
fn form(flags: RecordFlags) -> Form {
    if flags.contains(RecordFlags::EVENT) { Form::Event } else { Form::Message }
}

/// What a run wrote.
struct Made {
    json: Written,
    text: Written,
    /// The budget that both take.
    hold: Arc<Hold>,
}

/// The events that are left, in one form. Those that nobody wants in it are empty.
#[derive(Clone)]
struct Written {
    bytes: Bytes,
    events: Arc<[EncodedEvent]>,
    delimiter: u8,
    json: bool,
}

/// What became of the records of a batch.
struct Verdicts {
    /// All of them are kept and go to the route's targets.
    plain: bool,
    /// For each event that is left; nothing if all is plain.
    ways: Vec<Way>,
    /// Records that ended here.
    ended: Vec<(u32, Settled)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To the targets of the route.
    Route,
    /// To the target that the pipeline named.
    Branch(BranchId),
    /// The pipeline named a target that there is not.
    Nowhere,
}

impl Verdicts {
    fn rerouted(&self) -> Vec<BranchId> {
        let mut branches = Vec::new();
        for way in &self.ways {
            if let Way::Branch(branch) = way
                && !branches.contains(branch)
            {
                branches.push(*branch);
            }
        }
        branches
    }

    fn takes(claim: &Claim, way: Way, reroutes: &HashMap<Arc<str>, BranchId>) -> bool {
        match way {
            Way::Branch(branch) => claim.branch() == branch,
            Way::Route => !reroutes.values().any(|branch| *branch == claim.branch()),
            Way::Nowhere => false,
        }
    }

    fn events_for(
        &self,
        claim: &Claim,
        events: &[EncodedEvent],
        reroutes: &HashMap<Arc<str>, BranchId>,
    ) -> Arc<[EncodedEvent]> {
        let first = claim.first();
        let both = events.iter().zip(&self.ways);
        let mine = both.filter(|(event, way)| event.record >= first && Self::takes(claim, **way, reroutes));
        mine.map(|(event, _)| *event).collect()
    }

    /// Tells the claim which records end otherwise than by delivery.
    fn except(
        &self,
        claim: &mut Claim,
        len: u32,
        events: &[EncodedEvent],
        reroutes: &HashMap<Arc<str>, BranchId>,
    ) {
        let mut verdicts = vec![Some(Settled::NotMine); len as usize];
        if Self::takes(claim, Way::Route, reroutes) {
            for (record, settled) in &self.ended {
                verdicts[*record as usize] = Some(*settled);
            }
        }
        for (event, way) in events.iter().zip(&self.ways) {
            if Self::takes(claim, *way, reroutes) {
                verdicts[event.record as usize] = None;
            }
        }
        for record in claim.first()..len {
            if let Some(settled) = verdicts[record as usize] {
                claim.except(record, settled);
            }
        }
    }
}

/// How far an output was filled, to take back what a panic left half-done.
struct Mark {
    bytes: usize,
    texts: (usize, usize),
    kept: usize,
    dropped: usize,
    failed: usize,
    passed_over: usize,
}

impl Mark {
    fn of(output: &Output) -> Self {
        let (kept, dropped, failed) = (output.kept.len(), output.dropped.len(), output.failed.len());
        let passed_over = output.passed_over.len();
        let texts = (output.texts.bytes.len(), output.texts.spans.len());
        Self { bytes: output.bytes.len(), texts, kept, dropped, failed, passed_over }
    }

    fn restore(&self, output: &mut Output) {
        output.bytes.truncate(self.bytes);
        output.texts.bytes.truncate(self.texts.0);
        output.texts.spans.truncate(self.texts.1);
        output.kept.truncate(self.kept);
        output.dropped.truncate(self.dropped);
        output.failed.truncate(self.failed);
        output.passed_over.truncate(self.passed_over);
    }
}

fn pipeline_origin<'o>(origin: &event::Origin, label: &'o DeviceLabel) -> Origin<'o> {
    Origin {
        device_id: origin.device.0 as i64,
        device_name: &label.name,
        device_type: label.kind,
        dataset: None,
        peer: origin.peer,
        received: origin.received,
    }
}

impl Child for Stage {
    type Message = StageMessage;

    fn start(&mut self, me: &Me<StageMessage>) -> anyhow::Result<()> {
        self.occupancy = Some(self.address.occupy(me));
        self.mischief = Some((me.context.common.faults.clone(), format!("program:{}", me.context.path)));
        Ok(())
    }

    async fn handle(
        &mut self,
        me: &Me<StageMessage>,
        StageMessage(work): StageMessage,
    ) -> anyhow::Result<Next> {
        let Work { batch, claims } = work;
        let surroundings = self.table.current();
        let device = batch.origin(0).device;
        let unknown = DeviceLabel { name: Arc::from(""), kind: "" };
        let label = surroundings.devices.get(&device).unwrap_or(&unknown);
        let now = me.context.common.clock.unix_nanos() as i64;
        self.output.clear();
        self.output.text_targets = Arc::clone(&surroundings.text_targets);
        self.output.forms = self.forms(&claims, &surroundings);
        self.poisonous.clear();
        self.aside.clear();
        let mut next = claims.iter().map(Claim::first).min().unwrap_or(0);
        let mut turn = Instant::now();
        while next < batch.len() {
            let end = (next + TURN_RECORDS).min(batch.len());
            self.run(&batch, next..end, label, now);
            next = end;
            if next < batch.len() && turn.elapsed() >= TURN {
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
        }
        self.report(&label.name);
        if !self.poisonous.is_empty() || self.output.failed.iter().any(is_kept) {
            self.put_aside(me, &batch, &claims).await;
        }
        self.deliver(&batch, claims, &surroundings);
        Ok(Next::Continue)
    }
}
