//! The client: NEGOTIATE, then AUTHENTICATE as an answer to the CHALLENGE (MS-NLMP 3.1.5).

use hmac::Mac;

use super::message::{self, Challenge, MIC_BYTES, MIC_OFFSET, NewAuthenticate, av};
use super::session::Session;
use super::{NtlmError, flags, keys, utf16};
use crate::winrm::channel_binding::ChannelBinding;
use crate::winrm::credentials::{Credentials, Secret};

/// What a client binds its sign-in to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// The service's principal, `HTTP/host`: a relay to another service is noticed.
    pub target_name: Option<String>,
    /// The TLS connection that the messages go through, where there is one.
    pub channel_binding: Option<ChannelBinding>,
    /// This machine's name; may be empty.
    pub workstation: String,
}

/// What a client must not be predictable in, from the system's random source, and the time.
#[derive(Clone, Debug)]
pub struct Random {
    /// The client's challenge.
    pub client_challenge: [u8; 8],
    /// The key that the session's keys are derived from.
    pub session_key: Secret<16>,
    /// Now, in units of 100 ns since 1601; used only where the server does not tell the time.
    pub now: u64,
}

/// A client that has sent its NEGOTIATE message.
#[derive(Debug)]
pub struct Client {
    options: ClientOptions,
    negotiate: Vec<u8>,
    version: [u8; 8],
}

// === impl Client ===

impl Client {
    /// Begins a handshake; [`Client::negotiate`] is to be sent.
    pub fn begin(options: ClientOptions) -> Self {
        Self::with_version(options, message::VERSION)
    }

    pub(super) fn with_version(options: ClientOptions, version: [u8; 8]) -> Self {
        Self { options, negotiate: message::negotiate(flags::OFFERED, version), version }
    }

    /// The NEGOTIATE message.
    pub fn negotiate(&self) -> &[u8] {
        &self.negotiate
    }

    /// Answers a CHALLENGE: the AUTHENTICATE message to send, and the session that follows if it is accepted.
    ///
    /// # Errors
    /// The challenge is malformed, or offers less than sealing needs.
    pub fn authenticate(
        self,
        challenge: &[u8],
        credentials: &Credentials,
        random: &Random,
    ) -> Result<(Vec<u8>, Session), NtlmError> {
        let parsed = Challenge::read(challenge)?;
        for (flag, name) in flags::REQUIRED {
            if parsed.flags & flag == 0 {
                return Err(NtlmError::Weak(name));
            }
        }
        // Without a time the server expects an LMv2 response and no integrity code (3.1.5.1.2).
        let told = parsed.target_info.timestamp();
        let target_info = self.target_info(&parsed.target_info, told.is_some());
        let account = &credentials.account;
        let key = keys::response_key(account, credentials.password());
        let time = told.unwrap_or(random.now);
        let blob = keys::client_blob(time, &random.client_challenge, &target_info);
        let proof: [u8; 16] = keys::proof(&key, &parsed.challenge, &blob).finalize().into_bytes().into();
        let mut lm_response = [0; 24];
        if told.is_none() {
            let lm = keys::hmac_md5(key.expose(), &[&parsed.challenge, &random.client_challenge]);
            lm_response[..16].copy_from_slice(&lm.finalize().into_bytes());
            lm_response[16..].copy_from_slice(&random.client_challenge);
        }
        let base = keys::base_key(&key, &proof);
        let mut message = NewAuthenticate {
            lm_response: &lm_response,
            nt_response: &[&proof, blob.as_slice()].concat(),
            account,
            workstation: &self.options.workstation,
            encrypted_key: &keys::exchange(&base, random.session_key.expose()),
            flags: parsed.flags,
            version: self.version,
        }
        .encoded();
        if told.is_some() {
            let mic = keys::integrity(&random.session_key, [&self.negotiate, challenge, &message]);
            message[MIC_OFFSET..MIC_OFFSET + MIC_BYTES].copy_from_slice(&mic.finalize().into_bytes());
        }
        Ok((message, Session::client(&random.session_key)))
    }

    /// The server's information, and what this client adds to it (3.1.5.1.2). A server that says what only a
    /// client may say is not believed.
    fn target_info(&self, server: &message::TargetInfo, with_integrity: bool) -> Vec<u8> {
        let mut info = server.without(&[av::CHANNEL_BINDINGS, av::TARGET_NAME, av::FLAGS]);
        if let Some(binding) = &self.options.channel_binding {
            info.push(av::CHANNEL_BINDINGS, binding.hash());
        }
        if let Some(name) = &self.options.target_name {
            info.push(av::TARGET_NAME, &utf16(name));
        }
        let provided = if with_integrity { av::MIC_PROVIDED } else { 0 };
        let flags = server.flags() | provided;
        if flags != 0 {
            info.push(av::FLAGS, &flags.to_le_bytes());
        }
        info.encoded()
    }
}
