//! Recycled receive buffers.
//!
//! Sockets are read into slabs of [`SLAB_BYTES`]. A slab that was filled becomes a batch as it is;
//! one that hardly was gives its bytes to an exact copy and is read into again. The pool hands out
//! the slab that came back last, whose bytes are most likely still in the cache, and keeps at most
//! as many as it was told to.

use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// Size of a pooled slab: large enough to amortise a system call, small enough to stay in a core's
/// second-level cache.
pub const SLAB_BYTES: usize = 128 * 1024;

/// Below this share of a slab its bytes are copied out instead of handing on the slab itself.
const COPY_BELOW: usize = SLAB_BYTES / 4;

/// Recycles slabs; cheap to clone.
#[derive(Clone, Debug)]
pub struct SlabPool(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    free: Mutex<Vec<Box<[u8]>>>,
    keep: usize,
}

/// A writable buffer. Its bytes start as zeros or as what its last user left behind.
#[derive(Debug)]
pub struct Slab {
    bytes: Box<[u8]>,
    shelf: Option<Arc<Shelf>>,
}

impl SlabPool {
    /// A pool that keeps at most `keep` unused slabs.
    pub fn new(keep: usize) -> Self {
        Self(Arc::new(Shelf { free: Mutex::new(Vec::with_capacity(keep)), keep }))
    }

    /// A slab with room for at least `bytes`. Only slabs of [`SLAB_BYTES`] are recycled.
    pub fn take(&self, bytes: usize) -> Slab {
        if bytes > SLAB_BYTES {
            return Slab { bytes: vec![0; bytes].into_boxed_slice(), shelf: None };
        }
        let recycled = self.0.free.lock().pop();
        let bytes = recycled.unwrap_or_else(|| vec![0; SLAB_BYTES].into_boxed_slice());
        Slab { bytes, shelf: Some(Arc::clone(&self.0)) }
    }

    /// How many slabs wait to be used again.
    pub fn unused(&self) -> usize {
        self.0.free.lock().len()
    }
}

impl Slab {
    /// All bytes of the slab, for reading into.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// All bytes of the slab.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes fit.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Whether [`freeze`](Self::freeze) for so many bytes would copy them and leave the slab for reuse.
    pub fn is_copied_at(&self, len: usize) -> bool {
        len < COPY_BELOW
    }

    /// The first `len` bytes, immutable, and the slab itself if they were so few that they were copied.
    ///
    /// # Panics
    /// When `len` is more than the capacity.
    pub fn freeze(self, len: usize) -> (Bytes, Option<Slab>) {
        if self.is_copied_at(len) {
            (Bytes::copy_from_slice(&self.bytes[..len]), Some(self))
        } else {
            (Bytes::from_owner(self).slice(..len), None)
        }
    }
}

impl AsRef<[u8]> for Slab {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        let Some(shelf) = &self.shelf else { return };
        let mut free = shelf.free.lock();
        if free.len() < shelf.keep {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_slab_is_handed_on_and_comes_back_when_its_bytes_are_dropped() {
        let pool = SlabPool::new(2);
        let mut slab = pool.take(10);
        slab.bytes_mut()[..3].copy_from_slice(b"abc");
        let (bytes, rest) = slab.freeze(SLAB_BYTES);
        assert!(rest.is_none());
        assert_eq!(&bytes[..3], b"abc");
        assert_eq!(pool.unused(), 0);
        let part = bytes.slice(1..3);
        drop(bytes);
        assert_eq!(pool.unused(), 0, "a part still holds it");
        drop(part);
        assert_eq!(pool.unused(), 1);
    }

    #[test]
    fn few_bytes_are_copied_and_the_slab_is_used_again() {
        let pool = SlabPool::new(2);
        let mut slab = pool.take(10);
        slab.bytes_mut()[..3].copy_from_slice(b"abc");
        let (bytes, rest) = slab.freeze(3);
        assert_eq!(&bytes[..], b"abc");
        assert_eq!(rest.expect("given back").capacity(), SLAB_BYTES);
    }

    #[test]
    fn the_pool_keeps_no_more_than_it_was_told_and_nothing_oversized() {
        let pool = SlabPool::new(1);
        let (a, b) = (pool.take(1), pool.take(1));
        drop(pool.take(SLAB_BYTES + 1));
        assert_eq!(pool.unused(), 0);
        drop((a, b));
        assert_eq!(pool.unused(), 1);
    }
}
