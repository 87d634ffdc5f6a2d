//! Reading by subscription: Subscribe, then Pull again and again; the host holds each until there is an event or the
//! heartbeat is due.
//!
//! A channel that can't be read would end the whole subscription, or stay unread silently (`IgnoreChannelError`). So the
//! channels are tried one by one when the whole is refused; those that can't be read are left out, said, and tried again.

use super::connection::{Answer, Connection};
use super::intake::{Events, Intake, Seen};
use super::numbering::{Irregular, Numbering};
use super::place::Place;
use super::selection::{self, Asked};
use super::settings::{Channel, Collection, Selection, WindowsSettings};
use super::standing::Standing;
use super::trouble::{Again, Doing, Trouble};
use crate::child::{Condition, Me};
use crate::data::device::Device;
use protocol::winevent::query::{EventFilter, Filter};
use protocol::winrm::wsman::reply::Items;
use protocol::winrm::wsman::request::{ContentFormat, Request, Start, Subscription, message_id};
use protocol::winrm::wsman::{Cause, Content, Fault, Reaction, Reply};
use seams::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a message may have at first; Windows gives no more by default.
const ENVELOPE_BYTES: u32 = 500 * 1024;
/// What is asked for at most when an event does not fit.
const MAX_ENVELOPE_BYTES: u32 = 8 << 20;
/// How long the host may take beyond the heartbeat: Windows' limit for operations is a minute.
const BEYOND_HEARTBEAT: Duration = Duration::from_secs(35);
/// Events that are decoded before others on the lane get their turn.
const TURN_EVENTS: usize = 32;
/// An orderly end waits so long for the host to forget the subscription.
const UNSUBSCRIBE_WITHIN: Duration = Duration::from_secs(2);
/// Bookmarks that are found lost in a row before it is given up.
const MOST_LOSSES: usize = 3;
/// Events that are older when they come are a backlog that is caught up with, in seconds.
const BACKLOG_SECONDS: i64 = 120;
/// Subscriptions that bring nothing in a row before the host is left alone for a while.
const MOST_ENDS: usize = 3;

/// What a reader works with.
pub struct Reading<'r> {
    /// The actor.
    pub me: &'r Me<()>,
    /// The device.
    pub device: &'r Device,
    /// What it does.
    pub settings: &'r Arc<WindowsSettings>,
    /// How the host stands with us.
    pub standing: &'r Standing,
    /// Where events go.
    pub intake: &'r mut Intake,
}

/// How reading ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The collector is asked to stop.
    Stopped,
    /// The host has no subscriptions: the reason.
    NoSubscriptions(String),
}

/// A subscription's life on one connection.
pub struct Subscriber<'r> {
    reading: Reading<'r>,
    connection: Connection,
    request: Request,
    rng: Rng,
    place: Place,
    /// This host was never read before.
    first: bool,
    numbering: Numbering,
    /// Channels that can't be read, and why.
    unreadable: BTreeMap<String, String>,
    /// When these are tried again.
    try_again: Instant,
    /// How old the last events were when they came, where that is worth saying.
    behind: Option<String>,
}

/// An open subscription.
struct Open {
    identifier: String,
    context: String,
    asked: Subscription,
}

/// What came of a channel that was tried alone.
enum Tried {
    Fine,
    Unreadable(String),
    BookmarkLost,
}

/// What a Pull brought.
enum Pulled {
    /// Go on with this context.
    Next(String),
    /// Subscribe anew.
    Anew,
}

