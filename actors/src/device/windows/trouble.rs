//! What can go wrong with a host, what is said to people, and when it is tried again.

use super::settings::WindowsSettings;
use protocol::winrm::ntlm::NtlmError;
use protocol::winrm::wsman::{Cause, Fault};
use rustls::AlertDescription;
use std::io;

/// Something that was expected to go wrong one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What, where, why, and what to do.
    pub text: String,
    /// When to try again.
    pub again: Again,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// At once, on a new connection: something ended that ends from time to time.
    AtOnce,
    /// Soon, later each time.
    Soon,
    /// In a minute: a quota is used up.
    NextMinute,
    /// After a long wait: the sign-in was refused, and accounts lock.
    Late,
    /// In some minutes: somebody has to act.
    WhenMended,
}

impl Trouble {
    /// Trouble with a text.
    pub fn new(again: Again, text: impl Into<String>) -> Self {
        Self { text: text.into(), again }
    }

    /// No connection.
    pub fn unreachable(settings: &WindowsSettings, e: &io::Error) -> Self {
        let (host, endpoint, port) = (&settings.host, settings.endpoint(), settings.port);
        let why = match e.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::TimedOut => format!("no answer within {:?}", settings.timeout),
            _ => e.to_string().to_lowercase(),
        };
        Self::new(
            Again::Soon,
            format!(
                "cannot reach winrm on {endpoint} ({why}); run \"winrm quickconfig\" on {host} or open tcp {port} \
                 for this machine"
            ),
        )
    }

    /// No address.
    pub fn unknown_host(settings: &WindowsSettings, e: &io::Error) -> Self {
        let host = &settings.host;
        Self::new(
            Again::Soon,
            format!("cannot resolve {host} ({e}); use the name that is in dns, or the address"),
        )
    }

    /// No TLS.
    pub fn tls(settings: &WindowsSettings, e: &io::Error) -> Self {
        use rustls::{CertificateError as C, Error as E};
        let (host, endpoint, port) = (&settings.host, settings.endpoint(), settings.port);
        let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<E>());
        let text = match inner {
            Some(E::InvalidMessage(_)) => {
                format!(
                    "port {port} of {host} speaks http, not https; use port 5986 or set tls.status: false"
                )
            }
            Some(E::InvalidCertificate(C::UnknownIssuer)) => format!(
                "certificate of {endpoint} is signed by an unknown authority; set tls.ca_name to its certificate, or \
                 tls.fingerprint"
            ),
            Some(E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. })) => {
                format!("certificate of {endpoint} is for another name ({e}); use that name as address")
            }
            Some(E::InvalidCertificate(C::Expired | C::ExpiredContext { .. })) => format!(
                "certificate of {endpoint} has expired; renew it on {host} (winrm quickconfig -transport:https), or \
                 correct the clock of this machine"
            ),
            Some(E::AlertReceived(alert)) => return Self::alert(settings, *alert),
            _ if e.kind() == io::ErrorKind::UnexpectedEof => {
                format!(
                    "{endpoint} ends the tls handshake; port {port} may speak http, or demand a certificate"
                )
            }
            _ => format!("no tls with {endpoint}: {e}; check the certificate there and the tls properties"),
        };
        Self::new(Again::WhenMended, text)
    }

    /// The host ended TLS, and said why.
    pub fn alert(settings: &WindowsSettings, alert: AlertDescription) -> Self {
        let (host, endpoint) = (&settings.host, settings.endpoint());
        let has_certificate = settings.tls.as_ref().is_some_and(|tls| tls.identity.is_some());
        let text = match (alert, has_certificate) {
            (_, true) => format!(
                "{endpoint} refused the client certificate ({alert:?}); it has to be valid, for client authentication, \
                 and signed by an authority that {host} trusts"
            ),
            (AlertDescription::CertificateRequired, false) => format!(
                "{endpoint} demands a client certificate; set tls.cert_name and tls.key_name, and \
                 authentication: certificate"
            ),
            _ => format!("{endpoint} ended tls ({alert:?}); check the tls properties"),
        };
        Self::new(Again::WhenMended, text)
    }

    /// The host answers in another way than WinRM does.
    pub fn not_http(settings: &WindowsSettings, e: &hyper::Error) -> Self {
        let (host, port) = (&settings.host, settings.port);
        if e.is_parse() && settings.tls.is_none() {
            let text =
                format!("port {port} of {host} does not speak http; if it speaks https set tls.status: true");
            return Self::new(Again::WhenMended, text);
        }
        Self::new(Again::AtOnce, format!("{} broke the connection off: {e}", settings.endpoint()))
    }

    /// Credentials refused.
    pub fn refused(settings: &WindowsSettings) -> Self {
        let (host, user) = (&settings.host, settings.sign_in.user());
        let bound = match settings.tls {
            Some(_) => ", or the connection is relayed by a proxy",
            None => "",
        };
        Self::new(
            Again::Late,
            format!(
                "{host} refused user {user}; password wrong, account locked, or ntlm blocked there{bound} (event 4625 \
                 in its security log says which)"
            ),
        )
    }

    /// The way to sign in is not offered.
    pub fn not_offered(settings: &WindowsSettings, wanted: &str, offered: &[String]) -> Self {
        let host = &settings.host;
        let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(" and ") };
        Self::new(
            Again::WhenMended,
            format!(
                "{host} offers only {offered}; enable {wanted} there (\"winrm set winrm/config/service/auth \
                 @{{{wanted}=\\\"true\\\"}}\") or use another authentication"
            ),
        )
    }

    /// The host's NTLM is not good enough.
    pub fn ntlm(settings: &WindowsSettings, e: &NtlmError) -> Self {
        let text = format!("cannot sign in to {}: {e}", settings.host);
        Self::new(Again::WhenMended, text)
    }

    /// An HTTP status that WinRM has no message for.
    pub fn status(settings: &WindowsSettings, status: u16) -> Self {
        let (host, endpoint) = (&settings.host, settings.endpoint());
        match status {
            404 | 403 => Self::new(
                Again::WhenMended,
                format!(
                    "{endpoint} answers {status}: no winrm at /wsman there; check the port and url prefix"
                ),
            ),
            413 => Self::new(Again::Soon, format!("{host} finds a request too large (413)")),
            503 => Self::new(Again::Soon, format!("winrm on {host} is busy or restarts (503)")),
            400 => Self::new(Again::AtOnce, format!("{host} found the connection out of step (400)")),
            500 => Self::new(
                Again::Soon,
                format!("{host} answers 500 without a message, as to a request in the clear; report this"),
            ),
            _ => Self::new(Again::Soon, format!("{endpoint} answers with http status {status}")),
        }
    }

    /// A SOAP fault while something was done.
    pub fn fault(settings: &WindowsSettings, fault: &Fault, doing: Doing) -> Self {
        let (host, user) = (&settings.host, settings.sign_in.user());
        let (again, text) = match (fault.cause(), doing) {
            (Cause::AccessDenied, Doing::Subscribe) => (
                Again::WhenMended,
                format!(
                    "user {user} may log in to {host} but not read its event logs; add it to \"Event Log Readers\" there"
                ),
            ),
            (Cause::AccessDenied, Doing::Shell) => (
                Again::WhenMended,
                format!(
                    "user {user} may not open a shell on {host}; use collection: subscription, or grant it execute with \
                     \"winrm configSDDL default\""
                ),
            ),
            (Cause::AccessDenied | Cause::WmiAccessDenied, Doing::Query) | (Cause::WmiAccessDenied, _) => (
                Again::WhenMended,
                format!(
                    "user {user} may not query wmi on {host}; add it to \"Remote Management Users\" and grant \"Remote \
                     Enable\" on root\\cimv2"
                ),
            ),
            (Cause::ShellsForbidden, _) => (
                Again::WhenMended,
                format!(
                    "{host} forbids remote shells (AllowRemoteShellAccess=false); use collection: subscription"
                ),
            ),
            (Cause::CertificateUnmapped, _) => (
                Again::WhenMended,
                format!(
                    "{host} maps the client certificate to no user; map it with \"winrm create winrm/config/service/certmapping\""
                ),
            ),
            (Cause::Quota, _) => (
                Again::NextMinute,
                format!(
                    "{host} has reached a quota for this user ({fault}); another tool uses the same account, or \
                     shells and subscriptions were left behind; retrying in a minute"
                ),
            ),
            (Cause::QueryInvalid | Cause::ResourceInvalid, _) => (
                Again::WhenMended,
                format!("{host} does not understand the query: {fault}; correct channels, xpath or query"),
            ),
            (Cause::ResourceUnknown | Cause::DeliveryUnavailable, _) => (
                Again::WhenMended,
                format!("{host} has no event subscriptions ({fault}); use collection: poll"),
            ),
            (Cause::LogUnreadable, _) => {
                (Again::Soon, format!("the event log service of {host} is stopped or restarts ({fault})"))
            }
            (Cause::ContextLost | Cause::SelectorUnknown, _) => {
                (Again::AtOnce, format!("{host} gave the subscription or shell up ({fault}); beginning anew"))
            }
            (Cause::EnvelopeTooLarge, _) => (
                Again::WhenMended,
                format!(
                    "an event on {host} is larger than its messages may be ({fault}); raise MaxEnvelopeSizekb there"
                ),
            ),
            _ => (Again::Soon, format!("{host} reports: {fault}")),
        };
        Self { text, again }
    }
}

/// What was done when a fault came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Events by subscription.
    Subscribe,
    /// Programs in a shell.
    Shell,
    /// WMI.
    Query,
}
