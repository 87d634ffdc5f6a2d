//! A sealed message as an HTTP body (MS-WSMV 2.2.9.1): one pair of parts, or several behind each other.
//!
//! ```text
//!   --Encrypted Boundary\r\n
//!   \tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n
//!   \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=1234\r\n
//!   --Encrypted Boundary\r\n
//!   \tContent-Type: application/octet-stream\r\n
//!   <length of header, u32><header><1234 bytes>--Encrypted Boundary--\r\n
//! ```
//!
//! No empty line behind the part headers and none before the closing boundary: Windows answers one with 400.
//! Parts are cut by their lengths; ciphertext is never searched. The framing does not care who seals, so that
//! Kerberos can use it, too; [`seal`] and [`open`] are for NTLM.

use super::ntlm::{Session, SessionError};

/// The `Content-Type` of a sealed request.
pub const CONTENT_TYPE: &str = r#"multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary""#;

const BOUNDARY: &str = "Encrypted Boundary";
/// Part headers are a few lines; more is no sealed message.
const MAX_LINE_BYTES: usize = 1024;
/// The longest header of a security mechanism; Kerberos needs 60 bytes.
const MAX_HEADER_BYTES: usize = 4096;

/// A part as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The media type of the content, `application/soap+xml`.
    pub media_type: &'a str,
    /// Its character set as the sender names it, `UTF-8` or `UTF-16`.
    pub charset: Option<&'a str>,
    /// The mechanism's header: NTLM's signature.
    pub header: &'a [u8],
    /// The sealed bytes.
    pub sealed: &'a [u8],
}

/// An opened message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The character set that the sender names.
    pub charset: Option<String>,
    /// The message.
    pub message: Vec<u8>,
}

/// Why a body could not be opened. All of them mean: drop the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedBodyError {
    /// The framing is not as it must be.
    #[error("the sealed body is malformed at byte {at}: {what}")]
    Malformed {
        /// In bytes from its beginning.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The session does not accept it.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Whether a `Content-Type` is that of a sealed message.
pub fn is_sealed(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("multipart/encrypted")
}

/// Seals a SOAP message in UTF-8 with NTLM.
pub fn seal(session: &mut Session, message: &str) -> Vec<u8> {
    let mut sealed = message.as_bytes().to_vec();
    let signature = session.seal(&mut sealed);
    frame(&signature, &sealed, message.len(), "application/HTTP-SPNEGO-session-encrypted")
}

/// Frames a message that was sealed: the mechanism's header, the sealed bytes, and the length to declare, which is
/// that of the plain message and its padding.
pub fn frame(header: &[u8], sealed: &[u8], declared: usize, protocol: &str) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\n\tContent-Type: {protocol}\r\n\
         \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={declared}\r\n\
         --{BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n"
    );
    let header_len = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes();
    [head.as_bytes(), &header_len, header, sealed, b"--", BOUNDARY.as_bytes(), b"--\r\n"].concat()
}

/// Opens a body that NTLM has sealed.
///
/// # Errors
/// The framing is malformed, or the session does not accept a part. The session is out of step then.
pub fn open(session: &mut Session, body: &[u8]) -> Result<Opened, SealedBodyError> {
    let mut opened = Opened { charset: None, message: Vec::with_capacity(body.len()) };
    for part in parts(body)? {
        let begin = opened.message.len();
        opened.message.extend_from_slice(part.sealed);
        session.unseal(part.header, &mut opened.message[begin..])?;
        if opened.charset.is_none() {
            opened.charset = part.charset.map(str::to_owned);
        }
    }
    Ok(opened)
}