impl Reading<'_> {
    /// Seconds since the Unix epoch.
    pub(super) fn now(&self) -> u64 {
        self.me.context.common.clock.unix_nanos() / 1_000_000_000
    }

    /// Says what is missing, in the log and as an event of its own.
    pub(super) fn tell_gap(&self, events: &mut Events, channel: &str, text: &str) {
        tracing::warn!(device = &*self.device.name, channel, "{text}");
        let time = self.me.context.common.clock.unix_nanos();
        let time = jiff::Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
        let event = serde_json::json!({
            "@timestamp": time.to_string(),
            "message": text,
            "event": {"action": "collection-gap", "kind": "event", "provider": "vmetric-director"},
            "host": {"name": self.settings.host},
            "log": {"level": "warning"},
            "winlog": {"channel": channel},
        });
        events.push_json(&event.to_string());
    }

    /// Whether every record of a channel is asked for.
    pub(super) fn reads_all(&self, channel: &str) -> bool {
        self.settings.filter(channel) == Some(&Filter::Events(EventFilter::default()))
    }

    /// Takes an event, and what its number says about others.
    pub(super) fn take(&self, events: &mut Events, numbering: &mut Numbering, xml: &str) -> Option<Seen> {
        let seen = events.push(xml, self.settings.max_event_bytes)?;
        let record = seen.record?;
        let host = &self.settings.host;
        match numbering.take(&seen.channel, record, self.reads_all(&seen.channel)) {
            None => {}
            Some(Irregular::Missing(count)) => {
                let text = format!(
                    "{} of {host} has lost {count} events before record {record}: overwritten before they were read; \
                     enlarge the log there",
                    seen.channel
                );
                self.tell_gap(events, &seen.channel, &text);
            }
            Some(Irregular::BeginAnew) => {
                let text = format!(
                    "{} of {host} was cleared: record numbers begin anew at {record}; what was not read by then is gone",
                    seen.channel
                );
                self.tell_gap(events, &seen.channel, &text);
            }
        }
        Some(seen)
    }

    /// Waits off what the rate limit asks for.
    pub(super) async fn pace(&self, events: u64) {
        let now = self.me.context.common.clock.now();
        let profile = self.device.profile.load_full();
        let wait = profile.rate.as_ref().map_or(Duration::ZERO, |rate| rate.charge(events, now));
        if !wait.is_zero() {
            tokio::select! {
                () = self.me.stopping() => {}
                () = self.me.waiting(tokio::time::sleep(wait)) => {}
            }
        }
    }
}

/// The header that all requests to a host have.
pub(super) fn request(settings: &WindowsSettings) -> Request {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    Request {
        to: format!("{scheme}://{}/wsman", settings.endpoint()),
        max_envelope_bytes: ENVELOPE_BYTES,
        operation_timeout: settings.pace.heartbeat + BEYOND_HEARTBEAT,
        locale: "en-US".to_owned(),
    }
}

/// The number of a message.
pub(super) fn fresh_id(rng: &Rng) -> String {
    let mut random = [0; 16];
    rng.fill(&mut random);
    message_id(random)
}

/// An answer as what it says.
pub(super) fn read<'a>(
    settings: &WindowsSettings,
    answer: &'a Answer,
    id: &str,
) -> Result<Reply<'a>, Trouble> {
    let reply = Reply::read(&answer.text)
        .map_err(|e| Trouble::new(Again::AtOnce, format!("cannot understand {}: {e}", settings.host)))?;
    match &reply.relates_to {
        Some(_) if !reply.answers(id) => {
            let text = format!("{} answers another request than the last; beginning anew", settings.host);
            Err(Trouble::new(Again::AtOnce, text))
        }
        _ => Ok(reply),
    }
}

impl<'r> Subscriber<'r> {
    /// A subscriber on a connection that is signed in.
    pub fn new(reading: Reading<'r>, connection: Connection) -> Self {
        let place = reading.intake.place();
        let first = place.is_new();
        Self {
            request: request(reading.settings),
            rng: reading.me.context.common.rng.clone(),
            numbering: Numbering::behind(&place),
            place,
            first,
            unreadable: BTreeMap::new(),
            try_again: reading.me.context.common.clock.now(),
            behind: None,
            reading,
            connection,
        }
    }

    /// Reads until it is asked to stop, or something goes wrong.
    ///
    /// # Errors
    /// When the host can't be read at present.
    pub async fn run(&mut self) -> Result<Ended, Trouble> {
        let mut ended_at_once = 0;
        loop {
            let mut open = match self.subscribe().await? {
                Ok(open) => open,
                Err(reason) => return Ok(Ended::NoSubscriptions(reason)),
            };
            self.tell();
            loop {
                let me = self.reading.me;
                let pulled = tokio::select! {
                    biased;
                    () = me.stopping() => None,
                    pulled = self.pull(&open) => Some(pulled?),
                };
                match pulled {
                    None => {
                        self.unsubscribe(&open).await;
                        return Ok(Ended::Stopped);
                    }
                    Some(Pulled::Next(context)) => {
                        self.reading.standing.works();
                        (open.context, ended_at_once) = (context, 0);
                    }
                    Some(Pulled::Anew) if ended_at_once < MOST_ENDS => {
                        ended_at_once += 1;
                        break;
                    }
                    Some(Pulled::Anew) => {
                        let text = format!("{} ends each subscription at once", self.reading.settings.host);
                        return Err(Trouble::new(Again::Soon, text));
                    }
                }
                if !self.unreadable.is_empty() && self.clock_now() >= self.try_again {
                    self.unreadable.clear();
                    self.unsubscribe(&open).await;
                    break;
                }
            }
        }
    }

