//! A sender over TCP: events in the order of their stream, settled when the peer's kernel has them.
//!
//! ```text
//!  mailbox ─▶ waiting ──write──▶ sent, not acknowledged ──TCP_INFO──▶ settled
//!                ▲                        │
//!                └──── connection broke ──┘   from the first event that is not acknowledged
//! ```
//!
//! A delivery is settled when the peer's kernel has acknowledged its last byte (`tcpi_bytes_acked`). When the connection
//! breaks, whole events are sent again from the first unacknowledged one. A peer that says it will
//! close (FIN) gets nothing more on that connection: what it has acknowledged it can still read.
//! Everything that lies in the mailbox goes out in one `writev`.

use super::wire::{Wire, WireFraming};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::data::address::{Address, Occupancy};
use crate::data::delivery::ToSender;
use crate::data::target::Target;
use rustix::net::sockopt;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Slices in one `writev`: two megabytes of full batches.
const MAX_SLICES: usize = 16;
/// The first look for acknowledgements after a write; doubles up to [`LOOK_AT_MOST`].
const LOOK_FIRST: Duration = Duration::from_millis(1);
/// The longest wait between two looks for acknowledgements.
const LOOK_AT_MOST: Duration = Duration::from_millis(64);

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct TcpSenderSettings {
    /// `host:port` of each peer; the next one is tried when one fails.
    pub endpoints: Vec<String>,
    /// How events are told apart.
    pub framing: WireFraming,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// A peer that takes nothing for so long is given up.
    pub stall_timeout: Duration,
    /// The first wait before connecting again; doubles up to `retry_at_most`.
    pub retry_first: Duration,
    /// The longest wait before connecting again.
    pub retry_at_most: Duration,
}

/// A sender's notes to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpNote {
    /// Write what waits.
    Write,
    /// Look for acknowledgements.
    Look,
}

/// What the sender is sent.
pub type TcpMessage = ToSender<TcpNote>;

/// The sender.
pub struct TcpSender {
    target: Arc<Target>,
    address: Arc<Address<TcpMessage>>,
    settings: TcpSenderSettings,
    occupancy: Option<Occupancy<TcpMessage>>,
    waiting: VecDeque<Outgoing>,
    sent: VecDeque<Outgoing>,
    connection: Option<Connection>,
    /// Which endpoint is next.
    endpoint: usize,
    failures: u32,
    write_noted: bool,
    look_noted: bool,
    look_after: Duration,
}

/// A delivery on its way.
struct Outgoing {
    wire: Wire,
    /// Bytes of it that arrived on an earlier connection.
    done: usize,
    /// Bytes of it that were written to the present connection or arrived earlier.
    written: usize,
    /// Where its bytes end in the present connection's stream, once it is written.
    end: u64,
}

struct Connection {
    socket: TcpStream,
    /// What the kernel counted as acknowledged when the connection was made: the SYN.
    baseline: u64,
    written: u64,
    acknowledged: u64,
}

impl TcpSender {
    /// A sender of this target at this address.
    pub fn new(target: Arc<Target>, address: Arc<Address<TcpMessage>>, settings: TcpSenderSettings) -> Self {
        Self {
            target,
            address,
            settings,
            occupancy: None,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            connection: None,
            endpoint: 0,
            failures: 0,
            write_noted: false,
            look_noted: false,
            look_after: LOOK_FIRST,
        }
    }

    fn note_write(&mut self, me: &Me<TcpMessage>) {
        if !self.write_noted {
            self.write_noted = true;
            me.note(ToSender::Note(TcpNote::Write));
        }
    }

    /// Writes all that waits, or notes when to try again.
    async fn write(&mut self, me: &Me<TcpMessage>) {
        while !self.waiting.is_empty() {
            if self.connection.is_none() && !self.connect(me).await {
                return;
            }
            if let Err(e) = self.write_waiting(me).await {
                self.lose_connection(me, &e);
            }
        }
        self.look(me);
    }

