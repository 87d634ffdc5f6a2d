//! What events say: texts in turn, in the form that a device expects, with the mark of the event.

use crate::account::Mark;
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::io::Write;
use std::path::Path;

/// The form of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The text alone.
    Plain,
    /// RFC 5424.
    Rfc5424,
    /// RFC 3164.
    Rfc3164,
    /// RFC 5424 and RFC 3164 in turn.
    Syslog,
    /// A JSON object with the text as `message`.
    Json,
}

/// Texts in turn.
#[derive(Clone, Debug)]
pub struct Texts {
    texts: Vec<String>,
    form: Form,
    /// Events are at least so long.
    size: usize,
}

/// What devices of some vendors say (documented examples, made up values). None has quotes or backslashes, so that they
/// may stand in JSON.
const MIXES: &[(&str, &[&str])] = &[
    ("short", &["connection accepted"]),
    (
        "firewall",
        &[
            "%ASA-6-302013: Built outbound TCP connection 7241 for outside:203.0.113.9/443 to inside:192.0.2.17/51234",
            "%ASA-4-106023: Deny tcp src outside:203.0.113.77/4444 dst inside:192.0.2.20/22 by access-group outside_in",
            "CEF:0|Acme|Gate|1.0|100|connection denied|5|src=203.0.113.5 dst=192.0.2.8 spt=1232 dpt=22 act=deny",
            "date=2026-05-01 time=12:00:00 devname=edge type=traffic subtype=forward srcip=192.0.2.30 dstip=198.51.100.4 action=accept",
        ],
    ),
    (
        "servers",
        &[
            "Accepted publickey for deploy from 192.0.2.44 port 50412 ssh2: ED25519 SHA256:abcdef",
            "Failed password for invalid user admin from 203.0.113.99 port 40022 ssh2",
            "pam_unix(sudo:session): session opened for user root(uid=0) by deploy(uid=1000)",
            "192.0.2.61 - - GET /api/v1/orders?id=4711 HTTP/1.1 200 512 0.031",
            "Out of memory: Killed process 4242 (java) total-vm:8123456kB, anon-rss:4123456kB",
        ],
    ),
];

impl Texts {
    /// The texts of a mix; the names of all of them stand in the error.
    ///
    /// # Errors
    /// When there is no mix of that name.
    pub fn mix(name: &str, form: Form, size: usize) -> anyhow::Result<Self> {
        let Some((_, texts)) = MIXES.iter().find(|(known, _)| *known == name) else {
            bail!("there is no mix {name:?}; write one of {}", Self::names());
        };
        Ok(Self { texts: texts.iter().map(|text| (*text).to_owned()).collect(), form, size })
    }

    /// The names of all mixes.
    pub fn names() -> String {
        MIXES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// The lines of a file, as they are.
    ///
    /// # Errors
    /// When it can't be read, or has none.
    pub fn recorded(path: &Path, size: usize) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let texts: Vec<String> = lines.map(|line| line.replace('~', "-")).collect();
        if texts.is_empty() {
            bail!("{} has no lines", path.display());
        }
        Ok(Self { texts, form: Form::Plain, size })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.texts.len()
    }

    /// Adds an event; `now` is the time of its header.
    pub fn write(&self, mark: Mark, now: Timestamp, out: &mut Vec<u8>) {
        let start = out.len();
        let text = &self.texts[mark.number as usize % self.texts.len()];
        // Writing to a vector does not fail.
        let _ = match self.form_of(mark) {
            Form::Plain => write!(out, "{text} {mark}"),
            Form::Rfc5424 => write!(out, "<134>1 {now:.3} simulated app 1 - - {text} {mark}"),
            Form::Rfc3164 | Form::Syslog => {
                write!(out, "<134>{} simulated app[1]: {text} {mark}", now.strftime("%b %e %H:%M:%S"))
            }
            Form::Json => write!(out, "{{\"message\":\"{text} {mark}"),
        };
        let tail: &[u8] = if self.form == Form::Json { b"\"}" } else { b"" };
        let short = self.size.saturating_sub(out.len() - start + tail.len());
        if short > 1 {
            out.push(b' ');
            out.resize(out.len() + short - 1, b'.');
        }
        out.extend_from_slice(tail);
    }

    fn form_of(&self, mark: Mark) -> Form {
        match self.form {
            Form::Syslog if mark.number.is_multiple_of(2) => Form::Rfc5424,
            form => form,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Marks;

    #[test]
    fn every_form_has_its_size_and_its_mark() {
        for form in [Form::Plain, Form::Rfc5424, Form::Rfc3164, Form::Syslog, Form::Json] {
            for (name, _) in MIXES {
                let texts = Texts::mix(name, form, 300).expect("known");
                let (mut bytes, mut found) = (Vec::new(), Vec::new());
                let mark = Mark { origin: 1, stream: 2, number: 3 };
                texts.write(mark, Timestamp::UNIX_EPOCH, &mut bytes);
                Marks::default().find(&bytes, &mut found);
                assert_eq!((found, bytes.len()), (vec![mark], 300), "{}", String::from_utf8_lossy(&bytes));
                if form == Form::Json {
                    serde_json::from_slice::<serde_json::Value>(&bytes).expect("JSON");
                }
            }
        }
    }
}
