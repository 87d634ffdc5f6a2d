//! The journal of a host, from `journalctl`, which follows it by itself.
//!
//! An entry becomes an event of fields: its `MESSAGE` as `message`, its time as `@timestamp`, and the others below `journald`
//! under the names the journal gives them. The cursor of the last entry in a batch is the checkpoint. When the
//! connection ends `journalctl` does, too: its output is gone, which it sees at the next entry at the latest, and the end
//! of our session is one.

use super::channel::{Line, Running};
use super::lines::{Events, Intake};
use super::quote;
use super::settings::Journal;
use super::shell::Shell;
use super::status::Status;
use super::trouble::Trouble;
use crate::device::positions::{Boarding, Positions};
use event::slab::SLAB_BYTES;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The name of the journal's checkpoint.
const SOURCE: &str = "journal";
/// A journal that ends by itself is asked for again after this time.
const AGAIN: Duration = Duration::from_secs(10);
/// Longest entry; a journal's own limit is 48 KiB a line, core dumps have some megabytes.
const MOST_ENTRY: usize = 16 << 20;
/// What fits into a question to the shell.
const MOST_ANSWER: usize = 4096;

/// What a host has for a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All of it can be read.
    Whole,
    /// Only what concerns the user.
    Own,
    /// There is none.
    None,
}

/// Asks whether the journal can be read.
pub async fn access(shell: &mut Shell) -> Result<Access, Trouble> {
    let command = "command -v journalctl >/dev/null && journalctl -n 1 -o cat 2>&1 >/dev/null";
    let (text, status) = shell.ask_whole(command, MOST_ANSWER).await?;
    let text = String::from_utf8_lossy(&text);
    Ok(match status {
        0 if text.contains("not seeing messages") || text.contains("insufficient permissions") => Access::Own,
        0 if text.contains("No journal files were found") => Access::None,
        0 => Access::Whole,
        _ if text.contains("insufficient permissions") => Access::Own,
        _ => Access::None,
    })
}

/// What a user does who sees only what concerns them.
pub fn grant(user: &str, place: &str) -> String {
    format!(
        "{user} sees only the own part of the journal of {place}; on the host: usermod -aG systemd-journal {user}"
    )
}

/// The loop that reads it.
pub struct JournalLoop {
    line: Line,
    journal: Journal,
    intake: Intake,
    positions: Arc<Positions>,
    boarding: Boarding,
    status: Status,
}

impl JournalLoop {
    /// The loop over a connection.
    pub fn new(
        line: Line,
        journal: Journal,
        intake: Intake,
        positions: Arc<Positions>,
        status: Status,
    ) -> Self {
        let boarding = positions.board(SOURCE, intake.acknowledged());
        Self { line, journal, intake, positions, boarding, status }
    }

