//! Checkpoints on disk: for each device one JSON file below `storage/cache/`, replaced as a whole. Devices that follow
//! files have a [`Registry`], collectors of remote sources have [`Positions`].
//!
//! A file that can't be read never blocks a start: it is set aside under another name, and said so. Without
//! its checkpoint a device reads its files from the beginning.

use super::content::{Born, Head, Inode, Position};
use super::registry::Registry;
use crate::device::positions::Positions;
use event::DeviceId;
use parking_lot::Mutex;
use seams::{Disk, read_file, replace_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The format of the file; others are set aside.
const FORMAT: u32 = 1;
/// Files that were not there for so long (seconds) are forgotten: an archive medium may be away for a while.
const FORGOTTEN_AFTER: u64 = 30 * 86_400;

/// The checkpoints of all devices; clones share them.
#[derive(Clone, Debug)]
pub struct Checkpoints(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    devices: Mutex<BTreeMap<DeviceId, Arc<Registry>>>,
    collectors: Mutex<BTreeMap<DeviceId, Arc<Positions>>>,
}

/// A file as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Where it was last.
    pub path: String,
    /// Its number.
    pub inode: Inode,
    /// Its birth.
    pub born: Born,
    /// How it begins.
    pub head: Head,
    /// How far it is acknowledged.
    pub position: Position,
    /// When it was last there, in seconds since the Unix epoch.
    pub seen: u64,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    files: Vec<Saved>,
}

#[derive(Serialize, Deserialize)]
struct Places {
    format: u32,
    sources: BTreeMap<String, String>,
}

/// A document that says in which format it is.
trait Formatted: DeserializeOwned {
    fn format(&self) -> u32;
}

impl Formatted for Document {
    fn format(&self) -> u32 {
        self.format
    }
}

impl Formatted for Places {
    fn format(&self) -> u32 {
        self.format
    }
}

