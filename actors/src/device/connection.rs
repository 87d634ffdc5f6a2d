//! A connection of a stream listener: bytes in, batches out.
//!
//! It waits until its socket is readable, then takes budget, then reads (R3), so that idle connections hold
//! nothing. A batch goes as soon as there is no more to read or the slab is full. What belongs to the peer (socket,
//! framer, the beginning of a message that is not complete) lies in a [`Seat`] that outlives the actor: after a
//! panic the next life reads on where the last one stopped.

use crate::child::actor::Next;
use crate::child::{Child, Me};
use crate::data::device::Device;
use crate::data::lane::{Berth, Lane};
use bytes::Bytes;
use event::batch::{MAX_BATCH_RECORDS, Parts};
use event::slab::SLAB_BYTES;
use event::{Batch, Hold, Layout, Ledger, Origin, Record, RecordFlags, Slab, UnixNanos};
use protocol::framing::{Counters, Ending, Framer, Span};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// A peer's byte stream, as far as a connection needs to know.
pub trait Socket: AsyncRead + Unpin + Send + Sync + 'static {
    /// Returns when a read might give something.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Whether a read that did not fill its buffer has taken all there was.
    const SHORT_READ_IS_ALL: bool;
}

impl Socket for TcpStream {
    async fn readable(&self) -> io::Result<()> {
        TcpStream::readable(self).await
    }

    const SHORT_READ_IS_ALL: bool = true;
}

/// What of a connection outlives its actor.
pub struct Seat<S>(Arc<Mutex<Stream<S>>>);

impl<S> Clone for Seat<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A peer's stream and how far it was read.
pub struct Stream<S> {
    socket: S,
    peer: SocketAddr,
    device: Arc<Device>,
    lane: Arc<Lane>,
    ledger: Ledger,
    framer: Framer,
    counted: Counters,
    next_seq: u64,
    idle_timeout: Duration,
    /// The beginning of a message that is not complete.
    rest: Vec<u8>,
    rest_hold: Hold,
    spans: Vec<Span>,
    chunks: Vec<Chunk>,
    _berth: Berth,
}

/// The spans of one batch.
#[derive(Clone, Copy)]
struct Chunk {
    end: usize,
    contiguous: bool,
}

/// How a connection ended; the names are those of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer closed it.
    Closed,
    /// The peer or the network broke it.
    Reset,
    /// Nothing came for the device's time-out.
    Idle,
    /// What came was no valid framing.
    Framing,
    /// The TLS layer refused what came.
    Tls,
    /// The device or the Director stops.
    Stopped,
}

impl Ended {
    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Ended::Closed => "closed",
            Ended::Reset => "reset",
            Ended::Idle => "idle",
            Ended::Framing => "framing",
            Ended::Tls => "tls",
            Ended::Stopped => "stopped",
        }
    }
}

impl<S: Socket> Seat<S> {
    /// A seat for a fresh connection.
    pub fn new(
        socket: S,
        peer: SocketAddr,
        device: Arc<Device>,
        lane: Arc<Lane>,
        framer: Framer,
        idle_timeout: Duration,
    ) -> Self {
        let ledger = lane.open_stream(Arc::clone(&device.flow));
        let rest_hold = device.share.nothing();
        let _berth = lane.berth();
        device.meters.open.up();
        device.meters.opened.add(1);
        Self(Arc::new(Mutex::new(Stream {
            socket,
            peer,
            device,
            lane,
            ledger,
            framer,
            counted: Counters::default(),
            next_seq: 0,
            idle_timeout,
            rest: Vec::new(),
            rest_hold,
            spans: Vec::new(),
            chunks: Vec::new(),
            _berth,
        })))
    }
}

impl<S> Drop for Stream<S> {
    fn drop(&mut self) {
        self.device.meters.open.down();
    }
}

/// The actor of a connection.
pub struct Connection<S>(Seat<S>);

impl<S: Socket> Connection<S> {
    /// The actor for a seat; one at a time.
    pub fn new(seat: Seat<S>) -> Self {
        Self(seat)
    }
}

impl<S: Socket> Child for Connection<S> {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        // Taken only where the last life still runs on an abandoned thread: that stream is lost with it.
        let Ok(mut stream) = Arc::clone(&self.0.0).try_lock_owned() else {
            anyhow::bail!("its socket is stuck in an abandoned lane");
        };
        let ended = stream.read_to_end(me).await;
        stream.finish(me, ended);
        Ok(Next::Done)
    }
}