    fn clock_now(&self) -> Instant {
        self.reading.me.context.common.clock.now()
    }

    /// Says what is read.
    fn tell(&self) {
        let condition = self.condition();
        if let Condition::Trouble(text) = &condition {
            tracing::warn!(device = &*self.reading.device.name, "{text}");
        }
        self.reading.me.report(condition);
        self.reading.standing.reads();
    }

    /// Says how far a backlog is caught up with: old events come first, and none says how many there are.
    fn tell_progress(&mut self, last_written: Option<jiff::Timestamp>) {
        let Some(written) = last_written else { return };
        // By the host's clock, which may be wrong.
        let now = self.connection.clock().and_then(|(host, _)| jiff::Timestamp::try_from(host).ok());
        let now = now.map_or(self.reading.now() as i64, jiff::Timestamp::as_second);
        let age = now.saturating_sub(written.as_second());
        let behind = (age > BACKLOG_SECONDS).then(|| match age / 3600 {
            0 => format!("{} min", age / 60),
            hours => format!("{hours} h"),
        });
        if behind != self.behind {
            self.behind = behind;
            self.reading.me.report(self.condition());
        }
    }

    fn condition(&self) -> Condition {
        let settings = self.reading.settings;
        let all = settings.channels().len();
        let host = &settings.host;
        let missing: Vec<&str> = self.unreadable.values().map(String::as_str).collect();
        let optional = |name: &String| match &settings.selection {
            Selection::Channels(channels) => {
                channels.iter().any(|c| c.optional && c.query.channel.eq_ignore_ascii_case(name))
            }
            Selection::Query(_) => false,
        };
        let behind = self.behind.as_ref().map(|age| format!(", catching up: events are {age} old"));
        let behind = behind.unwrap_or_default();
        let which = match missing.len() {
            0 => all.to_string(),
            some => format!("{} of {all}", all - some),
        };
        let reading = format!("reading {which} channels of {host} by subscription{behind}");
        match missing.as_slice() {
            [] => Condition::Note(reading),
            _ if self.unreadable.keys().all(optional) => {
                Condition::Note(format!("{reading}; not there: {}", missing.join("; ")))
            }
            _ => Condition::Trouble(format!("{reading}; {}", missing.join("; "))),
        }
    }

    /// Makes a subscription of what can be read; the inner error is why there can be none.
    async fn subscribe(&mut self) -> Result<Result<Open, String>, Trouble> {
        let settings = Arc::clone(self.reading.settings);
        let now = self.reading.now();
        self.place.arrange(&settings.channels(), now);
        let mut losses = 0;
        loop {
            let unreadable = &self.unreadable;
            let reads = |channel: &str| !unreadable.contains_key(channel);
            let asked = selection::ask(&settings, &self.place, now, self.first, reads)
                .map_err(|e| Trouble::new(Again::WhenMended, e.to_string()))?;
            let fault = match self.try_to_subscribe(asked).await? {
                Ok(open) => {
                    // From now on nothing is lost: what is written goes behind this place.
                    self.reading.intake.keep(&self.place);
                    self.first = false;
                    return Ok(Ok(open));
                }
                Err(fault) => fault,
            };
            let trouble = Trouble::fault(&settings, &fault, Doing::Subscribe);
            match (fault.cause(), fault.cause().reaction()) {
                (Cause::AccessDenied | Cause::ChannelUnknown, _) => {
                    if !self.leave_out_unreadable().await? {
                        return Err(trouble);
                    }
                }
                (Cause::BookmarkLost, _) if losses < MOST_LOSSES => {
                    losses += 1;
                    self.give_up_lost_bookmarks().await?;
                }
                (Cause::EnvelopeTooLarge, _) if self.enlarge() => {}
                (Cause::NotSupported, _) | (_, Reaction::FallBack)
                    if settings.collection == Collection::Auto =>
                {
                    return Ok(Err(fault.to_string()));
                }
                _ => return Err(trouble),
            }
        }
    }