/// The parts of a body.
///
/// # Errors
/// The framing is malformed.
pub fn parts(body: &[u8]) -> Result<Vec<Part<'_>>, SealedBodyError> {
    let mut cursor = Cursor { body, at: 0 };
    let mut found = Vec::new();
    cursor.boundary()?;
    loop {
        found.push(cursor.part()?);
        if cursor.boundary()? == Boundary::Last {
            return Ok(found);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Boundary {
    Next,
    Last,
}

struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    /// Two parts: what the message is, and its sealed bytes.
    fn part(&mut self) -> Result<Part<'a>, SealedBodyError> {
        let mut original = None;
        loop {
            let begin = self.at;
            let line = self.line()?;
            if is_boundary(line) {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(malformed(begin, "a line is no header"))?;
            if name.trim().eq_ignore_ascii_case("OriginalContent") {
                original = Some(value.trim());
            }
        }
        let original = original.ok_or(malformed(self.at, "the original content is not described"))?;
        let parameter = |name: &str| {
            original.split(';').filter_map(|part| part.split_once('=')).find_map(|(key, value)| {
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
            })
        };
        let length = parameter("Length").and_then(|length| length.parse().ok());
        let length: usize = length.ok_or(malformed(self.at, "the original length is missing"))?;
        let begin = self.at;
        if !self.line()?.to_ascii_lowercase().contains("application/octet-stream") {
            return Err(malformed(begin, "the sealed part is not announced"));
        }
        let begin = self.at;
        let header_len = self.take(4)?.iter().rev().fold(0usize, |len, byte| len << 8 | usize::from(*byte));
        if header_len > MAX_HEADER_BYTES {
            return Err(malformed(begin, "the header of the sealed part is too long"));
        }
        let header = self.take(header_len)?;
        let sealed = self.take(length)?;
        let media_type = parameter("type").unwrap_or_default();
        Ok(Part { media_type, charset: parameter("charset"), header, sealed })
    }

    fn boundary(&mut self) -> Result<Boundary, SealedBodyError> {
        let begin = self.at;
        // The last line may lack its end.
        let rest = &self.body[begin..];
        let line = match std::str::from_utf8(rest) {
            Ok(line) if !line.contains('\n') => {
                self.at = self.body.len();
                line.trim_end()
            }
            _ => self.line()?,
        };
        match line.strip_suffix("--") {
            Some(line) if is_boundary(line) => Ok(Boundary::Last),
            None if is_boundary(line) => Ok(Boundary::Next),
            _ => Err(malformed(begin, "no boundary where the declared length ends")),
        }
    }

    /// A line without its end.
    fn line(&mut self) -> Result<&'a str, SealedBodyError> {
        let begin = self.at;
        let rest = &self.body[begin..];
        let window = &rest[..rest.len().min(MAX_LINE_BYTES)];
        let len = memchr::memchr(b'\n', window).ok_or(malformed(begin, "a line has no end"))?;
        self.at = begin + len + 1;
        let line = std::str::from_utf8(&window[..len]).map_err(|_| malformed(begin, "a line is no text"))?;
        Ok(line.trim_end_matches('\r'))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], SealedBodyError> {
        let end = self.at.checked_add(len).ok_or(malformed(self.at, "a length is out of range"))?;
        let taken = self.body.get(self.at..end).ok_or(malformed(self.at, "the body is cut"))?;
        self.at = end;
        Ok(taken)
    }
}

/// `--Encrypted Boundary`; Exchange puts a blank behind the dashes.
fn is_boundary(line: &str) -> bool {
    line.strip_prefix("--").is_some_and(|name| name.trim() == BOUNDARY)
}

fn malformed(at: usize, what: &'static str) -> SealedBodyError {
    SealedBodyError::Malformed { at, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_by_their_lengths() {
        // Ciphertext that looks like a boundary.
        let sealed = b"\r\n--Encrypted Boundary--\r\n\xff";
        let body = frame(b"header", sealed, sealed.len(), "application/HTTP-SPNEGO-session-encrypted");
        let found = parts(&body).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].header, found[0].sealed), (&b"header"[..], &sealed[..]));
        assert_eq!((found[0].media_type, found[0].charset), ("application/soap+xml", Some("UTF-8")));
    }

    #[test]
    fn several_messages_behind_each_other_are_parts() {
        let one = frame(b"h1", b"one", 3, "p");
        let two = frame(b"h2", b"two!", 4, "p");
        let joined = [one.strip_suffix(b"--Encrypted Boundary--\r\n").unwrap(), &two].concat();
        let found = parts(&joined).unwrap();
        assert_eq!(found.iter().map(|part| part.sealed).collect::<Vec<_>>(), [&b"one"[..], b"two!"]);
    }

    #[test]
    fn other_framings_are_refused_and_blanks_in_the_boundary_are_not() {
        let body = frame(b"h", b"12345", 5, "p");
        let text = String::from_utf8(body).unwrap();
        for bad in [
            text.replace("12345--", "12345\r\n--"),
            text.replace("Length=5", "Length=4"),
            text.replace("Length=5", "Length=99999999999"),
            text.replace("OriginalContent", "Other"),
            text.replace("octet-stream\r\n", "octet-stream\r\n\r\n"),
        ] {
            assert!(parts(bad.as_bytes()).is_err(), "{bad}");
        }
        let exchange = text.replace("--Encrypted", "-- Encrypted");
        assert_eq!(parts(exchange.as_bytes()).unwrap()[0].sealed, b"12345");
        assert!(is_sealed(CONTENT_TYPE) && !is_sealed("application/soap+xml;charset=UTF-8"));
    }
}
