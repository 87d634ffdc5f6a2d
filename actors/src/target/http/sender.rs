//! The actor: gathers deliveries, keeps requests in flight, settles what their answers say.
//!
//! * A full request goes as soon as fewer than [`in_flight`](super::HttpSettings::in_flight) are under way. What does not fill
//!   one goes when nothing is in flight, or has waited for [`PATIENCE`] (or as long as configured).
//! * After a failure the sender pauses, then probes with one request at a time until one arrives.
//! * With one request in flight the order of streams is kept: a failed one comes before everything newer.
//!   Otherwise it lets newer ones pass once it has failed a few times.

use super::announcer::Announcer;
use super::backoff;
use super::delivery::{Flight, Landing};
use super::dialect::{ItemFault, Trouble, Verdict};
use super::pool::Pool;
use super::settings::HttpSettings;
use super::stock::{Request, Size, Stock};
use crate::child::actor::Next;
use crate::child::{Child, Letter, Me};
use crate::data::address::{Address, Occupancy};
use crate::data::delivery::ToSender;
use crate::data::target::Target;
use crate::quarantine::Entry;
use event::{Cause, Settled};
use futures_util::FutureExt;
use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What does not fill a request waits so long at most while others are in flight.
pub const PATIENCE: Duration = Duration::from_millis(20);

/// A sender's notes to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpNote {
    /// Send what can be sent.
    Send,
    /// A request landed.
    Landed,
    /// It is time to look again.
    Wake,
}

/// What the sender is sent.
pub type HttpMessage = ToSender<HttpNote>;

type Landed = (u64, Result<Landing, Box<dyn Any + Send>>);

/// The sender.
pub struct HttpSender {
    target: Arc<Target>,
    address: Arc<Address<HttpMessage>>,
    settings: Arc<HttpSettings>,
    occupancy: Option<Occupancy<HttpMessage>>,
    stock: Stock,
    /// Requests that failed.
    again: VecDeque<Request>,
    flights: HashMap<u64, Request>,
    /// Ends what is in flight together with the actor.
    tasks: JoinSet<()>,
    landed: (mpsc::UnboundedSender<Landed>, mpsc::UnboundedReceiver<Landed>),
    next_flight: u64,
    pool: Arc<Pool>,
    /// Failures in a row.
    failures: u32,
    paused_until: Option<Instant>,
    /// The most bytes that the peer has not called too large.
    most_bytes: u64,
    announcer: Announcer,
    send_noted: bool,
    wake_noted: Option<Instant>,
}

/// What to do next.
enum Step {
    Launch(Request),
    Wait(Option<Instant>),
}

impl HttpSender {
    /// A sender of this target at this address.
    pub fn new(target: Arc<Target>, address: Arc<Address<HttpMessage>>, settings: Arc<HttpSettings>) -> Self {
        Self {
            announcer: Announcer::new(Arc::clone(&target)),
            pool: Arc::new(Pool::new(settings.in_flight)),
            most_bytes: settings.gather.bytes,
            target,
            address,
            settings,
            occupancy: None,
            stock: Stock::default(),
            again: VecDeque::new(),
            flights: HashMap::new(),
            tasks: JoinSet::new(),
            landed: mpsc::unbounded_channel(),
            next_flight: 0,
            failures: 0,
            paused_until: None,
            send_noted: false,
            wake_noted: None,
        }
    }

    /// Drops deliveries of which nothing is in flight: their claims go back.
    fn drop_unbegun(&mut self) {
        let Self { stock, flights, again, .. } = self;
        stock.drop_unless(|parcel| flights.values().any(|request| request.has(parcel)));
        again.retain_mut(|request| stock.refresh(request));
    }

    fn is_strict(&self) -> bool {
        self.settings.in_flight == 1
    }

    fn size(&self) -> Size {
        let dialect = &self.settings.dialect;
        Size {
            events: self.settings.gather.events.min(dialect.most_events()),
            bytes: self.most_bytes,
            overhead: dialect.overhead(),
        }
    }

