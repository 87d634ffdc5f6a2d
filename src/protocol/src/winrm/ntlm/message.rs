//! The three messages (MS-NLMP 2.2.1) and the target information in them (2.2.2.1).
//!
//! ```text
//!   NEGOTIATE     signature 1  flags  domain  workstation  version
//!   CHALLENGE     signature 2  target  flags  challenge  ·8  target info  version
//!   AUTHENTICATE  signature 3  lm  nt  domain  user  workstation  key  flags  version  mic
//! ```
//!
//! A field in these headers is length, length, offset. Offsets and lengths of a peer are checked against the
//! message.

use super::{NtlmError, from_utf16, utf16};
use crate::winrm::credentials::Account;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Where the integrity code of an AUTHENTICATE message is.
pub(super) const MIC_OFFSET: usize = 72;
pub(super) const MIC_BYTES: usize = 16;
/// Windows 10, revision 15 of the protocol: debugging information that nothing depends on (2.2.2.10).
pub(super) const VERSION: [u8; 8] = [10, 0, 0x7c, 0x4f, 0, 0, 0, 15];

/// A kind of target information.
pub(super) mod av {
    pub(crate) const END: u16 = 0;
    pub(crate) const COMPUTER: u16 = 1;
    pub(crate) const DOMAIN: u16 = 2;
    pub(crate) const DNS_COMPUTER: u16 = 3;
    pub(crate) const FLAGS: u16 = 6;
    pub(crate) const TIMESTAMP: u16 = 7;
    pub(crate) const TARGET_NAME: u16 = 9;
    pub(crate) const CHANNEL_BINDINGS: u16 = 10;
    /// In [`FLAGS`]: the message carries an integrity code.
    pub(crate) const MIC_PROVIDED: u32 = 2;
}

/// A list of target information, encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TargetInfo(Vec<u8>);

/// A CHALLENGE message, read.
#[derive(Debug)]
pub(super) struct Challenge {
    pub(super) flags: u32,
    pub(super) challenge: [u8; 8],
    pub(super) target_info: TargetInfo,
}

/// An AUTHENTICATE message, read.
#[derive(Debug)]
pub(super) struct Authenticate<'a> {
    pub(super) account: Account,
    pub(super) flags: u32,
    /// The proof, 16 bytes, and what was proved.
    pub(super) nt_response: &'a [u8],
    pub(super) encrypted_key: &'a [u8],
}

/// An AUTHENTICATE message to write.
pub(super) struct NewAuthenticate<'a> {
    pub(super) lm_response: &'a [u8; 24],
    pub(super) nt_response: &'a [u8],
    pub(super) account: &'a Account,
    pub(super) workstation: &'a str,
    pub(super) encrypted_key: &'a [u8; 16],
    pub(super) flags: u32,
    pub(super) version: [u8; 8],
}

// === impl TargetInfo ===

impl TargetInfo {
    /// The list without its end and whatever follows it.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = 0;
        loop {
            let [kind, len] = [u16_at(bytes, at)?, u16_at(bytes, at + 2)?];
            if kind == av::END {
                return Some(Self(bytes[..at].to_vec()));
            }
            at += 4 + usize::from(len);
        }
    }

    pub(super) fn push(&mut self, kind: u16, value: &[u8]) {
        // A value is at most a name or a hash; none comes near 64 KiB.
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&kind.to_le_bytes());
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(&value[..usize::from(len)]);
    }

    pub(super) fn get(&self, kind: u16) -> Option<&[u8]> {
        let mut rest = self.0.as_slice();
        while let [k0, k1, l0, l1, tail @ ..] = rest {
            let (value, after) = tail.split_at_checked(usize::from(u16::from_le_bytes([*l0, *l1])))?;
            if u16::from_le_bytes([*k0, *k1]) == kind {
                return Some(value);
            }
            rest = after;
        }
        None
    }

    pub(super) fn without(&self, kinds: &[u16]) -> Self {
        let mut kept = Self::default();
        let mut rest = self.0.as_slice();
        while let [k0, k1, l0, l1, tail @ ..] = rest {
            let Some((value, after)) = tail.split_at_checked(usize::from(u16::from_le_bytes([*l0, *l1])))
            else {
                break;
            };
            let kind = u16::from_le_bytes([*k0, *k1]);
            if !kinds.contains(&kind) {
                kept.push(kind, value);
            }
            rest = after;
        }
        kept
    }

    pub(super) fn flags(&self) -> u32 {
        self.get(av::FLAGS).and_then(|value| u32_at(value, 0)).unwrap_or(0)
    }

    pub(super) fn timestamp(&self) -> Option<u64> {
        let value = self.get(av::TIMESTAMP)?;
        Some(u64::from_le_bytes(value.try_into().ok()?))
    }

    /// The list with its end.
    pub(super) fn encoded(&self) -> Vec<u8> {
        [self.0.as_slice(), &[0; 4]].concat()
    }
}

