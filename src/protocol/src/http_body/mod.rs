//! The body of a POST as events: where each begins and ends. Bytes are found, never changed, and no value is
//! built.
//!
//! | [`Split`] | events |
//! |---|---|
//! | [`Split::Whole`] | the body |
//! | [`Split::Lines`] | its lines that are not empty |
//! | [`Split::Json`] | the elements of an array, or the values that stand one after the other (also one a line: NDJSON) |
//!
//! Cost: `memchr` for lines and within strings, a few nanoseconds a token for JSON.

mod json;

use memchr::memchr_iter;

use crate::framing::{Ending, Span};

pub use json::{JsonFault, MOST_DEPTH};

/// How a body is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// One event.
    Whole,
    /// One event a line, without its line end (`\n` or `\r\n`).
    Lines,
    /// One event an array's element, or a value that stands beside others.
    Json,
}

/// Why a body is refused; nothing of it becomes an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is not JSON.
    #[error("{fault} at byte {at} of the body, {}; send json, or its own content type", described(*found))]
    Json {
        /// Where, in bytes from the beginning of the body.
        at: usize,
        /// What is there, or `None` at its end.
        found: Option<u8>,
        /// What is wrong with it.
        fault: JsonFault,
    },
    /// It has more bytes than an event's offset can reach.
    #[error("the body has {bytes} bytes, at most {} are possible; send it in parts", u32::MAX)]
    TooLong {
        /// How many.
        bytes: usize,
    },
}

/// How a body is split where the configuration leaves it open: JSON by content type (`application/json`,
/// `…+json`, NDJSON); lines for `text/…`; else by the first byte that is no blank: JSON where it is `[` or
/// `{`, one event where not.
pub fn detect(content_type: Option<&str>, body: &[u8]) -> Split {
    let kind = content_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let json = matches!(
        kind.as_str(),
        "application/json"
            | "text/json"
            | "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
    );
    if json || kind.ends_with("+json") {
        return Split::Json;
    }
    if kind.starts_with("text/") {
        return Split::Lines;
    }
    match json::skip_blanks(body, 0) {
        Some((_, b'[' | b'{')) => Split::Json,
        _ => Split::Whole,
    }
}

/// Adds the events of a body to `out`, in order; none for a body that is empty or blank.
///
/// # Errors
/// Where the body is no JSON but should be; `out` is as it was.
pub fn split(body: &[u8], how: Split, out: &mut Vec<Span>) -> Result<(), BodyError> {
    if u32::try_from(body.len()).is_err() {
        return Err(BodyError::TooLong { bytes: body.len() });
    }
    let before = out.len();
    match how {
        Split::Whole if json::skip_blanks(body, 0).is_some() => out.push(whole(0, body.len())),
        Split::Whole => {}
        Split::Lines => lines(body, out),
        Split::Json => {
            if let Err((at, fault)) = json::values(body, |begin, end| out.push(whole(begin, end))) {
                out.truncate(before);
                return Err(BodyError::Json { at, found: body.get(at).copied(), fault });
            }
        }
    }
    Ok(())
}

fn lines(body: &[u8], out: &mut Vec<Span>) {
    let mut begin = 0;
    for end in memchr_iter(b'\n', body).chain([body.len()]) {
        let line = &body[begin..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            out.push(whole(begin, begin + line.len()));
        }
        begin = end + 1;
    }
}

fn whole(begin: usize, end: usize) -> Span {
    // Both fit: `split` refuses longer bodies.
    Span { offset: begin as u32, len: (end - begin) as u32, ending: Ending::Whole }
}

fn described(byte: Option<u8>) -> String {
    match byte {
        Some(byte) => format!("where '{}' is", byte.escape_ascii()),
        None => "where it ends".to_owned(),
    }
}

#[cfg(test)]
mod tests;
