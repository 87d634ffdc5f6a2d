//! One event in quarantine: in memory, and as a record of the journal.
//!
//! ```text
//! record, format 1 (integers little-endian)
//!   0  1  format, 1
//!   1  1  bit 0: there is a payload
//!   2  2  zero
//!   4  4  length of the description
//!   8  4  length of the event
//!  12     description, JSON: [`Meta`]
//!         the event's bytes as they were received
//!         the payload that a target refused, as it was encoded for it
//! ```
//!
//! The journal adds length, checksum, position (the event's number in quarantine) and time to each record. Fields that
//! are added to the description later are left alone by readers that do not know them; anything else raises the format.

use bytes::Bytes;
use event::{Batch, BranchId, Cause};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// The format of records.
pub const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 12;
const WITH_PAYLOAD: u8 = 1;

/// An event on its way to quarantine.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Why it is set aside, in a word.
    pub cause: Cause,
    /// Why, in full: what the processor or the peer said.
    pub why: Arc<str>,
    /// Which processor, or which peer.
    pub at: Arc<str>,
    /// The lane it was on.
    pub lane: usize,
    /// The ways it does not go on.
    pub branches: Arc<[BranchId]>,
    /// The target that refused it. What comes from a spool may be of an earlier life, in which branches had other numbers.
    pub target: Option<Arc<str>>,
    /// Its batch.
    pub batch: Batch,
    /// Which record of it.
    pub record: u32,
    /// What a target refused.
    pub payload: Option<Bytes>,
}

/// What is written down about an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Why, in a word: the name of a cause.
    pub cause: String,
    /// Why, in full.
    pub why: String,
    /// Which processor, or which peer.
    pub at: String,
    /// The ways it was on.
    pub ways: Vec<WayLabel>,
    /// The device it came through.
    pub device: DeviceName,
    /// Its stream; numbers begin anew with each start.
    pub stream: u64,
    /// Its number within the stream.
    pub sequence: u64,
    /// Who sent it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peer: Option<SocketAddr>,
    /// When it was received, in nanoseconds since the Unix epoch.
    pub received: u64,
    /// It was longer than allowed and was cut when it was received.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub truncated: bool,
    /// How often it was replayed before.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub replays: u32,
    /// What it was the last time it was here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replay_of: Option<u64>,
}

/// A device by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceName {
    /// Its `id`.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
}

/// What stands for the route where it is not known any more.
pub const UNKNOWN_ROUTE: &str = "?";

/// A way through the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayLabel {
    /// The route; empty for events that a pipeline sent to the target by name, [`UNKNOWN_ROUTE`] if nobody knows.
    pub route: String,
    /// The pipelines of the way, one after the other.
    pub pipelines: Vec<String>,
    /// The target.
    pub target: String,
}

/// An event that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its number.
    pub id: u64,
    /// When it was set aside, in nanoseconds since the Unix epoch.
    pub at: u64,
    /// What is known about it.
    pub meta: Meta,
    /// Its bytes as they were received.
    pub event: Bytes,
    /// What a target refused.
    pub payload: Option<Bytes>,
}

