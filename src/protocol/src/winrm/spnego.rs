//! SPNEGO (RFC 4178 §4.2) as far as it wraps NTLM: reading a client's tokens, writing a server's.

use super::der;

const APPLICATION: u8 = 0x60;
const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
/// Context tags 0 to 3.
const CONTEXT: [u8; 4] = [0xa0, 0xa1, 0xa2, 0xa3];
/// 1.3.6.1.5.5.2
const SPNEGO: &[u8] = &[0x2b, 6, 1, 5, 5, 2];
/// 1.3.6.1.4.1.311.2.2.10
const NTLM: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0a];

/// A client's token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientToken<'a> {
    /// The first: what it can do, and a token for what it likes best.
    Init(Init<'a>),
    /// Those that follow.
    Response {
        /// The mechanism's token.
        token: Option<&'a [u8]>,
        /// The integrity code over the list of mechanisms.
        integrity: Option<&'a [u8]>,
    },
}

/// A client's first token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Init<'a> {
    /// The list of mechanisms, encoded: what the integrity codes cover.
    pub(super) mechanisms: &'a [u8],
    /// The token for the first of them.
    pub(super) token: Option<&'a [u8]>,
}

/// How far a server is (`negState`).
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    Completed = 0,
    Incomplete = 1,
    RequestIntegrity = 3,
}

/// A server's token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response<'a> {
    pub(super) state: State,
    /// Whether to name NTLM, as the first answer does.
    pub(super) names_ntlm: bool,
    pub(super) token: Option<&'a [u8]>,
    pub(super) integrity: Option<&'a [u8]>,
}

// === Reading ===

/// Reads a client's token; `None` where it is no SPNEGO.
pub(super) fn read(bytes: &[u8]) -> Option<ClientToken<'_>> {
    match der::read(bytes)? {
        (APPLICATION, content, _) => {
            let (id, rest) = der::expect(content, OBJECT_ID)?;
            let (init, _) = der::expect(rest, CONTEXT[0])?;
            let fields = (id == SPNEGO).then(|| Fields::read(init))??;
            Some(ClientToken::Init(Init { mechanisms: fields.0[0]?, token: fields.octets(2) }))
        }
        (tag, content, _) if tag == CONTEXT[1] => {
            let fields = Fields::read(content)?;
            Some(ClientToken::Response { token: fields.octets(2), integrity: fields.octets(3) })
        }
        _ => None,
    }
}

impl Init<'_> {
    /// Whether NTLM is among the mechanisms, and whether it is the first.
    pub(super) fn ntlm(&self) -> Option<Preference> {
        let (mut rest, _) = der::expect(self.mechanisms, SEQUENCE)?;
        let mut preference = Preference::First;
        while let Some((id, after)) = der::expect(rest, OBJECT_ID) {
            if id == NTLM {
                return Some(preference);
            }
            preference = Preference::Later;
            rest = after;
        }
        None
    }
}

/// How much a client likes a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preference {
    First,
    Later,
}

/// The members of a token by their context tags.
struct Fields<'a>([Option<&'a [u8]>; 4]);

impl<'a> Fields<'a> {
    fn read(sequence: &'a [u8]) -> Option<Self> {
        let (mut rest, _) = der::expect(sequence, SEQUENCE)?;
        let mut fields = [None; 4];
        while let Some((tag, content, after)) = der::read(rest) {
            if let Some(number) = CONTEXT.iter().position(|&context| context == tag) {
                fields[number] = Some(content);
            }
            rest = after;
        }
        Some(Self(fields))
    }

    fn octets(&self, number: usize) -> Option<&'a [u8]> {
        self.0[number].and_then(|content| der::expect(content, OCTETS)).map(|(octets, _)| octets)
    }
}

// === Writing ===

impl Response<'_> {
    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut fields = der::write(CONTEXT[0], &der::write(ENUMERATED, &[self.state as u8]));
        if self.names_ntlm {
            fields.extend(der::write(CONTEXT[1], &der::write(OBJECT_ID, NTLM)));
        }
        if let Some(token) = self.token {
            fields.extend(der::write(CONTEXT[2], &der::write(OCTETS, token)));
        }
        if let Some(integrity) = self.integrity {
            fields.extend(der::write(CONTEXT[3], &der::write(OCTETS, integrity)));
        }
        der::write(CONTEXT[1], &der::write(SEQUENCE, &fields))
    }
}
