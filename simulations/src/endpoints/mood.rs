//! What may go wrong at an endpoint, by switch.

use super::certificates::{Certificates, Like};
use crate::links::LinkFault;
use parking_lot::Mutex;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What goes wrong at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum EndpointFault {
    /// It is not there.
    EndpointDown,
    /// It takes so many bytes a second.
    EndpointSlow {
        /// Of each connection.
        bytes_per_second: u64,
    },
    /// It does not know the password, or has another one.
    WrongPassword,
    /// The time of its certificate is over.
    CertificateExpired,
    /// Its certificate is of an authority that nobody trusts.
    CertificateChanged,
    /// Requests are answered with this status.
    Answers {
        /// Such as 429 or 500.
        status: u16,
    },
    /// Requests are answered with what is no HTTP.
    AnswersGarbage,
    /// Its event logs are cleared.
    LogCleared,
    /// It restarts: connections, sessions and subscriptions are gone, and it is down for a while.
    HostRebooted,
}

impl EndpointFault {
    /// All names, for an error.
    pub const NAMES: &[&str] = &[
        "endpoint_down",
        "endpoint_slow",
        "wrong_password",
        "certificate_expired",
        "certificate_changed",
        "answers",
        "answers_garbage",
        "log_cleared",
        "host_rebooted",
    ];

    /// Whether it is over as soon as it has begun.
    pub fn is_instant(&self) -> bool {
        matches!(self, Self::LogCleared)
    }

    /// What it means for the link to the endpoint.
    pub fn on_link(&self) -> Option<LinkFault> {
        match *self {
            Self::EndpointDown | Self::HostRebooted => Some(LinkFault::LinkDown),
            Self::EndpointSlow { bytes_per_second } => Some(LinkFault::LinkThrottle { bytes_per_second }),
            // So that everybody has to sign in again.
            Self::WrongPassword | Self::CertificateExpired | Self::CertificateChanged => {
                Some(LinkFault::LinkReset)
            }
            Self::Answers { .. } | Self::AnswersGarbage | Self::LogCleared => None,
        }
    }
}

/// The switches of a receiver.
#[derive(Debug)]
pub struct Mood {
    active: Mutex<Vec<(u64, EndpointFault)>>,
    tls: Option<[Arc<ServerConfig>; 3]>,
}

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it should be.
    Fine,
    /// With this status.
    Status(u16),
    /// With what is no HTTP.
    Garbage,
}

impl Mood {
    /// Of a receiver with or without TLS.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn new(tls: Option<&Certificates>) -> anyhow::Result<Self> {
        let tls = match tls {
            Some(tls) => {
                Some([tls.server(Like::Good)?, tls.server(Like::Expired)?, tls.server(Like::Changed)?])
            }
            None => None,
        };
        Ok(Self { active: Mutex::default(), tls })
    }

    /// A fault begins; `key` ends it.
    pub fn begin(&self, key: u64, fault: EndpointFault) {
        self.active.lock().push((key, fault));
    }

    /// A fault ends.
    pub fn end(&self, key: u64) {
        self.active.lock().retain(|(other, _)| *other != key);
    }

    /// How requests are answered now.
    pub fn answer(&self) -> Answer {
        let active = self.active.lock();
        let answers = active.iter().rev().find_map(|(_, fault)| match fault {
            EndpointFault::Answers { status } => Some(Answer::Status(*status)),
            EndpointFault::WrongPassword => Some(Answer::Status(401)),
            EndpointFault::AnswersGarbage => Some(Answer::Garbage),
            _ => None,
        });
        answers.unwrap_or(Answer::Fine)
    }

    /// TLS for a new connection; none without TLS.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        let [good, expired, changed] = self.tls.as_ref()?;
        let active = self.active.lock();
        let config = active.iter().rev().find_map(|(_, fault)| match fault {
            EndpointFault::CertificateExpired => Some(expired),
            EndpointFault::CertificateChanged => Some(changed),
            _ => None,
        });
        Some(TlsAcceptor::from(Arc::clone(config.unwrap_or(good))))
    }
}
