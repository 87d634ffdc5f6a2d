//! Links between endpoints and the Director, with faults that networks have.
//!
//! ```text
//!   sender ──▶ link ──▶ Director ──▶ link ──▶ receiver
//!             (tcp, udp)            (tcp, udp)
//! ```
//!
//! A link is a relay on loopback. What it takes from the Director it hands on before it breaks: the Director counts as
//! delivered what the peer's *kernel* has, and a relay that throws such bytes away would be a peer that died, not a
//! link that broke. To know what the kernel has, a socket filter (`SO_ATTACH_FILTER`) keeps every further packet out
//! first; the same filter, left in place, is a link that swallows everything.
//!
//! Cost: one copy of each byte through user space, two tasks for each direction of a connection.

mod address;
mod pump;
mod tcp;
mod udp;

pub use address::Loopback;
pub use tcp::TcpLink;
pub use udp::UdpLink;

use crate::subject::Span;
use parking_lot::Mutex;
use seams::Rng;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What a link does to what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum LinkFault {
    /// New connections are refused.
    LinkRefuses,
    /// All connections are reset.
    LinkReset,
    /// All connections end in the middle of a message.
    LinkCut,
    /// New connections are refused, and open ones reset.
    LinkDown,
    /// Nothing arrives and nobody is told: as a cable that was pulled.
    LinkSilent,
    /// Everything arrives so much later, and up to `jitter` later than that.
    LinkDelay {
        /// At least so much.
        by: Span,
        /// At most so much more.
        #[serde(default)]
        jitter: Span,
    },
    /// At most so many bytes a second.
    LinkThrottle {
        /// Of each connection.
        bytes_per_second: u64,
    },
    /// A bit of one byte is another one on arrival.
    LinkCorrupts,
    /// Of datagrams, this share is lost.
    LinkDrops {
        /// 0.0 to 1.0
        share: f64,
    },
    /// Of datagrams, this share comes after the one behind it.
    LinkReorders {
        /// 0.0 to 1.0
        share: f64,
    },
}

impl LinkFault {
    /// All names, for an error.
    pub const NAMES: &[&str] = &[
        "link_refuses",
        "link_reset",
        "link_cut",
        "link_down",
        "link_silent",
        "link_delay",
        "link_throttle",
        "link_corrupts",
        "link_drops",
        "link_reorders",
    ];

    /// Whether it is over as soon as it has begun.
    pub fn is_instant(&self) -> bool {
        matches!(self, Self::LinkReset | Self::LinkCut | Self::LinkCorrupts)
    }
}

/// Which way a link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a sender to the Director.
    ToDirector,
    /// From the Director to a receiver.
    FromDirector,
    /// From the Director to a host whose events come back.
    Collected,
}

/// What a link is like at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    refusing: bool,
    silent: bool,
    delay: Duration,
    jitter: Duration,
    bytes_per_second: Option<u64>,
    drop: f64,
    reorder: f64,
    /// Grows with each reset.
    resets: u64,
    /// Grows with each cut.
    cuts: u64,
}

/// The faults of a link that have begun and not ended.
#[derive(Debug)]
pub(crate) struct Faults {
    active: Mutex<Vec<(u64, LinkFault)>>,
    state: watch::Sender<State>,
    /// Bytes that are still to be corrupted, and those that were.
    corrupt: Mutex<(u64, u64)>,
    /// Decides what happens to a share.
    rng: Rng,
}

impl Faults {
    fn new(rng: Rng) -> Self {
        let state = watch::channel(State::default()).0;
        Self { active: Mutex::default(), state, corrupt: Mutex::default(), rng }
    }

    /// How much later something arrives.
    fn lateness(&self, now: &State) -> Duration {
        now.delay + Duration::from_micros(self.rng.below(now.jitter.as_micros() as u64 + 1))
    }

    /// Whether it happens to one of so many.
    fn happens(&self, share: f64) -> bool {
        share > 0.0 && self.rng.below(1_000_000) < (share * 1e6) as u64
    }

    /// A fault begins; `key` ends it.
    fn begin(&self, key: u64, fault: LinkFault) {
        match fault {
            LinkFault::LinkReset => self.state.send_modify(|state| state.resets += 1),
            LinkFault::LinkCut => self.state.send_modify(|state| state.cuts += 1),
            LinkFault::LinkCorrupts => self.corrupt.lock().0 += 1,
            lasting => {
                self.active.lock().push((key, lasting));
                self.change(matches!(lasting, LinkFault::LinkDown));
            }
        }
    }

    fn end(&self, key: u64) {
        self.active.lock().retain(|(other, _)| *other != key);
        self.change(false);
    }

    fn change(&self, reset: bool) {
        let active = self.active.lock().clone();
        self.state.send_modify(|state| {
            let (resets, cuts) = (state.resets + u64::from(reset), state.cuts);
            *state = State { resets, cuts, ..State::default() };
            for (_, fault) in &active {
                state.take_on(fault);
            }
        });
    }

    /// Whether a byte of this piece is to be corrupted.
    fn corrupts(&self) -> bool {
        let mut corrupt = self.corrupt.lock();
        if corrupt.0 == 0 {
            return false;
        }
        *corrupt = (corrupt.0 - 1, corrupt.1 + 1);
        true
    }

    fn corrupted(&self) -> u64 {
        self.corrupt.lock().1
    }
}

impl State {
    fn take_on(&mut self, fault: &LinkFault) {
        match fault {
            LinkFault::LinkRefuses | LinkFault::LinkDown => self.refusing = true,
            LinkFault::LinkSilent => self.silent = true,
            LinkFault::LinkDelay { by, jitter } => {
                self.delay = self.delay.max(by.0);
                self.jitter = self.jitter.max(jitter.0);
            }
            LinkFault::LinkThrottle { bytes_per_second } => {
                let most = self.bytes_per_second.unwrap_or(u64::MAX);
                self.bytes_per_second = Some(most.min(*bytes_per_second).max(1));
            }
            LinkFault::LinkDrops { share } => self.drop = self.drop.max(*share),
            LinkFault::LinkReorders { share } => self.reorder = self.reorder.max(*share),
            LinkFault::LinkReset | LinkFault::LinkCut | LinkFault::LinkCorrupts => {}
        }
    }
}

/// A link of either kind.
#[derive(Debug)]
pub enum Link {
    /// Connections.
    Tcp(TcpLink),
    /// Datagrams.
    Udp(UdpLink),
}

impl Link {
    /// A fault begins; `key` ends it.
    pub fn begin(&self, key: u64, fault: LinkFault) {
        self.faults().begin(key, fault);
    }

    /// A fault ends.
    pub fn end(&self, key: u64) {
        self.faults().end(key);
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Tcp(link) => link.address(),
            Self::Udp(link) => link.address(),
        }
    }

    /// Dials; done when the far end has answered.
    ///
    /// # Errors
    /// When the link, or what is behind it, refuses; a link for datagrams can't be dialed.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        match self {
            Self::Tcp(link) => link.connect().await,
            Self::Udp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Bytes that were corrupted so far.
    pub fn corrupted(&self) -> u64 {
        self.faults().corrupted()
    }

    fn faults(&self) -> &Faults {
        match self {
            Self::Tcp(link) => link.faults(),
            Self::Udp(link) => link.faults(),
        }
    }
}