    /// Connects to the next endpoint; on failure a new attempt is noted.
    async fn connect(&mut self, me: &Me<TcpMessage>) -> bool {
        let endpoint = &self.settings.endpoints[self.endpoint % self.settings.endpoints.len()];
        let attempt = tokio::time::timeout(self.settings.connect_timeout, open(endpoint));
        let result = match me.waiting(attempt).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")),
        };
        match result {
            Ok(connection) => {
                if self.failures > 0 {
                    tracing::info!(target = &*self.target.name, endpoint, "connected again");
                }
                me.report(Condition::Note(format!("connected to {endpoint}")));
                self.target.meters.connected.up();
                self.connection = Some(connection);
                self.failures = 0;
                true
            }
            Err(e) => {
                self.target.meters.troubles.add(trouble_name(&e));
                let doublings = self.failures.min(16);
                let wait = self.settings.retry_first.saturating_mul(1 << doublings);
                let wait = wait.min(self.settings.retry_at_most);
                let text = format!(
                    "cannot connect to {endpoint}: {e}; is the receiver running and reachable? retrying in {wait:?}"
                );
                if self.failures == 0 {
                    tracing::warn!(target = &*self.target.name, "{text}");
                }
                me.report(Condition::Trouble(text));
                self.failures += 1;
                self.endpoint += 1;
                self.write_noted = true;
                me.note_in(wait, ToSender::Note(TcpNote::Write));
                false
            }
        }
    }

    /// Writes until nothing waits or the connection is no good any more.
    async fn write_waiting(&mut self, me: &Me<TcpMessage>) -> io::Result<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.check_open()?;
        while !self.waiting.is_empty() {
            let slices: Vec<IoSlice<'_>> =
                self.waiting.iter().take(MAX_SLICES).map(Outgoing::unwritten).collect();
            let written = match connection.socket.try_write_vectored(&slices) {
                Ok(written) => written,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    me.waiting(connection.writable(self.settings.stall_timeout)).await?;
                    connection.settle(&mut self.sent)?;
                    continue;
                }
                Err(e) => return Err(e),
            };
            self.target.meters.requests.add(1);
            self.target.meters.bytes.add(written as u64);
            connection.advance(written, &mut self.waiting, &mut self.sent);
        }
        connection.settle(&mut self.sent)
    }

    /// Settles what is acknowledged, and looks again soon if something is not.
    fn look(&mut self, me: &Me<TcpMessage>) {
        let Some(connection) = &mut self.connection else { return };
        let before = connection.acknowledged;
        if let Err(e) = connection.settle(&mut self.sent).and_then(|()| connection.check_open()) {
            self.lose_connection(me, &e);
            return;
        }
        let progress = connection.acknowledged > before;
        self.look_after = if progress { LOOK_FIRST } else { (self.look_after * 2).min(LOOK_AT_MOST) };
        if !self.sent.is_empty() && !self.look_noted {
            self.look_noted = true;
            me.note_in(self.look_after, ToSender::Note(TcpNote::Look));
        }
    }

    /// The connection is over: what is acknowledged is settled, the rest waits again, in order.
    fn lose_connection(&mut self, me: &Me<TcpMessage>, e: &io::Error) {
        let Some(mut connection) = self.connection.take() else { return };
        self.target.meters.connected.down();
        self.target.meters.troubles.add(trouble_name(e));
        let endpoint = &self.settings.endpoints[self.endpoint % self.settings.endpoints.len()];
        tracing::warn!(target = &*self.target.name, endpoint, error = %e, "connection lost; connecting again");
        // A failed settle means that no more is known than before.
        let _ = connection.settle(&mut self.sent);
        let acknowledged = connection.acknowledged;
        if let Some(partly) = self.waiting.front_mut().filter(|first| first.written > first.done) {
            partly.end = connection.written + partly.unwritten().len() as u64;
            partly.rewind(acknowledged);
        }
        while let Some(mut outgoing) = self.sent.pop_back() {
            outgoing.rewind(acknowledged);
            self.waiting.push_front(outgoing);
        }
        for outgoing in &mut self.waiting {
            outgoing.end = 0;
        }
        if !self.waiting.is_empty() {
            self.note_write(me);
        }
    }
}

impl Outgoing {
    fn unwritten(&self) -> IoSlice<'_> {
        IoSlice::new(&self.wire.bytes()[self.written..])
    }

    /// The connection broke after so many acknowledged bytes: begin again at the first whole event beyond them.
    fn rewind(&mut self, acknowledged: u64) {
        let began = self.end - (self.wire.bytes().len() - self.done) as u64;
        let arrived = acknowledged.saturating_sub(began) as usize;
        if arrived > 0 {
            self.done = self.wire.delivered_up_to(self.done + arrived);
        }
        self.written = self.done;
    }
}

impl Connection {
    fn acknowledged_by_kernel(&self) -> io::Result<u64> {
        acknowledged_bytes(&self.socket).map(|n| n.saturating_sub(self.baseline))
    }

    /// Settles deliveries whose last byte is acknowledged.
    fn settle(&mut self, sent: &mut VecDeque<Outgoing>) -> io::Result<()> {
        if sent.is_empty() && self.acknowledged == self.written {
            return Ok(());
        }
        self.acknowledged = self.acknowledged_by_kernel()?.min(self.written);
        while sent.front().is_some_and(|outgoing| outgoing.end <= self.acknowledged) {
            if let Some(outgoing) = sent.pop_front() {
                outgoing.wire.delivered();
            }
        }
        Ok(())
    }

