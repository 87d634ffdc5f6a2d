//! A receiver of records over TCP or TLS.

use super::mood::Mood;
use super::stream_sender::Framing;
use crate::account::{Deliveries, Mark, Marks};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Receives until it is dropped.
///
/// # Errors
/// When the address can't be bound.
pub async fn run(
    at: SocketAddr,
    framing: Framing,
    mood: Arc<Mood>,
    deliveries: Arc<Deliveries>,
) -> io::Result<()> {
    let listener = TcpListener::bind(at).await?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => continue, // it went before it was accepted
            },
            _ = connections.join_next(), if !connections.is_empty() => continue,
        };
        let (framing, deliveries, acceptor) = (framing.clone(), Arc::clone(&deliveries), mood.acceptor());
        connections.spawn(async move {
            match acceptor {
                None => take(stream, framing, &deliveries).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        take(stream, framing, &deliveries).await;
                    }
                }
            }
        });
    }
}

async fn take(mut stream: impl AsyncRead + Unpin, framing: Framing, deliveries: &Deliveries) {
    let (mut records, connection) = (Records::new(framing), deliveries.connection());
    let mut buffer = vec![0; 128 << 10];
    let mut found = Vec::new();
    while let Ok(length) = stream.read(&mut buffer).await {
        if length == 0 {
            return;
        }
        let understood = records.find(&buffer[..length], &mut found);
        deliveries.note(connection, &found);
        deliveries.note_unmarked(records.take_unmarked());
        found.clear();
        if !understood {
            return;
        }
    }
}

/// Finds the marks of whole records; of one that a broken connection cut off nothing counts.
#[derive(Debug)]
pub struct Records {
    framing: Framing,
    marks: Marks,
    /// Of the record that is not complete.
    waiting: Vec<Mark>,
    octets: Octets,
    /// Whether the record that is not complete has any bytes.
    begun: bool,
    /// Whole records without a mark.
    unmarked: u64,
}

#[derive(Clone, Copy, Debug)]
enum Octets {
    /// Digits of a length.
    Length(usize),
    /// So many bytes of a record are still to come.
    Body(usize),
}

impl Records {
    /// None came yet.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            marks: Marks::default(),
            waiting: Vec::new(),
            octets: Octets::Length(0),
            begun: false,
            unmarked: 0,
        }
    }

    /// Adds the marks of the records that end in these bytes; false when they are not understood.
    pub fn find(&mut self, bytes: &[u8], found: &mut Vec<Mark>) -> bool {
        let end = match &self.framing {
            Framing::Delimiter(delimiter) => delimiter.last().copied().unwrap_or(b'\n'),
            Framing::Octet => return self.find_octets(bytes, found),
        };
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(end, rest) {
            self.marks.find(&rest[..at], &mut self.waiting);
            self.begun |= at > 0;
            self.end_of_record(found);
            rest = &rest[at + 1..];
        }
        self.marks.find(rest, &mut self.waiting);
        self.begun |= !rest.is_empty();
        true
    }

    fn find_octets(&mut self, bytes: &[u8], found: &mut Vec<Mark>) -> bool {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            match self.octets {
                Octets::Length(length) => {
                    self.octets = match first {
                        b'0'..=b'9' if length < 1 << 30 => {
                            Octets::Length(length * 10 + usize::from(first - b'0'))
                        }
                        b' ' => Octets::Body(length),
                        _ => return false,
                    };
                    rest = &rest[1..];
                }
                Octets::Body(left) => {
                    let part = &rest[..left.min(rest.len())];
                    self.marks.find(part, &mut self.waiting);
                    self.begun |= !part.is_empty();
                    rest = &rest[part.len()..];
                    self.octets = Octets::Body(left - part.len());
                    if part.len() == left {
                        self.octets = Octets::Length(0);
                        self.end_of_record(found);
                    }
                }
            }
        }
        true
    }

    /// Whole records without a mark since this was asked for the last time.
    pub fn take_unmarked(&mut self) -> u64 {
        std::mem::take(&mut self.unmarked)
    }

    fn end_of_record(&mut self, found: &mut Vec<Mark>) {
        self.unmarked += u64::from(self.begun && self.waiting.is_empty());
        self.begun = false;
        found.append(&mut self.waiting);
        self.marks.end_of_record();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_when_it_is_whole_however_it_is_framed() {
        let mark = |number| Mark { origin: 1, stream: 0, number };
        let (one, two) = (format!("a {}", mark(1)), format!("b {} c", mark(2)));
        let lines = (Framing::Delimiter(b"\n".to_vec()), format!("{one}\n{two}"), "\n".to_owned());
        let octets = format!("{} {one}{} {}", one.len(), two.len(), &two[..two.len() - 1]);
        for (framing, most, last) in [lines, (Framing::Octet, octets, two[two.len() - 1..].to_owned())] {
            for size in 1..most.len() {
                let (mut records, mut found) = (Records::new(framing.clone()), Vec::new());
                for piece in most.as_bytes().chunks(size) {
                    assert!(records.find(piece, &mut found));
                }
                assert_eq!(found, [mark(1)], "the second is not whole");
                assert!(records.find(last.as_bytes(), &mut found));
                assert_eq!(found, [mark(1), mark(2)]);
            }
        }
    }
}
