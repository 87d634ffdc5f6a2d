//! A connection of a stream listener: bytes in, batches out.
//!
//! It waits until its socket is readable, then takes budget, then reads (R3), so that idle connections hold
//! nothing. A batch goes as soon as there is no more to read or the slab is full. What belongs to the peer (socket,
//! framer, the beginning of a message that is not complete) lies in a [`Seat`] that outlives the actor: after a
//! panic the next life reads on where the last one stopped. A device's rate limit makes it wait between two reads.

mod seat;

pub use seat::Seat;

use super::transport::{Socket, Transport, ended_by};
use super::wire::Wire;
use crate::child::actor::Next;
use crate::child::{Child, Me};
use crate::data::device::Device;
use crate::data::lane::{Berth, Lane};
use bytes::Bytes;
use event::batch::{MAX_BATCH_RECORDS, Parts};
use event::slab::SLAB_BYTES;
use event::{Batch, Hold, Layout, Ledger, Origin, Record, RecordFlags, Slab, StreamId, UnixNanos};
use protocol::framing::{Counters, Ending, Framer, Span};
use seat::Found;
use std::cell::Cell;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};

/// A connection that is counted: against the device's limit, and as load of a lane.
pub struct Call {
    peer: SocketAddr,
    device: Arc<Device>,
    lane: Arc<Lane>,
    ledger: Ledger,
    framer: Framer,
    idle_timeout: Duration,
    _berth: Berth,
}

/// A peer's stream and how far it was read.
struct Stream<S> {
    socket: S,
    call: Call,
    counted: Counters,
    next_seq: u64,
    /// The beginning of a message that is not complete.
    rest: Vec<u8>,
    rest_hold: Hold,
}

thread_local! {
    /// Room for what a read finds: a thread needs it once, not each of its connections.
    static MESSAGES: Cell<Messages> = Cell::default();
}

/// The complete messages of one read.
#[derive(Default)]
struct Messages {
    spans: Vec<Span>,
    /// One for each batch.
    chunks: Vec<Chunk>,
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
    /// What came was no valid TLS, or the peer showed no certificate that is trusted.
    Tls,
    /// The peer did not complete the TLS handshake in time.
    Handshake,
    /// The actor died during the TLS handshake, which can't be resumed.
    Broken,
    /// Its thread got stuck in the middle of reading from it.
    Stuck,
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
            Ended::Handshake => "tls_timeout",
            Ended::Broken => "broken",
            Ended::Stuck => "stuck",
            Ended::Stopped => "stopped",
        }
    }
}

impl Call {
    /// Counts a connection that was just accepted.
    pub fn new(
        peer: SocketAddr,
        device: Arc<Device>,
        lane: Arc<Lane>,
        framer: Framer,
        idle_timeout: Duration,
    ) -> Self {
        device.meters.open.up();
        device.meters.opened.add(1);
        let ledger = lane.open_stream(Arc::clone(&device.flow));
        let _berth = lane.berth();
        Self { peer, device, lane, ledger, framer, idle_timeout, _berth }
    }

    /// Its stream, whose number is unique in the life of the process.
    pub fn stream(&self) -> StreamId {
        self.ledger.stream()
    }

    fn ended(&self, ended: Ended) {
        self.device.meters.ended.add(ended.name());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.device.meters.open.down();
    }
}

/// The actor of a connection.
pub struct Connection<T: Transport> {
    seat: Seat<T::Socket>,
    transport: T,
}

impl<T: Transport> Connection<T> {
    /// The actor for a seat; one at a time.
    pub fn new(seat: Seat<T::Socket>, transport: T) -> Self {
        Self { seat, transport }
    }

    async fn open(&self, me: &Me<()>, wire: Wire, call: Box<Call>) -> bool {
        let opened = tokio::select! {
            biased;
            () = me.stopping() => Err(Ended::Stopped),
            opened = me.waiting(self.transport.open(wire, &call.device.name, call.peer)) => opened,
        };
        match opened {
            Ok(socket) => self.seat.open(me.context.generation, socket, *call),
            Err(ended) => {
                self.seat.give_up();
                call.ended(ended);
                false
            }
        }
    }
}

impl<T: Transport> Child for Connection<T> {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        self.live(me).await
    }
}

