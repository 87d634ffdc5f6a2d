//! Requests of the target `http`: JSON objects, arrays, forms, lines.

use super::dialect::Dialect;
use super::document::{write_form, write_object};
use super::parcel::Content;
use bytes::Bytes;
use std::ops::Range;

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// One event, as a JSON object.
    Json,
    /// A JSON array of events.
    JsonBatch,
    /// One event, as form fields.
    Form,
    /// One event a line, its bytes unchanged.
    Lines,
}

impl Dialect for Plain {
    fn overhead(&self) -> u64 {
        match self {
            Plain::Json => r#"{"message":""}"#.len() as u64,
            Plain::JsonBatch => r#"{"message":""},"#.len() as u64,
            Plain::Form => "message=".len() as u64,
            Plain::Lines => 1,
        }
    }

    fn most_events(&self) -> u32 {
        match self {
            Plain::Json | Plain::Form => 1,
            Plain::JsonBatch | Plain::Lines => u32::MAX,
        }
    }

    fn as_they_lie(&self, content: &Content, events: Range<u32>) -> Option<Bytes> {
        match self {
            Plain::Lines => content.delimited(events, b'\n'),
            Plain::Json | Plain::JsonBatch | Plain::Form => None,
        }
    }

    fn open(&self, out: &mut Vec<u8>) {
        if *self == Plain::JsonBatch {
            out.push(b'[');
        }
    }

    fn write(&self, content: &Content, event: u32, first: bool, out: &mut Vec<u8>) {
        let event = content.event(event);
        match self {
            Plain::Json => write_object(event, None, out),
            Plain::JsonBatch => {
                if !first {
                    out.push(b',');
                }
                write_object(event, None, out);
            }
            Plain::Form => write_form(event, out),
            Plain::Lines => {
                out.extend_from_slice(event);
                out.push(b'\n');
            }
        }
    }

    fn close(&self, out: &mut Vec<u8>) {
        if *self == Plain::JsonBatch {
            out.push(b']');
        }
    }
}
