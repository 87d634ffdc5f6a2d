//! Bytes that nobody can guess, from the operating system.

/// Fills a buffer with them.
///
/// # Errors
/// When the system has none.
pub fn fill(buffer: &mut [u8]) -> Result<(), Unavailable> {
    rustls::crypto::ring::default_provider().secure_random.fill(buffer).map_err(|_| Unavailable)
}

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes; check that /dev/urandom can be read")]
pub struct Unavailable;
