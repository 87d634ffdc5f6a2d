//! A sender over TCP or TLS: events in the order of their stream, settled when the peer's kernel has them.
//!
//! A delivery is settled when the peer's kernel has acknowledged its last byte (`tcpi_bytes_acked`), with TLS the last
//! byte of the ciphertext that holds it. When the connection breaks, whole events are sent again from the first
//! unacknowledged one. A peer that says it will close (FIN, close_notify) gets the rest of the event that was begun
//! and nothing more: what it has acknowledged, and what it reads to the end, is not sent again.
//! What is on its way lies in a [`TcpQueue`]; the connection is a [`Link`].

use super::link::{Link, stalled};
use super::tcp_queue::TcpQueue;
use super::trouble::{Patience, trouble_name};
use super::wire::WireFormat;
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::data::address::{Address, Occupancy};
use crate::data::delivery::ToSender;
use crate::data::target::Target;
use security::tls::{ClientSettings, client_config, server_name};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first look for acknowledgements after a write; doubles up to [`LOOK_AT_MOST`].
const LOOK_FIRST: Duration = Duration::from_millis(1);
/// The longest wait between two looks for acknowledgements.
const LOOK_AT_MOST: Duration = Duration::from_millis(64);
/// A peer that has closed its side may take so long to read what is under way to it.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct TcpSenderSettings {
    /// The receivers; the next one is tried when one fails.
    pub endpoints: Vec<TcpEndpoint>,
    /// What is written for an event, and how events are told apart.
    pub format: WireFormat,
    /// TLS, if it is used. Its files are read for each connection.
    pub tls: Option<ClientSettings>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// A peer that takes nothing for so long is given up.
    pub stall_timeout: Duration,
    /// The first wait before connecting again; doubles up to `retry_at_most`.
    pub retry_first: Duration,
    /// The longest wait before connecting again.
    pub retry_at_most: Duration,
}

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpEndpoint {
    /// Host name or address; what its certificate has to show.
    pub host: String,
    /// Port.
    pub port: u16,
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
    queue: TcpQueue,
    connection: Option<Connection>,
    /// Which endpoint is next.
    endpoint: usize,
    patience: Patience,
    write_noted: bool,
    look_noted: bool,
    look_after: Duration,
}

struct Connection {
    link: Link,
    /// When the peer acknowledged something the last time, or had nothing to acknowledge.
    progress_at: Instant,
}

impl TcpSender {
    /// A sender of this target at this address.
    pub fn new(target: Arc<Target>, address: Arc<Address<TcpMessage>>, settings: TcpSenderSettings) -> Self {
        Self {
            target,
            address,
            occupancy: None,
            queue: TcpQueue::new(settings.format.clone()),
            connection: None,
            endpoint: 0,
            patience: Patience::new(settings.retry_first, settings.retry_at_most),
            write_noted: false,
            look_noted: false,
            look_after: LOOK_FIRST,
            settings,
        }
    }

    fn acknowledged(&self) -> u64 {
        self.connection.as_ref().map_or(0, |connection| connection.link.acknowledged())
    }

    fn endpoint(&self) -> &TcpEndpoint {
        &self.settings.endpoints[self.endpoint % self.settings.endpoints.len()]
    }

    fn note_write(&mut self, me: &Me<TcpMessage>) {
        if !self.write_noted {
            self.write_noted = true;
            me.note(ToSender::Note(TcpNote::Write));
        }
    }

    /// Writes all that waits, or notes when to try again.
    async fn write(&mut self, me: &Me<TcpMessage>) {
        while self.queue.has_unwritten() {
            if self.connection.is_none() && !self.connect(me).await {
                return;
            }
            let Err(e) = self.write_waiting(me).await else { break };
            if !self.lose_connection(me, &e).await {
                return;
            }
        }
        self.look(me).await;
    }

