//! What can be wrong with a host, in words that a person can act on: what, where, why, what mends it.

use super::settings::LinuxSettings;
use std::io;
use std::time::Duration;

/// After one refused sign-in: a password may just have been changed.
pub const AFTER_REFUSAL: Duration = Duration::from_secs(30);
/// After two: many hosts lock an account after three to five (`pam_faillock`, fifteen minutes).
pub const AFTER_REFUSALS: Duration = Duration::from_secs(3600);
/// So many refusals are enough.
pub const MOST_REFUSALS: u32 = 2;
/// What only a person can mend is tried again so often.
const AFTER_PERSON: Duration = Duration::from_secs(60);

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// For people.
    pub text: String,
    /// When to try again.
    pub again: Again,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Soon, then more and more seldom.
    Soon,
    /// After this time: nothing changes by itself.
    After(Duration),
    /// The sign-in was refused: twice is enough for a long time.
    Refused,
}

impl Trouble {
    /// Something that passes.
    pub fn passing(text: impl Into<String>) -> Self {
        Self { text: text.into(), again: Again::Soon }
    }

    /// Something that a person mends.
    pub fn lasting(text: impl Into<String>) -> Self {
        Self { text: text.into(), again: Again::After(AFTER_PERSON) }
    }

    /// The host's name is not known.
    pub fn unresolved(settings: &LinuxSettings, e: &io::Error) -> Self {
        let host = &settings.host;
        Self::passing(format!(
            "cannot find the address of {host}: {e}; check the name with: getent hosts {host}"
        ))
    }

    /// Nothing answers at the port, or something refuses.
    pub fn unreachable(settings: &LinuxSettings, e: &io::Error) -> Self {
        let (place, port) = (settings.place(), settings.port);
        Self::passing(match e.kind() {
            io::ErrorKind::ConnectionRefused => format!(
                "{place} refuses connections; is sshd running there and on this port? on the host: \
                 systemctl status ssh; ss -ltn | grep :{port}"
            ),
            io::ErrorKind::TimedOut => format!(
                "{place} did not answer within {} s; is the host up, and does a firewall let port {port} through?",
                settings.timeout.as_secs()
            ),
            _ => format!("cannot connect to {place}: {e}"),
        })
    }

    /// The host did not answer in time.
    pub fn silent(settings: &LinuxSettings, what: &str) -> Self {
        Self::passing(format!(
            "{} did not answer within {} s ({what}); it may be overloaded; \"timeout\" is how long to wait",
            settings.place(),
            settings.timeout.as_secs()
        ))
    }

    /// The protocol failed.
    pub fn protocol(settings: &LinuxSettings, e: &russh::Error) -> Self {
        let place = settings.place();
        match e {
            russh::Error::NoCommonAlgo { kind, theirs, .. } => Self::lasting(format!(
                "{place} offers no {kind:?} algorithm that is considered safe (it offers {}); update its OpenSSH",
                theirs.join(", ")
            )),
            russh::Error::Version => {
                Self::lasting(format!("what answers at {place} is no SSH server; check the port"))
            }
            russh::Error::KeepaliveTimeout | russh::Error::InactivityTimeout => {
                Self::passing(format!("{place} has not answered for a while; connecting again"))
            }
            russh::Error::IO(e) => Self::passing(format!("the connection to {place} broke: {e}")),
            russh::Error::HUP
            | russh::Error::Disconnect
            | russh::Error::SendError
            | russh::Error::RecvError => Self::passing(format!("{place} closed the connection")),
            e => Self::passing(format!("the connection to {place} failed: {e}")),
        }
    }

    /// The connection ended by itself.
    pub fn ended(settings: &LinuxSettings) -> Self {
        Self::protocol(settings, &russh::Error::Disconnect)
    }
}
