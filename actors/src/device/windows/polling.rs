//! Reading by polling: `wevtutil` in a short shell, one command a channel and round.
//!
//! The fallback where a host has no subscriptions. It needs the right to run programs, and costs the host a process for
//! each channel and round. Ids and levels that do not fit into one expression are sorted out here.

use super::connection::{Answer, Connection};
use super::intake::Events;
use super::numbering::Numbering;
use super::place::Place;
use super::settings::{Channel, Selection};
use super::subscription::{Ended, Reading, fresh_id, read, request, unexpected};
use super::trouble::{Again, Doing, Trouble};
use crate::child::Condition;
use protocol::winevent::console::{self, Splitter};
use protocol::winevent::query::{EventFilter, Filter};
use protocol::winevent::{self, CodePage};
use protocol::winrm::wsman::Content;
use protocol::winrm::wsman::reply::{CommandState, Output};
use protocol::winrm::wsman::request::{Request, Signal};
use seams::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// Events of one command; as many at once means that there are more.
const EVENTS_AT_ONCE: u32 = 500;
/// UTF-8.
const CODE_PAGE: u16 = 65001;
/// A shell that was left behind lives no longer.
const SHELL_LIVES: Duration = Duration::from_secs(180);
/// How long the host may take for a step.
const OPERATION: Duration = Duration::from_secs(30);
/// Of what a program says about its failure.
const MAX_ERROR_BYTES: usize = 2048;

/// Reads rounds.
pub struct Poller<'r> {
    reading: Reading<'r>,
    connection: Option<Connection>,
    /// Why there is no subscription; none where polling was asked for.
    reason: Option<String>,
    request: Request,
    rng: Rng,
    place: Place,
    numbering: Numbering,
    unreadable: BTreeMap<String, String>,
    told: Option<Condition>,
}

/// What a command printed.
struct Printed {
    events: Vec<String>,
    /// What is no event: why it failed.
    error: String,
    exit_code: i32,
}

impl<'r> Poller<'r> {
    /// A poller on a connection that is signed in.
    pub fn new(reading: Reading<'r>, connection: Connection, reason: Option<String>) -> Self {
        let place = reading.intake.place();
        Self {
            request: Request { operation_timeout: OPERATION, ..request(reading.settings) },
            rng: reading.me.context.common.rng.clone(),
            numbering: Numbering::behind(&place),
            place,
            reading,
            connection: Some(connection),
            reason,
            unreadable: BTreeMap::new(),
            told: None,
        }
    }

    /// Reads until it is asked to stop, or something goes wrong.
    ///
    /// # Errors
    /// When the host can't be read at present.
    pub async fn run(&mut self) -> Result<Ended, Trouble> {
        let Selection::Channels(channels) = self.reading.settings.selection.clone() else {
            let text = "a query can't be polled; use channels, or collection: subscription";
            return Err(Trouble::new(Again::WhenMended, text));
        };
        let me = self.reading.me;
        loop {
            tokio::select! {
                biased;
                () = me.stopping() => return Ok(Ended::Stopped),
                round = self.round(&channels) => round?,
            }
            self.tell(channels.len());
            tokio::select! {
                biased;
                () = me.stopping() => return Ok(Ended::Stopped),
                () = me.waiting(tokio::time::sleep(self.reading.settings.pace.poll)) => {}
            }
        }
    }

    fn tell(&mut self, all: usize) {
        let settings = self.reading.settings;
        let why = self
            .reason
            .as_ref()
            .map_or(String::new(), |why| format!(" because it has no subscriptions: {why}"));
        let every = settings.pace.poll.as_secs();
        let reading = all - self.unreadable.len();
        let text = format!("polling {reading} of {all} channels of {} every {every} s{why}", settings.host);
        let condition = match self.unreadable.is_empty() {
            true => Condition::Note(text),
            false => {
                let missing: Vec<&str> = self.unreadable.values().map(String::as_str).collect();
                Condition::Trouble(format!("{text}; {}", missing.join("; ")))
            }
        };
        if self.told.as_ref() != Some(&condition) {
            self.reading.me.report(condition.clone());
            self.told = Some(condition);
        }
        self.reading.standing.works();
    }

