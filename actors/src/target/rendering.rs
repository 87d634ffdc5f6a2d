//! What is written for an event: its bytes, a JSON object around them, or a syslog message around them.

use super::events::Event;
use event::model::json_write;
use protocol::syslog::Priority;
use protocol::syslog::format::{Fields, Template};
use std::io::Write as _;
use std::sync::Arc;

/// What is written for an event.
#[derive(Clone, Debug)]
pub enum Rendering {
    /// The bytes as they came in, or as a pipeline encoded them.
    Unchanged,
    /// For bytes as they came in the object `{"epoch":<unix seconds>,"message":"<the bytes>"}`; what a pipeline
    /// encoded is JSON already.
    Json,
    /// A syslog message around the bytes.
    Syslog(Arc<SyslogMessage>),
}

/// A syslog message around an event.
#[derive(Debug)]
pub struct SyslogMessage {
    /// How its parts are put together.
    pub template: Template,
    /// `{{.Priority}}`
    pub priority: Priority,
    /// `{{.AppName}}`
    pub app_name: String,
    /// `{{.PID}}`
    pub process: u32,
}

impl Rendering {
    /// Whether bytes are written as they are.
    pub fn is_unchanged(&self) -> bool {
        matches!(self, Rendering::Unchanged)
    }

    /// Appends an event.
    pub fn write(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Rendering::Json if !event.encoded => {
                let epoch = event.origin.received / 1_000_000_000;
                // Writing to a vector can't fail.
                let _ = write!(out, "{{\"epoch\":{epoch},\"message\":");
                json_write::write_text(event.bytes, out);
                out.push(b'}');
            }
            Rendering::Json | Rendering::Unchanged => out.extend_from_slice(event.bytes),
            Rendering::Syslog(message) => message.template.write(
                &Fields {
                    priority: message.priority,
                    unix_nanos: i64::try_from(event.origin.received).unwrap_or(i64::MAX),
                    app: message.app_name.as_bytes(),
                    pid: message.process,
                    message: event.bytes,
                },
                out,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{DeviceId, Origin};

    fn written(rendering: &Rendering, bytes: &[u8], encoded: bool) -> Vec<u8> {
        let origin = Origin { device: DeviceId(1), peer: None, received: 1_700_000_000_987_654_321 };
        let mut out = Vec::new();
        rendering.write(&Event { record: 0, bytes, origin: &origin, encoded }, &mut out);
        out
    }

    #[test]
    fn received_bytes_become_a_json_object_whatever_they_are() {
        let json = |bytes| String::from_utf8(written(&Rendering::Json, bytes, false)).unwrap();
        assert_eq!(json(b"a \"b\"\n\\"), r#"{"epoch":1700000000,"message":"a \"b\"\n\\"}"#);
        assert_eq!(json(b"a\xffb\x01"), "{\"epoch\":1700000000,\"message\":\"a\u{fffd}b\\u0001\"}");
    }

    #[test]
    fn what_a_pipeline_encoded_is_not_encoded_again() {
        assert_eq!(written(&Rendering::Json, b"{\"a\":1}", true), b"{\"a\":1}");
    }

    #[test]
    fn bytes_that_are_no_utf8_pass_unchanged() {
        assert_eq!(written(&Rendering::Unchanged, b"\xff\x00", false), b"\xff\x00");
    }

    #[test]
    fn a_syslog_message_has_the_time_of_receipt() {
        let message = SyslogMessage {
            template: Template::compile(Template::DEFAULT).unwrap(),
            priority: Priority::new(14).unwrap(),
            app_name: "vmetric".to_owned(),
            process: 7,
        };
        let line = written(&Rendering::Syslog(Arc::new(message)), b"hello", false);
        assert_eq!(line, b"<14> 2023-11-14T22:13:20.987654Z vmetric[7]: hello");
    }
}