    /// Reads for ever.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn run(mut self) -> Result<(), Trouble> {
        loop {
            let mut running = self.line.run(&self.command()).await?;
            self.status.note("journal", "following the journal");
            self.read(&mut running).await;
            let (place, said) = (self.line.settings().place(), running.errors());
            let Some(status) = running.status() else { return Err(Trouble::ended(self.line.settings())) };
            self.status.trouble(
                "journal",
                format!(
                    "journalctl on {place} ended (status {status}: {said}); trying again every {} s",
                    AGAIN.as_secs()
                ),
            );
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn command(&self) -> String {
        let settings = self.line.settings();
        let sudo = if settings.sudo { "sudo -n " } else { "" };
        // Alone, -f means the present boot only: what is left of the boot before, and the first entry of this one, would be
        // passed over. With -m it follows all there is.
        let mut command = format!("LC_ALL=C exec {sudo}journalctl -q -m -f -o json --no-pager");
        match self.positions.read(SOURCE) {
            Some(cursor) => {
                command.push_str(" --no-tail --after-cursor=");
                command.push_str(&quote::word(&cursor));
            }
            None if settings.from_end => command.push_str(" -n 0"),
            None => command.push_str(" --no-tail"),
        }
        for unit in &self.journal.units {
            command.push_str(" -u ");
            command.push_str(&quote::word(unit));
        }
        command
    }

    async fn read(&mut self, running: &mut Running) {
        let mut rest = self.intake.nothing();
        while running.readable().await {
            let kept = rest.bytes.len();
            let (mut slab, mut hold) = self.intake.room(rest).await;
            let to = kept + running.read_now(&mut slab.bytes_mut()[kept..]);
            let bytes = &slab.bytes()[..to];
            let end = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
            let part = hold.split(end.min(SLAB_BYTES) as u32);
            let first_seq = self.intake.next_seq();
            self.hand_on(&bytes[..end], part);
            let unread = if to - end > MOST_ENTRY { &[][..] } else { &bytes[end..] };
            rest = self.intake.keep(unread, hold);
            self.intake.keep_to_rate(self.intake.next_seq() - first_seq).await;
        }
    }

    fn hand_on(&mut self, lines: &[u8], mut hold: event::Hold) {
        let (mut events, mut cursor) = (Events::default(), None);
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match event(line) {
                Some((event, at)) => {
                    events.push(&event);
                    cursor = Some(at);
                }
                None => self.intake.device.meters.resynchronised.add(1),
            }
            if events.is_full() {
                let part = hold.split(SLAB_BYTES as u32);
                self.submit(std::mem::take(&mut events), cursor.take(), part);
            }
        }
        self.submit(events, cursor, hold);
    }

    fn submit(&mut self, events: Events, cursor: Option<String>, hold: event::Hold) {
        let Some(cursor) = cursor else { return };
        let (positions, boarding) = (&self.positions, self.boarding);
        self.intake.events(events, hold, |seq| positions.mark(SOURCE, boarding, seq, cursor));
    }
}

/// An event of an entry, and its cursor.
fn event(line: &[u8]) -> Option<(Value, String)> {
    let mut entry: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let cursor = entry.remove("__CURSOR")?.as_str()?.to_owned();
    let message = entry.remove("MESSAGE").map_or(Value::Null, text);
    let time = entry.get("__REALTIME_TIMESTAMP").and_then(Value::as_str).and_then(|t| t.parse::<i64>().ok());
    let mut event = Map::new();
    if let Some(time) = time.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok()) {
        event.insert("@timestamp".to_owned(), json!(format!("{time:.6}")));
    }
    event.insert("message".to_owned(), message);
    for value in entry.values_mut() {
        *value = text(value.take());
    }
    event.insert("journald".to_owned(), Value::Object(entry));
    Some((Value::Object(event), cursor))
}

/// What is no UTF-8 comes as a list of bytes (journal export formats, JSON), a field that is there several times as a
/// list of texts.
fn text(value: Value) -> Value {
    let Value::Array(items) = &value else { return value };
    let bytes: Option<Vec<u8>> =
        items.iter().map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
    match bytes {
        Some(bytes) if !bytes.is_empty() => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_event_with_its_fields() {
        let line = br#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1700000000123456","MESSAGE":"hello","_PID":"7"}"#;
        let (event, cursor) = event(line).unwrap();
        assert_eq!(cursor, "s=1;i=2");
        assert_eq!(event["message"], "hello");
        assert_eq!(event["@timestamp"], "2023-11-14T22:13:20.123456Z");
        assert_eq!(event["journald"]["_PID"], "7");
    }

    #[test]
    fn a_message_that_is_no_text_is_one_all_the_same() {
        let line = br#"{"__CURSOR":"c","MESSAGE":[104,105,255],"_X":["a","b"]}"#;
        let (event, _) = event(line).unwrap();
        assert_eq!(event["message"], "hi\u{fffd}");
        assert_eq!(event["journald"]["_X"], json!(["a", "b"]));
        assert!(super::event(b"nonsense").is_none() && super::event(b"{}").is_none());
    }
}
