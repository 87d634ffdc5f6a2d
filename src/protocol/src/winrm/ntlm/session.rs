//! What follows the handshake: messages signed and sealed, in order, each way with its own keys, cipher stream
//! and numbers (MS-NLMP 3.4.3, 3.4.4.2).

use hmac::{Hmac, Mac};
use md5::Md5;
use rc4::consts::U16;
use rc4::{Rc4, StreamCipher};

use super::keys::{self, Direction};
use crate::winrm::credentials::Secret;

/// The signature before a sealed message: version, checksum, number.
pub const SIGNATURE_BYTES: usize = 16;

const VERSION: [u8; 4] = 1u32.to_le_bytes();

/// One end of a connection whose messages are sealed. A message that fails leaves the streams out of step:
/// drop the connection.
pub struct Session {
    sending: Stream,
    receiving: Stream,
}

struct Stream {
    signing: Secret<16>,
    sealing: Secret<16>,
    cipher: Rc4<U16>,
    number: u32,
}

/// Why a message could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// No signature of this version, or of another length.
    #[error("the sealed message has no ntlm signature")]
    Signature,
    /// A message was lost, repeated, or came late.
    #[error("the sealed message has number {found}, expected {expected}; the connection is out of step")]
    Number {
        /// The number that was due.
        expected: u32,
        /// The number that came.
        found: u32,
    },
    /// The bytes were changed, or the streams are out of step.
    #[error("the checksum of the sealed message is wrong; the connection is out of step")]
    Checksum,
}

// === impl Session ===

impl Session {
    /// The client's end.
    pub(super) fn client(session_key: &Secret<16>) -> Self {
        Self::new(session_key, Direction::ToServer, Direction::ToClient)
    }

    /// The server's end.
    pub(super) fn server(session_key: &Secret<16>) -> Self {
        Self::new(session_key, Direction::ToClient, Direction::ToServer)
    }

    fn new(session_key: &Secret<16>, sending: Direction, receiving: Direction) -> Self {
        Self { sending: Stream::new(session_key, sending), receiving: Stream::new(session_key, receiving) }
    }

    /// Encrypts `message` in place and returns its signature.
    pub fn seal(&mut self, message: &mut [u8]) -> [u8; SIGNATURE_BYTES] {
        let mac = self.sending.mac(message);
        self.sending.cipher.apply_keystream(message);
        self.sending.sign(mac)
    }

    /// Decrypts `message` in place and verifies it.
    ///
    /// # Errors
    /// The message is not the next one, or was changed.
    pub fn unseal(&mut self, signature: &[u8], message: &mut [u8]) -> Result<(), SessionError> {
        let (checksum, number) = parts(signature)?;
        self.receiving.cipher.apply_keystream(message);
        let mac = self.receiving.mac(message);
        self.receiving.verify(mac, checksum, number)
    }

    /// Signs `message`, which stays readable, and starts the cipher stream anew, as SPNEGO does behind its
    /// integrity code (MS-SPNG 3.3.5.1).
    pub(crate) fn sign_mechanisms(&mut self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mac = self.sending.mac(message);
        let signature = self.sending.sign(mac);
        self.sending.restart();
        signature
    }

    /// Verifies what the peer's [`Session::sign_mechanisms`] made.
    pub(crate) fn verify_mechanisms(&mut self, signature: &[u8], message: &[u8]) -> Result<(), SessionError> {
        let (checksum, number) = parts(signature)?;
        let mac = self.receiving.mac(message);
        self.receiving.verify(mac, checksum, number)?;
        self.receiving.restart();
        Ok(())
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session(sent {}, received {})", self.sending.number, self.receiving.number)
    }
}

/// Checksum and number of a signature.
fn parts(signature: &[u8]) -> Result<([u8; 8], u32), SessionError> {
    match signature {
        [1, 0, 0, 0, checksum @ .., n0, n1, n2, n3] => {
            let checksum = checksum.try_into().map_err(|_| SessionError::Signature)?;
            Ok((checksum, u32::from_le_bytes([*n0, *n1, *n2, *n3])))
        }
        _ => Err(SessionError::Signature),
    }
}

// === impl Stream ===

impl Stream {
    fn new(session_key: &Secret<16>, direction: Direction) -> Self {
        let sealing = keys::sealing_key(session_key, direction);
        let cipher = keys::cipher(&sealing);
        Self { signing: keys::signing_key(session_key, direction), sealing, cipher, number: 0 }
    }

    fn mac(&self, plain: &[u8]) -> Hmac<Md5> {
        keys::hmac_md5(self.signing.expose(), &[&self.number.to_le_bytes(), plain])
    }

    fn sign(&mut self, mac: Hmac<Md5>) -> [u8; SIGNATURE_BYTES] {
        let mut checksum = [0; 8];
        checksum.copy_from_slice(&mac.finalize().into_bytes()[..8]);
        self.cipher.apply_keystream(&mut checksum);
        let mut signature = [0; SIGNATURE_BYTES];
        signature[..4].copy_from_slice(&VERSION);
        signature[4..12].copy_from_slice(&checksum);
        signature[12..].copy_from_slice(&self.number.to_le_bytes());
        self.number = self.number.wrapping_add(1);
        signature
    }

    fn verify(&mut self, mac: Hmac<Md5>, mut checksum: [u8; 8], found: u32) -> Result<(), SessionError> {
        self.cipher.apply_keystream(&mut checksum);
        let expected = self.number;
        if found != expected {
            return Err(SessionError::Number { expected, found });
        }
        mac.verify_truncated_left(&checksum).map_err(|_| SessionError::Checksum)?;
        self.number = expected.wrapping_add(1);
        Ok(())
    }

    fn restart(&mut self) {
        self.cipher = keys::cipher(&self.sealing);
    }
}
