//! [`CursorFile`]: cursors on disk, safe against a crash at any point, in space that is never given back.
//!
//! ```text
//! header, at 0                                 slot, two for each cursor, at 512 + 2 048 n and 1 024 after
//!   0  8  "vmcurs\r\n"                           0   4  crc32c of bytes 4 to 1 024
//!   8  4  format, 1                              4   4  length of the name, 0 = no cursor
//!  12  4  crc32c of bytes 0 to 12                8   8  generation: the valid slot with the higher one counts
//!                                               16   8  watermark
//!                                               24  64  name
//!                                               88 936  bit n: position watermark + n is settled
//! ```
//!
//! A change goes to the slot that does not count, is synced, and counts from then on. So a torn write
//! costs only what it would have added. A change that **lowers** a cursor is written to both slots: the
//! older one would skip records.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seams::{Disk, DiskFile, OpenMode, replace_file};

use crate::cursor::Progress;
use crate::error::{DiskError, During, VersionError};
use crate::format::{CURSOR_FILE, FORMAT, u32_at, u64_at};
use crate::position::Position;

/// Cursors that a journal can have: the file takes 128 KiB.
pub const MAX_CURSORS: usize = 64;

/// Longest name of a cursor, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"vmcurs\r\n";
const SLOTS_START: usize = 512;
const SLOT_BYTES: usize = 1024;
const NAME_START: usize = 24;
const BITS_START: usize = NAME_START + MAX_NAME_BYTES;
const FILE_BYTES: usize = SLOTS_START + MAX_CURSORS * 2 * SLOT_BYTES;

/// What a slot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) generation: u64,
    /// `None`: the cursor was removed.
    pub(crate) cursor: Option<(String, Progress)>,
}

/// What was found in a cursor file.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By index; `None` where nothing was ever written, or nothing readable.
    pub(crate) slots: Vec<Option<Slot>>,
    /// Whether the file is there and nothing in it is damaged.
    pub(crate) intact: bool,
}

/// The file, once it could be created.
#[derive(Debug)]
pub(crate) struct CursorFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Option<Arc<dyn DiskFile>>,
}

// === impl Slot ===

impl Slot {
    fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        if let Some((name, progress)) = &self.cursor {
            bytes[4..8].copy_from_slice(&(name.len() as u32).to_le_bytes());
            bytes[16..24].copy_from_slice(&progress.watermark().0.to_le_bytes());
            bytes[NAME_START..NAME_START + name.len()].copy_from_slice(name.as_bytes());
            bytes[BITS_START..].copy_from_slice(&progress.stored_bits());
        }
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if u32_at(bytes, 0) != crc32c::crc32c(&bytes[4..SLOT_BYTES]) {
            return None;
        }
        let generation = u64_at(bytes, 8);
        let name_bytes = u32_at(bytes, 4) as usize;
        if name_bytes == 0 {
            return Some(Self { generation, cursor: None });
        }
        let name = bytes[NAME_START..BITS_START].get(..name_bytes)?;
        let name = std::str::from_utf8(name).ok()?.to_owned();
        let progress = Progress::from_stored(Position(u64_at(bytes, 16)), &bytes[BITS_START..SLOT_BYTES]);
        Some(Self { generation, cursor: Some((name, progress)) })
    }
}

// === impl CursorFile ===

impl CursorFile {
    /// Reads what is there; a file that is missing, too short or damaged is no error.
    pub(crate) fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<(Self, Found), VersionError> {
        let path = folder.join(CURSOR_FILE);
        let (file, found) = match disk.open(&path, OpenMode::Write) {
            Ok(file) => {
                let found = Self::read(&*file, &path)?;
                (Some(file), found)
            }
            Err(_) => (None, Found::default()),
        };
        // A file that is too short is written anew as a whole.
        let file = file.filter(|file| file.len().is_ok_and(|len| len >= FILE_BYTES as u64));
        Ok((Self { disk, path, file }, found))
    }

    /// Reads the slots of an open file.
    pub(crate) fn read(file: &dyn DiskFile, path: &Path) -> Result<Found, VersionError> {
        let mut bytes = vec![0; FILE_BYTES];
        let whole = file.read_exact_at(&mut bytes, 0).is_ok();
        let header_whole = &bytes[..8] == MAGIC && u32_at(&bytes, 12) == crc32c::crc32c(&bytes[..12]);
        if header_whole && u32_at(&bytes, 8) != FORMAT {
            let found = u32_at(&bytes, 8);
            return Err(VersionError { file: path.to_path_buf(), found, supported: FORMAT });
        }
        let mut found = Found { slots: Vec::with_capacity(MAX_CURSORS), intact: whole && header_whole };
        for pair in bytes[SLOTS_START..].chunks_exact(2 * SLOT_BYTES) {
            let mut newest: Option<Slot> = None;
            for bytes in pair.chunks_exact(SLOT_BYTES) {
                let slot = Slot::decode(bytes);
                found.intact &= slot.is_some() || bytes.iter().all(|&byte| byte == 0);
                if slot.as_ref().map(|slot| slot.generation) > newest.as_ref().map(|slot| slot.generation) {
                    newest = slot;
                }
            }
            found.slots.push(newest);
        }
        Ok(found)
    }

    /// Whether the file is still to be created, from all slots.
    pub(crate) fn is_missing(&self) -> bool {
        self.file.is_none()
    }

    /// Makes slots durable; creates the file if it is missing.
    pub(crate) fn write(&mut self, slots: &[(usize, Slot)]) -> Result<(), DiskError> {
        let Some(file) = &self.file else { return self.create(slots) };
        for (index, slot) in slots {
            let bytes = slot.encode();
            let at = slot_start(*index, slot.generation) as u64;
            file.write_at(&mut [IoSlice::new(&bytes)], at).during("write", &self.path)?;
        }
        file.sync_data().during("sync", &self.path)
    }

    fn create(&mut self, slots: &[(usize, Slot)]) -> Result<(), DiskError> {
        let mut bytes = vec![0; FILE_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        for (index, slot) in slots {
            let at = slot_start(*index, slot.generation);
            bytes[at..at + SLOT_BYTES].copy_from_slice(&slot.encode());
        }
        replace_file(&*self.disk, &self.path, &bytes).during("create", &self.path)?;
        self.file = Some(self.disk.open(&self.path, OpenMode::Write).during("open", &self.path)?);
        Ok(())
    }
}

fn slot_start(index: usize, generation: u64) -> usize {
    SLOTS_START + index * 2 * SLOT_BYTES + (generation % 2) as usize * SLOT_BYTES
}