/// What a round of reading gave.
enum Round {
    /// There may be more at once.
    Full,
    /// No more at present.
    Drained,
    /// No more ever.
    Ended(Ended),
}

impl<S: Socket> Stream<S> {
    async fn read_to_end(&mut self, me: &Me<()>) -> Ended {
        let mut last_read = Instant::now();
        let mut idle = pin!(tokio::time::sleep(self.idle_timeout));
        loop {
            let readable = tokio::select! {
                biased;
                () = me.stopping() => return Ended::Stopped,
                readable = me.waiting(self.socket.readable()) => readable,
                () = &mut idle => {
                    // One timer for the life of the connection, moved on only when it fires.
                    let quiet = last_read.elapsed();
                    if quiet >= self.idle_timeout {
                        return Ended::Idle;
                    }
                    idle.as_mut().reset((last_read + self.idle_timeout).into());
                    continue;
                }
            };
            if readable.is_err() {
                return Ended::Reset;
            }
            let room = (self.rest.len() * 2).max(SLAB_BYTES);
            let hold = tokio::select! {
                biased;
                () = me.stopping() => return Ended::Stopped,
                hold = me.waiting(self.take(room)) => hold,
            };
            let round = self.read(me, room, hold);
            last_read = Instant::now();
            match round {
                Round::Ended(ended) => return ended,
                // The router and the senders of this lane go first, while the bytes are in the cache.
                Round::Full => tokio::task::yield_now().await,
                Round::Drained => {}
            }
        }
    }

    async fn take(&self, room: usize) -> Hold {
        let share = &self.device.share;
        match self.rest.is_empty() {
            true => share.take(room as u32).await,
            false => share.take_for_incomplete(room as u32).await,
        }
    }

    /// Reads what there is into a slab of `room` bytes and submits the messages in it. Does not wait, so
    /// nothing that was read can be lost half-way.
    fn read(&mut self, me: &Me<()>, room: usize, mut hold: Hold) -> Round {
        let mut slab = self.lane.slabs.take(room);
        let mut filled = self.rest.len();
        slab.bytes_mut()[..filled].copy_from_slice(&self.rest);
        hold.merge(std::mem::replace(&mut self.rest_hold, self.device.share.nothing()));
        let mut round = Round::Full;
        while filled < slab.capacity() {
            let asked = slab.capacity() - filled;
            match read_now(&mut self.socket, &mut slab.bytes_mut()[filled..]) {
                Poll::Ready(Ok(0)) => {
                    round = Round::Ended(Ended::Closed);
                    break;
                }
                Poll::Ready(Ok(n)) => {
                    filled += n;
                    if n < asked && S::SHORT_READ_IS_ALL {
                        round = Round::Drained;
                        break;
                    }
                }
                Poll::Ready(Err(e)) => {
                    let tls = e.kind() == io::ErrorKind::InvalidData;
                    round = Round::Ended(if tls { Ended::Tls } else { Ended::Reset });
                    break;
                }
                Poll::Pending => {
                    round = Round::Drained;
                    break;
                }
            }
        }
        let scanned = self.scan(&slab.bytes()[..filled]);
        self.submit(slab, filled, hold, me.context.common.clock.unix_nanos());
        if round_is_over(&round) {
            return round;
        }
        match scanned {
            Ok(()) => round,
            Err(ended) => Round::Ended(ended),
        }
    }

    /// Finds the complete messages, one chunk for each batch, and what is left over.
    fn scan(&mut self, received: &[u8]) -> Result<(), Ended> {
        self.spans.clear();
        self.chunks.clear();
        let (mut from, mut outcome) = (0, Ok(()));
        loop {
            let first = self.spans.len();
            let scan = match self.framer.scan(&received[from..], MAX_BATCH_RECORDS, &mut self.spans) {
                Ok(scan) => scan,
                Err(e) => {
                    let device = &*self.device.name;
                    tracing::warn!(device, peer = %self.peer, error = %e, "connection ended");
                    from = received.len();
                    outcome = Err(Ended::Framing);
                    break;
                }
            };
            for span in &mut self.spans[first..] {
                span.offset += from as u32;
            }
            if self.spans.len() > first {
                self.chunks.push(Chunk { end: self.spans.len(), contiguous: scan.contiguous });
            }
            from += scan.consumed;
            if !scan.more {
                break;
            }
        }
        self.rest.clear();
        self.rest.extend_from_slice(&received[from..]);
        outcome
    }

