//! What a Windows device does.

use protocol::winevent::query::{ChannelQuery, Filter};
use protocol::winrm::credentials::Credentials;
use security::tls::ClientSettings;
use std::time::Duration;

/// What a Windows device does.
#[derive(Clone, Debug)]
pub struct WindowsSettings {
    /// The host, by name or address.
    pub host: String,
    /// Its WinRM port.
    pub port: u16,
    /// How it is told who we are.
    pub sign_in: SignIn,
    /// HTTPS; none: HTTP with sealed messages.
    pub tls: Option<ClientSettings>,
    /// Longest wait for a connection, and for an answer beyond the time that the host may take.
    pub timeout: Duration,
    /// How events are read.
    pub collection: Collection,
    /// Which events.
    pub selection: Selection,
    /// Where to begin with channels that were never read before: at the oldest event, or with what is written from now on.
    pub from_oldest: bool,
    /// The endpoint adds the text of messages.
    pub rendered: bool,
    /// How often to ask what the host is.
    pub facts_interval: Option<Duration>,
    /// Longest event, in bytes; what is longer is cut.
    pub max_event_bytes: usize,
    /// How long things take.
    pub pace: Pace,
}

/// How a host is told who we are.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// NTLMv2.
    Negotiate(Credentials),
    /// User and password as they are; over HTTPS only.
    Basic(Credentials),
    /// The certificate of the TLS settings.
    Certificate,
}

/// How events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// By subscription; by polling where the host has none.
    Auto,
    /// By subscription only.
    Subscription,
    /// By `wevtutil` in a short shell.
    Poll,
}

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Of these channels.
    Channels(Vec<Channel>),
    /// What a `QueryList` of the user's asks for.
    Query(String),
}

/// A channel to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name, and which of its events.
    pub query: ChannelQuery,
    /// It may be missing on the host.
    pub optional: bool,
}

/// How long things take; tests are in more of a hurry.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The host says that it lives at least so often.
    pub heartbeat: Duration,
    /// Pause between two polls.
    pub poll: Duration,
    /// Pause after the first failure to connect; doubles up to `most`.
    pub first: Duration,
    /// Longest pause between attempts to connect.
    pub most: Duration,
    /// Pause after the first refused sign-in; it may have been the host's fault.
    pub refused: Duration,
    /// Pause after every further one: accounts lock.
    pub locked: Duration,
    /// Pause when somebody has to act, or a channel can't be read.
    pub act: Duration,
    /// Pause when a quota is used up.
    pub quota: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            heartbeat: seconds(25),
            poll: seconds(30),
            first: seconds(1),
            most: seconds(60),
            refused: seconds(30),
            locked: seconds(15 * 60),
            act: seconds(5 * 60),
            quota: seconds(60),
        }
    }
}

impl SignIn {
    /// The user, for people.
    pub fn user(&self) -> String {
        match self {
            Self::Negotiate(credentials) | Self::Basic(credentials) => credentials.account.to_string(),
            Self::Certificate => "of the certificate".to_owned(),
        }
    }
}

impl WindowsSettings {
    /// `host:port`, an IPv6 address in brackets.
    pub fn endpoint(&self) -> String {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    /// The channels that are read, by name; those of a `QueryList` of the user's, too.
    pub fn channels(&self) -> Vec<String> {
        match &self.selection {
            Selection::Channels(channels) => {
                channels.iter().map(|channel| channel.query.channel.clone()).collect()
            }
            Selection::Query(list) => protocol::winevent::query::channels(list).unwrap_or_default(),
        }
    }

    /// The filter of a channel, where one is written for it.
    pub fn filter(&self, channel: &str) -> Option<&Filter> {
        match &self.selection {
            Selection::Channels(channels) => {
                let same = |c: &&Channel| c.query.channel.eq_ignore_ascii_case(channel);
                channels.iter().find(same).map(|c| &c.query.filter)
            }
            Selection::Query(_) => None,
        }
    }
}
