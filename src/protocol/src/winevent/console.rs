//! `wevtutil` in a shell: the command line that asks, and its output cut into events.
//!
//! The output is one `<Event …>…</Event>` behind the other without a root, in some code page, and arrives cut
//! anywhere, also within a character.

use memchr::memmem;

use super::code_page::CodePage;

/// What `cmd.exe` takes at most.
const MAX_COMMAND_CHARACTERS: usize = 8191;

/// Why there can be no such command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A character that ends quoting or expands in `cmd.exe`.
    #[error("{0:?} may hold no quotation mark, percent sign or line break; use single quotes in a query")]
    Forbidden(String),
    /// Longer than `cmd.exe` takes.
    #[error("the command has {0} characters, more than the 8191 that windows takes; use a shorter query")]
    TooLong(usize),
}

/// A `wevtutil` command that prints at most `count` events of a channel that match `xpath`, oldest first.
///
/// # Errors
/// The channel or the query can't be put between quotation marks, or the command is too long.
pub fn command(channel: &str, xpath: &str, count: u32, rendered: bool) -> Result<String, CommandError> {
    for part in [channel, xpath] {
        if part.contains(['"', '%', '\r', '\n', '\0']) {
            return Err(CommandError::Forbidden(part.to_owned()));
        }
    }
    let format = if rendered { "RenderedXml" } else { "xml" };
    let command = format!("wevtutil qe \"{channel}\" /q:\"{xpath}\" /f:{format} /c:{count}");
    match command.encode_utf16().count() {
        0..=MAX_COMMAND_CHARACTERS => Ok(command),
        characters => Err(CommandError::TooLong(characters)),
    }
}

/// Bytes that arrive in pieces, as text.
struct Decoder {
    state: State,
}

enum State {
    /// The first bytes decide: a mark, or the zeros of UTF-16.
    Start(CodePage, Vec<u8>),
    Standard(encoding_rs::Decoder),
    Table(&'static str),
}

/// Output that is cut into events.
pub struct Splitter {
    decoder: Decoder,
    /// Text that is no whole event yet.
    pending: String,
    /// Where in it the next end is looked for.
    scanned: usize,
    /// The beginning of the pending event was too large and is gone.
    beheaded: bool,
    max_event_bytes: usize,
    dropped: u64,
}

// === impl Splitter ===

impl Splitter {
    /// A splitter for output in a code page; a byte order mark wins over it. A single event of more than
    /// `max_event_bytes` is dropped and counted.
    pub fn new(code_page: CodePage, max_event_bytes: usize) -> Self {
        let decoder = Decoder { state: State::Start(code_page, Vec::with_capacity(4)) };
        Self { decoder, pending: String::new(), scanned: 0, beheaded: false, max_event_bytes, dropped: 0 }
    }

    /// Takes the next bytes and calls `each` with every event that is complete.
    pub fn push(&mut self, bytes: &[u8], each: impl FnMut(&str)) {
        self.decoder.decode(bytes, false, &mut self.pending);
        self.split(each);
    }

    /// Takes the end of the output. What is returned is no event: an error text, an event that was cut, or
    /// nothing.
    pub fn finish(mut self, each: impl FnMut(&str)) -> String {
        self.decoder.decode(&[], true, &mut self.pending);
        self.split(each);
        self.pending.trim().to_owned()
    }

    /// How many events were too large.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn split(&mut self, mut each: impl FnMut(&str)) {
        const END: &str = "</Event>";
        let mut begin = 0;
        while let Some(at) = memmem::find(&self.pending.as_bytes()[self.scanned..], END.as_bytes()) {
            let end = self.scanned + at + END.len();
            let text = &self.pending[begin..end];
            let start = begin_of_event(text).filter(|start| text.len() - start <= self.max_event_bytes);
            match start {
                Some(start) if !self.beheaded => each(&text[start..]),
                _ => self.dropped += 1,
            }
            self.beheaded = false;
            begin = end;
            self.scanned = end;
        }
        self.pending.drain(..begin);
        // An end that has come in part is kept.
        let keep = self.pending.len().saturating_sub(END.len() - 1);
        self.scanned = (0..=keep).rev().find(|&at| self.pending.is_char_boundary(at)).unwrap_or(0);
        if self.pending.len() > self.max_event_bytes {
            self.pending.drain(..self.scanned);
            self.scanned = 0;
            self.beheaded = true;
        }
    }
}

/// Where the event in `text`, which ends with an end tag, begins.
fn begin_of_event(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memmem::find_iter(bytes, b"<Event")
        .find(|at| matches!(bytes.get(at + 6), Some(b' ' | b'>' | b'\t' | b'\r' | b'\n')))
}