    /// Sends a Subscribe; the inner error is the host's.
    async fn try_to_subscribe(&mut self, asked: Asked) -> Result<Result<Open, Fault>, Trouble> {
        let settings = Arc::clone(self.reading.settings);
        let format = if settings.rendered { ContentFormat::RenderedText } else { ContentFormat::Raw };
        let asked = Subscription {
            name: format!("vmetric-director {}", self.reading.device.name),
            query: asked.query,
            format,
            heartbeat: settings.pace.heartbeat,
            start: asked.start,
            ignore_channel_errors: matches!(settings.selection, Selection::Query(_)),
        };
        let id = fresh_id(&self.rng);
        let message = self.request.subscribe(&id, &asked);
        let answer = self.ask(&message).await?;
        let reply = read(&settings, &answer, &id)?;
        match reply.content {
            Content::Subscribed { identifier, context } => {
                // The bookmark is needed no more, and may be long.
                let asked = Subscription { start: Start::New, ..asked };
                Ok(Ok(Open { identifier, context, asked }))
            }
            Content::Fault(fault) => Ok(Err(fault)),
            other => Err(unexpected(&settings, "subscribe", &other)),
        }
    }

    async fn ask(&mut self, message: &str) -> Result<Answer, Trouble> {
        let Reading { me, settings, device, .. } = &self.reading;
        let operation = settings.pace.heartbeat + BEYOND_HEARTBEAT;
        me.waiting(self.connection.ask(message, operation, Some(&device.share))).await
    }

    /// Tries all channels one by one and leaves out those that can't be read. Says whether any is left.
    async fn leave_out_unreadable(&mut self) -> Result<bool, Trouble> {
        let settings = Arc::clone(self.reading.settings);
        let Selection::Channels(channels) = &settings.selection else { return Ok(false) };
        let before = self.unreadable.len();
        for channel in channels {
            let name = &channel.query.channel;
            if self.unreadable.contains_key(name) {
                continue;
            }
            match self.try_channel(channel).await? {
                Tried::Fine | Tried::BookmarkLost => {}
                Tried::Unreadable(why) => {
                    self.unreadable.insert(name.clone(), why);
                }
            }
        }
        self.try_again = self.clock_now() + settings.pace.act;
        Ok(self.unreadable.len() > before && self.unreadable.len() < channels.len())
    }

    /// Finds the channels whose last record is gone, and reads what they hold from its beginning.
    async fn give_up_lost_bookmarks(&mut self) -> Result<(), Trouble> {
        let settings = Arc::clone(self.reading.settings);
        let mut lost = Vec::new();
        match &settings.selection {
            Selection::Query(_) => lost.extend(self.place.bookmarks().into_iter().map(|b| b.channel)),
            Selection::Channels(channels) => {
                for channel in channels {
                    let name = &channel.query.channel;
                    if self.place.record(name).is_some()
                        && let Tried::BookmarkLost = self.try_channel(channel).await?
                    {
                        lost.push(name.clone());
                    }
                }
            }
        }
        if lost.is_empty() {
            // None of them alone, so what they have in common.
            lost.extend(self.place.bookmarks().into_iter().map(|b| b.channel));
        }
        let mut events = Events::default();
        for channel in lost {
            let record = self.place.record(&channel).unwrap_or(0);
            let text = format!(
                "{channel} of {} was cleared or has rolled over since record {record}; reading on from its oldest record, \
                 events may be missing",
                settings.host
            );
            self.reading.tell_gap(&mut events, &channel, &text);
            self.place.lose(&channel);
            self.numbering.forget(&channel);
        }
        let now = self.reading.me.context.common.clock.unix_nanos();
        self.reading.intake.submit(events, &self.place, None, Some(self.connection.peer()), now);
        Ok(())
    }

    /// Subscribes to a channel alone, and ends that at once.
    async fn try_channel(&mut self, channel: &Channel) -> Result<Tried, Trouble> {
        let settings = Arc::clone(self.reading.settings);
        let (host, user, name) = (&settings.host, settings.sign_in.user(), &channel.query.channel);
        let asked = selection::ask_for_one(&channel.query, &self.place)
            .map_err(|e| Trouble::new(Again::WhenMended, e.to_string()))?;
        let fault = match self.try_to_subscribe(asked).await? {
            Ok(open) => {
                let id = fresh_id(&self.rng);
                let message = self.request.unsubscribe(&id, &open.asked, &open.identifier);
                self.ask(&message).await?;
                return Ok(Tried::Fine);
            }
            Err(fault) => fault,
        };
        Ok(match fault.cause() {
            Cause::AccessDenied => Tried::Unreadable(format!(
                "cannot read channel \"{name}\" on {host} (access denied); add {user} to \"Event Log Readers\" and \
                 restart winrm there"
            )),
            Cause::ChannelUnknown => {
                let sysmon = if name.contains("Sysmon") { "; is sysmon installed" } else { "" };
                Tried::Unreadable(format!("channel \"{name}\" does not exist on {host}{sysmon}"))
            }
            Cause::BookmarkLost => Tried::BookmarkLost,
            _ => return Err(Trouble::fault(&settings, &fault, Doing::Subscribe)),
        })
    }