    /// All channels once, in a shell of its own.
    async fn round(&mut self, channels: &[Channel]) -> Result<(), Trouble> {
        let settings = std::sync::Arc::clone(self.reading.settings);
        if !self.connection.as_ref().is_some_and(Connection::is_usable) {
            self.connection = None;
            self.connection = Some(self.reading.me.waiting(Connection::open(&settings)).await?);
        }
        let now = self.reading.now();
        self.place.arrange(&settings.channels(), now);
        let shell = match self.call(|request, id| request.create_shell(id, CODE_PAGE, SHELL_LIVES)).await? {
            Called::Shell(id) => id,
            other => return Err(other.unexpected(self, "create")),
        };
        self.unreadable.clear();
        let mut outcome = Ok(());
        for channel in channels {
            outcome = self.channel(&shell, channel).await;
            if outcome.is_err() {
                break;
            }
        }
        // A shell that is left behind counts against the user's quota.
        if self.connection.as_ref().is_some_and(Connection::is_usable) {
            self.call(|request, id| request.delete_shell(id, &shell)).await?;
        }
        outcome
    }

    /// What is new in a channel.
    async fn channel(&mut self, shell: &str, channel: &Channel) -> Result<(), Trouble> {
        let name = &channel.query.channel;
        let host = self.reading.settings.host.clone();
        let Filter::Events(filter) = &channel.query.filter else {
            let why =
                format!("channel \"{name}\" has an xpath, which can't be polled; use event_ids and levels");
            self.unreadable.insert(name.clone(), why);
            return Ok(());
        };
        if self.place.record(name).is_none() && !self.reading.settings.from_oldest {
            // The newest record is where it begins.
            let newest = self.newest(shell, name).await?;
            if let Err(printed) = &newest {
                self.leave_out(channel, printed, &host);
            }
            if let Ok(newest) = newest {
                self.place.set_record(name, newest.unwrap_or(0));
                self.reading.intake.keep(&self.place);
            }
            return Ok(());
        }
        let mut empty = true;
        loop {
            let after = self.place.record(name).unwrap_or(0);
            let xpath = expression(filter, after);
            let printed = self.run_wevtutil(shell, name, &xpath, "").await?;
            if printed.exit_code != 0 {
                self.leave_out(channel, &printed, &host);
                return Ok(());
            }
            let count = printed.events.len();
            empty &= count == 0;
            self.submit(channel, filter, printed.events).await;
            if count < EVENTS_AT_ONCE as usize {
                break;
            }
        }
        let read_to = self.place.record(name).unwrap_or(0);
        if empty
            && read_to > 0
            && let Ok(newest) = self.newest(shell, name).await?
            && newest.unwrap_or(0) < read_to
        {
            self.restarted(name, read_to);
        }
        Ok(())
    }

    /// The number of the newest record; the inner error is why the channel can't be read.
    async fn newest(&mut self, shell: &str, channel: &str) -> Result<Result<Option<u64>, Printed>, Trouble> {
        let printed = self.run_wevtutil(shell, channel, "*", " /rd:true").await?;
        if printed.exit_code != 0 {
            return Ok(Err(printed));
        }
        let newest = printed.events.first().and_then(|xml| winevent::parse(xml).ok()?.record_id);
        Ok(Ok(newest))
    }

    /// The log's numbers begin anew: it was cleared.
    fn restarted(&mut self, channel: &str, read_to: u64) {
        let text = format!(
            "{channel} of {} was cleared since record {read_to}; reading on from its oldest record, events may be missing",
            self.reading.settings.host
        );
        let mut events = Events::default();
        self.reading.tell_gap(&mut events, channel, &text);
        self.place.set_record(channel, 0);
        self.numbering.forget(channel);
        let now = self.reading.me.context.common.clock.unix_nanos();
        self.reading.intake.submit(events, &self.place, None, None, now);
    }

    async fn submit(&mut self, channel: &Channel, filter: &EventFilter, found: Vec<String>) {
        let name = &channel.query.channel;
        let mut events = Events::default();
        let mut hold = self.reading.device.share.nothing();
        for xml in &found {
            let Ok(event) = winevent::parse(xml) else {
                self.reading.take(&mut events, &mut self.numbering, xml);
                continue;
            };
            if let Some(record) = event.record_id {
                self.place.set_record(name, record);
            }
            if wanted(filter, &event) {
                hold.grow(xml.len() as u32);
                self.reading.take(&mut events, &mut self.numbering, xml);
            }
        }
        let now = self.reading.me.context.common.clock.unix_nanos();
        let peer = self.connection.as_ref().map(Connection::peer);
        let count = self.reading.intake.submit(events, &self.place, Some(hold), peer, now);
        self.reading.pace(count).await;
    }

