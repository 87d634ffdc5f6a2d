//! A Windows host as WinRM shows it, on loopback.
//!
//! ```text
//!   listener ── connection: sign_in (NTLM, Basic), sealed or not ── service: faults, dispatch
//!                                                                    ├── eventing   Subscribe, Pull, Unsubscribe
//!                                                                    ├── shells     Create, Command, Receive, Signal, Delete
//!                                                                    └── wmi        Enumerate, Pull
//!                      logs: channels with growing events ◀──────────┘
//! ```
//!
//! It checks what Windows checks and clients get wrong: NTLM proofs, integrity codes and channel bindings, numbers and
//! lengths of sealed messages, messages in the clear, chunked bodies, contexts used twice, late Pulls, quotas.
//! What it knows of Windows is recorded in the vectors or written in MS-WSMV and MS-NLMP; where it answers
//! otherwise than a real one, the real one is right.
//!
//! Cost: a listener, a few kilobytes a host and a buffer a connection; a thousand of them fit in one process.

mod eventing;
pub mod events;
mod faults;
mod http;
mod logs;
mod service;
mod settings;
mod shells;
mod sign_in;
pub(crate) mod soap;
pub mod tls;
mod wmi;
mod xpath;

pub use faults::{Fault, Operation};
pub use logs::Logs;
pub use service::Seen;
pub use settings::{Settings, Transport};

use service::Service;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A running host; it goes when it is dropped.
#[derive(Debug)]
pub struct WindowsHost {
    service: Arc<Service>,
    address: SocketAddr,
    listening: AbortHandle,
}

impl WindowsHost {
    /// Starts a host on a free port of loopback.
    ///
    /// # Errors
    /// When nothing can be bound.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        Self::start_on(settings, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts a host on an address.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn start_on(settings: Settings, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let service = Arc::new(Service::new(settings));
        let listening = tokio::spawn(http::listen(listener, Arc::clone(&service))).abort_handle();
        Ok(Self { service, address, listening })
    }

    /// The same host at another address: [`Self::address`] from then on, and nobody listens at the old one.
    ///
    /// # Errors
    /// When nothing can be bound.
    pub async fn change_address(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        self.address = listener.local_addr()?;
        self.listening.abort();
        self.listening = tokio::spawn(http::listen(listener, Arc::clone(&self.service))).abort_handle();
        self.service.reboot();
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its event logs.
    pub fn logs(&self) -> &Logs {
        self.service.logs()
    }

    /// The next operation of that kind ends so; several are carried out one after the other.
    pub fn fault(&self, on: Operation, fault: Fault) {
        self.service.faults().add(on, fault);
    }

    /// Faults that nobody met yet.
    pub fn pending_faults(&self) -> usize {
        self.service.faults().pending()
    }

    /// All connections, subscriptions and shells are gone, as after a restart; logs and their numbers stay.
    pub fn reboot(&self) {
        self.service.reboot();
    }

    /// The users get another password.
    pub fn set_password(&self, password: &str) {
        self.service.set_password(password);
    }

    /// What clients did so far.
    pub fn seen(&self) -> Seen {
        self.service.seen()
    }
}

impl Drop for WindowsHost {
    fn drop(&mut self) {
        self.listening.abort();
        self.service.reboot();
    }
}
