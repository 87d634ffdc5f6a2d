//! [`Inode`]: the bytes of a simulated file, and which of them the disk really has.

use std::collections::BTreeMap;

use crate::rng::Rng;

/// What the simulated disk writes at once, unless it tears.
pub const SECTOR_BYTES: u64 = 512;

type Sector = [u8; SECTOR_BYTES as usize];

/// A file's bytes as a running process sees them, with what is needed to take them back.
#[derive(Debug, Default)]
pub(super) struct Inode {
    bytes: Vec<u8>,
    durable_len: u64,
    /// Sectors written since the last sync, as the disk has them.
    unsynced: BTreeMap<u64, Box<Sector>>,
    /// Sectors whose sync failed, as the disk may have them: no later sync writes them.
    abandoned: BTreeMap<u64, Box<Sector>>,
}

/// How a power cut treats the sectors that were not synced.
enum Cut {
    LosesAll,
    KeepsAll,
    ByChance,
}

impl Inode {
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let start = offset.min(self.len()) as usize;
        let read = buffer.len().min(self.bytes.len() - start);
        buffer[..read].copy_from_slice(&self.bytes[start..start + read]);
        read
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        self.remember(offset.min(self.len()), end);
        if end > self.len() {
            self.bytes.resize(end as usize, 0);
        }
        self.bytes[offset as usize..end as usize].copy_from_slice(bytes);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        self.remember(len.min(self.len()), self.len());
        self.bytes.resize(len as usize, 0);
    }

    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
        self.durable_len = self.len();
    }

    /// What a failed sync leaves behind.
    pub(super) fn abandon_unsynced(&mut self) {
        for (sector, old) in std::mem::take(&mut self.unsynced) {
            self.abandoned.entry(sector).or_insert(old);
        }
    }

    pub(super) fn flip_bit(&mut self, byte: u64, bit: u8) -> bool {
        let Some(byte) = self.bytes.get_mut(byte as usize) else { return false };
        *byte ^= 1 << (bit % 8);
        true
    }

    pub(super) fn after_power_cut(&self, rng: &Rng) -> Inode {
        let len = match rng.below(3) {
            0 => self.durable_len,
            1 => self.len(),
            _ => {
                let (low, high) = (self.durable_len.min(self.len()), self.durable_len.max(self.len()));
                low + rng.below(high - low + 1)
            }
        };
        let cut = match rng.below(4) {
            0 => Cut::LosesAll,
            1 => Cut::KeepsAll,
            _ => Cut::ByChance,
        };
        let mut bytes = self.bytes.clone();
        for (&sector, old) in &self.unsynced {
            let kept = match cut {
                Cut::LosesAll => 0,
                Cut::KeepsAll => SECTOR_BYTES,
                Cut::ByChance => kept_bytes(rng),
            };
            take_back(&mut bytes, sector, kept, old);
        }
        for (&sector, old) in &self.abandoned {
            take_back(&mut bytes, sector, kept_bytes(rng), old);
        }
        bytes.resize(len as usize, 0);
        Inode { bytes, durable_len: len, ..Inode::default() }
    }

    /// Keeps what the disk has of the sectors in a range, before they change.
    fn remember(&mut self, from: u64, to: u64) {
        for sector in from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES) {
            if self.unsynced.contains_key(&sector) {
                continue;
            }
            let old = self.abandoned.remove(&sector).unwrap_or_else(|| self.sector(sector));
            self.unsynced.insert(sector, old);
        }
    }

    fn sector(&self, sector: u64) -> Box<Sector> {
        let mut copy = Box::new([0; SECTOR_BYTES as usize]);
        self.read(copy.as_mut_slice(), sector * SECTOR_BYTES);
        copy
    }
}

/// How many bytes at the start of a sector are the new ones.
fn kept_bytes(rng: &Rng) -> u64 {
    match rng.below(8) {
        0..=2 => 0,
        3..=6 => SECTOR_BYTES,
        _ => rng.below(SECTOR_BYTES),
    }
}

/// Puts the old bytes of a sector back, except its first `kept` ones.
fn take_back(bytes: &mut Vec<u8>, sector: u64, kept: u64, old: &Sector) {
    let start = (sector * SECTOR_BYTES) as usize;
    let end = start + SECTOR_BYTES as usize;
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start + kept as usize..end].copy_from_slice(&old[kept as usize..]);
}
