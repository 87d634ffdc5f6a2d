//! What makes one HTTP target differ from another: what a body looks like, and what an answer means.

use super::body::{Body, BodyWriter};
use super::parcel::Content;
use super::stock::Piece;
use bytes::Bytes;
use event::Hold;
use http::StatusCode;
use std::ops::Range;
use std::time::Duration;

/// Work on a body in steps of so many bytes, so that others on the lane have their turn.
const STEP_BYTES: u64 = 64 * 1024;
/// So much of a peer's explanation is shown.
const SHOWN_CHARS: usize = 200;

/// What makes one HTTP target differ from another.
pub trait Dialect: Send + Sync {
    /// About how many bytes an event takes besides its own.
    fn overhead(&self) -> u64;

    /// Most events of a request, whatever the configuration says.
    fn most_events(&self) -> u32 {
        u32::MAX
    }

    /// Events that can be sent as they lie in memory.
    fn as_they_lie(&self, content: &Content, events: Range<u32>) -> Option<Bytes> {
        let _ = (content, events);
        None
    }

    /// What stands before the first event.
    fn open(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// An event; `first` of its request or not.
    fn write(&self, content: &Content, event: u32, first: bool, out: &mut Vec<u8>);

    /// What stands after the last event.
    fn close(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// So much of an answer's body is read.
    fn answer_bytes(&self) -> usize {
        64 * 1024
    }

    /// What an answer to a request with so many events means.
    fn judge(&self, answer: &Answer, events: u32) -> Verdict {
        let _ = events;
        by_status(answer)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The wait that it asks for.
    pub retry_after: Option<Duration>,
    /// Its body, or the beginning of a long one.
    pub body: Vec<u8>,
}

/// What becomes of a request's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The peer has all of them.
    Delivered,
    /// The peer has all but these, whose numbers ascend.
    Except(Vec<(u32, ItemFault)>),
    /// The event with this number is refused for good, and keeps the others from being taken.
    Spoilt(u32, String),
    /// All are refused for good, for this reason.
    Refused(String),
    /// They are too many, or too large, for one request.
    TooLarge,
    /// To be sent again.
    Again {
        /// Not sooner than after this.
        after: Option<Duration>,
        /// What is the matter.
        trouble: Trouble,
    },
}

/// Why the peer does not have one event of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemFault {
    /// It may take it later.
    Later(String),
    /// It never will.
    Refused(String),
}

/// Why a request has to be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The name in the metrics.
    pub name: &'static str,
    /// What, why, what to do.
    pub text: String,
}

/// What an answer means by its status alone.
///
/// Wrong credentials and a wrong path are mistakes of the configuration, not of the events: these wait.
pub fn by_status(answer: &Answer) -> Verdict {
    let Answer { status, retry_after, .. } = answer;
    let again = |name, advice: &str| {
        let text = format!("{}{advice}", answer.described());
        Verdict::Again { after: *retry_after, trouble: Trouble { name, text } }
    };
    match status.as_u16() {
        // 303: it was done, and the result lies elsewhere (RFC 9110 §15.4.4).
        200..=299 | 303 => Verdict::Delivered,
        300..=399 => again("redirected", "; correct the url or allow follow_redirects"),
        401 | 403 => again("credentials", "; check the credentials and their rights"),
        407 => again("credentials", "; check the credentials in the proxy variable"),
        404 | 405 | 410 => again("not_found", "; check the url and the method"),
        408 | 425 => again("asked_to_repeat", ""),
        413 => Verdict::TooLarge,
        429 => again("too_many_requests", ""),
        400..=499 => Verdict::Refused(answer.described()),
        502..=504 => again("unavailable", ""),
        _ => again("server_error", ""),
    }
}

/// The body of a request, and the budget for what was copied for it.
pub async fn build(dialect: &dyn Dialect, pieces: &[Piece]) -> (Body, Option<Hold>) {
    let mut body = BodyWriter::default();
    dialect.open(&mut body.text);
    let (mut first, mut yielded_at, mut referred) = (true, 0, 0);
    for Piece { content, events, .. } in pieces {
        if let Some(bytes) = dialect.as_they_lie(content, events.clone()) {
            referred += bytes.len() as u64;
            body.refer(bytes);
            continue;
        }
        for event in events.clone() {
            dialect.write(content, event, first, &mut body.text);
            first = false;
            body.settle();
            if body.len() - yielded_at >= STEP_BYTES {
                yielded_at = body.len();
                tokio::task::yield_now().await;
            }
        }
    }
    dialect.close(&mut body.text);
    let copied = u32::try_from(body.len() - referred).unwrap_or(u32::MAX);
    let hold = pieces.first().filter(|_| copied > 0).map(|piece| piece.content.batch().charge(copied));
    (body.finish(), hold)
}

impl Answer {
    /// Its status, and what the peer says about it.
    pub fn described(&self) -> String {
        let said = excerpt(&String::from_utf8_lossy(&self.body));
        let status = self.status;
        if said.is_empty() { format!("it answers {status}") } else { format!("it answers {status}: {said}") }
    }
}

/// The beginning of a text on one line.
pub fn excerpt(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
