//! Comparison of secrets whose duration depends on their lengths alone.

use subtle::ConstantTimeEq;

/// Whether what a peer presented is the secret. Takes as long for a guess that is nearly right as for one that is
/// all wrong; only the length can be learned.
pub fn matches(presented: &[u8], secret: &[u8]) -> bool {
    presented.ct_eq(secret).into()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn only_the_whole_secret_matches() {
        assert!(matches(b"hunter2", b"hunter2"));
        for wrong in [&b"hunter3"[..], b"hunter", b"hunter22", b""] {
            assert!(!matches(wrong, b"hunter2"));
        }
    }
}