    /// Launches what can be launched; returns when to look again.
    fn send(&mut self, me: &Me<HttpMessage>) -> Option<Instant> {
        loop {
            match self.step(me.is_stopping(), Instant::now()) {
                Step::Launch(request) => self.launch(me, request),
                Step::Wait(until) => return until,
            }
        }
    }

    fn step(&mut self, stopping: bool, now: Instant) -> Step {
        let allowed = if self.failures > 0 { 1 } else { self.settings.in_flight };
        if self.flights.len() >= allowed {
            return Step::Wait(None);
        }
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            let nothing = self.again.is_empty() && self.stock.is_empty();
            return Step::Wait((!nothing).then_some(until));
        }
        let is_due = |request: &Request| request.not_before.is_none_or(|at| at <= now);
        while let Some(at) = self.again.iter().position(is_due) {
            let Some(mut request) = self.again.remove(at) else { break };
            if self.stock.refresh(&mut request) {
                return Step::Launch(request);
            }
        }
        let due_again = self.again.iter().filter_map(|request| request.not_before).min();
        let Some(oldest) = self.stock.oldest() else { return Step::Wait(due_again) };
        let size = self.size();
        if !stopping && !self.stock.fills(size) {
            let wait = match self.settings.gather.time {
                Duration::ZERO if self.flights.is_empty() => Duration::ZERO,
                time => time.max(PATIENCE),
            };
            let due = oldest + wait;
            if due > now {
                return Step::Wait(Some(due_again.map_or(due, |again| again.min(due))));
            }
        }
        match self.stock.cut(size) {
            Some(request) => Step::Launch(request),
            None => Step::Wait(due_again),
        }
    }

    fn launch(&mut self, me: &Me<HttpMessage>, request: Request) {
        let endpoints = self.settings.endpoints.len() as u64;
        let endpoint = match self.settings.shuffle {
            true => me.context.common.rng.below(endpoints) as usize,
            false => 0,
        };
        let flight = Flight {
            target: Arc::clone(&self.target),
            settings: Arc::clone(&self.settings),
            pool: Arc::clone(&self.pool),
            pieces: request.pieces.clone(),
            endpoint,
        };
        let number = self.next_flight;
        self.next_flight += 1;
        self.flights.insert(number, request);
        let (landed, actor) = (self.landed.0.clone(), me.actor.clone());
        // Those that are over are taken out, so that the set does not grow.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(async move {
            let landing = AssertUnwindSafe(flight.deliver()).catch_unwind().await;
            // Both fail only when the actor is gone, and its claims with it.
            let _ = landed.send((number, landing));
            let _ = actor.cast(Letter::Message(ToSender::Note(HttpNote::Landed)));
        });
    }

    /// Settles what a flight's landing says.
    async fn land(&mut self, me: &Me<HttpMessage>, (number, landing): Landed) -> anyhow::Result<()> {
        let Some(request) = self.flights.remove(&number) else { return Ok(()) };
        let Landing { verdict, endpoint } = match landing {
            Ok(landing) => landing,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let settings = Arc::clone(&self.settings);
        let url = &settings.endpoints[endpoint];
        match verdict {
            Verdict::Delivered => {
                self.stock.delivered(&request);
                self.arrived(me, endpoint);
            }
            Verdict::Refused(why) => {
                self.refused(me, endpoint, &request, Cause::Refused, &[&why]).await;
                self.arrived(me, endpoint);
                self.announcer.refused(me, url, request.events().into(), &why);
            }
            Verdict::Spoilt(event, why) => self.spoilt(me, endpoint, request, event, &why).await,
            Verdict::TooLarge => self.too_large(me, endpoint, request).await,
            Verdict::Except(faults) => self.except(me, endpoint, &request, faults).await,
            Verdict::Again { after, trouble } => self.again(me, endpoint, request, after, &trouble),
        }
        Ok(())
    }

    /// All events of a request are refused for good: they go to quarantine, and what that does not take is dropped.
    /// There is one reason, or one for each event.
    async fn refused(
        &mut self,
        me: &Me<HttpMessage>,
        endpoint: usize,
        request: &Request,
        cause: Cause,
        whys: &[&str],
    ) {
        let at: Arc<str> = self.settings.endpoints[endpoint].to_string().into();
        let mut entries = Vec::with_capacity(request.events() as usize);
        let events =
            request.pieces.iter().flat_map(|piece| piece.events.clone().map(|n| (&piece.content, n)));
        for (number, (content, event)) in events.enumerate() {
            let why = whys.get(number).or(whys.first()).copied().unwrap_or_default();
            entries.push(Entry {
                cause,
                why: why.into(),
                at: Arc::clone(&at),
                lane: me.context.lane(),
                branches: [content.branch()].into(),
                target: Some(Arc::clone(&self.target.name)),
                batch: content.batch().clone(),
                record: content.record(event),
                payload: content.encoded(event),
            });
        }
        let count = entries.len() as u32;
        let kept = me.waiting(me.context.common.quarantine.keep(entries)).await as u32;
        self.stock.refused(&request.only(0..kept), Settled::Quarantined(cause));
        self.stock.refused(&request.only(kept..count), Settled::Dropped(cause));
    }

    /// The peer is there and takes requests.
    fn arrived(&mut self, me: &Me<HttpMessage>, endpoint: usize) {
        self.failures = 0;
        self.paused_until = None;
        self.announcer.delivering(me, endpoint, &self.settings.endpoints[endpoint]);
    }

    fn again(
        &mut self,
        me: &Me<HttpMessage>,
        endpoint: usize,
        mut request: Request,
        after: Option<Duration>,
        trouble: &Trouble,
    ) {
        let now = Instant::now();
        // Those that were under way together failed for the same reason: they count once.
        if self.paused_until.is_none_or(|until| until <= now) {
            self.failures += 1;
        }
        let wait = backoff::wait(self.settings.retry, self.failures, after);
        let until = now + wait;
        self.paused_until = Some(self.paused_until.map_or(until, |before| before.max(until)));
        request.attempts += 1;
        self.announcer.trouble(me, &self.settings.endpoints[endpoint], trouble, wait);
        if self.is_strict() {
            self.again.push_front(request);
        } else if request.attempts <= self.settings.retry.at_once {
            self.again.push_back(request);
        } else {
            // It may be this request that the peer stumbles over, so others go first from now on.
            request.not_before = Some(until + backoff::wait(self.settings.retry, request.attempts, None));
            self.again.push_back(request);
        }
    }

    async fn too_large(&mut self, me: &Me<HttpMessage>, endpoint: usize, mut request: Request) {
        self.arrived(me, endpoint);
        let events = request.events();
        if events == 1 {
            let why = "it answers 413 Payload Too Large to a single event";
            self.refused(me, endpoint, &request, Cause::TooLarge, &[why]).await;
            self.announcer.refused(me, &self.settings.endpoints[endpoint], 1, why);
            return;
        }
        // What comes next is cut smaller right away.
        let overhead = u64::from(events) * self.settings.dialect.overhead();
        self.most_bytes = self.most_bytes.min((request.bytes() + overhead) / 2).max(1);
        let back = request.split_off(events / 2);
        self.again.push_front(back);
        self.again.push_front(request);
    }

    async fn spoilt(
        &mut self,
        me: &Me<HttpMessage>,
        endpoint: usize,
        mut request: Request,
        event: u32,
        why: &str,
    ) {
        self.arrived(me, endpoint);
        let mut bad = request.split_off(event);
        let back = bad.split_off(1);
        self.refused(me, endpoint, &bad, Cause::Refused, &[why]).await;
        self.announcer.refused(me, &self.settings.endpoints[endpoint], 1, why);
        request.pieces.extend(back.pieces);
        if !request.pieces.is_empty() {
            self.again.push_front(request);
        }
    }

    async fn except(
        &mut self,
        me: &Me<HttpMessage>,
        endpoint: usize,
        request: &Request,
        faults: Vec<(u32, ItemFault)>,
    ) {
        self.arrived(me, endpoint);
        let (mut refused, mut whys, mut later, mut reason) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (number, fault) in faults {
            match fault {
                ItemFault::Refused(text) => {
                    refused.push(number);
                    whys.push(text);
                }
                ItemFault::Later(text) => {
                    later.push(number);
                    reason.get_or_insert(text);
                }
            }
        }
        let open =
            |number: &u32| refused.binary_search(number).is_ok() || later.binary_search(number).is_ok();
        let delivered = request.only((0..request.events()).filter(|number| !open(number)));
        self.stock.delivered(&delivered);
        if let Some(last) = whys.last() {
            let whys: Vec<&str> = whys.iter().map(String::as_str).collect();
            let bad = request.only(refused.iter().copied());
            self.refused(me, endpoint, &bad, Cause::Refused, &whys).await;
            let url = &self.settings.endpoints[endpoint];
            self.announcer.refused(me, url, refused.len() as u64, last);
        }
        if let Some(reason) = reason {
            let mut rest = request.only(later.iter().copied());
            rest.attempts = request.attempts;
            let text = format!("it puts off {} of {} events: {reason}", later.len(), request.events());
            self.target.meters.troubles.add("items_put_off");
            self.again(me, endpoint, rest, None, &Trouble { name: "items_put_off", text });
        }
    }

    fn note_wake(&mut self, me: &Me<HttpMessage>, until: Option<Instant>) {
        let Some(until) = until else { return };
        if self.wake_noted.is_some_and(|noted| noted <= until) {
            return;
        }
        self.wake_noted = Some(until);
        me.note_in(until.saturating_duration_since(Instant::now()), ToSender::Note(HttpNote::Wake));
    }

    async fn land_all(&mut self, me: &Me<HttpMessage>) -> anyhow::Result<()> {
        while let Ok(landed) = self.landed.1.try_recv() {
            self.land(me, landed).await?;
        }
        Ok(())
    }
}

