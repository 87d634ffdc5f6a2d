//! A Windows host's event logs and their collector: answers that are lost, cut or repeated, hosts that begin anew, logs that
//! overwrite what was not read, collectors and processes that die.
//!
//! ```text
//!   logs ─▶ host ◀── Subscribe, Pull ── collector ─▶ intake ─▶ book ─▶ delivered
//!                ──── events, bookmark ──▶  │                    │ acknowledged
//!                                         place ─▶ positions ◀───┘ ── written down
//! ```
//!
//! Messages are the real ones, as text: the product's requests and its reading of answers, places, numbering, intake. The loop
//! around them is told here in short. Every event has a number; each that the log did not overwrite has to arrive.

mod host;

use super::bugs::Bug;
use super::records::Mailbox;
use super::trace::{Trace, note};
use super::world::{Broken, Kept, World, promise};
use actors::data::device::Device;
use actors::device::positions::Positions;
use actors::device::windows::intake::{Events, Intake};
use actors::device::windows::numbering::{Irregular, Numbering};
use actors::device::windows::place::Place;
use actors::device::windows::selection;
use actors::device::windows::settings::{Channel, Collection, Selection};
use actors::device::windows::{Pace, SignIn, WindowsSettings};
use event::ledger::ROUTER;
use event::{Book, Budget, DeviceId, Settled, StreamId};
use host::{CHANNELS, Host, MARK};
use protocol::winevent::query::{ChannelQuery, EventFilter, Filter};
use protocol::winrm::wsman::request::{ContentFormat, Request, Subscription, message_id};
use protocol::winrm::wsman::{Cause, Content, Reply};
use seams::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The source of the collector's positions.
const SOURCE: &str = "eventlog";

/// See the module.
pub struct EventLogWorld {
    host: Host,
    settings: WindowsSettings,
    chance: Rng,
    process: Process,
    /// What is written down: it outlives the process.
    kept: BTreeMap<String, String>,
    /// The last answer.
    old_answer: Option<String>,
    written: u64,
    overwritten: BTreeSet<u64>,
    got: BTreeSet<u64>,
    bug: Option<Bug>,
}

/// What one process has.
struct Process {
    device: Arc<Device>,
    positions: Arc<Positions>,
    book: Arc<Book>,
    router: Arc<Mailbox>,
    streams: u64,
    collector: Collector,
    /// What was delivered since a loss that may repeat it.
    got: BTreeSet<u64>,
}

struct Collector {
    intake: Intake,
    place: Place,
    numbering: Numbering,
    first: bool,
    open: Option<(Subscription, String)>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// It does not arrive.
    Lost,
    /// It arrives; its answer does not.
    AnswerLost,
    /// The answer to an earlier one comes in place of its own.
    Old,
    /// Its answer is cut off.
    Cut,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Step {
    /// A log gets so many events.
    Writes {
        /// Which one.
        log: u64,
        /// How many.
        events: u64,
    },
    /// The collector asks the host.
    Asks(Fate),
    /// So many batches are delivered.
    Delivers(u64),
    /// The positions are written down.
    Keeps,
    /// The host forgets its subscriptions.
    Reboots,
    /// A log overwrites its oldest events, but for so many.
    Overwrites {
        /// Which one.
        log: u64,
        /// What is left of it.
        left: u64,
    },
    /// The collector dies, and another takes its place.
    Dies,
    /// The process dies, and another begins.
    Crashes,
}

impl Process {
    fn new(kept: &BTreeMap<String, String>) -> Self {
        let device = Device::new(DeviceId(1), "host", Budget::new(1 << 20).share());
        let (book, router, positions) = (Book::new(), Arc::<Mailbox>::default(), Positions::default());
        book.occupy(ROUTER, Some(router.clone()));
        positions.load_once(|| kept.clone());
        let positions = Arc::new(positions);
        let collector = Collector::new(&device, &positions, &book, 1);
        Self { device, positions, book, router, streams: 1, collector, got: BTreeSet::new() }
    }

    /// Another collector goes on where the last one was.
    fn renew(&mut self) {
        self.streams += 1;
        self.collector = Collector::new(&self.device, &self.positions, &self.book, self.streams);
    }

    /// So many batches are delivered: the numbers of their events.
    fn deliver(&self, batches: u64) -> Vec<u64> {
        let mut numbers = Vec::new();
        for _ in 0..batches {
            let Some(work) = self.router.next() else { break };
            for n in 0..work.batch.len() {
                let line = String::from_utf8_lossy(work.batch.bytes(n)).into_owned();
                let number = line.split(MARK).nth(1).and_then(|rest| rest.split(';').next());
                numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
            }
            work.claims.into_iter().for_each(|claim| claim.settle(Settled::Delivered));
        }
        numbers
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.router.end();
    }
}

impl Collector {
    fn new(device: &Arc<Device>, positions: &Arc<Positions>, book: &Arc<Book>, stream: u64) -> Self {
        let ledger = book.open_stream(StreamId(stream), Arc::clone(&device.flow));
        let intake = Intake::new(Arc::clone(device), Arc::clone(positions), SOURCE, ledger);
        let mut collector = Self {
            intake,
            place: Place::default(),
            numbering: Numbering::default(),
            first: false,
            open: None,
        };
        collector.connect();
        collector
    }

