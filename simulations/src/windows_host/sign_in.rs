//! Who is at the other end of a connection.

use super::settings::{Settings, Transport};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::winrm::channel_binding::ChannelBinding;
use protocol::winrm::credentials::{Account, Credentials};
use protocol::winrm::negotiate::{self, Acceptor, Scheme, Step};
use protocol::winrm::ntlm::{ServerOptions, Session};
use seams::Rng;
use std::time::{SystemTime, UNIX_EPOCH};

/// From 1601 to 1970, in units of 100 ns.
const EPOCH_1601: u64 = 116_444_736_000_000_000;

/// A connection's sign-in.
#[derive(Debug, Default)]
pub(super) struct SignIn {
    acceptor: Acceptor,
    /// Seals messages from then on.
    pub(super) session: Option<Box<Session>>,
}

/// What came of an `Authorization` header.
pub(super) enum Verdict {
    /// 401, with this value of `WWW-Authenticate`.
    Continue(String),
    /// Signed in; with this value of `WWW-Authenticate` where there is one.
    Welcome(Option<String>),
    /// Wrong.
    Refused,
}

impl SignIn {
    /// Takes the value of an `Authorization` header.
    pub(super) fn take(&mut self, value: &str, settings: &Settings, password: &str, rng: &Rng) -> Verdict {
        match negotiate::parse(value) {
            Some((Scheme::Negotiate, Some(token))) if settings.negotiate => {
                self.negotiate(&token, settings, password, rng)
            }
            Some((Scheme::Basic, _)) if settings.basic => basic(value, settings, password),
            _ => Verdict::Refused,
        }
    }

    fn negotiate(&mut self, token: &[u8], settings: &Settings, password: &str, rng: &Rng) -> Verdict {
        let options = || {
            let mut challenge = [0; 8];
            rng.fill(&mut challenge);
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = EPOCH_1601 + (since.as_nanos() / 100) as u64;
            let ahead = settings.clock_ahead_seconds * 10_000_000;
            let binding = match &settings.transport {
                Transport::Https { binding: Some(der), .. } => ChannelBinding::of_certificate(der),
                _ => None,
            };
            ServerOptions {
                computer: settings.name.clone(),
                dns_computer: format!("{}.lab.example", settings.name.to_lowercase()),
                challenge,
                now: now.saturating_add_signed(ahead),
                channel_binding: binding,
            }
        };
        match self.acceptor.step(token, options, |account| known(account, settings, password)) {
            Ok(Step::Continue(token)) => Verdict::Continue(negotiate::header(Scheme::Negotiate, &token)),
            Ok(Step::Done { token, session, .. }) => {
                self.session = Some(session);
                Verdict::Welcome(token.map(|token| negotiate::header(Scheme::Negotiate, &token)))
            }
            Err(_) => {
                self.session = None;
                Verdict::Refused
            }
        }
    }
}

fn basic(value: &str, settings: &Settings, password: &str) -> Verdict {
    let plain = value.get(6..).and_then(|text| STANDARD.decode(text.trim()).ok());
    let plain = plain.and_then(|plain| String::from_utf8(plain).ok()).unwrap_or_default();
    let (user, given) = plain.split_once(':').unwrap_or_default();
    match known(&Account::parse(user), settings, password) {
        Some(credentials) if credentials.password() == given => Verdict::Welcome(None),
        _ => Verdict::Refused,
    }
}

/// The user's entry; names are matched without case, `user@domain` by its first part. A password that was changed
/// counts for all.
fn known(account: &Account, settings: &Settings, changed: &str) -> Option<Credentials> {
    let user = account.user.split('@').next().unwrap_or_default();
    settings.users.iter().find_map(|(name, password)| {
        let entry = Account::parse(name);
        let same = entry.user.eq_ignore_ascii_case(user)
            && (account.domain.is_empty() || entry.domain.eq_ignore_ascii_case(&account.domain));
        let password = if changed.is_empty() { password.as_str() } else { changed };
        same.then(|| Credentials::new(name, password))
    })
}
