//! The server: CHALLENGE as an answer to NEGOTIATE, then the check of AUTHENTICATE (MS-NLMP 3.2.5).

use hmac::Mac;

use super::message::{self, Authenticate, MIC_BYTES, MIC_OFFSET, TargetInfo, av};
use super::session::Session;
use super::{NtlmError, flags, keys, utf16};
use crate::winrm::channel_binding::ChannelBinding;
use crate::winrm::credentials::{Account, Credentials, Secret};

/// What a server says of itself, and demands.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The NetBIOS name of the machine.
    pub computer: String,
    /// The DNS name of the machine.
    pub dns_computer: String,
    /// Unpredictable, from the system's random source.
    pub challenge: [u8; 8],
    /// Now, in units of 100 ns since 1601.
    pub now: u64,
    /// The TLS connection that clients must have bound their sign-in to.
    pub channel_binding: Option<ChannelBinding>,
}

/// A server that has sent its CHALLENGE message.
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
}

// === impl Server ===

impl Server {
    /// Answers a NEGOTIATE message; [`Server::challenge`] is to be sent.
    ///
    /// # Errors
    /// The message is malformed, or asks for less than sealing needs.
    pub fn begin(negotiate: &[u8], options: ServerOptions) -> Result<Self, NtlmError> {
        let asked = message::read_negotiate(negotiate)?;
        for (flag, name) in flags::REQUIRED {
            if asked & flag == 0 {
                return Err(NtlmError::Weak(name));
            }
        }
        let mut info = TargetInfo::default();
        info.push(av::DOMAIN, &utf16(&options.computer));
        info.push(av::COMPUTER, &utf16(&options.computer));
        info.push(av::DNS_COMPUTER, &utf16(&options.dns_computer));
        info.push(av::TIMESTAMP, &options.now.to_le_bytes());
        let agreed = asked & flags::OFFERED & !flags::OEM;
        let answered = agreed | flags::TARGET_TYPE_SERVER | flags::TARGET_INFO;
        let challenge = message::challenge(&options.computer, answered, &options.challenge, &info);
        Ok(Self { options, negotiate: negotiate.to_vec(), challenge })
    }

    /// A server in the middle of a recorded handshake.
    #[cfg(test)]
    pub(super) fn recorded(negotiate: &[u8], challenge: &[u8], options: ServerOptions) -> Self {
        Self { options, negotiate: negotiate.to_vec(), challenge: challenge.to_vec() }
    }

    /// The CHALLENGE message.
    pub fn challenge(&self) -> &[u8] {
        &self.challenge
    }

    /// Checks an AUTHENTICATE message: who it is from, and the session that follows. `credentials` finds a user;
    /// names are matched as it likes, the password decides.
    ///
    /// # Errors
    /// The message is malformed, or anything in it is not right.
    pub fn accept(
        &self,
        authenticate: &[u8],
        credentials: impl FnOnce(&Account) -> Option<Credentials>,
    ) -> Result<(Account, Session), NtlmError> {
        let (account, key) = self.verify(authenticate, credentials)?;
        Ok((account, Session::server(&key)))
    }

    pub(super) fn verify(
        &self,
        authenticate: &[u8],
        credentials: impl FnOnce(&Account) -> Option<Credentials>,
    ) -> Result<(Account, Secret<16>), NtlmError> {
        let message = Authenticate::read(authenticate)?;
        if message.account.user.is_empty() && message.nt_response.is_empty() {
            return Err(NtlmError::Anonymous);
        }
        for (flag, name) in flags::REQUIRED {
            if message.flags & flag == 0 {
                return Err(NtlmError::Weak(name));
            }
        }
        let refused = || NtlmError::Refused(message.account.to_string());
        let known = credentials(&message.account).ok_or_else(refused)?;
        let (proof, blob) = message.nt_response.split_at_checked(16).ok_or_else(refused)?;
        // The response is made with the names as the client wrote them.
        let key = keys::response_key(&message.account, known.password());
        keys::proof(&key, &self.options.challenge, blob).verify_slice(proof).map_err(|_| refused())?;

        let encrypted = message.encrypted_key.try_into().map_err(|_| NtlmError::Malformed {
            message: "authenticate",
            what: "the session key is missing",
        })?;
        let session_key = Secret::new(keys::exchange(&keys::base_key(&key, proof), encrypted));
        // Our challenge tells the time, so a client has to send an integrity code.
        let info = message.target_info().ok_or(NtlmError::Integrity)?;
        let mic = authenticate.get(MIC_OFFSET..MIC_OFFSET + MIC_BYTES).ok_or(NtlmError::Integrity)?;
        if info.flags() & av::MIC_PROVIDED == 0 {
            return Err(NtlmError::Integrity);
        }
        keys::integrity(&session_key, [&self.negotiate, &self.challenge, authenticate])
            .verify_slice(mic)
            .map_err(|_| NtlmError::Integrity)?;
        if let Some(required) = &self.options.channel_binding
            && info.get(av::CHANNEL_BINDINGS) != Some(required.hash().as_slice())
        {
            return Err(NtlmError::ChannelBinding);
        }
        Ok((message.account, session_key))
    }
}