    /// Connects to the next endpoint; on failure a new attempt is noted.
    async fn connect(&mut self, me: &Me<TcpMessage>) -> bool {
        let TcpEndpoint { host, port } = self.endpoint().clone();
        let open = open(&host, port, self.settings.tls.clone());
        let attempt = tokio::time::timeout(self.settings.connect_timeout, open);
        let result = match me.waiting(attempt).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")),
        };
        match result {
            Ok(link) => {
                if self.patience.is_tried() {
                    tracing::info!(target = &*self.target.name, host, port, "connected again");
                }
                me.report(Condition::Note(format!("connected to {host}:{port}")));
                self.target.meters.connected.up();
                self.connection = Some(Connection { link, progress_at: Instant::now() });
                true
            }
            Err(e) => {
                let what = format!("cannot connect to {host}:{port}: {e}; {}", advice(&e));
                self.endpoint += 1;
                self.wait_after(me, &e, &what);
                false
            }
        }
    }

    /// Something failed: says so and notes when to try again.
    fn wait_after(&mut self, me: &Me<TcpMessage>, e: &io::Error, what: &str) {
        self.target.meters.troubles.add(trouble_name(e));
        let first = !self.patience.is_tried();
        let wait = self.patience.failed();
        let text = format!("{what}; retrying in {wait:?}");
        if first {
            tracing::warn!(target = &*self.target.name, "{text}");
        }
        me.report(Condition::Trouble(text));
        self.write_noted = true;
        me.note_in(wait, ToSender::Note(TcpNote::Write));
    }

    /// Writes until nothing waits or the connection is no good any more.
    async fn write_waiting(&mut self, me: &Me<TcpMessage>) -> io::Result<()> {
        let Some(Connection { link, progress_at }) = &mut self.connection else { return Ok(()) };
        link.hear()?;
        if !self.queue.has_unacknowledged() {
            *progress_at = Instant::now();
        }
        loop {
            let Some(Connection { link, .. }) = &mut self.connection else { return Ok(()) };
            let slices = self.queue.unwritten();
            let sent = match slices.is_empty() {
                true => link.flush().map(|()| 0),
                false => link.send(&slices),
            };
            match sent {
                Ok(0) if slices.is_empty() => break,
                Ok(written) => {
                    drop(slices);
                    self.target.meters.requests.add(1);
                    self.target.meters.bytes.add(written as u64);
                    self.queue.advance(written, link.taken());
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    me.waiting(link.writable(self.settings.stall_timeout)).await?;
                    self.settle()?;
                }
                Err(e) => return Err(e),
            }
        }
        self.settle()
    }

    /// Settles deliveries whose last byte is acknowledged.
    fn settle(&mut self) -> io::Result<()> {
        let Some(Connection { link, progress_at }) = &mut self.connection else { return Ok(()) };
        if !link.look()? {
            return Ok(());
        }
        *progress_at = Instant::now();
        self.patience.succeeded();
        self.queue.settle(link.acknowledged());
        Ok(())
    }

    /// Settles what is acknowledged, and looks again soon if something is not.
    async fn look(&mut self, me: &Me<TcpMessage>) {
        let before = self.acknowledged();
        let outcome = self.settle().and_then(|()| match &mut self.connection {
            Some(connection) => {
                connection.check(self.queue.has_unacknowledged(), self.settings.stall_timeout)
            }
            None => Ok(()),
        });
        if let Err(e) = outcome {
            self.lose_connection(me, &e).await;
            return;
        }
        let progress = self.acknowledged() > before;
        self.look_after = if progress { LOOK_FIRST } else { (self.look_after * 2).min(LOOK_AT_MOST) };
        if self.queue.has_unacknowledged() && !self.look_noted {
            self.look_noted = true;
            me.note_in(self.look_after, ToSender::Note(TcpNote::Look));
        }
    }

    /// The connection is over: what is acknowledged is settled, the rest waits again, in order. Says whether to connect
    /// at once; after a connection that was good for nothing a new attempt is noted instead.
    async fn lose_connection(&mut self, me: &Me<TcpMessage>, e: &io::Error) -> bool {
        let Some(mut connection) = self.connection.take() else { return true };
        self.target.meters.connected.down();
        let under_way = connection.link.acknowledged() < connection.link.taken();
        if e.kind() == io::ErrorKind::UnexpectedEof && under_way {
            self.take_leave(me, &mut connection.link).await;
        }
        // A failed look means that no more is known than before.
        let _ = connection.link.look();
        let acknowledged = connection.link.acknowledged();
        self.queue.rewind(connection.link.taken(), acknowledged);
        connection.link.abort();
        let TcpEndpoint { host, port } = self.endpoint().clone();
        if acknowledged == 0 {
            self.endpoint += 1;
            self.wait_after(me, e, &format!("{host}:{port} took nothing: {e}; {}", advice(e)));
            return false;
        }
        self.target.meters.troubles.add(trouble_name(e));
        tracing::warn!(target = &*self.target.name, host, port, error = %e, "connection lost; connecting again");
        me.report(Condition::Trouble(format!("connection to {host}:{port} lost: {e}; connecting again")));
        if self.queue.has_unwritten() {
            self.note_write(me);
        }
        true
    }

    /// The peer closed its side and may read on: it gets the event that was begun, and time to read.
    async fn take_leave(&mut self, me: &Me<TcpMessage>, link: &mut Link) {
        let taken = link.taken();
        let rest = self.queue.rest_of_event();
        let limit = LEAVE_WITHIN.min(self.settings.stall_timeout);
        me.waiting(link.end(rest, limit)).await;
        self.queue.advance((link.taken() - taken) as usize, link.taken());
    }
}