/// Why a record is not understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Of another version.
    #[error("its format is {0}, this program reads {FORMAT}; use the version that wrote it")]
    Format(u8),
    /// Shorter than it says.
    #[error("it is shorter than it says")]
    Short,
    /// The description is no JSON of the right shape.
    #[error("its description is not understood: {0}")]
    Meta(#[from] serde_json::Error),
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// A record's bytes before those of the event.
pub(super) struct Encoded {
    pub(super) head: Vec<u8>,
    pub(super) event: Bytes,
    pub(super) payload: Option<Bytes>,
}

impl Encoded {
    /// The record of an event. What does not go into `limit` bytes leaves its payload behind.
    pub(super) fn of(
        meta: &Meta,
        event: Bytes,
        payload: Option<Bytes>,
        limit: u64,
    ) -> Result<Self, DecodeError> {
        let mut head = vec![FORMAT, 0, 0, 0, 0, 0, 0, 0];
        head.extend_from_slice(&(event.len() as u32).to_le_bytes());
        serde_json::to_writer(&mut head, meta)?;
        let described = (head.len() - HEADER_BYTES) as u32;
        head[4..8].copy_from_slice(&described.to_le_bytes());
        let size = |payload: &Bytes| (head.len() + event.len() + payload.len()) as u64;
        let payload = payload.filter(|payload| size(payload) <= limit);
        if payload.is_some() {
            head[1] |= WITH_PAYLOAD;
        }
        Ok(Self { head, event, payload })
    }

    pub(super) fn len(&self) -> u64 {
        (self.head.len() + self.event.len() + self.payload.as_ref().map_or(0, Bytes::len)) as u64
    }
}

impl Kept {
    /// The event of a record.
    ///
    /// # Errors
    /// When the record is not understood.
    pub fn decode(record: &journal::Record) -> Result<Self, DecodeError> {
        let bytes = &record.payload;
        let format = bytes.first().copied().ok_or(DecodeError::Short)?;
        if format != FORMAT {
            return Err(DecodeError::Format(format));
        }
        let head = bytes.get(..HEADER_BYTES).ok_or(DecodeError::Short)?;
        let length =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let event_at = HEADER_BYTES + length(4);
        let payload_at = event_at + length(8);
        if payload_at > bytes.len() {
            return Err(DecodeError::Short);
        }
        Ok(Self {
            id: record.position.0,
            at: record.unix_nanos,
            meta: serde_json::from_slice(&bytes[HEADER_BYTES..event_at])?,
            event: bytes.slice(event_at..payload_at),
            payload: (head[1] & WITH_PAYLOAD != 0).then(|| bytes.slice(payload_at..)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::Position;

    fn meta() -> Meta {
        Meta {
            cause: "refused".to_owned(),
            why: "400: bad".to_owned(),
            at: "http://x".to_owned(),
            ways: vec![WayLabel { route: "r".into(), pipelines: vec!["p".into()], target: "t".into() }],
            device: DeviceName { id: 7, name: "in".into(), kind: "tcp".into() },
            stream: 3,
            sequence: 9,
            peer: Some(([127, 0, 0, 1], 5).into()),
            received: 1_700_000_000_000_000_000,
            truncated: true,
            replays: 2,
            replay_of: Some(4),
        }
    }

    fn record(encoded: &Encoded) -> journal::Record {
        let mut bytes = encoded.head.clone();
        bytes.extend_from_slice(&encoded.event);
        bytes.extend_from_slice(encoded.payload.as_deref().unwrap_or_default());
        journal::Record { position: Position(11), unix_nanos: 5, payload: bytes.into() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (event, payload) = (Bytes::from_static(b"\xffraw\n"), Some(Bytes::from_static(b"{}")));
        for payload in [payload, None] {
            let encoded = Encoded::of(&meta(), event.clone(), payload.clone(), 1 << 20).unwrap();
            let kept = Kept::decode(&record(&encoded)).unwrap();
            assert_eq!(kept, Kept { id: 11, at: 5, meta: meta(), event: event.clone(), payload });
        }
    }

    #[test]
    fn a_payload_that_does_not_fit_is_left_behind() {
        let encoded =
            Encoded::of(&meta(), Bytes::from_static(b"e"), Some(vec![0; 5000].into()), 4096).unwrap();
        assert_eq!(Kept::decode(&record(&encoded)).unwrap().payload, None);
    }

    #[test]
    fn damage_and_other_formats_are_errors() {
        let whole = record(&Encoded::of(&meta(), Bytes::from_static(b"event"), None, 4096).unwrap());
        for len in 0..whole.payload.len() {
            let cut = journal::Record { payload: whole.payload.slice(..len), ..whole.clone() };
            assert!(Kept::decode(&cut).is_err(), "{len}");
        }
        let mut other = whole.payload.to_vec();
        other[0] = 2;
        let other = journal::Record { payload: other.into(), ..whole };
        assert!(matches!(Kept::decode(&other), Err(DecodeError::Format(2))));
    }
}
