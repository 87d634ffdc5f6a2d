//! The header of RFC 3164 §4.1 in the dialects that devices speak.
//!
//! ```text
//!   <PRI> [SEQUENCE:] [HOST:] [SEQUENCE:] TIMESTAMP [:] [HOST [:]] [TAG [PID] :] text
//!         └──────── Cisco ───────────────┘      └── Cisco: no host behind it
//! ```
//!
//! What a word is, its punctuation tells: `word:` is a tag, `word[12]:` a tag with its process, `12:` a
//! sequence number, `word: %…` or `word : …` a host (EMBLEM), any other first word a host.

use super::stamp::{self, Reading, ZoneNames};
use super::{FaultKind, Header, Message, skip_blanks};

/// A tag with its process id, and where the line goes on.
struct Tag<'a> {
    app: &'a [u8],
    procid: Option<&'a [u8]>,
    end: usize,
}

/// Parses behind `<PRI>`.
pub(super) fn parse<'a>(line: &'a [u8], at: usize, message: &mut Message<'a>) {
    message.header = Header::Rfc3164;
    let begin = skip_blanks(line, at);
    if let Some(end) = timestamp(line, begin, message) {
        return host_and_tag(line, end, message);
    }
    if let Some((version, end)) = versioned(line, begin)
        && let Some(end) = timestamp(line, end, message)
    {
        message.version = Some(version);
        return host_and_tag(line, end, message);
    }
    message.deviates(FaultKind::Timestamp, begin);
    tag_and_text(line, begin, message);
}

/// Parses a line without `<PRI>`: a timestamp has to tell that there is a header.
pub(super) fn parse_without_priority<'a>(line: &'a [u8], at: usize, message: &mut Message<'a>) {
    if let Some(end) = timestamp(line, skip_blanks(line, at), message) {
        message.header = Header::Rfc3164;
        host_and_tag(line, end, message);
    }
}

/// Reads the timestamp at `at`, also behind Cisco's sequence numbers and host, and says where the line goes
/// on.
fn timestamp<'a>(line: &'a [u8], at: usize, message: &mut Message<'a>) -> Option<usize> {
    /// Sequence, host, sequence.
    const MOST_PREFIXES: usize = 3;
    let rest = line.get(at..)?;
    if let Some(found) = stamp::recognise(rest, ZoneNames::Known) {
        message.set_timestamp(line, at, &found);
        return Some(at + found.len);
    }
    let (mut hostname, mut sequence) = (None, None);
    let mut at = skip_blanks(line, at + usize::from(rest.starts_with(b":")));
    for _ in 0..=MOST_PREFIXES {
        // A mark: the clock was never set (`*`) or has lost its source (`.`).
        let marked = at + usize::from(matches!(line.get(at), Some(b'*' | b'.')));
        let found = stamp::recognise(&line[marked..], ZoneNames::Any).or_else(|| uptime(&line[marked..]));
        if let Some(found) = found {
            // Cisco writes a colon behind it. `app: 2026-11-21 14:30:52 text` is a program's own time.
            if hostname.is_some() && line.get(marked + found.len) != Some(&b':') {
                return None;
            }
            message.set_timestamp(line, marked, &found);
            (message.hostname, message.sequence) = (hostname, sequence);
            return Some(marked + found.len);
        }
        let word = word(line, at).strip_suffix(b":")?;
        if !word.is_empty() && word.iter().all(u8::is_ascii_digit) {
            sequence = Some(word);
        } else if is_host(word) && hostname.is_none() {
            hostname = Some(word);
        } else {
            return None;
        }
        at = skip_blanks(line, at + word.len() + 1);
    }
    None
}

/// The time since a Cisco device started, as in `2y10w: %SYS-…` or `00:00:46: %SYS-…`.
fn uptime(rest: &[u8]) -> Option<stamp::Recognised> {
    let text = word(rest, 0).strip_suffix(b":")?;
    let shaped = text.first()?.is_ascii_digit()
        && text
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'y' | b'w' | b'd' | b'h' | b'm' | b's' | b':' | b'.'))
        && !text.iter().all(u8::is_ascii_digit);
    let mnemonic = rest.get(skip_blanks(rest, text.len() + 1)) == Some(&b'%');
    (shaped && mnemonic).then_some(stamp::Recognised {
        reading: Reading::Unknown,
        len: text.len(),
        standard: false,
    })
}

/// A version before a timestamp of the older kind: `<134>1 Nov 21 14:30:52 host …`.
fn versioned(line: &[u8], at: usize) -> Option<(u16, usize)> {
    match line.get(at..)? {
        [digit @ b'1'..=b'9', b' ', b'A'..=b'Z' | b'a'..=b'z', ..] => Some((u16::from(digit - b'0'), at + 2)),
        _ => None,
    }
}