impl Connection {
    /// Fails when the peer has closed its side, or has taken nothing of what is under way for too long.
    fn check(&mut self, under_way: bool, stall_timeout: Duration) -> io::Result<()> {
        self.link.hear()?;
        match under_way && self.progress_at.elapsed() > stall_timeout {
            true => Err(stalled()),
            false => Ok(()),
        }
    }
}

async fn open(host: &str, port: u16, tls: Option<ClientSettings>) -> io::Result<Link> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let endpoint = if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") };
    let tls = match tls {
        Some(settings) => {
            let name = server_name(host).map_err(io::Error::other)?;
            // Certificates are files, and those of the system are many.
            let config = tokio::task::spawn_blocking(move || client_config(&settings)).await;
            Some((config.map_err(io::Error::other)?.map_err(io::Error::other)?, name))
        }
        None => None,
    };
    Link::open(&endpoint, tls).await
}

/// What to do about a connection that can't be made or kept.
fn advice(e: &io::Error) -> &'static str {
    use io::ErrorKind::{InvalidData, Other, UnexpectedEof};
    match e.kind() {
        InvalidData => "check tls.ca_name, tls.verify and both sides' certificates",
        Other => "check the settings of tls",
        UnexpectedEof => "does the receiver accept connections from here?",
        _ => "is the receiver running and reachable?",
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
        if matches!(message, ToSender::Recall) {
            self.queue.drop_unbegun();
            return Ok(Next::Continue);
        }
        match message.open() {
            Ok(deliveries) => {
                self.queue.push(deliveries);
                self.note_write(me);
            }
            Err(TcpNote::Write) => {
                self.write_noted = false;
                self.write(me).await;
            }
            Err(TcpNote::Look) => {
                self.look_noted = false;
                self.look(me).await;
            }
        }
        Ok(Next::Continue)
    }

    async fn finish(&mut self, me: &Me<TcpMessage>) -> anyhow::Result<()> {
        // Notes to itself are not read any more. Whoever waits for the end sets a limit to this.
        (self.write_noted, self.look_noted) = (true, true);
        loop {
            self.write(me).await;
            if !self.queue.has_unwritten() && !self.queue.has_unacknowledged() {
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
