//! A sender over UDP: a datagram an event, settled when the kernel has taken it. Nobody says whether it arrived.
//!
//! What UDP can't carry is dropped and counted. What the network refuses at present (no route, no buffer) waits and is
//! tried again, so the sources wait, too. That nobody listens at the other end the kernel tells only after
//! the fact; it is counted and shown, and holds nothing up.

use super::events::Events;
use super::rendering::Rendering;
use super::trouble::{Patience, trouble_name};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::data::address::{Address, Occupancy};
use crate::data::delivery::{Delivery, ToSender};
use crate::data::target::Target;
use crate::quarantine::Entry;
use bytes::Bytes;
use event::{Cause, Settled};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_AT_MOST: Duration = Duration::from_secs(5);
/// Datagrams between two turns for the lane's other actors.
const DATAGRAMS_A_TURN: u32 = 256;

/// Where and what to send.
#[derive(Clone, Debug)]
pub struct UdpSenderSettings {
    /// `host:port` of each receiver; the first that resolves gets the data.
    pub endpoints: Vec<String>,
    /// What is written for an event.
    pub rendering: Rendering,
}

/// The sender's note to itself: send what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendNow;

/// What the sender is sent.
pub type UdpMessage = ToSender<SendNow>;

/// The sender.
pub struct UdpSender {
    target: Arc<Target>,
    address: Arc<Address<UdpMessage>>,
    settings: UdpSenderSettings,
    occupancy: Option<Occupancy<UdpMessage>>,
    waiting: VecDeque<Delivery>,
    socket: Option<UdpSocket>,
    patience: Patience,
    refused: bool,
    send_noted: bool,
    rendered: Vec<u8>,
}

impl UdpSender {
    /// A sender of this target at this address.
    pub fn new(target: Arc<Target>, address: Arc<Address<UdpMessage>>, settings: UdpSenderSettings) -> Self {
        Self {
            target,
            address,
            settings,
            occupancy: None,
            waiting: VecDeque::new(),
            socket: None,
            patience: Patience::new(RETRY_FIRST, RETRY_AT_MOST),
            refused: false,
            send_noted: false,
            rendered: Vec::new(),
        }
    }

    /// Sends what waits; says how long to wait before the rest is tried again.
    async fn send(&mut self, me: &Me<UdpMessage>) -> Option<Duration> {
        while let Some(mut delivery) = self.waiting.pop_front() {
            // What was dispatched again elsewhere is theirs.
            if !delivery.claim.is_current() {
                continue;
            }
            let result = match self.connected(me).await {
                Ok(()) => self.send_events(me, &mut delivery).await,
                Err(e) => Err(e),
            };
            let Err(e) = result else {
                delivery.claim.settle(Settled::Delivered);
                continue;
            };
            self.waiting.push_front(delivery);
            return Some(self.failed(me, &e));
        }
        None
    }

    fn failed(&mut self, me: &Me<UdpMessage>, e: &io::Error) -> Duration {
        if self.socket.take().is_some() {
            self.target.meters.connected.down();
        }
        self.target.meters.troubles.add(trouble_name(e));
        let first = !self.patience.is_tried();
        let wait = self.patience.failed();
        let to = self.settings.endpoints.join(", ");
        let text = format!(
            "cannot send datagrams to {to}: {e}; check the name and the route to it; trying again in {wait:?}"
        );
        if first {
            tracing::warn!(target = &*self.target.name, "{text}");
        }
        me.report(Condition::Trouble(text));
        wait
    }

    /// Makes sure there is a socket.
    async fn connected(&mut self, me: &Me<UdpMessage>) -> io::Result<()> {
        if self.socket.is_some() {
            return Ok(());
        }
        let mut trouble = io::Error::new(io::ErrorKind::NotFound, "no endpoint");
        for endpoint in &self.settings.endpoints {
            match me.waiting(open(endpoint)).await {
                Ok((socket, peer)) => {
                    me.report(Condition::Note(format!("sending to {peer}")));
                    self.target.meters.connected.up();
                    self.socket = Some(socket);
                    return Ok(());
                }
                Err(e) => trouble = e,
            }
        }
        Err(trouble)
    }