impl Child for HttpSender {
    type Message = HttpMessage;

    fn start(&mut self, me: &Me<HttpMessage>) -> anyhow::Result<()> {
        let name = &self.target.name;
        anyhow::ensure!(!self.settings.endpoints.is_empty(), "target \"{name}\" has no endpoint");
        self.occupancy = Some(self.address.occupy(me));
        Ok(())
    }

    async fn handle(&mut self, me: &Me<HttpMessage>, message: HttpMessage) -> anyhow::Result<Next> {
        if matches!(message, ToSender::Recall) {
            self.drop_unbegun();
            return Ok(Next::Continue);
        }
        match message.open() {
            Ok(deliveries) => {
                let now = Instant::now();
                for delivery in deliveries {
                    self.stock.take_in(delivery, now);
                }
                // What else lies in the mailbox goes into the same request.
                if !self.send_noted {
                    self.send_noted = true;
                    me.note(ToSender::Note(HttpNote::Send));
                }
                return Ok(Next::Continue);
            }
            Err(HttpNote::Send) => self.send_noted = false,
            Err(HttpNote::Landed) => self.land_all(me).await?,
            Err(HttpNote::Wake) => self.wake_noted = None,
        }
        let until = self.send(me);
        self.note_wake(me, until);
        Ok(Next::Continue)
    }

    async fn finish(&mut self, me: &Me<HttpMessage>) -> anyhow::Result<()> {
        loop {
            self.land_all(me).await?;
            let until = self.send(me);
            if self.flights.is_empty() && self.again.is_empty() && self.stock.is_empty() {
                return Ok(());
            }
            let until = until.map(tokio::time::Instant::from_std);
            let wake = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                landed = me.waiting(self.landed.1.recv()) => {
                    if let Some(landed) = landed {
                        self.land(me, landed).await?;
                    }
                }
                () = wake => {}
            }
        }
    }
}
