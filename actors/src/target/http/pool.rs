//! Connections that wait to be used again.

use super::body::Body;
use super::endpoint::Origin;
use hyper::client::conn::http1::SendRequest;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;

/// Idle connections by origin; the one that was used last is used next.
pub struct Pool {
    idle: Mutex<HashMap<Origin, Vec<SendRequest<Body>>>>,
    keep: usize,
}

impl Pool {
    /// A pool that keeps at most so many idle connections for each origin.
    pub fn new(keep: usize) -> Self {
        Self { idle: Mutex::default(), keep }
    }

    /// A connection on which a request can be sent, as far as is known: the peer may be about to close it.
    pub async fn take(&self, origin: &Origin) -> Option<SendRequest<Body>> {
        loop {
            let mut connection = self.idle.lock().get_mut(origin)?.pop()?;
            if !connection.is_closed() && connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    /// Gives a connection back after a whole answer.
    pub fn put(&self, origin: &Origin, connection: SendRequest<Body>) {
        if connection.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        let idle = idle.entry(origin.clone()).or_default();
        idle.retain(|connection| !connection.is_closed());
        if idle.len() < self.keep {
            idle.push(connection);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} origins)", self.idle.lock().len())
    }
}