    /// Sends the events of a delivery; what was sent before an error is settled.
    async fn send_events(&mut self, me: &Me<UdpMessage>, delivery: &mut Delivery) -> io::Result<()> {
        let Self { target, settings, socket: Some(socket), rendered, patience, .. } = self else {
            return Ok(());
        };
        let (mut done, mut too_large, mut refusals) = (delivery.claim.first(), Vec::new(), 0);
        let mut outcome = Ok(());
        for (n, event) in (1..).zip(Events::new(&delivery.payload, done)) {
            let datagram = if settings.rendering.is_unchanged() {
                event.bytes
            } else {
                rendered.clear();
                settings.rendering.write(&event, rendered);
                rendered.as_slice()
            };
            match send_one(me, socket, datagram).await {
                Ok(sent) => {
                    refusals += u64::from(sent == Sent::AfterRefusal);
                    patience.succeeded();
                    target.meters.requests.add(1);
                    target.meters.bytes.add(datagram.len() as u64);
                }
                // EMSGSIZE: longer than a datagram can be, or than the path takes.
                Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {
                    too_large.push((event.record, Bytes::copy_from_slice(datagram)));
                }
                Err(e) => {
                    done = event.record;
                    outcome = Err(e);
                    break;
                }
            }
            if n % DATAGRAMS_A_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        too_large.dedup_by_key(|(record, _)| *record);
        let entry = |(record, payload): &(u32, Bytes)| Entry {
            cause: Cause::TooLarge,
            why: "it is longer than a datagram to this receiver can be".into(),
            at: settings.endpoints.join(", ").into(),
            lane: me.context.lane(),
            branches: [delivery.claim.branch()].into(),
            target: Some(Arc::clone(&target.name)),
            batch: delivery.payload.batch().clone(),
            record: *record,
            payload: Some(payload.clone()),
        };
        let entries = too_large.iter().map(entry).collect();
        let kept = me.waiting(me.context.common.quarantine.keep(entries)).await;
        for (n, (record, _)) in too_large.into_iter().enumerate() {
            let settled = match n < kept {
                true => Settled::Quarantined(Cause::TooLarge),
                false => Settled::Dropped(Cause::TooLarge),
            };
            delivery.claim.except(record, settled);
        }
        if outcome.is_err() && done > delivery.claim.first() {
            delivery.claim.settle_to(done, Settled::Delivered);
        }
        self.judge(me, refusals);
        outcome
    }

    /// Shows that nobody listens at the other end, or that somebody does again.
    fn judge(&mut self, me: &Me<UdpMessage>, refusals: u64) {
        for _ in 0..refusals {
            self.target.meters.troubles.add("refused");
        }
        match (std::mem::replace(&mut self.refused, refusals > 0), refusals) {
            (false, 1..) => {
                let text =
                    "the receiver's machine says that nobody listens on the port; is the receiver running?";
                tracing::warn!(target = &*self.target.name, "{text}");
                me.report(Condition::Trouble(text.to_owned()));
            }
            (true, 0) => me.report(Condition::Note("the receiver takes datagrams again".to_owned())),
            _ => {}
        }
    }
}

/// What the kernel said of an earlier datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// Nothing.
    Quietly,
    /// That nobody listens there.
    AfterRefusal,
}

/// Hands a datagram to the kernel.
async fn send_one(me: &Me<UdpMessage>, socket: &UdpSocket, datagram: &[u8]) -> io::Result<Sent> {
    let mut sent = Sent::Quietly;
    loop {
        match socket.try_send(datagram) {
            Ok(_) => return Ok(sent),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => me.waiting(socket.writable()).await?,
            // The answer to an earlier datagram; this one was not sent (udp(7)).
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused && sent == Sent::Quietly => {
                sent = Sent::AfterRefusal;
            }
            Err(e) => return Err(e),
        }
    }
}

async fn open(endpoint: &str) -> io::Result<(UdpSocket, SocketAddr)> {
    let nothing = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let peer = tokio::net::lookup_host(endpoint).await?.next().ok_or_else(nothing)?;
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(peer).await?;
    Ok((socket, peer))
}

impl Child for UdpSender {
    type Message = UdpMessage;

    fn start(&mut self, me: &Me<UdpMessage>) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.settings.endpoints.is_empty(),
            "target \"{}\" has no endpoint",
            self.target.name
        );
        self.occupancy = Some(self.address.occupy(me));
        Ok(())
    }

    async fn handle(&mut self, me: &Me<UdpMessage>, message: UdpMessage) -> anyhow::Result<Next> {
        if matches!(message, ToSender::Recall) {
            self.waiting.clear();
        }
        match message.open() {
            Ok(deliveries) => {
                self.waiting.extend(deliveries);
                if !self.send_noted {
                    self.send_noted = true;
                    me.note(ToSender::Note(SendNow));
                }
            }
            Err(SendNow) => {
                self.send_noted = false;
                if let Some(wait) = self.send(me).await {
                    self.send_noted = true;
                    me.note_in(wait, ToSender::Note(SendNow));
                }
            }
        }
        Ok(Next::Continue)
    }

    async fn finish(&mut self, me: &Me<UdpMessage>) -> anyhow::Result<()> {
        // Whoever waits for the end sets a limit to this.
        while let Some(wait) = self.send(me).await {
            me.waiting(tokio::time::sleep(wait)).await;
        }
        Ok(())
    }
}

impl Drop for UdpSender {
    fn drop(&mut self) {
        if self.socket.is_some() {
            self.target.meters.connected.down();
        }
    }
}
