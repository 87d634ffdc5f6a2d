//! WS-Eventing on the event logs, pull mode (MS-WSMV 3.1.4.6, 3.1.4.10).

use super::logs::Logs;
use super::soap::{self, SoapFault};
use super::xpath::Expression;
use parking_lot::Mutex;
use protocol::winevent::bookmark::{self, Bookmark};
use protocol::winrm::wsman::{Element, Envelope, Namespace as N};
use protocol::xml::{Scanner, Token};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What a fault by number is called here.
const INVALID_CONTEXT: u32 = 2_150_858_779;
const INVALID_BOOKMARK: u32 = 2_150_858_808;
const ENVELOPE_TOO_LARGE: u32 = 2_150_858_790;
const TOO_MANY_OPERATIONS: u32 = 2_150_859_174;
const CANNOT_FILTER: u32 = 2_150_858_778;
/// Below this an envelope is refused, and so much of it is kept for headers.
const MIN_ENVELOPE_BYTES: usize = 8192;
const HEADER_BYTES: usize = 3000;
/// Pulls of a user at a time.
const MAX_OPERATIONS: usize = 15;

/// All subscriptions of a host.
#[derive(Debug, Default)]
pub(super) struct Eventing {
    subscriptions: Mutex<HashMap<String, Subscription>>,
    next: AtomicU64,
}

#[derive(Clone, Debug)]
struct Subscription {
    /// What the next Pull has to bring; none while one waits.
    context: Option<String>,
    queries: Vec<Query>,
    heartbeat: Duration,
    answered: Instant,
}

/// What is asked of a channel, and how far it was handed out.
#[derive(Clone, Debug)]
struct Query {
    channel: String,
    selects: Vec<Expression>,
    suppresses: Vec<Expression>,
    after: u64,
    /// The last record that was handed out.
    sent: Option<u64>,
}

/// Where a subscription begins.
enum Start {
    New,
    Earliest,
    Behind(Vec<Bookmark>),
}

/// Events of one answer.
struct Batch {
    items: String,
    bookmarks: Vec<Bookmark>,
}

impl Eventing {
    /// How many subscriptions there are.
    pub(super) fn count(&self) -> usize {
        self.subscriptions.lock().len()
    }

    /// All subscriptions are gone.
    pub(super) fn clear(&self) {
        self.subscriptions.lock().clear();
    }

    fn fresh_id(&self) -> String {
        let number = self.next.fetch_add(1, Relaxed) + 1;
        format!("uuid:5A3E9A43-0000-4000-8000-{number:012X}")
    }

    pub(super) fn subscribe(&self, request: &Envelope<'_>, logs: &Logs) -> Result<String, SoapFault> {
        let invalid = || SoapFault::of(87);
        let subscribe = request.body().first().ok_or_else(invalid)?;
        let delivery = subscribe.child(N::Eventing, "Delivery").ok_or_else(invalid)?;
        if !delivery.attribute("Mode").is_some_and(|mode| mode.ends_with("/wsman/Pull")) {
            return Err(SoapFault::of(2_150_858_782));
        }
        let heartbeat = delivery.child(N::Wsman, "Heartbeats").and_then(|h| soap::duration_ms(h.trimmed()));
        let filter = subscribe.child(N::Wsman, "Filter").ok_or_else(invalid)?;
        let list = if filter.children.is_empty() { filter.trimmed() } else { filter.inner };
        let mut queries = read_queries(list).ok_or_else(|| SoapFault::of(CANNOT_FILTER))?;
        let lenient = request.option("IgnoreChannelError").is_some();
        let mut refused = None;
        queries.retain(|query| match logs.check(&query.channel) {
            Ok(()) => true,
            Err(why) => {
                refused.get_or_insert(why);
                false
            }
        });
        if let Some(why) = refused.filter(|_| !lenient || queries.is_empty()) {
            return Err(SoapFault::of(why.code()));
        }
        let start = start(subscribe)?;
        for query in &mut queries {
            query.after = match &start {
                Start::New => logs.newest(&query.channel),
                Start::Earliest => 0,
                Start::Behind(list) => {
                    let at = list.iter().find(|at| at.channel == query.channel).map(|at| at.record_id);
                    if at.is_some_and(|at| !logs.holds(&query.channel, at)) {
                        return Err(SoapFault::of(INVALID_BOOKMARK));
                    }
                    query.sent = at;
                    at.unwrap_or(0)
                }
            };
        }
        let (identifier, context) = (self.fresh_id(), self.fresh_id());
        let subscription = Subscription {
            context: Some(context.clone()),
            queries,
            heartbeat: Duration::from_millis(heartbeat.unwrap_or(60_000)),
            answered: Instant::now(),
        };
        self.subscriptions.lock().insert(identifier.clone(), subscription);
        Ok(format!(
            "<e:SubscribeResponse><e:SubscriptionManager><a:Address>http://winlab/wsman</a:Address>\
             <a:ReferenceProperties><e:Identifier>{identifier}</e:Identifier></a:ReferenceProperties>\
             </e:SubscriptionManager><e:Expires>PT0.000S</e:Expires>\
             <n:EnumerationContext>{context}</n:EnumerationContext></e:SubscribeResponse>"
        ))
    }