    /// A new connection: it goes on behind what was read.
    fn connect(&mut self) {
        self.place = self.intake.place();
        self.first = self.place.is_new();
        self.numbering = Numbering::behind(&self.place);
        self.open = None;
    }
}

/// Why a collector connects anew.
struct Trouble;

impl EventLogWorld {
    fn request(&self) -> Request {
        Request {
            to: "http://host/wsman".to_owned(),
            max_envelope_bytes: 512_000,
            operation_timeout: Duration::from_secs(60),
            locale: "en-US".to_owned(),
        }
    }

    fn fresh_id(&self) -> String {
        let mut random = [0; 16];
        self.chance.fill(&mut random);
        message_id(random)
    }

    /// Sends a message; what comes back.
    fn exchange(&mut self, message: &str, fate: Fate) -> Option<String> {
        if fate == Fate::Lost {
            return None;
        }
        let answer = self.host.answer(message);
        match fate {
            Fate::Answered | Fate::Lost => {
                self.old_answer = Some(answer.clone());
                Some(answer)
            }
            Fate::AnswerLost => None,
            Fate::Old => self.old_answer.clone(),
            Fate::Cut => Some(answer[..answer.len() / 2].to_owned()),
        }
    }

    fn read<'a>(&self, answer: &'a str, id: &str) -> Result<Reply<'a>, Trouble> {
        let reply = Reply::read(answer).map_err(|_| Trouble)?;
        let takes_any = self.bug == Some(Bug::TakesAnyAnswer);
        if !takes_any && reply.relates_to.is_some() && !reply.answers(id) {
            return Err(Trouble);
        }
        Ok(reply)
    }

    fn asks(&mut self, fate: Fate, trace: &mut Trace) -> Kept {
        let asked = match self.process.collector.open.take() {
            None => self.subscribes(fate, trace),
            Some((asked, context)) => self.pulls(asked, &context, fate, trace)?,
        };
        if let Err(Trouble) = asked {
            note!(trace, "connects anew");
            self.process.collector.connect();
        }
        Ok(())
    }

    fn subscribes(&mut self, fate: Fate, trace: &mut Trace) -> Result<(), Trouble> {
        let channels = CHANNELS.map(str::to_owned);
        let collector = &mut self.process.collector;
        collector.place.arrange(&channels, 0);
        let asked = selection::ask(&self.settings, &collector.place, 0, collector.first, |_| true);
        let asked = asked.map_err(|_| Trouble)?;
        let asked = Subscription {
            name: "simulated".to_owned(),
            query: asked.query,
            format: ContentFormat::Raw,
            heartbeat: Duration::from_secs(25),
            start: asked.start,
            ignore_channel_errors: false,
        };
        let id = self.fresh_id();
        let message = self.request().subscribe(&id, &asked);
        let answer = self.exchange(&message, fate).ok_or(Trouble)?;
        let content = self.read(&answer, &id)?.content;
        let collector = &mut self.process.collector;
        match content {
            Content::Subscribed { context, .. } => {
                collector.intake.keep(&collector.place);
                (collector.first, collector.open) = (false, Some((asked, context)));
                note!(trace, "subscribed");
                Ok(())
            }
            Content::Fault(fault) if fault.cause() == Cause::BookmarkLost => {
                // Those whose last record is gone are read from their oldest on.
                for (n, channel) in CHANNELS.iter().enumerate() {
                    if collector.place.record(channel).is_some_and(|record| !self.host.logs[n].holds(record))
                    {
                        collector.place.lose(channel);
                        collector.numbering.forget(channel);
                        note!(trace, "{channel} has overwritten its bookmark");
                    }
                }
                collector.intake.keep(&collector.place);
                Ok(())
            }
            _ => Err(Trouble),
        }
    }

    fn pulls(
        &mut self,
        asked: Subscription,
        context: &str,
        fate: Fate,
        trace: &mut Trace,
    ) -> Result<Result<(), Trouble>, Broken> {
        let id = self.fresh_id();
        let message = self.request().pull_events(&id, &asked, context);
        let Some(answer) = self.exchange(&message, fate) else { return Ok(Err(Trouble)) };
        let Ok(Reply { bookmark, content, .. }) = self.read(&answer, &id) else { return Ok(Err(Trouble)) };
        let items = match content {
            Content::Items(items) => items,
            Content::Fault(fault) => {
                note!(trace, "{:?}", fault.cause());
                return Ok(Ok(()));
            }
            _ => return Ok(Err(Trouble)),
        };
        let collector = &mut self.process.collector;
        let mut events = Events::default();
        for xml in &items.items {
            let Some(seen) = events.push(xml, 1 << 16) else { continue };
            let Some(record) = seen.record else { continue };
            let irregular = collector.numbering.take(&seen.channel, record, true);
            let gap = matches!(irregular, Some(Irregular::Missing(_)));
            promise!(
                "a gap is told where there is one",
                irregular.is_none() || gap && !self.overwritten.is_empty(),
                "{irregular:?} before record {record} of {}",
                seen.channel
            );
        }
        if let Some(list) = bookmark {
            collector.place.advance(list);
        }
        if !items.items.is_empty() {
            collector.intake.submit(events, &collector.place, None, None, 1);
        }
        note!(trace, "{} events", items.items.len());
        collector.open = items.context.map(|context| (asked, context));
        Ok(Ok(()))
    }

    fn delivers(&mut self, batches: u64) -> Kept {
        for number in self.process.deliver(batches) {
            promise!("nothing is invented", number < self.written, "number {number}");
            promise!(
                "twice only after a loss",
                self.process.got.insert(number),
                "number {number} came twice in the life of a process"
            );
            self.got.insert(number);
        }
        Ok(())
    }

    fn keeps(&mut self) {
        if let Some(places) = self.process.positions.save() {
            self.kept = places;
        }
        if self.bug == Some(Bug::PlaceBeforeAcknowledgement) {
            let read = self.process.positions.read(SOURCE);
            self.kept.extend(read.map(|place| (SOURCE.to_owned(), place)));
        }
    }
}

