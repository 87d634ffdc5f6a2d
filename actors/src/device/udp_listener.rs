//! A UDP socket of a device: datagrams in, batches out.
//!
//! ```text
//!   kernel ──recvmmsg──▶ inbox ──copied, each with a line feed behind it──▶ slab ──▶ batch
//! ```
//!
//! Datagrams of many peers share a batch, laid out so that a sender of lines writes it at once. When the budget is
//! used up, datagrams are dropped and counted; what the kernel dropped before is counted, too:
//! `sent = accepted + budget_drops + kernel_drops + rate_drops + denied + empty`. A device has one socket for
//! each lane (`workers`), among which the kernel shares peers out; each is a child of its own. What outlives the
//! actor lies in a [`UdpSeat`].

use super::bind::{Obstacle, until_bound};
use super::datagrams::{Datagram, Inbox, dropped_by_kernel};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::data::device::Device;
use crate::data::lane::{Berth, Lane};
use crate::data::profile::Profile;
use crate::data::sockets::{Datagrams, One};
use event::batch::{MAX_BATCH_RECORDS, Parts};
use event::slab::SLAB_BYTES;
use event::{Batch, Hold, Layout, Ledger, Origin, Record, RecordFlags, Slab};
use security::access::AccessList;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Mutex;

/// The receive buffer that is asked for: 60 ms of the fastest sender seen, or 30 000 messages of 256 bytes.
const RECEIVE_BYTES: usize = 8 << 20;
/// So many of a batch's last origins are searched for the peer of a datagram; a repeated origin does no harm.
const ORIGINS_SEARCHED: usize = 8;
/// At the end so many batches' worth of datagrams that the kernel holds are still taken.
const LAST_ROUNDS: usize = 256;

/// What a UDP socket does.
#[derive(Clone, Debug)]
pub struct UdpSettings {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Which of the device's sockets it is.
    pub one: One,
    /// Longest datagram; the rest of a longer one is cut.
    pub longest: usize,
    /// Who may send.
    pub access: AccessList,
}

/// What of a socket's stream outlives its actor; clones share it.
#[derive(Clone)]
pub struct UdpSeat(Arc<parking_lot::Mutex<Arc<Mutex<Stream>>>>);

/// The actor of a UDP socket.
pub struct UdpListener {
    device: Arc<Device>,
    lane: Arc<Lane>,
    settings: UdpSettings,
    seat: UdpSeat,
}

struct Stream {
    device: Arc<Device>,
    lane: Arc<Lane>,
    ledger: Ledger,
    inbox: Inbox,
    next_seq: u64,
    _berth: Berth,
}

/// A batch in the making.
struct Draft {
    slab: Slab,
    filled: usize,
    records: Vec<Record>,
    origins: Vec<Origin>,
}

/// What a round of receiving gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// There may be more at once.
    Full,
    /// No more at present.
    Drained,
}

impl UdpSeat {
    /// A seat for a device's socket on a lane.
    pub fn new(device: &Arc<Device>, lane: &Arc<Lane>, longest: usize) -> Self {
        Self(Arc::new(parking_lot::Mutex::new(Stream::begin(device, lane, longest))))
    }
}

impl UdpListener {
    /// The actor for a seat; one at a time.
    pub fn new(device: Arc<Device>, lane: Arc<Lane>, settings: UdpSettings, seat: UdpSeat) -> Self {
        Self { device, lane, settings, seat }
    }

    /// Binds, however often that takes.
    async fn bind(&self, me: &Me<()>) -> (UdpSocket, Arc<AtomicU32>) {
        let address = self.settings.address;
        let attempt = || self.try_bind(me).map_err(|e| Obstacle::Bind(address, e));
        until_bound(me, Some(&self.device.name), attempt).await
    }

