//! `tls-server-end-point`: a sign-in bound to the certificate of its TLS connection (RFC 5929 §4), so that
//! whoever relays it elsewhere is refused.

use md5::{Digest, Md5};
use sha2::{Sha256, Sha384, Sha512};

use super::der;

/// The binding as NTLM carries it: the hash of a `gss_channel_bindings` structure (MS-NLMP 2.2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelBinding([u8; 16]);

/// A hash that certificates are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

// === impl ChannelBinding ===

impl ChannelBinding {
    /// The binding to a connection whose server shows this certificate (DER). `None` where RFC 5929 defines none:
    /// the signature has no hash of its own (Ed25519), or the bytes are no certificate.
    pub fn of_certificate(certificate: &[u8]) -> Option<Self> {
        let hash = match signature_hash(certificate)? {
            Hash::Sha256 => Sha256::digest(certificate).to_vec(),
            Hash::Sha384 => Sha384::digest(certificate).to_vec(),
            Hash::Sha512 => Sha512::digest(certificate).to_vec(),
        };
        Some(Self::of_application_data(&[b"tls-server-end-point:", hash.as_slice()].concat()))
    }

    /// The binding to any application data (RFC 2744 §3.11): no addresses, then length and data.
    pub fn of_application_data(data: &[u8]) -> Self {
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes();
        Self(Md5::new_with_prefix([0; 16]).chain_update(len).chain_update(data).finalize().into())
    }

    pub(crate) fn hash(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The hash of a certificate's signature; SHA-256 in the place of MD5 and SHA-1 (RFC 5929 §4.1).
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT_ID: u8 = 0x06;
    let (certificate, _) = der::expect(certificate, SEQUENCE)?;
    let (_, after) = der::expect(certificate, SEQUENCE)?;
    let (algorithm, _) = der::expect(after, SEQUENCE)?;
    let (id, parameters) = der::expect(algorithm, OBJECT_ID)?;
    match id {
        // RSA, 1.2.840.113549.1.1.n; for n = 10 (PSS) the parameters name the hash.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, kind] => match kind {
            4 | 5 | 11 => Some(Hash::Sha256),
            12 => Some(Hash::Sha384),
            13 => Some(Hash::Sha512),
            10 => pss_hash(parameters),
            _ => None,
        },
        // ECDSA, 1.2.840.10045.4.1 with SHA-1 and 4.3.n with SHA-2.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] => Some(Hash::Sha256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, kind] => match kind {
            2 => Some(Hash::Sha256),
            3 => Some(Hash::Sha384),
            4 => Some(Hash::Sha512),
            _ => None,
        },
        _ => None,
    }
}

/// The hash in RSASSA-PSS parameters (RFC 4055 §3.1); SHA-1, hence SHA-256 here, where they name none.
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let (parameters, _) = der::expect(parameters, 0x30)?;
    let Some((hash, _)) = der::expect(parameters, 0xa0) else { return Some(Hash::Sha256) };
    let (algorithm, _) = der::expect(hash, 0x30)?;
    match der::expect(algorithm, 0x06)?.0 {
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1] => Some(Hash::Sha256),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2] => Some(Hash::Sha384),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3] => Some(Hash::Sha512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate's outline: something signed, an algorithm, a signature.
    fn certificate(id: &[u8], parameters: &[u8]) -> Vec<u8> {
        let algorithm = der::write(0x30, &[der::write(6, id), parameters.to_vec()].concat());
        der::write(0x30, &[der::write(0x30, b"to be signed"), algorithm, der::write(3, b"\0sig")].concat())
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let rsa = |kind| certificate(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, kind], &[5, 0]);
        assert_eq!(signature_hash(&rsa(5)), Some(Hash::Sha256));
        assert_eq!(signature_hash(&rsa(12)), Some(Hash::Sha384));
        let sha512 = der::write(6, &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3]);
        let pss = der::write(0x30, &der::write(0xa0, &der::write(0x30, &sha512)));
        let id = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
        assert_eq!(signature_hash(&certificate(&id, &pss)), Some(Hash::Sha512));
        let ecdsa = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
        assert_eq!(signature_hash(&certificate(&ecdsa, &[])), Some(Hash::Sha384));
        let ed25519 = [0x2b, 0x65, 0x70];
        assert_eq!(ChannelBinding::of_certificate(&certificate(&ed25519, &[])), None);
        assert_eq!(ChannelBinding::of_certificate(b"no certificate"), None);
    }
}