    /// Asks for larger messages; says whether that is possible.
    fn enlarge(&mut self) -> bool {
        let larger = (self.request.max_envelope_bytes * 2).min(MAX_ENVELOPE_BYTES);
        let grows = larger > self.request.max_envelope_bytes;
        self.request.max_envelope_bytes = larger;
        grows
    }

    async fn pull(&mut self, open: &Open) -> Result<Pulled, Trouble> {
        let settings = Arc::clone(self.reading.settings);
        let id = fresh_id(&self.rng);
        let message = self.request.pull_events(&id, &open.asked, &open.context);
        let mut answer = self.ask(&message).await?;
        let hold = answer.hold.take();
        let Reply { bookmark, content, .. } = read(&settings, &answer, &id)?;
        let fault = match content {
            Content::Items(items) => {
                let Items { context, items, end } = items;
                if !items.is_empty() {
                    let mut events = Events::default();
                    let mut numbering = std::mem::take(&mut self.numbering);
                    for (n, xml) in items.iter().enumerate() {
                        let seen = self.reading.take(&mut events, &mut numbering, xml);
                        if let (None, Some(Seen { channel, record: Some(record) })) = (bookmark, seen) {
                            self.place.set_record(&channel, record);
                        }
                        if n % TURN_EVENTS == TURN_EVENTS - 1 {
                            tokio::task::yield_now().await;
                        }
                    }
                    self.numbering = numbering;
                    if let Some(list) = bookmark {
                        self.place.advance(list);
                    }
                    let now = self.reading.me.context.common.clock.unix_nanos();
                    let peer = Some(self.connection.peer());
                    self.tell_progress(events.last_written());
                    let count = self.reading.intake.submit(events, &self.place, hold, peer, now);
                    self.reading.pace(count).await;
                }
                return Ok(match context.filter(|_| !end) {
                    Some(context) => Pulled::Next(context),
                    None => Pulled::Anew,
                });
            }
            Content::Fault(fault) => fault,
            Content::Ended(fault) => {
                tracing::info!(device = &*self.reading.device.name, %fault, "the host ended the subscription");
                return Ok(Pulled::Anew);
            }
            other => return Err(unexpected(&settings, "pull", &other)),
        };
        match (fault.cause(), fault.cause().reaction()) {
            (_, Reaction::AskAgain) => Ok(Pulled::Next(open.context.clone())),
            (_, Reaction::SubscribeAgain | Reaction::ReportGap) => {
                tracing::debug!(device = &*self.reading.device.name, %fault, "subscribing anew");
                Ok(Pulled::Anew)
            }
            (Cause::EnvelopeTooLarge, _) if self.enlarge() => Ok(Pulled::Anew),
            _ => Err(Trouble::fault(&settings, &fault, Doing::Subscribe)),
        }
    }

    /// Has the host forget the subscription; where that does not work it does so by itself after a minute. A Pull that still
    /// waits blocks its connection, so that needs another one.
    async fn unsubscribe(&mut self, open: &Open) {
        let settings = Arc::clone(self.reading.settings);
        let ending = async {
            if !self.connection.is_usable() {
                self.connection = Connection::open(&settings).await?;
            }
            let id = fresh_id(&self.rng);
            let message = self.request.unsubscribe(&id, &open.asked, &open.identifier);
            self.connection.ask(&message, UNSUBSCRIBE_WITHIN, None).await
        };
        let _ = self.reading.me.waiting(tokio::time::timeout(UNSUBSCRIBE_WITHIN, ending)).await;
    }
}

/// An answer to something else.
pub(super) fn unexpected(settings: &WindowsSettings, to: &str, content: &Content<'_>) -> Trouble {
    let what = match content {
        Content::Other(name) => format!("an element {name}"),
        Content::Done => "nothing".to_owned(),
        _ => "another kind of answer".to_owned(),
    };
    Trouble::new(Again::Soon, format!("{} answers {to} with {what}; it may not be windows", settings.host))
}
