//! The tokens of a sign-in in HTTP headers (RFC 4559 §4), and a server that takes them bare or in SPNEGO.
//!
//! ```text
//!   POST, no body   Authorization: Negotiate <NEGOTIATE>       →  401  WWW-Authenticate: Negotiate <CHALLENGE>
//!   POST, no body   Authorization: Negotiate <AUTHENTICATE>    →  200  the connection is signed in
//!   POST            sealed body, no Authorization              →  200  sealed
//! ```
//!
//! The empty requests are what keeps messages out of the clear. A client sends its tokens bare: no integrity code
//! of SPNEGO then uses up number 0 of the session. A server has to take both.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::credentials::{Account, Credentials};
use super::ntlm::{NtlmError, Server, ServerOptions, Session};
use super::spnego::{self, ClientToken, Preference, Response, State};

/// A way to sign in that a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// NTLM or Kerberos, bare or in SPNEGO.
    Negotiate,
    /// Kerberos alone.
    Kerberos,
    /// User and password as they are.
    Basic,
}

/// The value of an `Authorization` or `WWW-Authenticate` header that carries a token.
pub fn header(scheme: Scheme, token: &[u8]) -> String {
    format!("{} {}", scheme.name(), STANDARD.encode(token))
}

/// The value of an `Authorization` header for Basic, to be treated as a secret. Over TLS only.
pub fn basic(credentials: &Credentials) -> Zeroizing<String> {
    let account = credentials.account.to_string();
    let plain = Zeroizing::new([&account, ":", credentials.password()].concat());
    // Does not grow while it is written: no copy is left behind.
    let mut value = Zeroizing::new(String::with_capacity(16 + plain.len() * 2));
    value.push_str("Basic ");
    STANDARD.encode_string(plain.as_bytes(), &mut value);
    value
}

/// Scheme and token of a header's value; no token where only the scheme is offered. `None` for schemes that
/// are not known here.
pub fn parse(value: &str) -> Option<(Scheme, Option<Vec<u8>>)> {
    let value = value.trim();
    let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
    let scheme = [Scheme::Negotiate, Scheme::Kerberos, Scheme::Basic]
        .into_iter()
        .find(|scheme| scheme.name().eq_ignore_ascii_case(name))?;
    let token = STANDARD.decode(rest.trim()).ok().filter(|token| !token.is_empty());
    Some((scheme, token))
}

/// A server's side of one connection's sign-in.
#[derive(Debug, Default)]
pub struct Acceptor {
    state: AcceptorState,
}

#[derive(Debug, Default)]
enum AcceptorState {
    #[default]
    Fresh,
    /// The client liked something else better and was told to take NTLM.
    Redirected(Spnego),
    Challenged(Server, Wrapping),
}

#[derive(Debug)]
enum Wrapping {
    Bare,
    Spnego(Spnego),
}

#[derive(Debug)]
struct Spnego {
    /// What the integrity codes cover.
    mechanisms: Vec<u8>,
    integrity: Integrity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Integrity {
    Optional,
    /// Somebody may have changed the list of mechanisms (RFC 4178 §5).
    Required,
}

/// What to answer.
#[derive(Debug)]
pub enum Step {
    /// 401 with this token.
    Continue(Vec<u8>),
    /// 200, with this token where there is one.
    Done {
        /// The last token.
        token: Option<Vec<u8>>,
        /// Who signed in.
        account: Account,
        /// What seals from now on.
        session: Box<Session>,
    },
}

// === impl Scheme ===

impl Scheme {
    /// The name in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Kerberos => "Kerberos",
            Self::Basic => "Basic",
        }
    }
}

// === impl Acceptor ===