// === impl Decoder ===

impl Decoder {
    fn decode(&mut self, bytes: &[u8], last: bool, out: &mut String) {
        if let State::Start(code_page, held) = &mut self.state {
            held.extend_from_slice(bytes);
            if held.len() < 4 && !last {
                return;
            }
            let held = std::mem::take(held);
            self.state = begin(*code_page, &held);
            self.decode(&held, last, out);
            return;
        }
        match &mut self.state {
            State::Standard(decoder) => {
                let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len() * 3 + 16);
                out.reserve(room);
                // There is room for everything, so one call takes it all.
                let _ = decoder.decode_to_string(bytes, out, last);
            }
            State::Table(table) => {
                for &byte in bytes {
                    match byte.checked_sub(0x80) {
                        None => out.push(char::from(byte)),
                        Some(high) => {
                            let found = table.chars().nth(usize::from(high));
                            out.push(found.unwrap_or(char::REPLACEMENT_CHARACTER));
                        }
                    }
                }
            }
            State::Start(..) => {}
        }
    }
}

/// How output that begins with these bytes is decoded.
fn begin(code_page: CodePage, bytes: &[u8]) -> State {
    match (bytes, code_page) {
        ([0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0xef, 0xbb, 0xbf, ..], _) => {
            State::Standard(encoding_rs::UTF_8.new_decoder())
        }
        ([b'<' | b'\r' | b' ', 0, ..], _) => State::Standard(encoding_rs::UTF_16LE.new_decoder()),
        (_, CodePage::Standard(encoding)) => State::Standard(encoding.new_decoder()),
        (_, CodePage::Table(table)) => State::Table(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(code_page: CodePage, output: &[u8], piece: usize) -> (Vec<String>, String, u64) {
        let mut splitter = Splitter::new(code_page, 100);
        let mut events = Vec::new();
        for bytes in output.chunks(piece) {
            splitter.push(bytes, |event| events.push(event.to_owned()));
        }
        let dropped = splitter.dropped();
        let rest = splitter.finish(|event| events.push(event.to_owned()));
        (events, rest, dropped)
    }

    #[test]
    fn events_are_cut_in_every_code_page_however_they_arrive() {
        let text = "<Event xmlns='x'><EventData><Data>Größe €</Data></EventData></Event>\r\n<Event>Ω</Event>";
        let expected: Vec<&str> = text.split("\r\n").collect();
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let with_mark = [b"\xff\xfe".as_slice(), &utf16].concat();
        for piece in 1..=9 {
            for bytes in [text.as_bytes(), &utf16, &with_mark] {
                let (events, rest, dropped) = split(CodePage::UTF_8, bytes, piece);
                assert_eq!(
                    (events, rest.as_str(), dropped),
                    (expected.iter().map(|e| e.to_string()).collect(), "", 0)
                );
            }
            let dos = b"<Event>Gr\x94\xe1e</Event>";
            let page = CodePage::of_number(850).unwrap();
            assert_eq!(split(page, dos, piece).0, ["<Event>Größe</Event>"]);
        }
    }

    #[test]
    fn what_is_too_large_is_dropped_and_counted_and_the_rest_goes_on() {
        let large = format!("<Event>{}</Event>", "x".repeat(300));
        let output = format!("<Event>1</Event>{large}<Event>2</Event><Event>cut");
        for piece in [1, 7, 50, 5000] {
            let (events, rest, dropped) = split(CodePage::UTF_8, output.as_bytes(), piece);
            assert_eq!(events, ["<Event>1</Event>", "<Event>2</Event>"], "{piece}");
            assert_eq!((rest.as_str(), dropped), ("<Event>cut", 1));
        }
    }

    #[test]
    fn an_error_text_is_what_is_left() {
        let (events, rest, _) = split(CodePage::UTF_8, b"Failed to read events. Access is denied.\r\n", 5);
        assert_eq!((events.len(), rest.as_str()), (0, "Failed to read events. Access is denied."));
    }

    #[test]
    fn a_command_can_not_be_broken_out_of() {
        let made = command("Security", "*[System[EventRecordID>7]]", 500, false).unwrap();
        assert_eq!(made, "wevtutil qe \"Security\" /q:\"*[System[EventRecordID>7]]\" /f:xml /c:500");
        for bad in ["a\" & calc \"", "%PATH%", "a\nb"] {
            assert!(matches!(command(bad, "*", 1, false), Err(CommandError::Forbidden(_))));
            assert!(matches!(command("Security", bad, 1, false), Err(CommandError::Forbidden(_))));
        }
        assert!(matches!(command("Security", &"x".repeat(9000), 1, true), Err(CommandError::TooLong(_))));
    }
}
