//! [`Inode`]: a real file, and the pages of it that it does not have yet.

use parking_lot::Mutex;
use seams::{Disk, DiskFile, Rng};
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PAGE_BYTES: u64 = 4096;

/// One page in so many reaches the real file as soon as it is written.
const EARLY_ONE_IN: u64 = 8;

/// A file as those see it who use the volatile disk.
#[derive(Debug)]
pub(super) struct Inode {
    real: Arc<dyn DiskFile>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Where the real file lies.
    place: PathBuf,
    len: u64,
    /// So much of the real file counts; behind that are zeros, whatever it has there.
    counts: u64,
    /// It was cut since the last sync: the real file may have old bytes behind what counts.
    was_cut: bool,
    unsynced: BTreeMap<u64, Box<[u8]>>,
}

impl Inode {
    /// A real file that lies there.
    pub(super) fn of(real: Arc<dyn DiskFile>, place: PathBuf) -> io::Result<Self> {
        let len = real.len()?;
        let state = State { place, len, counts: len, was_cut: false, unsynced: BTreeMap::new() };
        Ok(Self { real, state: Mutex::new(state) })
    }

    pub(super) fn len(&self) -> u64 {
        self.state.lock().len
    }

    /// Where the real file lies.
    pub(super) fn place(&self) -> PathBuf {
        self.state.lock().place.clone()
    }

    /// Gives the real file another name.
    pub(super) fn move_to(&self, inner: &dyn Disk, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        inner.rename(&state.place, to)?;
        state.place = to.to_owned();
        Ok(())
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state.lock();
        let len = usize::try_from(state.len.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..len];
        self.read_real(&state, buffer, offset)?;
        let end = offset + len as u64;
        for (page, bytes) in state.unsynced.range(offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let (from, to) = (page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
            let (from, to) = (from.max(offset), to.min(end));
            let within = (from - page * PAGE_BYTES) as usize..(to - page * PAGE_BYTES) as usize;
            buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(&bytes[within]);
        }
        Ok(len)
    }

    /// What the real file has, with zeros where that does not count.
    fn read_real(&self, state: &State, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let counted = usize::try_from(state.counts.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (counted, zeros) = buffer.split_at_mut(counted.min(buffer.len()));
        zeros.fill(0);
        let mut filled = 0;
        while filled < counted.len() {
            match self.real.read_at(&mut counted[filled..], offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        counted[filled..].fill(0);
        Ok(())
    }

    pub(super) fn write_at(&self, bytes: &[u8], offset: u64, rng: &Rng) -> io::Result<()> {
        let mut state = self.state.lock();
        let end = offset + bytes.len() as u64;
        if bytes.is_empty() {
            return Ok(());
        }
        state.len = state.len.max(end);
        for page in offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
            let start = page * PAGE_BYTES;
            if !state.unsynced.contains_key(&page) {
                let mut content = vec![0; PAGE_BYTES as usize].into_boxed_slice();
                self.read_real(&state, &mut content, start)?;
                state.unsynced.insert(page, content);
            }
            let (from, to) = (start.max(offset), (start + PAGE_BYTES).min(end));
            let source = &bytes[(from - offset) as usize..(to - offset) as usize];
            if let Some(content) = state.unsynced.get_mut(&page) {
                content[(from - start) as usize..(to - start) as usize].copy_from_slice(source);
                if !state.was_cut && rng.chance(1, EARLY_ONE_IN) {
                    self.write_early(&state, page, rng)?;
                }
            }
        }
        Ok(())
    }

    /// The kernel may write whenever it likes: a page, or the beginning of one.
    fn write_early(&self, state: &State, page: u64, rng: &Rng) -> io::Result<()> {
        let Some(content) = state.unsynced.get(&page) else { return Ok(()) };
        let whole = content.len() as u64;
        let some = if rng.chance(1, 2) { whole } else { rng.below(whole) };
        // Never longer than the file: zeros behind its end would become part of it.
        let some = some.min(state.len.saturating_sub(page * PAGE_BYTES)) as usize;
        self.real.write_at(&mut [IoSlice::new(&content[..some])], page * PAGE_BYTES)
    }

    /// Writes what is unsynced if it is more than `limit`.
    pub(super) fn write_back(&self, limit: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.unsynced.len() as u64 * PAGE_BYTES <= limit {
            return Ok(());
        }
        self.write_all(&mut state)
    }

    fn write_all(&self, state: &mut State) -> io::Result<()> {
        if state.was_cut {
            self.real.set_len(state.counts)?;
            state.was_cut = false;
        }
        for (page, content) in &state.unsynced {
            let start = page * PAGE_BYTES;
            let len = state.len.saturating_sub(start).min(PAGE_BYTES) as usize;
            self.real.write_at(&mut [IoSlice::new(&content[..len])], start)?;
        }
        if self.real.len()? != state.len {
            self.real.set_len(state.len)?;
        }
        state.counts = state.len;
        state.unsynced.clear();
        Ok(())
    }

    /// Makes everything that was written durable. Whoever writes meanwhile waits only for the copying.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.write_all(&mut self.state.lock())?;
        self.real.sync_data()
    }

    pub(super) fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        if len <= state.len {
            return Ok(());
        }
        self.write_all(&mut state)?;
        self.real.allocate(len)?;
        (state.len, state.counts) = (len, len);
        Ok(())
    }

    pub(super) fn lay_out(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        self.write_all(&mut state)?;
        self.real.lay_out(len)?;
        state.len = state.len.max(len);
        state.counts = state.len;
        Ok(())
    }

    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        if len < state.len {
            state.unsynced.retain(|page, _| page * PAGE_BYTES < len);
            if let Some(content) = state.unsynced.get_mut(&(len / PAGE_BYTES)) {
                content[(len % PAGE_BYTES) as usize..].fill(0);
            }
            if len < state.counts {
                (state.counts, state.was_cut) = (len, true);
            }
        }
        state.len = len;
        Ok(())
    }
}