    fn try_bind(&self, me: &Me<()>) -> io::Result<(UdpSocket, Arc<AtomicU32>)> {
        let UdpSettings { address, one, .. } = self.settings;
        let bound = me.context.common.sockets.udp(address, one, RECEIVE_BYTES)?;
        let allowed = bound.receive_bytes()?;
        let Datagrams { socket, drops_counted } = bound;
        let socket = UdpSocket::from_std(socket)?;
        let address = socket.local_addr()?;
        let mut text = format!("listening on {address}");
        if allowed < RECEIVE_BYTES {
            text += &format!(
                " with a receive buffer of {} KiB; set net.core.rmem_max={RECEIVE_BYTES} against drops in bursts",
                allowed >> 10
            );
        }
        tracing::info!(device = &*self.device.name, socket = one.index, "{text}; listener is started");
        me.report(Condition::Note(text));
        Ok((socket, drops_counted))
    }

    /// The stream to read into: that of the last life, unless it is stuck with that life on an abandoned thread.
    fn stream(&self) -> Result<tokio::sync::OwnedMutexGuard<Stream>, tokio::sync::TryLockError> {
        let mut seat = self.seat.0.lock();
        if let Ok(stream) = Arc::clone(&seat).try_lock_owned() {
            return Ok(stream);
        }
        *seat = Stream::begin(&self.device, &self.lane, self.settings.longest);
        Arc::clone(&seat).try_lock_owned()
    }
}

impl Child for UdpListener {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let mut stream = self.stream()?;
        let (socket, drops_counted) = tokio::select! {
            () = me.stopping() => return Ok(Next::Done),
            bound = self.bind(me) => bound,
        };
        loop {
            // What the last life left behind is older than what the socket has.
            if stream.inbox.is_empty() {
                tokio::select! {
                    biased;
                    () = me.stopping() => break,
                    readable = me.waiting(socket.readable()) => readable?,
                }
            }
            let round = stream.receive(me, &socket, &self.settings.access);
            self.count_drops(&socket, &drops_counted);
            if round? == Round::Full {
                // The router and the senders of this lane go first, while the bytes are in the cache.
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..LAST_ROUNDS {
            if stream.receive(me, &socket, &self.settings.access)? == Round::Drained {
                break;
            }
        }
        self.count_drops(&socket, &drops_counted);
        Ok(Next::Done)
    }
}

impl UdpListener {
    /// The kernel drops only while its buffer is full, so that there is always something to receive afterwards: a
    /// look after each round misses nothing.
    fn count_drops(&self, socket: &UdpSocket, counted: &AtomicU32) {
        // A kernel without SO_MEMINFO (before 4.12) does not tell.
        let Ok(dropped) = dropped_by_kernel(socket.as_fd()) else { return };
        let before = counted.swap(dropped, Relaxed);
        if dropped != before {
            self.device.meters.kernel_drops.add(u64::from(dropped.wrapping_sub(before)));
        }
    }
}

impl Stream {
    fn begin(device: &Arc<Device>, lane: &Arc<Lane>, longest: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            device: Arc::clone(device),
            lane: Arc::clone(lane),
            ledger: lane.open_stream(Arc::clone(&device.flow)),
            inbox: Inbox::new(longest),
            next_seq: 0,
            _berth: lane.berth(),
        }))
    }

    /// Receives what there is, up to a batch, and submits it. Does not wait, and what was received is in the inbox
    /// or in the ledger, so that nothing can be lost half-way. An error is a bug: peers can't cause one.
    fn receive(&mut self, me: &Me<()>, socket: &UdpSocket, access: &AccessList) -> io::Result<Round> {
        let Some(hold) = self.device.share.try_take(SLAB_BYTES as u32) else {
            return self.drop_all(socket);
        };
        let clock = &me.context.common.clock;
        let (now, received) = (clock.now(), clock.unix_nanos());
        let slab = self.lane.slabs.take(SLAB_BYTES);
        let mut draft = Draft { slab, filled: 0, records: Vec::new(), origins: Vec::new() };
        let profile = self.device.profile.load_full();
        let mut more = true;
        let round = loop {
            if self.move_to(&mut draft, access, &profile, now, received) {
                break Ok(Round::Full);
            }
            if !more {
                break Ok(Round::Drained);
            }
            match try_receive(socket, &mut self.inbox) {
                Ok(Some(may_be_more)) => more = may_be_more,
                Ok(None) => break Ok(Round::Drained),
                Err(e) => break Err(e),
            }
        };
        self.submit(draft, hold, received);
        round
    }

    /// Moves datagrams from the inbox to a draft; whether the draft is full.
    fn move_to(
        &mut self,
        draft: &mut Draft,
        access: &AccessList,
        profile: &Profile,
        now: Instant,
        received: u64,
    ) -> bool {
        let meters = &self.device.meters;
        while let Some(datagram) = self.inbox.first() {
            let message = datagram.bytes.strip_suffix(b"\n").unwrap_or(datagram.bytes);
            if !draft.has_room_for(message.len()) {
                return true;
            }
            if !access.allows(datagram.peer.ip()) {
                meters.denied.add(1);
            } else if message.is_empty() {
                meters.empty.add(1);
            } else if profile.rate.as_ref().is_some_and(|rate| rate.grant(1, now) == 0) {
                meters.rate_drops.add(1);
            } else {
                if datagram.cut > 0 {
                    meters.truncated.add(1);
                    meters.discarded_bytes.add(datagram.cut as u64);
                }
                let origin = Origin { device: self.device.id, peer: Some(datagram.peer), received };
                draft.add(&datagram, message, origin);
            }
            self.inbox.take_first();
        }
        false
    }

    fn submit(&mut self, draft: Draft, mut hold: Hold, received: u64) {
        let Draft { slab, filled, records, origins } = draft;
        if records.is_empty() {
            return;
        }
        let (slab, spare) = slab.freeze(filled);
        if spare.is_some() {
            hold.give_back((SLAB_BYTES - filled) as u32);
        }
        drop(spare);
        hold.grow((records.len() * size_of::<Record>() + origins.len() * size_of::<Origin>()) as u32);
        let batch = Batch::seal(Parts {
            slab,
            records,
            origins,
            stream: self.ledger.stream(),
            first_seq: self.next_seq,
            layout: Layout::Delimited(b'\n'),
            hold,
        });
        self.next_seq = batch.next_seq();
        self.device.touch(received);
        self.device.submit(&self.ledger, batch);
    }

    /// The budget is used up: what there is is dropped, an inbox at a time.
    fn drop_all(&mut self, socket: &UdpSocket) -> io::Result<Round> {
        let more = if self.inbox.is_empty() { try_receive(socket, &mut self.inbox)? } else { Some(true) };
        self.device.meters.budget_drops.add(self.inbox.clear());
        Ok(if more == Some(true) { Round::Full } else { Round::Drained })
    }
}

