//! Writing syslog: priority, timestamp, octet count, and the template of a target.

use super::Priority;
use super::calendar::{Date, date};

const NANOS: i64 = 1_000_000_000;

/// Adds `<PRI>`.
pub fn priority(priority: Priority, out: &mut Vec<u8>) {
    out.push(b'<');
    number(u64::from(priority.value()), out);
    out.push(b'>');
}

/// Adds an instant (nanoseconds since 1970) as RFC 3339 in UTC, such as `2026-11-21T14:30:52.123456Z`, with
/// microseconds, the finest that RFC 5424 §6.2.3 allows; finer digits are cut.
pub fn timestamp(unix_nanos: i64, out: &mut Vec<u8>) {
    let seconds = unix_nanos.div_euclid(NANOS);
    // An i64 of nanoseconds has years from 1677 to 2262.
    let Date { year, month, day } = date(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400) as u64;
    padded(u64::from(year.unsigned_abs()), 4, out);
    let (month, day) = (u64::from(month), u64::from(day));
    for (separator, value) in
        [(b'-', month), (b'-', day), (b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)]
    {
        out.push(separator);
        padded(value, 2, out);
    }
    out.push(b'.');
    padded(unix_nanos.rem_euclid(NANOS) as u64 / 1000, 6, out);
    out.push(b'Z');
}

/// Adds a message with its octet count before it (RFC 6587 §3.4.1).
pub fn octet_counted(message: &[u8], out: &mut Vec<u8>) {
    number(message.len() as u64, out);
    out.push(b' ');
    out.extend_from_slice(message);
}

/// What a template can name.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// `{{.Priority}}`
    pub priority: Priority,
    /// `{{.Timestamp}}`, nanoseconds since 1970.
    pub unix_nanos: i64,
    /// `{{.AppName}}`
    pub app: &'a [u8],
    /// `{{.PID}}`
    pub pid: u32,
    /// `{{.Message}}`
    pub message: &'a [u8],
}

/// A compiled template of a syslog target.
///
/// ```
/// use protocol::syslog::format::Template;
///
/// assert!(Template::compile(Template::DEFAULT).is_ok());
/// assert!(Template::compile("{{.Colour}}").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<[u8]>),
    Priority,
    Timestamp,
    AppName,
    Pid,
    Message,
}

/// Why a template is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name that no template has.
    #[error(
        "unknown name \"{name}\" at byte {at} of the template; \
         known are .Priority, .Timestamp, .AppName, .PID and .Message"
    )]
    UnknownName {
        /// The name as written.
        name: String,
        /// Where its braces begin.
        at: usize,
    },
    /// Braces that are opened and not closed.
    #[error("\"{{{{\" at byte {at} of the template is not closed; add \"}}}}\"")]
    NotClosed {
        /// Where they are.
        at: usize,
    },
}

// === impl Template ===

impl Template {
    /// The product's default.
    pub const DEFAULT: &'static str = "<{{.Priority}}> {{.Timestamp}} {{.AppName}}[{{.PID}}]: {{.Message}}";

    /// Compiles a template: text, and names in double braces, blanks within the braces allowed.
    ///
    /// # Errors
    /// Where a name is unknown or a brace not closed.
    pub fn compile(template: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(open) = template[at..].find("{{").map(|open| at + open) {
            if open > at {
                pieces.push(Piece::Text(template.as_bytes()[at..open].into()));
            }
            let close = template[open..].find("}}").ok_or(TemplateError::NotClosed { at: open })? + open;
            pieces.push(match template[open + 2..close].trim() {
                ".Priority" => Piece::Priority,
                ".Timestamp" => Piece::Timestamp,
                ".AppName" => Piece::AppName,
                ".PID" => Piece::Pid,
                ".Message" => Piece::Message,
                name => return Err(TemplateError::UnknownName { name: name.to_owned(), at: open }),
            });
            at = close + 2;
        }
        if at < template.len() {
            pieces.push(Piece::Text(template.as_bytes()[at..].into()));
        }
        Ok(Self(pieces))
    }

    /// Adds one message.
    pub fn write(&self, fields: &Fields<'_>, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Priority => number(u64::from(fields.priority.value()), out),
                Piece::Timestamp => timestamp(fields.unix_nanos, out),
                Piece::AppName => out.extend_from_slice(fields.app),
                Piece::Pid => number(u64::from(fields.pid), out),
                Piece::Message => out.extend_from_slice(fields.message),
            }
        }
    }
}

fn number(value: u64, out: &mut Vec<u8>) {
    let digits = value.checked_ilog10().map_or(1, |log| log as usize + 1);
    padded(value, digits, out);
}

/// Adds the last `digits` decimal digits.
fn padded(value: u64, digits: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + digits, b'0');
    let mut value = value;
    for digit in out[begin..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_default_template_writes_what_the_product_writes() {
        let fields = Fields {
            priority: Priority::new(14).unwrap(),
            unix_nanos: 1_795_271_452_123_456_789,
            app: b"vmetric",
            pid: 42,
            message: b"hello",
        };
        let template = Template::compile(Template::DEFAULT).unwrap();
        assert_eq!(
            written(|out| template.write(&fields, out)),
            "<14> 2026-11-21T14:30:52.123456Z vmetric[42]: hello"
        );
    }

    #[test]
    fn a_bad_template_is_refused_with_the_place() {
        assert_eq!(
            Template::compile("ab {{ .Colour }}").unwrap_err().to_string(),
            "unknown name \".Colour\" at byte 3 of the template; \
             known are .Priority, .Timestamp, .AppName, .PID and .Message"
        );
        assert_eq!(
            Template::compile("<{{.Priority").unwrap_err().to_string(),
            "\"{{\" at byte 1 of the template is not closed; add \"}}\""
        );
    }

    #[test]
    fn a_message_is_counted_in_octets() {
        assert_eq!(written(|out| octet_counted("é\n".as_bytes(), out)), "3 é\n");
        assert_eq!(written(|out| octet_counted(b"", out)), "0 ");
        assert_eq!(written(|out| priority(Priority::DEFAULT, out)), "<13>");
    }

    proptest! {
        #[test]
        fn a_timestamp_is_read_back_as_written(unix_nanos in any::<i64>()) {
            let text = written(|out| timestamp(unix_nanos, out));
            let back: jiff::Timestamp = text.parse().unwrap();
            prop_assert_eq!(back.as_nanosecond(), i128::from(unix_nanos.div_euclid(1000)) * 1000);
        }
    }
}