impl Checkpoints {
    /// Checkpoints below a root folder.
    pub fn new(disk: Arc<dyn Disk>, root: &Path) -> Self {
        let folder = root.join("storage").join("cache");
        let (devices, collectors) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shelf { disk, folder, devices, collectors }))
    }

    /// The files of a device. They stay when its configuration changes.
    pub fn registry(&self, device: DeviceId) -> Arc<Registry> {
        Arc::clone(self.0.devices.lock().entry(device).or_default())
    }

    /// The places of a collector's sources. They stay when its configuration changes.
    pub fn positions(&self, device: DeviceId) -> Arc<Positions> {
        Arc::clone(self.0.collectors.lock().entry(device).or_default())
    }

    /// What was written down for a device, without what was not there for long. Blocks.
    pub fn load(&self, device: DeviceId, now: u64) -> Vec<Saved> {
        let path = self.path(device);
        let Some(document) = self.read::<Document>(&path, device, "its files are read from the beginning")
        else {
            return Vec::new();
        };
        let recent = |saved: &Saved| saved.seen.saturating_add(FORGOTTEN_AFTER) > now;
        document.files.into_iter().filter(recent).collect()
    }

    /// The places that were written down for a collector. Blocks.
    pub fn load_positions(&self, device: DeviceId) -> BTreeMap<String, String> {
        let path = self.collector_path(device);
        let document = self.read::<Places>(&path, device, "its sources are read as if they were new");
        document.map(|document| document.sources).unwrap_or_default()
    }

    /// A document; one that can't be used is set aside.
    fn read<D: Formatted>(&self, path: &Path, device: DeviceId, consequence: &str) -> Option<D> {
        let fault = match read_file(&*self.0.disk, path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
            Err(e) => e.to_string(),
            Ok(bytes) => match serde_json::from_slice::<D>(&bytes) {
                Ok(document) if document.format() == FORMAT => return Some(document),
                Ok(document) => format!("its format is {}, not {FORMAT}", document.format()),
                Err(e) => e.to_string(),
            },
        };
        let aside = path.with_extension("json.damaged");
        let kept = match self.0.disk.rename(path, &aside) {
            Ok(()) => format!("it is kept as {}", aside.display()),
            Err(e) => format!("it can't be set aside: {e}"),
        };
        tracing::error!(%device, path = %path.display(), error = fault,
            "cannot read the checkpoints of a device; {consequence}; {kept}");
        None
    }

    /// Writes down what has changed. Blocks.
    ///
    /// # Errors
    /// When one could not be written; the others are, and it is tried again the next time.
    pub fn save_changed(&self) -> io::Result<()> {
        let devices: Vec<_> = self.0.devices.lock().iter().map(|(id, r)| (*id, Arc::clone(r))).collect();
        let mut outcome = Ok(());
        for (device, registry) in devices {
            let Some(files) = registry.save() else { continue };
            if let Err(e) = self.replace(&self.path(device), &Document { format: FORMAT, files }) {
                registry.not_saved();
                outcome = Err(e);
            }
        }
        let collectors: Vec<_> =
            self.0.collectors.lock().iter().map(|(id, p)| (*id, Arc::clone(p))).collect();
        for (device, positions) in collectors {
            let Some(sources) = positions.save() else { continue };
            if let Err(e) = self.replace(&self.collector_path(device), &Places { format: FORMAT, sources }) {
                positions.not_saved();
                outcome = Err(e);
            }
        }
        outcome
    }

    /// Where checkpoints lie.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    fn replace(&self, path: &Path, document: &impl Serialize) -> io::Result<()> {
        self.0.disk.create_folder(&self.0.folder)?;
        replace_file(&*self.0.disk, path, &serde_json::to_vec(document)?)
    }

    fn collector_path(&self, device: DeviceId) -> PathBuf {
        self.0.folder.join(format!("collector-{device}.json"))
    }

    fn path(&self, device: DeviceId) -> PathBuf {
        self.0.folder.join(format!("file-{device}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::epoch::Epoch;
    use super::*;
    use seams::RealDisk;

    const DEVICE: DeviceId = DeviceId(7);
    const INODE: Inode = Inode { dev: 1, ino: 2 };

    fn checkpoints(root: &Path) -> Checkpoints {
        Checkpoints::new(Arc::new(RealDisk), root)
    }

    fn known(seen: u64) -> (tempfile::TempDir, Checkpoints) {
        let root = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints(root.path());
        let place = Position { offset: 42, tail_len: 10, tail_crc: 77 };
        let epoch = Epoch::at(Head { len: 5, crc: 1 }, place);
        checkpoints.registry(DEVICE).add(INODE, Born(Some(3)), Path::new("/var/log/a.log"), epoch, seen);
        checkpoints.save_changed().unwrap();
        (root, checkpoints)
    }

    #[test]
    fn what_is_written_down_is_found_again() {
        let (root, before) = known(1000);
        assert!(before.registry(DEVICE).save().is_none(), "nothing has changed since");
        let saved = checkpoints(root.path()).load(DEVICE, 2000);
        let place = Position { offset: 42, tail_len: 10, tail_crc: 77 };
        assert_eq!((saved.len(), saved[0].inode, saved[0].position), (1, INODE, place));
    }

    #[test]
    fn a_file_that_was_not_there_for_a_month_is_forgotten() {
        let (root, _) = known(1000);
        assert!(checkpoints(root.path()).load(DEVICE, 1000 + FORGOTTEN_AFTER).is_empty());
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let (root, before) = known(1000);
        let path = before.path(DEVICE);
        for damage in [&b"{\"format\":1,\"files\":[{\"pa"[..], b"", b"\0\0\0", b"{\"format\":2,\"files\":[]}"]
        {
            std::fs::write(&path, damage).unwrap();
            let after = checkpoints(root.path());
            assert!(after.load(DEVICE, 2000).is_empty());
            assert_eq!(std::fs::read(path.with_extension("json.damaged")).unwrap(), damage);
            assert!(!path.exists());
        }
    }
}