    /// Fails when the peer has closed its side: it will not take more for long.
    fn check_open(&self) -> io::Result<()> {
        let mut unexpected = [0; 512];
        loop {
            match self.socket.try_read(&mut unexpected) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the receiver closed it")),
                // What a receiver says is of no interest.
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    /// Waits until the peer takes more, closes, or has taken nothing for too long.
    async fn writable(&self, limit: Duration) -> io::Result<()> {
        let deadline = tokio::time::sleep(limit);
        tokio::select! {
            biased;
            closed = self.closed() => Err(closed),
            writable = self.socket.writable() => writable,
            () = deadline => Err(io::Error::new(io::ErrorKind::TimedOut, "the receiver takes no more data")),
        }
    }

    async fn closed(&self) -> io::Error {
        loop {
            if let Err(e) = self.socket.readable().await {
                return e;
            }
            if let Err(e) = self.check_open() {
                return e;
            }
        }
    }

    fn advance(&mut self, mut bytes: usize, waiting: &mut VecDeque<Outgoing>, sent: &mut VecDeque<Outgoing>) {
        while bytes > 0 {
            let Some(first) = waiting.front_mut() else { return };
            let part = bytes.min(first.wire.bytes().len() - first.written);
            first.written += part;
            self.written += part as u64;
            bytes -= part;
            if first.written == first.wire.bytes().len()
                && let Some(mut whole) = waiting.pop_front()
            {
                whole.end = self.written;
                sent.push_back(whole);
            }
        }
    }
}

async fn open(endpoint: &str) -> io::Result<Connection> {
    let socket = TcpStream::connect(endpoint).await?;
    socket.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    let baseline = acknowledged_bytes(&socket)?;
    Ok(Connection { socket, baseline, written: 0, acknowledged: 0 })
}

/// `tcpi_bytes_acked` of `TCP_INFO` (tcp(7), RFC 4898 tcpEStatsAppHCThruOctetsAcked): bytes that the peer's kernel has
/// acknowledged in the connection's life, the SYN included.
#[allow(unsafe_code, reason = "no safe wrapper hands out tcpi_bytes_acked")]
fn acknowledged_bytes(socket: &TcpStream) -> io::Result<u64> {
    use std::os::fd::AsRawFd;
    // Only the beginning of the structure is asked for, up to tcpi_bytes_acked at offset 120.
    const BYTES_ACKED_AT: usize = 120;
    let mut info = [0u64; BYTES_ACKED_AT / 8 + 1];
    let mut len = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `info`, which is that large and aligned for u64.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if (len as usize) < size_of_val(&info) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel does not count acknowledged bytes",
        ));
    }
    Ok(info[BYTES_ACKED_AT / 8])
}

/// The name of a trouble in the metrics.
pub fn trouble_name(e: &io::Error) -> &'static str {
    use io::ErrorKind::*;
    match e.kind() {
        ConnectionRefused => "refused",
        ConnectionReset | BrokenPipe | ConnectionAborted => "reset",
        UnexpectedEof => "closed",
        TimedOut => "timed_out",
        HostUnreachable | NetworkUnreachable => "unreachable",
        NotFound => "unknown_host",
        InvalidData => "protocol",
        PermissionDenied => "denied",
        StorageFull | QuotaExceeded => "disk_full",
        _ => "other",
    }
}

impl Child for TcpSender {
    type Message = TcpMessage;

    fn start(&mut self, me: &Me<TcpMessage>) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.settings.endpoints.is_empty(),
            "target \"{}\" has no endpoint",
            self.target.name
        );
        self.occupancy = Some(self.address.occupy(me));
        Ok(())
    }

    async fn handle(&mut self, me: &Me<TcpMessage>, message: TcpMessage) -> anyhow::Result<Next> {
        match message.open() {
            Ok(deliveries) => {
                for delivery in deliveries {
                    let wire = Wire::new(delivery, &self.settings.framing);
                    if wire.bytes().is_empty() {
                        wire.delivered();
                        continue;
                    }
                    self.waiting.push_back(Outgoing { wire, done: 0, written: 0, end: 0 });
                }
                self.note_write(me);
            }
            Err(TcpNote::Write) => {
                self.write_noted = false;
                self.write(me).await;
            }
            Err(TcpNote::Look) => {
                self.look_noted = false;
                self.look(me);
            }
        }
        Ok(Next::Continue)
    }

    async fn finish(&mut self, me: &Me<TcpMessage>) -> anyhow::Result<()> {
        // Notes to itself are not read any more. Whoever waits for the end sets a limit to this.
        (self.write_noted, self.look_noted) = (true, true);
        loop {
            self.write(me).await;
            if self.waiting.is_empty() && self.sent.is_empty() {
                return Ok(());
            }
            let pause = if self.connection.is_some() { LOOK_FIRST } else { self.settings.retry_first };
            me.waiting(tokio::time::sleep(pause)).await;
        }
    }
}

impl Drop for TcpSender {
    fn drop(&mut self) {
        if self.connection.is_some() {
            self.target.meters.connected.down();
        }
    }
}
