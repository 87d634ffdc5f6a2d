//! Whether a request proves where it comes from. Comparisons take as long for a nearly right guess as for a wrong one.

use super::refusal::Refusal;
use super::settings::{Credentials, HmacKey};
use hmac::Mac;
use http::HeaderMap;
use security::secret;

/// What is still to be shown by a request whose head was let through.
pub enum Proof {
    /// Nothing.
    Given,
    /// That its body has this HMAC.
    OfBody {
        /// What was hashed so far.
        hashed: Box<HmacKey>,
        /// The signature in the head.
        signature: Vec<u8>,
    },
}

impl Credentials {
    /// Checks a request's head.
    ///
    /// # Errors
    /// When credentials are missing or wrong.
    pub fn check(&self, headers: &HeaderMap) -> Result<Proof, Refusal> {
        match self {
            Credentials::None => Ok(Proof::Given),
            Credentials::Header { name, value, basic } => {
                let presented = headers.get(name).map_or(&[][..], |presented| presented.as_bytes());
                match secret::matches(presented, value) {
                    true => Ok(Proof::Given),
                    false => Err(Refusal::Credentials { basic: *basic }),
                }
            }
            Credentials::Hmac { name, prefix, key } => {
                let presented = headers.get(name).and_then(|value| value.to_str().ok());
                let signature =
                    presented.and_then(|value| unhex(value.strip_prefix(prefix.as_str())?.trim()));
                let signature = signature.ok_or(Refusal::Credentials { basic: false })?;
                Ok(Proof::OfBody { hashed: key.clone(), signature })
            }
        }
    }
}

impl Proof {
    /// The next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        let Proof::OfBody { hashed, .. } = self else { return };
        match &mut **hashed {
            HmacKey::Sha1(hmac) => hmac.update(bytes),
            HmacKey::Sha256(hmac) => hmac.update(bytes),
            HmacKey::Sha512(hmac) => hmac.update(bytes),
        }
    }

    /// The whole body was there.
    ///
    /// # Errors
    /// When its signature is another.
    pub fn finish(self) -> Result<(), Refusal> {
        let Proof::OfBody { hashed, signature } = self else { return Ok(()) };
        let right = match *hashed {
            HmacKey::Sha1(hmac) => hmac.verify_slice(&signature),
            HmacKey::Sha256(hmac) => hmac.verify_slice(&signature),
            HmacKey::Sha512(hmac) => hmac.verify_slice(&signature),
        };
        right.map_err(|_| Refusal::Credentials { basic: false })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4 | digit(*low)?) as u8);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn a_signature_is_that_of_the_body() {
        // RFC 4231, test case 2.
        let name = HeaderName::from_static("x-signature");
        let key = Box::new(HmacKey::sha256(b"Jefe"));
        let credentials = Credentials::Hmac { name: name.clone(), prefix: "sha256=".into(), key };
        let right = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let check = |header: &str, body: &[u8]| {
            let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_str(header).unwrap())]);
            let mut proof = credentials.check(&headers)?;
            body.chunks(5).for_each(|chunk| proof.update(chunk));
            proof.finish()
        };
        assert!(check(right, b"what do ya want for nothing?").is_ok());
        let wrong = Err(Refusal::Credentials { basic: false });
        assert_eq!(check(right, b"what do ya want for nothing!"), wrong);
        assert_eq!(check(&right[7..], b"what do ya want for nothing?"), wrong);
        assert_eq!(check("sha256=", b""), wrong);
        assert_eq!(check("sha256=xyz", b""), wrong);
    }
}
