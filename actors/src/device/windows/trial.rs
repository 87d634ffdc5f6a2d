//! `-test-device` for a Windows host: name, port, TLS, sign-in, clock, each channel, time to the first event.

use super::connection::Connection;
use super::settings::{Channel, Selection, WindowsSettings};
use super::socket;
use super::subscription::{fresh_id, read, request, unexpected};
use super::trouble::{Doing, Trouble};
use crate::data::client_socket::Io;
use crate::device::trial::{Finding, Outcome, Trial};
use futures_util::future::BoxFuture;
use protocol::winevent::query;
use protocol::winrm::wsman::request::{ContentFormat, Request, Start, Subscription};
use protocol::winrm::wsman::{Cause, Content, Fault};
use seams::Rng;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A channel that has an event sends it within this time.
const FIRST_EVENT: Duration = Duration::from_secs(2);
/// More than this is worth a note; Kerberos allows five minutes.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A Windows host that is tried.
#[derive(Debug)]
pub struct WindowsTrial {
    settings: Arc<WindowsSettings>,
    rng: Rng,
}

type Tell<'a> = dyn FnMut(Finding) + Send + 'a;

impl WindowsTrial {
    /// A trial of a device with these settings.
    pub fn new(settings: WindowsSettings) -> Self {
        Self { settings: Arc::new(settings), rng: Rng::from_system() }
    }

    async fn try_all(&self, tell: &mut Tell<'_>) -> Option<()> {
        let settings = &self.settings;
        let addresses = step(tell, "name", socket::resolve(settings), |found| {
            let found: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
            format!("{} is {}", settings.host, found.join(", "))
        })
        .await?;
        let socket = step(tell, "port", socket::connect(settings, &addresses), |_| {
            format!("{} takes connections", settings.endpoint())
        })
        .await?;
        let peer = socket.peer_addr().ok()?;
        let (io, binding) = match settings.tls {
            None => (Io::Plain(socket), None),
            Some(_) => {
                let bound = |(_, binding): &(Io, Option<_>)| match binding {
                    Some(_) => "the certificate is the right one; sign-ins are bound to it".to_owned(),
                    None => "the certificate is the right one".to_owned(),
                };
                step(tell, "tls", socket::secure(settings, socket), bound).await?
            }
        };
        let mut connection = Connection::begin(settings, io, peer).await.ok()?;
        let user = settings.sign_in.user();
        step(tell, "sign-in", connection.sign_in(binding), |()| match settings.tls {
            None => format!("{user} is let in; messages are sealed"),
            Some(_) => format!("{user} is let in"),
        })
        .await?;
        tell_clock(tell, &connection);
        match &settings.selection {
            Selection::Query(list) => {
                self.channel(tell, &mut connection, ("query", list.clone(), false)).await?;
            }
            Selection::Channels(channels) => {
                for Channel { query, optional } in channels {
                    let list = query::build(std::slice::from_ref(query)).ok()?;
                    self.channel(tell, &mut connection, (&query.channel, list, *optional)).await?;
                }
            }
        }
        Some(())
    }

    /// Subscribes to a channel from its oldest event, waits for that, and ends the subscription.
    async fn channel(
        &self,
        tell: &mut Tell<'_>,
        connection: &mut Connection,
        (name, query, optional): (&str, String, bool),
    ) -> Option<()> {
        let began = Instant::now();
        let outcome = match self.first_event(connection, query).await {
            Ok(Ok(true)) => Outcome::Passed(format!("\"{name}\" can be read; its oldest event came")),
            Ok(Ok(false)) => Outcome::Noted(format!("\"{name}\" can be read, but has no such event")),
            Ok(Err(fault)) => self.refused(name, optional, &fault),
            Err(trouble) => Outcome::Failed(trouble.text),
        };
        tell(Finding { step: "channel".to_owned(), outcome, took: began.elapsed() });
        connection.is_usable().then_some(())
    }

