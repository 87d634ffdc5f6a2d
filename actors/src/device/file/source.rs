//! Reading a regular file on a lane without stalling it.
//!
//! What is in the page cache is read at once (`preadv2` with `RWF_NOWAIT`, Linux 4.14); what is not is read on a thread of
//! its own, while the lane goes on. File systems in memory can't block, others that don't know the flag (network file
//! systems) are always read on such a thread.

use super::content::PRINT_BYTES;
use event::Slab;
use rustix::io::{Errno, ReadWriteFlags, preadv, preadv2};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::sync::Arc;

/// `TMPFS_MAGIC` of statfs(2).
const TMPFS: u64 = 0x0102_1994;

/// An open file, and how it is read.
#[derive(Clone, Debug)]
pub struct Source {
    file: Arc<File>,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// At once if it is in the page cache.
    Cached,
    /// At once.
    Memory,
    /// Elsewhere.
    Thread,
}

/// Where bytes are read to: first those that were read before, then new ones.
pub struct Window {
    /// What precedes the slab's bytes in the file.
    pub tail: Box<[u8; PRINT_BYTES]>,
    /// So much of it is wanted.
    pub tail_len: usize,
    /// New bytes.
    pub slab: Slab,
}

impl Window {
    fn slices(&mut self) -> [IoSliceMut<'_>; 2] {
        [IoSliceMut::new(&mut self.tail[..self.tail_len]), IoSliceMut::new(self.slab.bytes_mut())]
    }
}

impl Source {
    /// An open file that will be read from front to back.
    pub fn new(file: Arc<File>) -> Self {
        // Advice that is not taken does no harm.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        let is_memory = rustix::fs::fstatfs(&file).is_ok_and(|stat| stat.f_type as u64 == TMPFS);
        Self { file, way: if is_memory { Way::Memory } else { Way::Cached } }
    }

    /// The file.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Reads at once, or not at all.
    pub fn read_now(&mut self, window: &mut Window, offset: u64) -> Option<io::Result<usize>> {
        let flags = match self.way {
            Way::Cached => ReadWriteFlags::NOWAIT,
            Way::Memory => ReadWriteFlags::empty(),
            Way::Thread => return None,
        };
        match preadv2(&self.file, &mut window.slices(), offset, flags) {
            Ok(read) => Some(Ok(read)),
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) if self.way == Way::Cached => {
                self.way = Way::Thread;
                None
            }
            Err(e) => Some(Err(e.into())),
        }
    }

    /// Reads, however long the disk takes.
    pub async fn read(&self, mut window: Window, offset: u64) -> io::Result<(Window, usize)> {
        let file = Arc::clone(&self.file);
        let read = tokio::task::spawn_blocking(move || {
            let read = preadv(&file, &mut window.slices(), offset)?;
            Ok((window, read))
        });
        read.await.map_err(io::Error::other)?
    }
}
