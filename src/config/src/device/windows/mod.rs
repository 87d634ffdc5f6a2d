//! `windows`: a host whose event logs are read over WinRM, with nothing installed on it.

mod channels;
mod datasets;

use std::path::PathBuf;
use std::time::Duration;

use super::DeviceKind;
use super::definitions::Definitions;
use super::listen::{DEFAULT_MESSAGE_BYTES, MAX_MESSAGE_BYTES};
use crate::credentials;
use crate::fields::Fields;
use crate::readers::{Bytes, Choice, FilePath, Flag, Host, PORT, Seconds, Text};
use crate::{Secret, not_yet};
pub use channels::{Channel, EventLevel, IdRange, Selection};

/// Properties of a `windows` device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowsDevice {
    /// The host.
    pub address: String,
    /// Its WinRM port.
    pub port: u16,
    /// How it is told who we are.
    pub sign_in: SignIn,
    /// HTTPS, if `tls.status`.
    pub tls: Option<WindowsTls>,
    /// Longest wait for a connection or an answer that does not wait for events.
    pub timeout: Duration,
    /// How events are read.
    pub collection: Collection,
    /// `poll_interval`: how often, where events are polled.
    pub poll_interval: Duration,
    /// Which events.
    pub selection: Selection,
    /// `start`: where to begin with channels that were never read before.
    pub start: EventStart,
    /// `rendered`: the endpoint adds the text of the message.
    pub rendered: bool,
    /// `facts_interval`: how often to ask what the host is.
    pub facts_interval: Option<Duration>,
    /// `max_message_size`: longest event.
    pub max_message_bytes: u64,
}

/// How a host is told who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// NTLMv2, sealed over HTTP, bound to the certificate over HTTPS.
    Negotiate(UserPassword),
    /// User and password as they are; over HTTPS only.
    Basic(UserPassword),
    /// The certificate of [`WindowsTls::identity`].
    Certificate,
}

/// A user with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPassword {
    /// `DOMAIN\user`, `user@domain`, `.\user` or `user`.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// HTTPS to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowsTls {
    /// How the host proves that it is the right one.
    pub trust: Trust,
    /// `tls.cert_name`, `tls.key_name`: PEM files of an own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How a host proves that it is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By a certificate for its name, signed by one of the system's authorities.
    System,
    /// By a certificate for its name, signed by an authority in this PEM file: `tls.ca_name`.
    Authorities(PathBuf),
    /// By the one certificate with this SHA-256: `tls.fingerprint`.
    Fingerprint([u8; 32]),
    /// Not at all: `tls.verify: false`.
    Nothing,
}

/// How events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// By subscription; by polling where the host refuses that.
    Auto,
    /// By subscription only.
    Subscription,
    /// By `wevtutil` in a short shell.
    Poll,
}

/// Where to begin with channels that were never read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStart {
    /// What is written from now on.
    New,
    /// The oldest event that the log holds.
    Oldest,
}

pub(super) fn decode(fields: &mut Fields, definitions: &Definitions) -> DeviceKind {
    not_yet::accept("windows device", fields);
    deployment(fields);
    let address = fields.required("address", Host, "the host, by name or address");
    let port = fields.optional("port", PORT, "its WinRM port: 5985, or 5986 with tls");
    let tls = tls(fields, port == Some(5986));
    let port = port.unwrap_or(if tls.is_some() { 5986 } else { 5985 });
    let sign_in = sign_in(fields, tls.as_ref());
    let about = "longest wait for a connection or an answer";
    let timeout = fields.or("timeout", Seconds(1..=3600), Duration::from_secs(30), 30, about);
    let ways = Choice(&[
        ("auto", Collection::Auto),
        ("subscription", Collection::Subscription),
        ("poll", Collection::Poll),
    ]);
    let about = "how events are read; auto: by subscription, by polling where that is refused";
    let collection = fields.or("collection", ways, Collection::Auto, "auto", about);
    let about = "how often, where events are polled";
    let poll_interval = fields.or("poll_interval", Seconds(1..=86_400), Duration::from_secs(30), 30, about);
    let selection = channels::decode(fields, definitions);
    let starts = Choice(&[("new", EventStart::New), ("oldest", EventStart::Oldest)]);
    let about = "where to begin with channels that were never read before";
    let start = fields.or("start", starts, EventStart::New, "new", about);
    let about =
        "the host adds the text of the message; half as much again to transfer, and work for the host";
    let rendered = fields.or("rendered", Flag, false, false, about);
    let about = "how often to ask what the host is; 0: never";
    let facts = fields.optional("facts_interval", Seconds(0..=31 * 86_400), about);
    let sizes = Bytes(1..=MAX_MESSAGE_BYTES);
    let max_message_bytes =
        fields.or("max_message_size", sizes, DEFAULT_MESSAGE_BYTES, DEFAULT_MESSAGE_BYTES, "longest event");
    DeviceKind::Windows(Box::new(WindowsDevice {
        address,
        port,
        sign_in,
        tls,
        timeout,
        collection,
        poll_interval,
        selection,
        start,
        rendered,
        facts_interval: facts.filter(|interval| !interval.is_zero()),
        max_message_bytes,
    }))
}