    fn leave_out(&mut self, channel: &Channel, printed: &Printed, host: &str) {
        let name = &channel.query.channel;
        let user = self.reading.settings.sign_in.user();
        let why = match printed.exit_code {
            5 => format!(
                "cannot read channel \"{name}\" on {host} (access denied); add {user} to \"Event Log Readers\" and \
                 restart winrm there"
            ),
            15_007 if channel.optional => return,
            15_007 => format!("channel \"{name}\" does not exist on {host}"),
            code => format!("cannot read channel \"{name}\" on {host}: {} (code {code})", printed.error),
        };
        self.unreadable.insert(name.clone(), why);
    }

    async fn run_wevtutil(
        &mut self,
        shell: &str,
        channel: &str,
        xpath: &str,
        options: &str,
    ) -> Result<Printed, Trouble> {
        let count = if options.is_empty() { EVENTS_AT_ONCE } else { 1 };
        let command = console::command(channel, xpath, count, self.reading.settings.rendered)
            .map_err(|e| Trouble::new(Again::WhenMended, e.to_string()))?;
        let command = format!("{command}{options}");
        let id = match self.call(|request, id| request.command(id, shell, &command, &[])).await? {
            Called::Command(id) => id,
            other => return Err(other.unexpected(self, "command")),
        };
        let mut splitter = Splitter::new(CodePage::UTF_8, self.reading.settings.max_event_bytes);
        let (mut events, mut stderr) = (Vec::new(), Vec::new());
        let exit_code = loop {
            let output = match self.call(|request, message| request.receive(message, shell, &id)).await? {
                Called::Output(output) => output,
                Called::Quiet => continue,
                other => return Err(other.unexpected(self, "receive")),
            };
            splitter.push(&output.stdout, |event| events.push(event.to_owned()));
            let room = MAX_ERROR_BYTES.saturating_sub(stderr.len()).min(output.stderr.len());
            stderr.extend_from_slice(&output.stderr[..room]);
            if let CommandState::Done { exit_code } = output.state {
                break exit_code.unwrap_or(0);
            }
        };
        self.reading.device.meters.truncated.add(splitter.dropped());
        let rest = splitter.finish(|event| events.push(event.to_owned()));
        self.call(|request, message| request.signal(message, shell, &id, Signal::Terminate)).await?;
        let said = String::from_utf8_lossy(&stderr);
        let error = [said.trim(), rest.as_str()].join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Printed { events, error, exit_code })
    }

    /// Sends a request and reads its answer.
    async fn call(&mut self, message: impl FnOnce(&Request, &str) -> String) -> Result<Called, Trouble> {
        let settings = std::sync::Arc::clone(self.reading.settings);
        let id = fresh_id(&self.rng);
        let message = message(&self.request, &id);
        let Some(connection) = &mut self.connection else {
            return Err(Trouble::new(Again::AtOnce, "the connection is gone"));
        };
        let share = &self.reading.device.share;
        let answer: Answer =
            self.reading.me.waiting(connection.ask(&message, OPERATION, Some(share))).await?;
        let reply = read(&settings, &answer, &id)?;
        Ok(match reply.content {
            Content::Shell { shell_id } => Called::Shell(shell_id),
            Content::Command { command_id } => Called::Command(command_id),
            Content::Output(output) => Called::Output(output),
            Content::Done => Called::Done,
            Content::Fault(fault) if fault.cause() == protocol::winrm::wsman::Cause::TimedOut => {
                Called::Quiet
            }
            Content::Fault(fault) => return Err(Trouble::fault(&settings, &fault, Doing::Shell)),
            other => return Err(unexpected(&settings, "a shell request", &other)),
        })
    }
}

/// What a request in a shell came to.
enum Called {
    Shell(String),
    Command(String),
    Output(Output),
    Done,
    /// Nothing yet.
    Quiet,
}

impl Called {
    fn unexpected(self, poller: &Poller<'_>, to: &str) -> Trouble {
        unexpected(poller.reading.settings, to, &Content::Done)
    }
}

/// The expression of a command: what is behind a record, and of that what fits into one expression.
fn expression(filter: &EventFilter, after: u64) -> String {
    let behind = EventFilter { after_record: Some(after), ..filter.clone() };
    let selects = behind.selects();
    match selects.as_slice() {
        [one] => one.clone(),
        _ => format!("*[System[EventRecordID>{after}]]"),
    }
}

/// Whether an event is asked for, for what the expression could not say.
fn wanted(filter: &EventFilter, event: &winevent::Event<'_>) -> bool {
    let id = event.event_id.unwrap_or(0);
    let within =
        |ids: &[protocol::winevent::query::IdRange]| ids.iter().any(|r| (r.first..=r.last).contains(&id));
    (filter.ids.is_empty() || within(&filter.ids))
        && !within(&filter.excluded_ids)
        && filter.takes_level(event.level)
}
