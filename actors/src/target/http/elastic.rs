//! Elasticsearch's `_bulk`: an action line and a document for each event, an answer for each event.
//!
//! Each document carries an id that stays the same when it is sent again: process, stream, number of the record, way
//! through the configuration. With the action `create` a repeat is answered 409, which means: already there.

use super::dialect::{Answer, Dialect, ItemFault, Trouble, Verdict, by_status, excerpt};
use super::document::write_object;
use super::parcel::Content;
use event::model::json_write::write_text;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;

/// An answer has some hundred bytes for an event that failed.
const ANSWER_BYTES: usize = 32 << 20;
/// What answers without failures begin with, so that they need not be read on.
const ALL_WELL: &[u8] = b"{\"errors\":false";

/// What is done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Refused where the id exists.
    Create,
    /// Replaces what exists.
    Index,
    /// Changes what exists, or makes it.
    Update,
    /// Removes what exists.
    Delete,
}

/// Requests to `_bulk`.
#[derive(Clone, Debug)]
pub struct Elastic {
    action: Action,
    /// The action line up to the document's id.
    prefix: Vec<u8>,
}

#[derive(Deserialize)]
struct BulkAnswer {
    errors: Option<bool>,
    #[serde(default)]
    items: Vec<BTreeMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: Option<u16>,
    error: Option<Value>,
}

impl Elastic {
    /// Documents for an index. `process` tells this process from all others that write to it.
    pub fn new(action: Action, index: &str, process: u64) -> Self {
        let mut prefix = format!("{{\"{}\":{{\"_index\":", action.name()).into_bytes();
        write_text(index.as_bytes(), &mut prefix);
        prefix.extend_from_slice(format!(",\"_id\":\"{process:016x}-").as_bytes());
        Self { action, prefix }
    }

    /// What becomes of one event; none when it is done with.
    fn judge_item(&self, item: &Item) -> Option<ItemFault> {
        let status = item.status.unwrap_or(if item.error.is_some() { 500 } else { 200 });
        match (status, self.action) {
            (200..=299, _) | (409, Action::Create) | (404, Action::Delete) => None,
            (408 | 429 | 500.., _) => Some(ItemFault::Later(item.described(status))),
            _ => Some(ItemFault::Refused(item.described(status))),
        }
    }
}

impl Dialect for Elastic {
    fn overhead(&self) -> u64 {
        // Process, stream, sequence and branch, the brackets, and what makes an object of a line.
        self.prefix.len() as u64 + 100
    }

    fn write(&self, content: &Content, event: u32, _: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        let id = content.id(event);
        // Writing to a vector can't fail.
        let _ = write!(out, "{:x}-{:x}-{:x}", id.stream, id.sequence, id.branch);
        if id.part > 0 {
            let _ = write!(out, "-{:x}", id.part);
        }
        out.extend_from_slice(b"\"}}\n");
        let received = content.batch().origin(content.record(event)).received;
        let document = |out: &mut Vec<u8>| write_object(content.event(event), Some(received), out);
        match self.action {
            Action::Create | Action::Index => document(out),
            Action::Update => {
                out.extend_from_slice(b"{\"doc\":");
                document(out);
                out.extend_from_slice(b",\"doc_as_upsert\":true}");
            }
            Action::Delete => return,
        }
        out.push(b'\n');
    }

    fn answer_bytes(&self) -> usize {
        ANSWER_BYTES
    }

    fn judge(&self, answer: &Answer, events: u32) -> Verdict {
        if !answer.status.is_success() {
            return by_status(answer);
        }
        if answer.body.starts_with(ALL_WELL) {
            return Verdict::Delivered;
        }
        let not_understood = |why: String| {
            let text = format!("its answer is not one of _bulk: {why}; check the endpoint");
            Verdict::Again { after: None, trouble: Trouble { name: "protocol", text } }
        };
        let bulk: BulkAnswer = match serde_json::from_slice(&answer.body) {
            Ok(bulk) => bulk,
            Err(e) => return not_understood(e.to_string()),
        };
        match bulk.errors {
            Some(false) => return Verdict::Delivered,
            Some(true) => {}
            None => return not_understood("it does not say whether there were errors".to_owned()),
        }
        if bulk.items.len() != events as usize {
            return not_understood(format!("{} items for {events} events", bulk.items.len()));
        }
        let results = bulk.items.iter().map(|item| item.values().next());
        let faults = results.enumerate().filter_map(|(number, item)| {
            let fault = item.map_or(Some(ItemFault::Later("no result".into())), |i| self.judge_item(i));
            fault.map(|fault| (number as u32, fault))
        });
        let faults: Vec<_> = faults.collect();
        if faults.is_empty() { Verdict::Delivered } else { Verdict::Except(faults) }
    }
}

impl Item {
    fn described(&self, status: u16) -> String {
        match &self.error {
            Some(Value::Object(error)) => {
                let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or("?");
                format!("{status} {}: {}", text("type"), excerpt(text("reason")))
            }
            Some(other) => format!("{status}: {}", excerpt(&other.to_string())),
            None => status.to_string(),
        }
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Index => "index",
            Action::Update => "update",
            Action::Delete => "delete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn judged(action: Action, body: &str, events: u32) -> Verdict {
        let answer = Answer { status: StatusCode::OK, retry_after: None, body: body.into() };
        Elastic::new(action, "logs", 1).judge(&answer, events)
    }

    #[test]
    fn each_item_has_its_own_verdict() {
        let body = r#"{"errors":true,"items":[
            {"create":{"_index":"logs","status":201}},
            {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"there"}}},
            {"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"busy"}}},
            {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"bad\n field"}}}]}"#;
        let faults = vec![
            (2, ItemFault::Later("429 es_rejected_execution_exception: busy".into())),
            (3, ItemFault::Refused("400 document_parsing_exception: bad field".into())),
        ];
        assert_eq!(judged(Action::Create, body, 4), Verdict::Except(faults));
    }

    #[test]
    fn an_existing_document_is_a_conflict_for_create_only() {
        let body = r#"{"errors":true,"items":[{"X":{"status":409,"error":"there"}}]}"#;
        assert_eq!(judged(Action::Create, &body.replace('X', "create"), 1), Verdict::Delivered);
        let update = judged(Action::Update, &body.replace('X', "update"), 1);
        assert_eq!(update, Verdict::Except(vec![(0, ItemFault::Refused("409: \"there\"".into()))]));
    }

    #[test]
    fn an_answer_that_leaves_events_open_is_no_delivery() {
        for body in
            ["", "{}", "ok", r#"{"errors":true,"items":[]}"#, r#"{"errors":true,"items":[{"create":{"#]
        {
            assert!(matches!(judged(Action::Create, body, 1), Verdict::Again { .. }), "{body}");
        }
        assert_eq!(judged(Action::Create, r#"{"took":1,"errors":false}"#, 1), Verdict::Delivered);
    }
}
