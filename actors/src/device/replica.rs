//! Passes on everything that a device receives, as it came in (`forwarding`).
//!
//! ```text
//!   connections, sockets ──offer──▶ queue of a few batches ──▶ replica ──▶ udp datagrams, or one tcp connection
//! ```
//!
//! Best effort: the device never waits. What does not fit into the queue while the destination is down or slow is
//! dropped and counted. A datagram goes out with exactly the bytes it came in with; over TCP each message is
//! followed by a line feed, or preceded by its length where the device counts octets.

use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::data::profile::ReplicaMeters;
use event::{Batch, Record, RecordFlags};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::sync::{Mutex, mpsc};

/// Batches that wait for a destination: two megabytes at most.
pub const QUEUE_BATCHES: usize = 16;
/// How long connecting, or a write, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(2);
/// At the end the queue has so long to get empty.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Where a replica goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSettings {
    /// `host:port`
    pub destination: String,
    /// How it gets there.
    pub way: Way,
}

/// How a replica gets to its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A datagram a message.
    Udp,
    /// A persistent connection, a line feed behind each message.
    TcpLines,
    /// A persistent connection, the length before each message (RFC 6587 §3.4.1).
    TcpOctets,
}

/// What waits to be sent. It outlives the actor; clones share it.
#[derive(Clone, Debug)]
pub struct Backlog(Arc<Mutex<Waiting>>);

#[derive(Debug)]
struct Waiting {
    queue: mpsc::Receiver<Batch>,
    /// The batch that is being sent, and its first message that was not.
    current: Option<(Batch, u32)>,
}

/// The actor of a replica.
pub struct Replica {
    settings: ReplicaSettings,
    meters: Arc<ReplicaMeters>,
    backlog: Backlog,
}

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Backlog {
    /// The backlog behind a device's queue.
    pub fn new(queue: mpsc::Receiver<Batch>) -> Self {
        Self(Arc::new(Mutex::new(Waiting { queue, current: None })))
    }
}

impl Replica {
    /// The actor for a backlog; one at a time.
    pub fn new(settings: ReplicaSettings, meters: Arc<ReplicaMeters>, backlog: Backlog) -> Self {
        Self { settings, meters, backlog }
    }

    /// Sends all there is, until the device is gone or the queue is closed and empty.
    async fn run(&self, me: &Me<()>, waiting: &mut Waiting) {
        let mut link = None;
        loop {
            if waiting.current.is_none() {
                let batch = tokio::select! {
                    biased;
                    batch = me.waiting(waiting.queue.recv()) => batch,
                    () = me.stopping(), if !waiting.queue.is_closed() => {
                        waiting.queue.close();
                        continue;
                    }
                };
                let Some(batch) = batch else { return };
                waiting.current = Some((batch, 0));
            }
            let Some((batch, next)) = &mut waiting.current else { continue };
            let ready = match link.take() {
                Some(link) => link,
                None => self.connect(me).await,
            };
            match me.waiting(self.send(ready, batch, next)).await {
                Ok(ready) => (link, waiting.current) = (Some(ready), None),
                Err(e) => {
                    self.trouble(me, &e);
                    me.waiting(tokio::time::sleep(RETRY)).await;
                }
            }
        }
    }

    /// Connects, however often that takes.
    async fn connect(&self, me: &Me<()>) -> Link {
        loop {
            let e = match me.waiting(tokio::time::timeout(PATIENCE, self.try_connect())).await {
                Ok(Ok(link)) => {
                    me.report(Condition::Note(format!("replica goes to {}", self.settings.destination)));
                    return link;
                }
                Ok(Err(e)) => e,
                Err(_) => io::ErrorKind::TimedOut.into(),
            };
            self.trouble(me, &e);
            me.waiting(tokio::time::sleep(RETRY)).await;
        }
    }

    async fn try_connect(&self) -> io::Result<Link> {
        let destination = &self.settings.destination;
        if self.settings.way != Way::Udp {
            return TcpStream::connect(destination).await.map(Link::Tcp);
        }
        let Some(peer) = lookup_host(destination).await?.next() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(peer).await?;
        Ok(Link::Udp(socket))
    }

    /// Sends the messages from `next` on. On failure `next` is the first that may not have arrived.
    async fn send(&self, mut link: Link, batch: &Batch, next: &mut u32) -> io::Result<Link> {
        match &mut link {
            Link::Udp(socket) => {
                while *next < batch.len() {
                    let message = as_received(batch, *next);
                    *next += 1;
                    match socket.send(message).await {
                        Ok(_) => self.meters.sent.add(1),
                        // Nobody listens there (or the message is too long for a datagram): this one is lost.
                        Err(_) => self.meters.dropped.add(1),
                    }
                }
            }
            Link::Tcp(socket) => {
                let bytes = framed(batch, *next, self.settings.way);
                let write = tokio::time::timeout(PATIENCE, socket.write_all(&bytes));
                write.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                self.meters.sent.add(u64::from(batch.len() - *next));
                *next = batch.len();
            }
        }
        Ok(link)
    }

    /// Counts what can't be sent any more.
    fn drop_rest(&self, waiting: &mut Waiting) {
        waiting.queue.close();
        if let Some((batch, next)) = waiting.current.take() {
            self.meters.dropped.add(u64::from(batch.len() - next));
        }
        while let Ok(batch) = waiting.queue.try_recv() {
            self.meters.dropped.add(u64::from(batch.len()));
        }
    }

    fn trouble(&self, me: &Me<()>, e: &io::Error) {
        let destination = &self.settings.destination;
        let text = format!(
            "cannot forward to {destination}: {e}; is the receiver running? messages for it are dropped \
             meanwhile, retrying every {} s",
            RETRY.as_secs()
        );
        tracing::debug!(destination, error = %e, "cannot forward");
        me.report(Condition::Trouble(text));
    }
}

impl Child for Replica {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let Ok(mut waiting) = Arc::clone(&self.backlog.0).try_lock_owned() else {
            anyhow::bail!("its queue is held by a life that did not end");
        };
        let last_call = async {
            me.stopping().await;
            tokio::time::sleep(FLUSH_WITHIN).await;
        };
        tokio::select! {
            () = self.run(me, &mut waiting) => {}
            () = last_call => {}
        }
        self.drop_rest(&mut waiting);
        Ok(Next::Done)
    }
}

/// A message with the line feed that its datagram ended with, if it did.
fn as_received(batch: &Batch, index: u32) -> &[u8] {
    let Record { offset, len, flags, .. } = batch.records()[index as usize];
    let line_feed = usize::from(flags.contains(RecordFlags::LINE_FEED));
    &batch.slab()[offset as usize..][..len as usize + line_feed]
}

fn framed(batch: &Batch, first: u32, way: Way) -> Vec<u8> {
    let mut bytes = Vec::new();
    for index in first..batch.len() {
        let message = batch.bytes(index);
        if way == Way::TcpOctets {
            bytes.extend_from_slice(message.len().to_string().as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(message);
        if way == Way::TcpLines {
            bytes.push(b'\n');
        }
    }
    bytes
}