impl Acceptor {
    /// Takes a client's token. After an error or [`Step::Done`] a new sign-in may begin.
    ///
    /// # Errors
    /// The token is not understood, or the sign-in refused: 401 without a token.
    pub fn step(
        &mut self,
        token: &[u8],
        options: impl FnOnce() -> ServerOptions,
        credentials: impl FnOnce(&Account) -> Option<Credentials>,
    ) -> Result<Step, NtlmError> {
        match (std::mem::take(&mut self.state), spnego::read(token)) {
            (AcceptorState::Challenged(server, Wrapping::Bare), None) => {
                let (account, session) = server.accept(token, credentials)?;
                Ok(Step::Done { token: None, account, session: Box::new(session) })
            }
            (
                AcceptorState::Challenged(server, Wrapping::Spnego(spnego)),
                Some(ClientToken::Response { token: Some(token), integrity }),
            ) => {
                let (account, session) = server.accept(token, credentials)?;
                let (token, session) = spnego.finish(session, integrity)?;
                Ok(Step::Done { token: Some(token), account, session: Box::new(session) })
            }
            (AcceptorState::Redirected(spnego), Some(ClientToken::Response { token: Some(token), .. })) => {
                self.challenge(token, options(), Wrapping::Spnego(spnego))
            }
            (_, Some(ClientToken::Init(init))) => {
                let preference = init.ntlm().ok_or(malformed("ntlm is not among the mechanisms"))?;
                let mechanisms = init.mechanisms.to_vec();
                match (preference, init.token) {
                    (Preference::First, Some(token)) => {
                        let spnego = Spnego { mechanisms, integrity: Integrity::Optional };
                        self.challenge(token, options(), Wrapping::Spnego(spnego))
                    }
                    _ => {
                        let spnego = Spnego { mechanisms, integrity: Integrity::Required };
                        self.state = AcceptorState::Redirected(spnego);
                        let state = State::RequestIntegrity;
                        let answer = Response { state, names_ntlm: true, token: None, integrity: None };
                        Ok(Step::Continue(answer.encoded()))
                    }
                }
            }
            (_, None) => self.challenge(token, options(), Wrapping::Bare),
            (_, Some(_)) => Err(malformed("a token of another step")),
        }
    }

    fn challenge(
        &mut self,
        token: &[u8],
        options: ServerOptions,
        wrapping: Wrapping,
    ) -> Result<Step, NtlmError> {
        let server = Server::begin(token, options)?;
        let challenge = server.challenge();
        let answer = match &wrapping {
            Wrapping::Bare => challenge.to_vec(),
            Wrapping::Spnego(_) => {
                let state = State::Incomplete;
                Response { state, names_ntlm: true, token: Some(challenge), integrity: None }.encoded()
            }
        };
        self.state = AcceptorState::Challenged(server, wrapping);
        Ok(Step::Continue(answer))
    }

    #[cfg(test)]
    pub(super) fn recorded(server: Server, mechanisms: Option<Vec<u8>>) -> Self {
        let wrapping = mechanisms.map_or(Wrapping::Bare, |mechanisms| {
            Wrapping::Spnego(Spnego { mechanisms, integrity: Integrity::Optional })
        });
        Self { state: AcceptorState::Challenged(server, wrapping) }
    }
}

// === impl Spnego ===

impl Spnego {
    /// The last token, once the client's integrity code is verified.
    fn finish(
        &self,
        mut session: Session,
        integrity: Option<&[u8]>,
    ) -> Result<(Vec<u8>, Session), NtlmError> {
        let state = State::Completed;
        let Some(code) = integrity else {
            if self.integrity == Integrity::Required {
                return Err(NtlmError::Integrity);
            }
            let answer = Response { state, names_ntlm: false, token: None, integrity: None };
            return Ok((answer.encoded(), session));
        };
        session.verify_mechanisms(code, &self.mechanisms).map_err(|_| NtlmError::Integrity)?;
        let own = session.sign_mechanisms(&self.mechanisms);
        let answer = Response { state, names_ntlm: false, token: None, integrity: Some(&own) };
        Ok((answer.encoded(), session))
    }
}

fn malformed(what: &'static str) -> NtlmError {
    NtlmError::Malformed { message: "spnego", what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_carry_schemes_and_tokens() {
        assert_eq!(header(Scheme::Negotiate, b"NTLM"), "Negotiate TlRMTQ==");
        assert_eq!(parse("negotiate TlRMTQ=="), Some((Scheme::Negotiate, Some(b"NTLM".to_vec()))));
        assert_eq!(parse("Negotiate"), Some((Scheme::Negotiate, None)));
        assert_eq!(parse("Basic realm=\"WSMAN\""), Some((Scheme::Basic, None)));
        assert_eq!(parse("CredSSP"), None);
        assert_eq!(*basic(&Credentials::new("u", "p")), "Basic dTpw");
    }
}