    fn refused(&self, name: &str, optional: bool, fault: &Fault) -> Outcome {
        let (host, user) = (&self.settings.host, self.settings.sign_in.user());
        match fault.cause() {
            Cause::ChannelUnknown if optional => {
                Outcome::Noted(format!("\"{name}\" does not exist on {host}"))
            }
            Cause::ChannelUnknown => Outcome::Failed(format!(
                "\"{name}\" does not exist on {host}; \"wevtutil el\" there lists the channels"
            )),
            Cause::AccessDenied => Outcome::Failed(format!(
                "cannot read \"{name}\" (access denied); run there: net localgroup \"Event Log Readers\" \"{user}\" /add \
                 && powershell Restart-Service winrm"
            )),
            _ => Outcome::Failed(Trouble::fault(&self.settings, fault, Doing::Subscribe).text),
        }
    }

    async fn first_event(
        &self,
        connection: &mut Connection,
        query: String,
    ) -> Result<Result<bool, Fault>, Trouble> {
        let settings = &self.settings;
        let request = Request { operation_timeout: FIRST_EVENT * 4, ..request(settings) };
        let asked = Subscription {
            name: "vmetric-director -test-device".to_owned(),
            query,
            format: ContentFormat::Raw,
            heartbeat: FIRST_EVENT,
            start: Start::Earliest,
            ignore_channel_errors: false,
        };
        let id = fresh_id(&self.rng);
        let answer = connection.ask(&request.subscribe(&id, &asked), FIRST_EVENT * 4, None).await?;
        let (identifier, context) = match read(settings, &answer, &id)?.content {
            Content::Subscribed { identifier, context } => (identifier, context),
            Content::Fault(fault) => return Ok(Err(fault)),
            other => return Err(unexpected(settings, "subscribe", &other)),
        };
        let id = fresh_id(&self.rng);
        let answer =
            connection.ask(&request.pull_events(&id, &asked, &context), FIRST_EVENT * 4, None).await?;
        let found = match read(settings, &answer, &id)?.content {
            Content::Items(items) => !items.items.is_empty(),
            Content::Fault(fault) if fault.cause() == Cause::TimedOut => false,
            Content::Fault(fault) => return Ok(Err(fault)),
            other => return Err(unexpected(settings, "pull", &other)),
        };
        let id = fresh_id(&self.rng);
        connection.ask(&request.unsubscribe(&id, &asked, &identifier), FIRST_EVENT * 4, None).await?;
        Ok(Ok(found))
    }
}

/// A step: tells what came of it, and gives what it found.
async fn step<T>(
    tell: &mut Tell<'_>,
    name: &str,
    trying: impl Future<Output = Result<T, Trouble>>,
    passed: impl FnOnce(&T) -> String,
) -> Option<T> {
    let began = Instant::now();
    let tried = trying.await;
    let outcome = match &tried {
        Ok(found) => Outcome::Passed(passed(found)),
        Err(trouble) => Outcome::Failed(trouble.text.clone()),
    };
    tell(Finding { step: name.to_owned(), outcome, took: began.elapsed() });
    tried.ok()
}

fn tell_clock(tell: &mut Tell<'_>, connection: &Connection) {
    let Some((theirs, ours)) = connection.clock() else { return };
    let skew = theirs.duration_since(ours).unwrap_or_else(|e| e.duration());
    let outcome = match skew > CLOCK_SKEW {
        true => Outcome::Noted(format!(
            "its clock differs from this machine's by {} s; event times are its own; run \"w32tm /resync\" there",
            skew.as_secs()
        )),
        false => Outcome::Passed("its clock agrees with this machine's".to_owned()),
    };
    tell(Finding { step: "clock".to_owned(), outcome, took: Duration::ZERO });
}

impl Trial for WindowsTrial {
    fn run<'a>(&'a mut self, tell: &'a mut (dyn FnMut(Finding) + Send)) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // Where it ended was told.
            let _ = self.try_all(tell).await;
        })
    }
}