    /// Waits for events or the heartbeat; returns the headers and the body of the answer.
    pub(super) async fn pull(
        &self,
        request: &Envelope<'_>,
        logs: &Logs,
        timeout: Duration,
        max_envelope_bytes: usize,
    ) -> Result<(String, String), SoapFault> {
        let pull = request.body().first().ok_or_else(|| SoapFault::of(87))?;
        let context =
            pull.child(N::Enumeration, "EnumerationContext").map(Element::trimmed).unwrap_or_default();
        let most = pull.child(N::Enumeration, "MaxElements").and_then(|most| most.trimmed().parse().ok());
        let asked = request.header_text(N::Wsman, "MaxEnvelopeSize").and_then(|size| size.parse().ok());
        let room = max_envelope_bytes.min(asked.unwrap_or(max_envelope_bytes));
        if room < MIN_ENVELOPE_BYTES {
            return Err(SoapFault::of(87));
        }
        let (identifier, mut subscription) = self.take(context, timeout)?;
        // A client that goes away meanwhile leaves a subscription behind that nobody can pull from.
        let _orphan = Orphan { eventing: self, identifier: &identifier };
        let mut written = logs.written();
        let operation = Duration::from_millis(soap::operation_timeout_ms(request));
        let began = Instant::now();
        let batch = loop {
            let _ = written.borrow_and_update();
            let batch = subscription.collect(logs, room - HEADER_BYTES, most.unwrap_or(32_000))?;
            let left = subscription.heartbeat.saturating_sub(began.elapsed());
            if !batch.items.is_empty() || left.is_zero() {
                break batch;
            }
            if began.elapsed() >= operation {
                self.give_back(&identifier, subscription, context.to_owned());
                return Err(SoapFault::of(2_150_858_793));
            }
            let wait = left.min(operation.saturating_sub(began.elapsed()));
            let _ = tokio::time::timeout(wait, written.changed()).await;
        };
        let next = self.fresh_id();
        self.give_back(&identifier, subscription, next.clone());
        let header = match batch.bookmarks.is_empty() {
            true => String::new(),
            false => format!("<w:Bookmark>{}</w:Bookmark>", bookmark::build(&batch.bookmarks)),
        };
        let body = format!(
            "<n:PullResponse><n:EnumerationContext>{next}</n:EnumerationContext><n:Items>{}</n:Items>\
             </n:PullResponse>",
            batch.items
        );
        Ok((header, body))
    }

    /// Takes a context, which is dead from then on.
    fn take(&self, context: &str, timeout: Duration) -> Result<(String, Subscription), SoapFault> {
        let mut subscriptions = self.subscriptions.lock();
        subscriptions.retain(|_, s| s.context.is_none() || s.answered.elapsed() <= timeout);
        if subscriptions.values().filter(|s| s.context.is_none()).count() >= MAX_OPERATIONS {
            return Err(SoapFault::of(TOO_MANY_OPERATIONS));
        }
        let found = subscriptions.iter_mut().find(|(_, s)| s.context.as_deref() == Some(context));
        let (identifier, subscription) = found.ok_or_else(|| SoapFault::of(INVALID_CONTEXT))?;
        subscription.context = None;
        Ok((identifier.clone(), subscription.clone()))
    }

