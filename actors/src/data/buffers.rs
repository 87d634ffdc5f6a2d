//! Recycled buffers for encoded events: a fresh one for each batch would be paged in by the kernel every time.

use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// Unused buffers that are kept.
const KEPT: usize = 8;
/// Larger ones are not kept, lest one huge batch holds memory for ever.
const KEPT_BYTES: usize = 2 << 20;

/// Buffers of one stage; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// Sealed bytes, whose buffer returns when nobody needs them any more.
struct Lent {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Buffers {
    /// An empty buffer, with the room it had before.
    pub fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    /// The bytes, immutable; their buffer comes back by itself.
    pub fn seal(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { bytes, home: self.clone() })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = self.home.0.lock();
        if kept.len() < KEPT && self.bytes.capacity() <= KEPT_BYTES {
            self.bytes.clear();
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_with_its_room() {
        let buffers = Buffers::default();
        let sealed = buffers.seal(b"some bytes".repeat(100));
        assert!(buffers.0.lock().is_empty());
        drop(sealed);
        let again = buffers.take();
        assert!(again.is_empty() && again.capacity() >= 1000);
    }
}
