//! What a simulated host is like.

use std::sync::Arc;
use std::time::Duration;

/// A simulated host's properties; the defaults are those of a freshly installed Windows Server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// NetBIOS name.
    pub name: String,
    /// Users as `DOMAIN\user` or `user`, and their passwords.
    pub users: Vec<(String, String)>,
    /// How it is reached.
    pub transport: Transport,
    /// `Auth/Basic`: off by default.
    pub basic: bool,
    /// `Auth/Negotiate`.
    pub negotiate: bool,
    /// Certificates (DER) that are mapped to a user; none: `Auth/Certificate` is off, as by default.
    pub certificates: Vec<Vec<u8>>,
    /// Its channels; others do not exist.
    pub channels: Vec<String>,
    /// The largest message, `MaxEnvelopeSizekb`.
    pub max_envelope_bytes: usize,
    /// From an answer to the next Pull, `EnumerationTimeoutms`.
    pub enumeration_timeout: Duration,
    /// Shells at a time, `MaxShellsPerUser`.
    pub max_shells: usize,
    /// `AllowRemoteShellAccess`.
    pub shells_allowed: bool,
    /// Its clock is ahead by so many seconds.
    pub clock_ahead_seconds: i64,
}

/// How a host is reached.
#[derive(Clone, Debug)]
pub enum Transport {
    /// HTTP: messages have to be sealed.
    Http,
    /// HTTPS.
    Https {
        /// The server's side.
        config: Arc<rustls::ServerConfig>,
        /// Its certificate (DER), which sign-ins have to be bound to; none: `CbtHardeningLevel=None`.
        binding: Option<Vec<u8>>,
    },
}

impl Default for Settings {
    fn default() -> Self {
        let channels = ["Security", "System", "Application"].map(str::to_owned).to_vec();
        Self {
            name: "WINLAB".to_owned(),
            users: vec![(r"LAB\svc-collect".to_owned(), "Secret-1".to_owned())],
            transport: Transport::Http,
            basic: false,
            negotiate: true,
            certificates: Vec::new(),
            channels,
            max_envelope_bytes: 500 * 1024,
            enumeration_timeout: Duration::from_secs(60),
            max_shells: 30,
            shells_allowed: true,
            clock_ahead_seconds: 0,
        }
    }
}