    fn give_back(&self, identifier: &str, mut subscription: Subscription, context: String) {
        (subscription.context, subscription.answered) = (Some(context), Instant::now());
        if let Some(kept) = self.subscriptions.lock().get_mut(identifier) {
            *kept = subscription;
        }
    }

    pub(super) fn unsubscribe(&self, request: &Envelope<'_>) -> Result<(), SoapFault> {
        let identifier = request.header_text(N::Eventing, "Identifier").unwrap_or_default();
        match self.subscriptions.lock().remove(identifier) {
            Some(_) => Ok(()),
            None => Err(SoapFault::of(2_150_858_843)),
        }
    }
}

/// A Pull that waits; when it is dropped its operation is over.
struct Orphan<'p> {
    eventing: &'p Eventing,
    identifier: &'p str,
}

impl Drop for Orphan<'_> {
    fn drop(&mut self) {
        let mut subscriptions = self.eventing.subscriptions.lock();
        if let Some(subscription) = subscriptions.get_mut(self.identifier)
            && subscription.context.is_none()
        {
            (subscription.context, subscription.answered) = (Some(String::new()), Instant::now());
        }
    }
}

impl Subscription {
    /// The next events, as many as fit.
    fn collect(&mut self, logs: &Logs, room: usize, most: usize) -> Result<Batch, SoapFault> {
        let mut items = String::new();
        let (mut count, mut current, mut full) = (0, None, false);
        for (index, query) in self.queries.iter_mut().enumerate() {
            let mut sent = query.sent;
            let mut too_large = false;
            let looked_at =
                logs.read(&query.channel, query.after, &query.selects, &query.suppresses, |record| {
                    if count == most || items.len() + record.xml.len() > room {
                        too_large = items.is_empty();
                        full = true;
                        return false;
                    }
                    items.push_str(&record.xml);
                    count += 1;
                    (sent, current) = (Some(record.id), Some(index));
                    true
                });
            if too_large {
                return Err(SoapFault::of(ENVELOPE_TOO_LARGE));
            }
            (query.after, query.sent) = (looked_at, sent);
            if full {
                break;
            }
        }
        if count == 0 {
            return Ok(Batch { items, bookmarks: Vec::new() });
        }
        let bookmark = |(index, query): (usize, &Query)| {
            let channel = query.channel.clone();
            Some(Bookmark { channel, record_id: query.sent?, is_current: current == Some(index) })
        };
        Ok(Batch { items, bookmarks: self.queries.iter().enumerate().filter_map(bookmark).collect() })
    }
}

fn start(subscribe: &Element<'_>) -> Result<Start, SoapFault> {
    let Some(element) = subscribe.child(N::Wsman, "Bookmark") else { return Ok(Start::New) };
    if element.trimmed().ends_with("/bookmark/earliest") {
        return Ok(Start::Earliest);
    }
    match bookmark::parse(element.inner) {
        Ok(list) => Ok(Start::Behind(list)),
        Err(_) => Err(SoapFault::of(INVALID_BOOKMARK)),
    }
}

/// The queries of a `QueryList`, one a channel.
fn read_queries(list: &str) -> Option<Vec<Query>> {
    let mut scanner = Scanner::new(list.trim());
    let mut queries: Vec<Query> = Vec::new();
    let mut of_query = None;
    while let Some(token) = scanner.token().ok()? {
        let Token::Start(tag) = token else { continue };
        let path = tag.attribute("Path").map(|path| path.into_owned());
        match tag.local_name() {
            "Query" => of_query = path,
            name @ ("Select" | "Suppress") => {
                let channel = path.or_else(|| of_query.clone())?;
                let expression = Expression::parse(&scanner.text().ok()?)?;
                let at = queries.iter().position(|query| query.channel == channel).unwrap_or_else(|| {
                    let (selects, suppresses) = (Vec::new(), Vec::new());
                    queries.push(Query { channel, selects, suppresses, after: 0, sent: None });
                    queries.len() - 1
                });
                match name {
                    "Select" => queries[at].selects.push(expression),
                    _ => queries[at].suppresses.push(expression),
                }
            }
            _ => {}
        }
    }
    (!queries.is_empty()).then_some(queries)
}