impl<T: Transport> Connection<T> {
    async fn live(&self, me: &Me<()>) -> anyhow::Result<Next> {
        let wire = match self.seat.take(me.context.generation)? {
            Found::Open(wire) => wire,
            Found::Over => return Ok(Next::Done),
            Found::New(wire, call) => {
                // Boxed, as all that an idle connection does not wait in: ten thousand of them keep room for it.
                if !Box::pin(self.open(me, wire.clone(), call)).await {
                    return Ok(Next::Done);
                }
                wire
            }
        };
        if let Some(ended) = self.seat.read_to_end(me, &wire).await
            && let Some(stream) = self.seat.leave(me.context.generation)
        {
            stream.finish(me, ended);
        }
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

/// What the next read of a stream needs.
struct Need {
    /// Bytes to read into.
    room: u32,
    /// A message is half-way there.
    incomplete: bool,
    /// What it has of it is beyond the budget.
    overdraws: bool,
    /// Something may be there without news from the peer.
    has_more: bool,
}

impl<S: Socket> Seat<S> {
    /// Reads until the connection ends, and says how; `None` when another life has taken it over.
    async fn read_to_end(&self, me: &Me<()>, wire: &Wire) -> Option<Ended> {
        let (life, device) = (me.context.generation, &self.0.device);
        let (mut need, idle_timeout) = self.with(life, |stream| (stream.need(), stream.call.idle_timeout))?;
        let mut last_read = Instant::now();
        let mut idle = pin!(tokio::time::sleep(idle_timeout));
        loop {
            let readable = tokio::select! {
                biased;
                () = me.stopping() => return Some(Ended::Stopped),
                () = std::future::ready(()), if need.has_more => Ok(()),
                readable = me.waiting(wire.readable()) => readable,
                () = &mut idle => {
                    // One timer for the life of the connection, moved on only when it fires.
                    let quiet = last_read.elapsed();
                    if quiet >= idle_timeout {
                        return Some(Ended::Idle);
                    }
                    idle.as_mut().reset((last_read + idle_timeout).into());
                    continue;
                }
            };
            if readable.is_err() {
                return Some(Ended::Reset);
            }
            let hold = match device.share.try_take(need.room) {
                Some(hold) => hold,
                None => tokio::select! {
                    biased;
                    () = me.stopping() => return Some(Ended::Stopped),
                    hold = me.waiting(Box::pin(need.take(device))) => hold,
                },
            };
            let (round, events) = self.with(life, |stream| {
                let before = stream.next_seq;
                let round = stream.read(me, need.room as usize, hold);
                need = stream.need();
                (round, stream.next_seq - before)
            })?;
            let wait = charge(device, events, me);
            if !wait.is_zero() && !round_is_over(&round) {
                tokio::select! {
                    biased;
                    () = me.stopping() => return Some(Ended::Stopped),
                    () = me.waiting(Box::pin(tokio::time::sleep(wait))) => {}
                }
            }
            last_read = Instant::now();
            match round {
                Round::Ended(ended) => return Some(ended),
                // The router and the senders of this lane go first, while the bytes are in the cache.
                Round::Full => tokio::task::yield_now().await,
                Round::Drained => {}
            }
        }
    }
}

impl Need {
    /// Waits for budget. Only an incomplete message holds some already (R4).
    async fn take(&self, device: &Device) -> Hold {
        match self.incomplete {
            true => device.share.take_for_incomplete(self.room, self.overdraws).await,
            false => device.share.take(self.room).await,
        }
    }
}

/// How long to wait for the device's rate limit after so many events.
fn charge(device: &Device, events: u64, me: &Me<()>) -> Duration {
    match &device.profile.load().rate {
        Some(rate) => rate.charge(events, me.context.common.clock.now()),
        None => Duration::ZERO,
    }
}

impl<S: Socket> Stream<S> {
    fn new(socket: S, call: Call) -> Self {
        let rest_hold = call.device.share.nothing();
        Self { socket, call, counted: Counters::default(), next_seq: 0, rest: Vec::new(), rest_hold }
    }

    fn need(&self) -> Need {
        let room = (self.rest.len() * 2).max(SLAB_BYTES) as u32;
        let (incomplete, overdraws) = (!self.rest.is_empty(), self.rest_hold.overdraws());
        Need { room, incomplete, overdraws, has_more: self.socket.has_more() }
    }

    /// Reads what there is into a slab of `room` bytes and submits the messages in it. Does not wait, so
    /// nothing that was read can be lost half-way.
    fn read(&mut self, me: &Me<()>, room: usize, mut hold: Hold) -> Round {
        let mut slab = self.call.lane.slabs.take(room);
        let mut filled = self.rest.len();
        slab.bytes_mut()[..filled].copy_from_slice(&self.rest);
        hold.merge(mem::replace(&mut self.rest_hold, self.call.device.share.nothing()));
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
                    round = Round::Ended(ended_by(&e));
                    break;
                }
                Poll::Pending => {
                    round = Round::Drained;
                    break;
                }
            }
        }
        let mut messages = MESSAGES.take();
        messages.clear();
        let scanned = self.scan(&slab.bytes()[..filled], &mut messages);
        self.submit(&messages, slab, filled, hold, me.context.common.clock.unix_nanos());
        MESSAGES.set(messages);
        if round_is_over(&round) {
            return round;
        }
        match scanned {
            Ok(()) => round,
            Err(ended) => Round::Ended(ended),
        }
    }

    /// Finds the complete messages, one chunk for each batch, and what is left over.
    fn scan(&mut self, received: &[u8], found: &mut Messages) -> Result<(), Ended> {
        let (mut from, mut outcome) = (0, Ok(()));
        loop {
            let first = found.spans.len();
            let scan = match self.call.framer.scan(&received[from..], MAX_BATCH_RECORDS, &mut found.spans) {
                Ok(scan) => scan,
                Err(e) => {
                    let device = &*self.call.device.name;
                    tracing::warn!(device, peer = %self.call.peer, error = %e, "connection ended");
                    from = received.len();
                    outcome = Err(Ended::Framing);
                    break;
                }
            };
            for span in &mut found.spans[first..] {
                span.offset += from as u32;
            }
            if found.spans.len() > first {
                found.chunks.push(Chunk { end: found.spans.len(), contiguous: scan.contiguous });
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
    fn submit(&mut self, messages: &Messages, slab: Slab, filled: usize, mut hold: Hold, now: UnixNanos) {
        let Messages { spans, chunks } = messages;
        self.count_messages();
        let rest_bytes = self.rest.len() as u32;
        if spans.is_empty() {
            self.rest_hold = hold.split(rest_bytes);
            return;
        }
        let (bytes, spare) = slab.freeze(filled);
        let slab_bytes = if spare.is_some() { filled } else { SLAB_BYTES.max(filled) };
        drop(spare);
        let overhead = spans.len() * size_of::<Record>();
        let mut batch_hold = hold.split(slab_bytes as u32);
        batch_hold.grow(overhead as u32);
        self.rest_hold = hold.split(rest_bytes);
        drop(hold);
        self.call.device.touch(now);
        let mut batch_hold = Some(batch_hold);
        let mut first = 0;
        for &Chunk { end, contiguous } in chunks {
            let last = end == spans.len();
            let hold = batch_hold.take_if(|_| last).unwrap_or_else(|| self.call.device.share.nothing());
            let batch = self.seal(bytes.clone(), &spans[first..end], contiguous, now, hold);
            self.next_seq = batch.next_seq();
            self.call.device.submit(&self.call.ledger, batch);
            first = end;
        }
    }

    fn seal(&self, slab: Bytes, spans: &[Span], contiguous: bool, now: UnixNanos, hold: Hold) -> Batch {
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
            origins: vec![Origin { device: self.call.device.id, peer: Some(self.call.peer), received: now }],
            stream: self.call.ledger.stream(),
            first_seq: self.next_seq,
            layout,
            slab,
            hold,
        })
    }

    /// Adds what the framer counted since the last time to the device's meters.
    fn count_messages(&mut self) {
        let (now, before) = (self.call.framer.counters(), self.counted);
        if now == before {
            return;
        }
        let meters = &self.call.device.meters;
        meters.truncated.add(now.truncated - before.truncated);
        meters.discarded_bytes.add(now.discarded_bytes - before.discarded_bytes);
        meters.empty.add(now.empty - before.empty);
        meters.resynchronised.add(now.resynchronised - before.resynchronised);
        self.counted = now;
    }

    /// The connection is over: a last message without its delimiter is an event, too.
    fn finish(mut self, me: &Me<()>, ended: Ended) {
        self.call.ended(ended);
        if ended == Ended::Framing || self.rest.is_empty() {
            return;
        }
        let received = mem::take(&mut self.rest);
        let mut messages = Messages::default();
        if let Err(e) = self.call.framer.finish(&received, &mut messages.spans) {
            tracing::warn!(device = &*self.call.device.name, peer = %self.call.peer, error = %e, "connection ended");
        }
        if messages.spans.is_empty() {
            return;
        }
        messages.chunks.push(Chunk { end: messages.spans.len(), contiguous: false });
        let mut slab = self.call.lane.slabs.take(received.len());
        slab.bytes_mut()[..received.len()].copy_from_slice(&received);
        let mut hold = mem::replace(&mut self.rest_hold, self.call.device.share.nothing());
        hold.grow(SLAB_BYTES as u32);
        self.submit(&messages, slab, received.len(), hold, me.context.common.clock.unix_nanos());
    }
}

impl Messages {
    fn clear(&mut self) {
        self.spans.clear();
        self.chunks.clear();
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

#[cfg(test)]
mod tests;