/// `type`: the product's agents dial in, which is not available.
fn deployment(fields: &mut Fields) {
    let about = "agentless: the host is read over WinRM";
    let agent =
        fields.or("type", Choice(&[("agentless", false), ("agent", true)]), false, "agentless", about);
    if agent {
        fields.wrong("type", "write agentless, with address and credentials: agents are not available yet");
    }
}

/// How a configuration writes it.
#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    Negotiate,
    Basic,
    Certificate,
    Kerberos,
}

fn sign_in(fields: &mut Fields, tls: Option<&WindowsTls>) -> SignIn {
    let schemes = Choice(&[
        ("negotiate", Scheme::Negotiate),
        ("ntlm", Scheme::Negotiate),
        ("basic", Scheme::Basic),
        ("certificate", Scheme::Certificate),
        ("kerberos", Scheme::Kerberos),
    ]);
    let about = "how the host is told who we are";
    let scheme = fields.or("authentication", schemes, Scheme::Negotiate, "negotiate", about);
    let about = "sign in as the service's own account, which needs kerberos";
    let own_account = fields.or("use_ad_credentials", Flag, false, false, about);
    let no_kerberos = "kerberos is not available yet: use negotiate with username and password";
    if scheme == Scheme::Kerberos {
        fields.wrong("authentication", no_kerberos);
    }
    if own_account {
        fields.wrong("use_ad_credentials", no_kerberos);
    }
    let given = credentials::of_device(fields);
    if scheme == Scheme::Certificate {
        if fields.is_read() && tls.is_none_or(|tls| tls.identity.is_none()) {
            fields.missing("tls.cert_name", "the certificate to sign in with, and tls.key_name");
        }
        return SignIn::Certificate;
    }
    if fields.is_read() {
        if given.username.is_none() {
            fields.missing("username", "DOMAIN\\user, user@domain or .\\user, here or in credentials");
        }
        if given.password.is_none() {
            fields.missing("password", "its password, here or in credentials");
        }
    }
    let name = given.username.unwrap_or_default();
    let username = match given.domain.filter(|domain| !domain.is_empty() && !name.contains(['\\', '@'])) {
        Some(domain) => format!("{domain}\\{name}"),
        None => name,
    };
    let user = UserPassword { username, password: given.password.unwrap_or_else(|| Secret::new("")) };
    if scheme == Scheme::Basic {
        if tls.is_none() {
            fields.wrong(
                "authentication",
                "use basic with tls only: the password would be readable on the way",
            );
        }
        return SignIn::Basic(user);
    }
    SignIn::Negotiate(user)
}

fn tls(fields: &mut Fields, default: bool) -> Option<WindowsTls> {
    fields.section("tls", "HTTPS", |tls| {
        let root = tls.context.root;
        let status = tls.or("status", Flag, default, false, "whether it is used; with port 5986 it is");
        let about = "whether the host's certificate is checked";
        let verify = tls.or("verify", Flag, true, true, about);
        let ca = tls.optional("ca_name", FilePath(root), "PEM file of the authorities to trust");
        let about = "SHA-256 of the one certificate to trust, in hexadecimal";
        let pinned = tls.optional("fingerprint", Text, about);
        let cert = tls.optional("cert_name", FilePath(root), "PEM file of an own certificate");
        let key = tls.optional("key_name", FilePath(root), "PEM file of its private key");
        match (&cert, &key) {
            (Some(_), None) => tls.missing("key_name", "the key of the certificate"),
            (None, Some(_)) => tls.missing("cert_name", "the certificate of the key"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        let trust = match (verify, pinned, ca) {
            (false, None, None) => Trust::Nothing,
            (false, _, _) => {
                tls.wrong("verify", "leave it out: there is a ca_name or a fingerprint to check against");
                Trust::Nothing
            }
            (true, Some(text), _) => match fingerprint(&text) {
                Some(digest) => Trust::Fingerprint(digest),
                None => {
                    tls.wrong(
                        "fingerprint",
                        "write 64 hexadecimal digits, as openssl x509 -fingerprint -sha256 prints",
                    );
                    Trust::System
                }
            },
            (true, None, Some(path)) => Trust::Authorities(path),
            (true, None, None) => Trust::System,
        };
        status.then(|| WindowsTls { trust, identity: cert.zip(key) })
    })
}

/// `sha256:AB:CD…`, with or without what is not a digit.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(digest)
}