impl Draft {
    fn has_room_for(&self, len: usize) -> bool {
        self.filled + len < self.slab.capacity() && self.records.len() < MAX_BATCH_RECORDS
    }

    fn add(&mut self, datagram: &Datagram<'_>, message: &[u8], origin: Origin) {
        let (offset, len) = (self.filled, message.len());
        let room = &mut self.slab.bytes_mut()[offset..=offset + len];
        room[..len].copy_from_slice(message);
        room[len] = b'\n';
        self.filled += len + 1;
        let mut flags = RecordFlags::default();
        if datagram.cut > 0 {
            flags.0 |= RecordFlags::TRUNCATED.0;
        }
        if message.len() < datagram.bytes.len() {
            flags.0 |= RecordFlags::LINE_FEED.0;
        }
        let origin = self.origin(origin);
        self.records.push(Record { offset: offset as u32, len: len as u32, origin, flags });
    }

    fn origin(&mut self, origin: Origin) -> u16 {
        let last = self.origins.iter().rev().take(ORIGINS_SEARCHED);
        let back = last.zip(1..).find(|(known, _)| known.peer == origin.peer).map(|(_, back)| back);
        let index = match back {
            Some(back) => self.origins.len() - back,
            None => {
                self.origins.push(origin);
                self.origins.len() - 1
            }
        };
        // Fits: no more than there are records.
        index as u16
    }
}

/// Receives into an empty inbox: whether there may be more, or none when there was nothing.
fn try_receive(socket: &UdpSocket, inbox: &mut Inbox) -> io::Result<Option<bool>> {
    match socket.try_io(Interest::READABLE, || inbox.receive(socket.as_fd())) {
        Ok(more) => Ok(Some(more)),
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(e),
    }
}