/// Parses behind the timestamp.
fn host_and_tag<'a>(line: &'a [u8], at: usize, message: &mut Message<'a>) {
    if line.get(at) == Some(&b':') {
        // Cisco: the message follows.
        message.message = &line[skip_blanks(line, at + 1)..];
        return;
    }
    let begin = skip_blanks(line, at);
    let rest = &line[begin..];
    if rest.starts_with(b"last message repeated ") || rest.starts_with(b"message repeated ") {
        message.message = rest;
        return;
    }
    if rest.starts_with(b"- ") {
        return tag_and_text(line, skip_blanks(line, begin + 1), message);
    }
    if let Some(tag) = tag(line, begin) {
        let next = skip_blanks(line, tag.end);
        let is_emblem_host = tag.procid.is_none() && line.get(next) == Some(&b'%');
        if is_emblem_host && !tag.app.iter().all(u8::is_ascii_digit) {
            message.hostname = Some(tag.app);
            message.message = &line[next..];
            return;
        }
        return tag_and_text(line, begin, message);
    }
    let host = word(line, begin);
    let next = skip_blanks(line, begin + host.len());
    if !is_host(host) || next == line.len() {
        message.message = rest;
        return;
    }
    message.hostname = Some(host);
    match &line[next..] {
        // `host : %ASA-4-…`
        [b':', b' ' | b'%', ..] => message.message = &line[skip_blanks(line, next + 1)..],
        _ => tag_and_text(line, next, message),
    }
}

/// Parses from the tag on.
fn tag_and_text<'a>(line: &'a [u8], at: usize, message: &mut Message<'a>) {
    let Some(tag) = tag(line, at) else {
        let text = &line[at..];
        // `<166>: %ASA-…`
        message.message = text.strip_prefix(b": ").unwrap_or(text);
        return;
    };
    if tag.procid.is_none() && tag.app.iter().all(u8::is_ascii_digit) {
        message.sequence = Some(tag.app);
    } else {
        message.app = Some(tag.app);
        message.procid = tag.procid;
    }
    // One blank belongs to the header; more of them indent the text.
    let text = &line[tag.end..];
    message.message = text.strip_prefix(b" ").unwrap_or(text);
}

/// The tag at `at`: `app:`, `app[pid]:`, or `app[12]` before a blank.
fn tag(line: &[u8], at: usize) -> Option<Tag<'_>> {
    /// A process id; `sshd[2738]` has one, `text[see below …]` has none.
    const LONGEST_PROCID: usize = 64;
    let rest = &line[at..];
    if !begins_a_tag(*rest.first()?) {
        return None;
    }
    let mut len = 0;
    loop {
        match rest.get(len)? {
            b':' if matches!(rest.get(len + 1), None | Some(b' ' | b'\t')) => {
                return Some(Tag { app: &rest[..len], procid: None, end: at + len + 1 });
            }
            b'[' => break,
            byte if USES[usize::from(*byte)] & IN_TAG != 0 => len += 1,
            _ => return None,
        }
    }
    let id = &rest[len + 1..];
    let id = &id[..id.iter().take(LONGEST_PROCID).position(|byte| matches!(byte, b']' | b' '))?];
    let end = len + 1 + id.len() + 1;
    if id.is_empty() || rest.get(end - 1) != Some(&b']') {
        return None;
    }
    let end = match rest.get(end) {
        Some(b':') => end + 1,
        None | Some(b' ') if id.iter().all(u8::is_ascii_digit) => end,
        _ => return None,
    };
    Some(Tag { app: &rest[..len], procid: Some(id), end: at + end })
}

fn begins_a_tag(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.' | b'(' | 0x80..)
}

/// Whether a word may be a host's name or address.
fn is_host(word: &[u8]) -> bool {
    let begins = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | 0x80..);
    word.first().is_some_and(|first| begins(*first))
        && word.iter().all(|byte| USES[usize::from(*byte)] & IN_HOST != 0)
}

/// What a program's name is made of. Not what key=value pairs, JSON, CSV, CEF and LEEF have in their first
/// word.
const IN_TAG: u8 = 1;
/// What a host's name or address is made of, also with a zone (`fe80::1%eth0`) or a stack member (`sw/1`).
const IN_HOST: u8 = 2;

/// For each byte, where it may stand.
const USES: [u8; 256] = {
    let mut uses = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        uses[byte] = match byte as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | 0x80.. => IN_TAG | IN_HOST,
            b'-' | b'_' | b'.' | b'/' | b'@' | b'+' | b'~' | b'*' | b'%' | b':' => IN_TAG | IN_HOST,
            b'\\' | b'#' | b'$' | b'(' | b')' => IN_TAG,
            _ => 0,
        };
        byte += 1;
    }
    uses
};

/// The bytes from `at` up to a blank.
fn word(line: &[u8], at: usize) -> &[u8] {
    let rest = &line[at..];
    &rest[..rest.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(rest.len())]
}
