//! The signature of octet counting, `LEN SP <PRI>`: what a digit alone can't tell, these bytes together do.

/// Ten digits are more than any length; a longer run is a number in a text.
pub(super) const MOST_LENGTH_DIGITS: usize = 9;

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// `LEN SP <PRI>`: the message begins at `header_bytes` and has `message_bytes`.
    Octets { header_bytes: usize, message_bytes: usize },
    /// Could become one with more bytes.
    Incomplete,
    /// None.
    None,
}

/// An octet count alone, `LEN SP` (RFC 6587 §3.4.1: `MSG-LEN = NONZERO-DIGIT *DIGIT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OctetCount {
    /// The message begins at `header_bytes` and has `message_bytes`.
    Complete { header_bytes: usize, message_bytes: usize },
    /// Could become one with more bytes.
    Incomplete,
    /// None.
    None,
}

impl OctetCount {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut length = 0usize;
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'0' if at == 0 => return Self::None,
                b'0'..=b'9' if at < MOST_LENGTH_DIGITS => length = length * 10 + usize::from(byte - b'0'),
                b' ' if at > 0 => {
                    return Self::Complete { header_bytes: at + 1, message_bytes: length };
                }
                _ => return Self::None,
            }
        }
        Self::Incomplete
    }
}

impl Signature {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let (header_bytes, message_bytes) = match OctetCount::of(bytes) {
            OctetCount::Complete { header_bytes, message_bytes } => (header_bytes, message_bytes),
            OctetCount::Incomplete => return Self::Incomplete,
            OctetCount::None => return Self::None,
        };
        match priority(&bytes[header_bytes..]) {
            Some(true) => Self::Octets { header_bytes, message_bytes },
            Some(false) => Self::None,
            None => Self::Incomplete,
        }
    }
}

/// Whether the bytes begin with `<`, one to three digits, `>`; `None` where more bytes are needed to tell.
pub(super) fn priority(bytes: &[u8]) -> Option<bool> {
    for (at, &byte) in bytes.iter().enumerate() {
        match (at, byte) {
            (0, b'<') | (1..=3, b'0'..=b'9') => {}
            (2..=4, b'>') => return Some(true),
            _ => return Some(false),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_signature_means_octet_counting() {
        let octets = Signature::Octets { header_bytes: 3, message_bytes: 16 };
        assert_eq!(Signature::of(b"16 <1>1 - - - - - -"), octets);
        assert_eq!(Signature::of(b"16 <191>"), octets);
        for incomplete in ["", "1", "16", "16 ", "16 <", "16 <1", "16 <191"] {
            assert_eq!(Signature::of(incomplete.as_bytes()), Signature::Incomplete, "{incomplete}");
        }
        for none in [
            "<1>",
            "06 <1>",
            "16<1>",
            "16 1>",
            "16 <>",
            "16 <1111>",
            "16 <a>",
            "1234567890 <1>",
            " 1 <1>",
            "2026-",
        ] {
            assert_eq!(Signature::of(none.as_bytes()), Signature::None, "{none}");
        }
    }
}
