//! Where and how an HTTP target sends.

use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::proxy::Proxies;
use http::Method;
use rustls::ClientConfig;
use security::tls::Reloading;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where and how an HTTP target sends; the senders of all lanes share it.
pub struct HttpSettings {
    /// At least one; the next one is tried when one fails.
    pub endpoints: Vec<Endpoint>,
    /// Each request begins at an endpoint by chance.
    pub shuffle: bool,
    /// What a body looks like, and what answers mean.
    pub dialect: Arc<dyn Dialect>,
    /// Method of requests.
    pub method: Method,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// What goes into one request.
    pub gather: Gather,
    /// Most requests in flight, for each sender; one keeps the order of streams.
    pub in_flight: usize,
    /// How long things may take.
    pub limits: TimeLimits,
    /// Whether connections are used again.
    pub keep_alive: bool,
    /// Whether redirections are followed.
    pub follow_redirects: bool,
    /// What happens after a failure.
    pub retry: RetryPolicy,
    /// TLS of `https` endpoints; read when the first of them is connected to.
    pub tls: Reloading<ClientConfig>,
    /// Proxies to go through.
    pub proxies: Proxies,
}

/// What goes into one request: it goes when any limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Most events.
    pub events: u32,
    /// Most bytes, before compression; a single event may be longer.
    pub bytes: u64,
    /// Longest wait for more. Zero: what is there goes at once when nothing is in flight.
    pub time: Duration,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// Connecting, TLS and proxy included.
    pub connect: Duration,
    /// A request and its answer.
    pub request: Duration,
    /// A pause within an answer.
    pub pause: Duration,
}

/// What happens after a failure. Nothing is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// So many further attempts come before anything newer; then a request lets newer ones pass.
    pub at_once: u32,
    /// The wait before the first further attempt; doubles with each.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}
