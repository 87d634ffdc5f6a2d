//! Carries bytes both ways between the two connections of a link.

use super::Way;
use super::tcp::{Shared, deafen};
use bytes::{Bytes, BytesMut};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// How a connection is to end before its peers end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is not.
    Not,
    /// With a reset.
    Reset,
    /// In the middle of a message.
    Cut,
}

/// A piece that waits for its time.
struct Piece {
    due: Instant,
    bytes: Bytes,
}

/// Most bytes of a piece.
const PIECE: usize = 64 << 10;
/// Most pieces that wait for their time.
const PIECES: usize = 256;
/// For a cut the link stops reading this long, so that the peer is in the middle of a message.
const BEFORE_A_CUT: Duration = Duration::from_millis(100);

/// Carries bytes until both ways have ended.
pub(super) async fn both(
    shared: &Shared,
    dialer: &TcpStream,
    far: &TcpStream,
    ending: &watch::Sender<Ending>,
) {
    let collected = shared.way == Way::Collected;
    let there = Pump { shared, from: dialer, to: far, data: !collected, ending };
    let back = Pump { shared, from: far, to: dialer, data: collected, ending };
    tokio::join!(there.run(), back.run());
}

struct Pump<'a> {
    shared: &'a Shared,
    from: &'a TcpStream,
    to: &'a TcpStream,
    /// Events go this way; the other way only answers do.
    data: bool,
    ending: &'a watch::Sender<Ending>,
}

impl Pump<'_> {
    async fn run(&self) {
        let (pieces, waiting) = mpsc::channel(PIECES);
        tokio::join!(self.read(pieces), self.write(waiting));
    }

    /// Whether this end of the pump reads what the Director counts as delivered as soon as our kernel has it.
    fn owes_all(&self) -> bool {
        self.data && self.shared.way == Way::FromDirector
    }

    async fn read(&self, pieces: mpsc::Sender<Piece>) {
        let (mut state, mut ending) = (self.shared.state(), self.ending.subscribe());
        let mut buffer = BytesMut::new();
        loop {
            let now = state.borrow_and_update().clone();
            let how = *ending.borrow_and_update();
            if how != Ending::Not {
                self.last(how, &mut buffer, &pieces).await;
                return;
            }
            if now.silent {
                tokio::select! { _ = state.changed() => continue, _ = ending.changed() => continue }
            }
            tokio::select! {
                biased;
                _ = ending.changed() => continue,
                _ = state.changed() => continue,
                ready = self.from.readable() => if ready.is_err() { break },
            }
            match self.take(&mut buffer) {
                Ok(0) => return, // the end; the other way may go on
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => break,
            }
            let bytes = self.shown(&mut buffer);
            let due = Instant::now() + self.shared.faults.lateness(&now);
            let pause = now.bytes_per_second.map(|rate| bytes.len() as f64 / rate as f64);
            if pieces.send(Piece { due, bytes }).await.is_err() {
                break;
            }
            if let Some(seconds) = pause {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => {}
                    _ = ending.changed() => {}
                    _ = state.changed() => {}
                }
            }
        }
        self.broke();
    }

    /// What is still handed on when the link breaks.
    async fn last(&self, how: Ending, buffer: &mut BytesMut, pieces: &mpsc::Sender<Piece>) {
        if self.owes_all() {
            if how == Ending::Cut {
                tokio::time::sleep(BEFORE_A_CUT).await;
            }
            deafen(self.from);
            while self.take(buffer).is_ok_and(|taken| taken > 0) {
                let bytes = buffer.split().freeze();
                if pieces.send(Piece { due: Instant::now(), bytes }).await.is_err() {
                    return;
                }
            }
        } else if self.data && how == Ending::Cut {
            let read = tokio::time::timeout(BEFORE_A_CUT, self.from.readable()).await;
            if matches!(read, Ok(Ok(()))) && self.take(buffer).is_ok_and(|taken| taken > 1) {
                let bytes = buffer.split().freeze();
                let half = bytes.slice(..bytes.len() - middle_of_the_last_line(&bytes));
                let _ = pieces.send(Piece { due: Instant::now(), bytes: half }).await;
            }
        }
    }

    fn take(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        buffer.reserve(PIECE);
        let mut limited = bytes::BufMut::limit(buffer, PIECE);
        self.from.try_read_buf(&mut limited)
    }

    /// What arrives of what was read.
    fn shown(&self, buffer: &mut BytesMut) -> Bytes {
        let mut bytes = buffer.split();
        if self.data && self.shared.faults.corrupts() {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x02;
        }
        bytes.freeze()
    }

    async fn write(&self, mut waiting: mpsc::Receiver<Piece>) {
        let (mut state, mut ending) = (self.shared.state(), self.ending.subscribe());
        while let Some(piece) = waiting.recv().await {
            loop {
                let silent = state.borrow_and_update().silent;
                let late = piece.due <= Instant::now();
                if *ending.borrow_and_update() != Ending::Not || (!silent && late) {
                    break;
                }
                tokio::select! {
                    _ = state.changed() => {}
                    _ = ending.changed() => {}
                    () = tokio::time::sleep_until(piece.due), if !late => {}
                }
            }
            if self.write_all(&piece.bytes).await.is_err() {
                self.broke();
                return;
            }
        }
        let how = *self.ending.borrow();
        if how != Ending::Reset || self.owes_all() {
            let _ = socket2::SockRef::from(self.to).shutdown(std::net::Shutdown::Write);
        }
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut ending = self.ending.subscribe();
        while !bytes.is_empty() {
            // A receiver of ours always reads on; the Director may not, and then nobody waits for it.
            let give_up = !self.owes_all();
            tokio::select! {
                biased;
                _ = ending.wait_for(|how| *how == Ending::Reset), if give_up => {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                ready = self.to.writable() => ready?,
            }
            match self.to.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// One side broke; so does the other.
    fn broke(&self) {
        self.ending.send_if_modified(|how| {
            let first = *how == Ending::Not;
            if first {
                *how = Ending::Reset;
            }
            first
        });
    }
}

/// How many bytes to leave out so that the last line ends in its middle.
fn middle_of_the_last_line(bytes: &[u8]) -> usize {
    let body = &bytes[..bytes.len() - 1];
    let start = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
    (bytes.len() - start).div_ceil(2)
}