impl World for EventLogWorld {
    const NAME: &'static str = "eventlog";
    const ABOUT: &'static str =
        "a Windows host and its collector: every record arrives, whatever is lost on the way";
    const KINDS: &'static [u64] = &[8, 14, 6, 3, 1, 1, 1, 1];
    const MOST_STEPS: u64 = 120;
    type Step = Step;

    fn draw(kind: usize, rng: &Rng) -> Step {
        let fates = [Fate::Lost, Fate::AnswerLost, Fate::Old, Fate::Cut];
        match kind {
            0 => Step::Writes { log: rng.below(2), events: 1 + rng.below(12) },
            1 if rng.chance(2, 3) => Step::Asks(Fate::Answered),
            1 => Step::Asks(fates[rng.below(4) as usize]),
            2 => Step::Delivers(1 + rng.below(4)),
            3 => Step::Keeps,
            4 => Step::Reboots,
            5 => Step::Overwrites { log: rng.below(2), left: rng.below(6) },
            6 => Step::Dies,
            _ => Step::Crashes,
        }
    }

    fn begin(chance: &Rng, bug: Option<Bug>) -> Self {
        let channel = |name: &&str| Channel {
            query: ChannelQuery {
                channel: (*name).to_owned(),
                filter: Filter::Events(EventFilter::default()),
            },
            optional: false,
        };
        let settings = WindowsSettings {
            host: "host".to_owned(),
            port: 5985,
            sign_in: SignIn::Certificate,
            tls: None,
            timeout: Duration::from_secs(10),
            collection: Collection::Subscription,
            selection: Selection::Channels(CHANNELS.iter().map(channel).collect()),
            from_oldest: true,
            rendered: false,
            facts_interval: None,
            max_event_bytes: 1 << 16,
            pace: Pace::default(),
        };
        let kept = BTreeMap::new();
        Self {
            host: Host::default(),
            settings,
            chance: chance.fork("ids"),
            process: Process::new(&kept),
            kept,
            old_answer: None,
            written: 0,
            overwritten: BTreeSet::new(),
            got: BTreeSet::new(),
            bug,
        }
    }

    fn act(&mut self, step: &Step, trace: &mut Trace) -> Kept {
        match *step {
            Step::Writes { log, events } => {
                let numbers = self.written..self.written + events;
                self.written = numbers.end;
                self.host.logs[log as usize % 2].events.extend(numbers);
            }
            Step::Asks(fate) => return self.asks(fate, trace),
            Step::Delivers(batches) => return self.delivers(batches),
            Step::Keeps => self.keeps(),
            Step::Reboots => self.host.subscription = None,
            Step::Overwrites { log, left } => {
                let log = &mut self.host.logs[log as usize % 2];
                while log.events.len() as u64 > left {
                    self.overwritten.extend(log.events.pop_front());
                    log.gone += 1;
                }
            }
            Step::Dies => self.process.renew(),
            Step::Crashes => self.process = Process::new(&self.kept),
        }
        Ok(())
    }

    /// Nothing is lost any more, and the collector asks until there is nothing new.
    fn finish(&mut self, trace: &mut Trace) -> Kept {
        // A bookmark that is lost, a subscription, an answer: more than that brings nothing new.
        let mut idle = 0;
        while idle < 8 {
            let before = self.process.got.len();
            self.asks(Fate::Answered, &mut Trace::default())?;
            self.delivers(u64::MAX)?;
            idle = if self.process.got.len() > before { 0 } else { idle + 1 };
        }
        let missing: Vec<u64> =
            (0..self.written).filter(|n| !self.got.contains(n) && !self.overwritten.contains(n)).collect();
        note!(trace, "{} of {} came", self.got.len(), self.written);
        promise!("P1: every record of the log is read", missing.is_empty(), "{missing:?} never came");
        promise!("every batch is settled", self.process.book.open_batches() == 0, "some are open");
        Ok(())
    }
}