// === Writing ===

pub(super) fn negotiate(flags: u32, version: [u8; 8]) -> Vec<u8> {
    const HEADER_BYTES: u32 = 40;
    let mut message = header(1);
    message.extend_from_slice(&flags.to_le_bytes());
    for _ in 0..2 {
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(&HEADER_BYTES.to_le_bytes());
    }
    message.extend_from_slice(&version);
    message
}

pub(super) fn challenge(target: &str, flags: u32, challenge: &[u8; 8], info: &TargetInfo) -> Vec<u8> {
    const HEADER_BYTES: usize = 56;
    let (target, info) = (utf16(target), info.encoded());
    let mut message = header(2);
    field(&mut message, target.len(), HEADER_BYTES);
    message.extend_from_slice(&flags.to_le_bytes());
    message.extend_from_slice(challenge);
    message.extend_from_slice(&[0; 8]);
    field(&mut message, info.len(), HEADER_BYTES + target.len());
    message.extend_from_slice(&VERSION);
    message.extend_from_slice(&target);
    message.extend_from_slice(&info);
    message
}

impl NewAuthenticate<'_> {
    /// The message, its integrity code still zero.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let texts = [&self.account.domain, &self.account.user, self.workstation].map(utf16);
        let [domain, user, workstation] = &texts;
        let payload: [&[u8]; 6] =
            [self.lm_response, self.nt_response, domain, user, workstation, self.encrypted_key];
        let mut message = header(3);
        let mut at = MIC_OFFSET + MIC_BYTES;
        for part in payload {
            field(&mut message, part.len(), at);
            at += part.len();
        }
        message.extend_from_slice(&self.flags.to_le_bytes());
        message.extend_from_slice(&self.version);
        message.extend_from_slice(&[0; MIC_BYTES]);
        payload.iter().for_each(|part| message.extend_from_slice(part));
        message
    }
}

fn header(kind: u32) -> Vec<u8> {
    let mut message = Vec::with_capacity(512);
    message.extend_from_slice(SIGNATURE);
    message.extend_from_slice(&kind.to_le_bytes());
    message
}

/// Lengths are those of names and hashes; one that does not fit is refused by the reader, not by overflow.
fn field(message: &mut Vec<u8>, len: usize, offset: usize) {
    let short = u16::try_from(len).unwrap_or(u16::MAX);
    message.extend_from_slice(&short.to_le_bytes());
    message.extend_from_slice(&short.to_le_bytes());
    message.extend_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
}

// === Reading ===

/// The flags of a NEGOTIATE message.
pub(super) fn read_negotiate(bytes: &[u8]) -> Result<u32, NtlmError> {
    let malformed = |what| NtlmError::Malformed { message: "negotiate", what };
    if kind(bytes) != Some(1) {
        return Err(malformed("not that kind of message"));
    }
    u32_at(bytes, 12).ok_or(malformed("too short"))
}

impl Challenge {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, NtlmError> {
        let malformed = |what| NtlmError::Malformed { message: "challenge", what };
        if kind(bytes) != Some(2) {
            return Err(malformed("not that kind of message"));
        }
        let flags = u32_at(bytes, 20).ok_or(malformed("too short"))?;
        let challenge = array(bytes, 24).ok_or(malformed("too short"))?;
        let info = payload(bytes, 40).ok_or(malformed("target information reaches outside"))?;
        let target_info = match info {
            [] => TargetInfo::default(),
            _ => TargetInfo::read(info).ok_or(malformed("target information without an end"))?,
        };
        Ok(Self { flags, challenge, target_info })
    }
}

impl<'a> Authenticate<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, NtlmError> {
        let malformed = |what| NtlmError::Malformed { message: "authenticate", what };
        if kind(bytes) != Some(3) {
            return Err(malformed("not that kind of message"));
        }
        let part = |header| payload(bytes, header).ok_or(malformed("a field reaches outside"));
        let account = Account { domain: from_utf16(part(28)?), user: from_utf16(part(36)?) };
        let flags = u32_at(bytes, 60).ok_or(malformed("too short"))?;
        Ok(Self { account, flags, nt_response: part(20)?, encrypted_key: part(52)? })
    }
}

impl Authenticate<'_> {
    /// The target information in the response (2.2.2.7).
    pub(super) fn target_info(&self) -> Option<TargetInfo> {
        TargetInfo::read(self.nt_response.get(16 + 28..)?)
    }
}

fn kind(bytes: &[u8]) -> Option<u32> {
    bytes.starts_with(SIGNATURE).then(|| u32_at(bytes, 8))?
}

/// The payload that the field at `header` points to.
fn payload(bytes: &[u8], header: usize) -> Option<&[u8]> {
    let len = usize::from(u16_at(bytes, header)?);
    let offset = usize::try_from(u32_at(bytes, header + 4)?).ok()?;
    if len == 0 {
        return Some(&[]);
    }
    bytes.get(offset..offset.checked_add(len)?)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}
