//! Each step up to a host that has shown its key: resolve, dial, greet.

use super::host_key::{Known, Verdict, fingerprint, remember};
use super::settings::LinuxSettings;
use super::trouble::Trouble;
use russh::client::{self, DisconnectReason, Handle};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{Preferred, SshId, cipher};
use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// A host that says nothing for so long is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Given up after so many unanswered questions.
const MOST_UNANSWERED: usize = 3;
/// Messages of 32 KiB that wait for their reader, for each command that runs: what arrives beyond that waits in the host.
const CHANNEL_MESSAGES: usize = 8;
/// How much a host may send before it hears that it was read: enough for 10 Gbit/s over a millisecond, or 150 Mbit/s over 100.
const WINDOW_BYTES: u32 = 2 << 20;

/// AES is what processors do for themselves; without hosts that know GCM, ChaCha20.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// A connection to a host that has shown the right key.
pub struct Greeted {
    /// The connection.
    pub handle: Handle<Peer>,
    /// Its key's fingerprint.
    pub fingerprint: String,
    /// It was not known before and is from now on.
    pub is_new: bool,
}

/// Finds a host's addresses.
pub async fn resolve(settings: &LinuxSettings) -> Result<Vec<SocketAddr>, Trouble> {
    let found = timeout(settings.timeout, lookup_host((settings.host.as_str(), settings.port))).await;
    let unresolved = |e| Trouble::unresolved(settings, &e);
    let addresses: Vec<SocketAddr> =
        found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(unresolved)?.collect();
    match addresses.is_empty() {
        true => Err(unresolved(io::Error::other("it has none"))),
        false => Ok(addresses),
    }
}

/// Connects to the first address that answers.
pub async fn dial(settings: &LinuxSettings, addresses: &[SocketAddr]) -> Result<TcpStream, Trouble> {
    let mut last = io::Error::other("it has no address");
    for address in addresses {
        match timeout(settings.timeout, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                // Answers of a few bytes go at once. A socket that can't be told works all the same.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Ok(Err(e)) => last = e,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Trouble::unreachable(settings, &last))
}

/// Agrees on keys and judges the one that the host shows.
pub async fn greet(settings: &Arc<LinuxSettings>, socket: TcpStream) -> Result<Greeted, Trouble> {
    let reading = Arc::clone(settings);
    let known = tokio::task::spawn_blocking(move || Known::load(&reading)).await;
    let known = known.map_err(|e| Trouble::passing(format!("reading known hosts failed: {e}")))??;
    let preferred =
        Preferred { key: known.algorithms().into(), cipher: Cow::Borrowed(CIPHERS), ..Preferred::DEFAULT };
    let config = client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!(
            "SSH-2.0-DataStreamDirector_",
            env!("CARGO_PKG_VERSION")
        ))),
        preferred,
        window_size: WINDOW_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES,
        keepalive_interval: Some(KEEP_ALIVE),
        keepalive_max: MOST_UNANSWERED,
        ..client::Config::default()
    };
    let shown = Arc::default();
    let peer = Peer { settings: Arc::clone(settings), known, shown: Arc::clone(&shown) };
    let greeted = timeout(settings.timeout, client::connect_stream(Arc::new(config), socket, peer)).await;
    let handle = match greeted {
        Ok(Ok(handle)) => handle,
        Ok(Err(Fault::Key(trouble))) => return Err(trouble),
        Ok(Err(Fault::Protocol(e))) => return Err(Trouble::protocol(settings, &e)),
        Err(_) => return Err(Trouble::silent(settings, "agreeing on keys")),
    };
    let shown = shown.lock().take();
    let Some(Shown { key, is_new }) = shown else { return Err(Trouble::ended(settings)) };
    let fingerprint = fingerprint(&key);
    if is_new {
        keep(settings, key, &fingerprint).await?;
    }
    Ok(Greeted { handle, fingerprint, is_new })
}

/// Writes a new host's key down. A key that can't be kept is not trusted: it would be new for ever.
async fn keep(settings: &Arc<LinuxSettings>, key: PublicKey, fingerprint: &str) -> Result<(), Trouble> {
    let writing = Arc::clone(settings);
    let write = move || remember(&writing.host_keys.known_hosts, &writing.host, writing.port, &key);
    let place = settings.place();
    if let Err(e) = tokio::task::spawn_blocking(write).await.unwrap_or_else(|e| Err(io::Error::other(e))) {
        let file = settings.host_keys.known_hosts.display();
        return Err(Trouble::lasting(format!("cannot remember the host key of {place} in {file}: {e}")));
    }
    tracing::warn!(
        host = place,
        fingerprint,
        "a new host is trusted from now on, as accept_new_host_key says"
    );
    Ok(())
}

/// The other side, as the protocol calls it back.
pub struct Peer {
    settings: Arc<LinuxSettings>,
    known: Known,
    shown: Arc<parking_lot::Mutex<Option<Shown>>>,
}

struct Shown {
    key: PublicKey,
    is_new: bool,
}

/// Why a greeting failed.
#[derive(Debug)]
pub enum Fault {
    /// The host key is not the right one.
    Key(Trouble),
    /// Anything else.
    Protocol(russh::Error),
}

impl From<russh::Error> for Fault {
    fn from(e: russh::Error) -> Self {
        Self::Protocol(e)
    }
}

impl client::Handler for Peer {
    type Error = Fault;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Fault> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            // Certificates are not asked for.
            return Ok(false);
        };
        let is_new = match self.known.judge(&self.settings, key) {
            Verdict::Right => false,
            Verdict::New => true,
            Verdict::Wrong(trouble) => return Err(Fault::Key(trouble)),
        };
        *self.shown.lock() = Some(Shown { key: key.clone(), is_new });
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Fault>) -> Result<(), Fault> {
        let host = self.settings.place();
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                tracing::debug!(host, message = info.message, "disconnected")
            }
            DisconnectReason::Error(e) => tracing::debug!(host, error = ?e, "disconnected"),
        }
        Ok(())
    }
}
