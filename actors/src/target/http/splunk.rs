//! Splunk's HTTP event collector: events in envelopes, or raw lines.

use super::dialect::{Answer, Dialect, Verdict, by_status};
use super::document::write_value;
use super::parcel::Content;
use bytes::Bytes;
use event::model::json_write::write_text;
use http::StatusCode;
use serde::Deserialize;
use std::io::Write;
use std::ops::Range;

/// Requests to `/services/collector/event` or `/services/collector/raw`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Splunk {
    /// Each event in an envelope.
    Event {
        /// The end of the envelope: index, source type and source, as far as they are given.
        tail: Vec<u8>,
    },
    /// One event a line; index, source type and source are in the URL.
    Raw,
}

#[derive(Deserialize)]
struct HecAnswer {
    code: u32,
    #[serde(rename = "invalid-event-number")]
    invalid_event: Option<u32>,
}

impl Splunk {
    /// Envelopes with these defaults.
    pub fn event(index: Option<&str>, sourcetype: Option<&str>, source: Option<&str>) -> Self {
        let mut tail = Vec::new();
        for (name, value) in [("index", index), ("sourcetype", sourcetype), ("source", source)] {
            let Some(value) = value else { continue };
            tail.extend_from_slice(format!(",\"{name}\":").as_bytes());
            write_text(value.as_bytes(), &mut tail);
        }
        tail.push(b'}');
        Self::Event { tail }
    }
}

impl Dialect for Splunk {
    fn overhead(&self) -> u64 {
        match self {
            Splunk::Event { tail } => tail.len() as u64 + 80,
            Splunk::Raw => 1,
        }
    }

    fn as_they_lie(&self, content: &Content, events: Range<u32>) -> Option<Bytes> {
        match self {
            Splunk::Event { .. } => None,
            Splunk::Raw => content.delimited(events, b'\n'),
        }
    }

    fn write(&self, content: &Content, event: u32, _: bool, out: &mut Vec<u8>) {
        let Splunk::Event { tail } = self else {
            out.extend_from_slice(content.event(event));
            out.push(b'\n');
            return;
        };
        let origin = content.batch().origin(content.record(event));
        let millis = origin.received / 1_000_000;
        // Writing to a vector can't fail.
        let _ = write!(out, "{{\"time\":{}.{:03}", millis / 1000, millis % 1000);
        if let Some(peer) = origin.peer {
            let _ = write!(out, ",\"host\":\"{}\"", peer.ip().to_canonical());
        }
        out.extend_from_slice(b",\"event\":");
        write_value(content.event(event), out);
        out.extend_from_slice(tail);
        out.push(b'\n');
    }

    fn judge(&self, answer: &Answer, events: u32) -> Verdict {
        if answer.status != StatusCode::BAD_REQUEST {
            return by_status(answer);
        }
        let said: Option<HecAnswer> = serde_json::from_slice(&answer.body).ok();
        match said {
            // Invalid data, no event, a blank one, bad indexed fields: one event's fault. Whether those before it
            // were taken is not said, so they are sent again.
            Some(HecAnswer { code: 6 | 12 | 13 | 15, invalid_event: Some(number) })
                if number < events && events > 1 =>
            {
                Verdict::Spoilt(number, answer.described())
            }
            _ => Verdict::Refused(answer.described()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Verdict {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { status, retry_after: None, body: body.into() };
        Splunk::event(None, None, None).judge(&answer, 3)
    }

    #[test]
    fn one_invalid_event_does_not_take_the_others_along() {
        let body = r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#;
        assert!(matches!(judged(400, body), Verdict::Spoilt(1, _)));
        let elsewhere = body.replace(":1}", ":3}");
        assert!(matches!(judged(400, &elsewhere), Verdict::Refused(_)));
        assert!(matches!(judged(400, r#"{"text":"Incorrect index","code":7}"#), Verdict::Refused(_)));
        assert!(matches!(judged(403, r#"{"text":"Invalid token","code":4}"#), Verdict::Again { .. }));
        assert!(matches!(judged(503, r#"{"text":"Server is busy","code":9}"#), Verdict::Again { .. }));
        assert_eq!(judged(200, r#"{"text":"Success","code":0}"#), Verdict::Delivered);
    }
}