    /// Hands on the messages that were found. The rest keeps what it needs of the hold, the last batch takes what
    /// the slab takes, and what is left is given back.
    fn submit(&mut self, slab: Slab, filled: usize, mut hold: Hold, now: UnixNanos) {
        self.count_messages();
        let rest_bytes = self.rest.len() as u32;
        if self.spans.is_empty() {
            self.rest_hold = hold.split(rest_bytes);
            return;
        }
        let (bytes, spare) = slab.freeze(filled);
        let slab_bytes = if spare.is_some() { filled } else { SLAB_BYTES.max(filled) };
        drop(spare);
        let overhead = self.spans.len() * size_of::<Record>();
        let mut batch_hold = hold.split(slab_bytes as u32);
        batch_hold.grow(overhead as u32);
        self.rest_hold = hold.split(rest_bytes);
        drop(hold);
        self.device.touch(now);
        let mut batch_hold = Some(batch_hold);
        let mut first = 0;
        for chunk in 0..self.chunks.len() {
            let Chunk { end, contiguous } = self.chunks[chunk];
            let last = end == self.spans.len();
            let hold = batch_hold.take_if(|_| last).unwrap_or_else(|| self.device.share.nothing());
            let batch = self.seal(bytes.clone(), first..end, contiguous, now, hold);
            self.next_seq = batch.next_seq();
            self.ledger.submit(batch);
            first = end;
        }
    }

    fn seal(&self, slab: Bytes, spans: Range<usize>, contiguous: bool, now: UnixNanos, hold: Hold) -> Batch {
        let spans = &self.spans[spans];
        let record = |span: &Span| Record {
            offset: span.offset,
            len: span.len,
            origin: 0,
            flags: match span.ending {
                Ending::Truncated => RecordFlags::TRUNCATED,
                Ending::Whole | Ending::Unterminated => RecordFlags::default(),
            },
        };
        let layout = match contiguous {
            true => Layout::Delimited(slab[spans[0].range().end]),
            false => Layout::Scattered,
        };
        Batch::seal(Parts {
            records: spans.iter().map(record).collect(),
            origins: vec![Origin { device: self.device.id, peer: Some(self.peer), received: now }],
            stream: self.ledger.stream(),
            first_seq: self.next_seq,
            layout,
            slab,
            hold,
        })
    }

    /// Adds what the framer counted since the last time to the device's meters.
    fn count_messages(&mut self) {
        let (now, before) = (self.framer.counters(), self.counted);
        if now == before {
            return;
        }
        let meters = &self.device.meters;
        meters.truncated.add(now.truncated - before.truncated);
        meters.discarded_bytes.add(now.discarded_bytes - before.discarded_bytes);
        meters.empty.add(now.empty - before.empty);
        meters.resynchronised.add(now.resynchronised - before.resynchronised);
        self.counted = now;
    }

    /// The connection is over: a last message without its delimiter is an event, too.
    fn finish(&mut self, me: &Me<()>, ended: Ended) {
        self.device.meters.ended.add(ended.name());
        if ended == Ended::Framing || self.rest.is_empty() {
            return;
        }
        let received = std::mem::take(&mut self.rest);
        self.spans.clear();
        self.chunks.clear();
        if let Err(e) = self.framer.finish(&received, &mut self.spans) {
            tracing::warn!(device = &*self.device.name, peer = %self.peer, error = %e, "connection ended");
        }
        if self.spans.is_empty() {
            return;
        }
        self.chunks.push(Chunk { end: self.spans.len(), contiguous: false });
        let mut slab = self.lane.slabs.take(received.len());
        slab.bytes_mut()[..received.len()].copy_from_slice(&received);
        let mut hold = std::mem::replace(&mut self.rest_hold, self.device.share.nothing());
        hold.grow(SLAB_BYTES as u32);
        self.submit(slab, received.len(), hold, me.context.common.clock.unix_nanos());
    }
}

fn round_is_over(round: &Round) -> bool {
    matches!(round, Round::Ended(_))
}

/// Reads if that is possible without waiting.
fn read_now(socket: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    let mut context = Context::from_waker(Waker::noop());
    Pin::new(socket).poll_read(&mut context, &mut buffer).map_ok(|()| buffer.filled().len())
}

impl<S> fmt::Debug for Seat<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seat")
    }
}
