//! The file system and the journal of a simulated host.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use tokio::sync::watch;

/// All files and the journal of a host.
#[derive(Debug)]
pub struct Files {
    disk: Mutex<Disk>,
    journal: Mutex<Vec<String>>,
    written: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<String, File>,
    last_inode: u64,
    /// Stands for the time: grows with each write.
    writes: u64,
}

/// A file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its number.
    pub inode: u64,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// When it was written, in order.
    pub written: u64,
    /// Whether the user may read it.
    pub readable: bool,
}

impl Default for Files {
    fn default() -> Self {
        let (written, _) = watch::channel(0);
        Self { disk: Mutex::default(), journal: Mutex::default(), written }
    }
}

impl Files {
    /// Adds to a file, which is created where it is not there.
    pub fn append(&self, path: &str, bytes: &[u8]) {
        let mut disk = self.disk.lock();
        disk.writes += 1;
        let (written, inode) = (disk.writes, disk.last_inode + 1);
        let fresh = File { inode, bytes: Vec::new(), written, readable: true };
        let file = disk.files.entry(path.to_owned()).or_insert(fresh);
        file.bytes.extend_from_slice(bytes);
        file.written = written;
        disk.last_inode = disk.last_inode.max(inode);
    }

    /// Gives a file another name.
    pub fn rename(&self, from: &str, to: &str) {
        let mut disk = self.disk.lock();
        if let Some(file) = disk.files.remove(from) {
            disk.files.insert(to.to_owned(), file);
        }
    }

    /// Empties a file.
    pub fn truncate(&self, path: &str) {
        if let Some(file) = self.disk.lock().files.get_mut(path) {
            file.bytes.clear();
        }
    }

    /// Puts a compressed file in the place of one.
    ///
    /// # Errors
    /// When it can't be compressed.
    pub fn compress(&self, path: &str) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let Some(file) = disk.files.remove(path) else { return Ok(()) };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&file.bytes)?;
        disk.last_inode += 1;
        let zipped = File { inode: disk.last_inode, bytes: encoder.finish()?, ..file };
        disk.files.insert(format!("{path}.gz"), zipped);
        Ok(())
    }

    /// Whether the user may read a file.
    pub fn allow(&self, path: &str, readable: bool) {
        if let Some(file) = self.disk.lock().files.get_mut(path) {
            file.readable = readable;
        }
    }

    /// A file.
    pub fn get(&self, path: &str) -> Option<File> {
        self.disk.lock().files.get(path).cloned()
    }

    /// A part of a file that may be read.
    pub(super) fn part(&self, path: &str, from: u64, len: u64) -> Option<Vec<u8>> {
        let disk = self.disk.lock();
        let bytes = &disk.files.get(path).filter(|file| file.readable)?.bytes;
        let from = from.min(bytes.len() as u64) as usize;
        let to = (from as u64 + len).min(bytes.len() as u64) as usize;
        Some(bytes[from..to].to_vec())
    }

    /// What is in a compressed file that may be read.
    pub(super) fn unzipped(&self, path: &str) -> Option<Vec<u8>> {
        let bytes = self.part(path, 0, u64::MAX)?;
        let mut plain = Vec::new();
        GzDecoder::new(&*bytes).read_to_end(&mut plain).ok()?;
        Some(plain)
    }

    /// Number, length and path of those whose paths match, the one that was written first in front.
    pub(super) fn list(&self, matches: impl Fn(&str) -> bool) -> Vec<(u64, usize, String)> {
        let disk = self.disk.lock();
        let mut found: Vec<_> = disk.files.iter().filter(|(path, _)| matches(path)).collect();
        found.sort_by_key(|(_, file)| file.written);
        found.into_iter().map(|(path, file)| (file.inode, file.bytes.len(), path.clone())).collect()
    }

    /// Adds an entry to the journal.
    pub fn log(&self, message: &str) {
        let mut journal = self.journal.lock();
        journal.push(message.to_owned());
        self.written.send_replace(journal.len());
    }

    /// How many entries the journal has, and the entries from a number on.
    pub(super) fn entries(&self, from: usize) -> Vec<String> {
        let journal = self.journal.lock();
        journal.get(from.min(journal.len())..).unwrap_or_default().to_vec()
    }

    /// Changes with each entry.
    pub(super) fn logged(&self) -> watch::Receiver<usize> {
        self.written.subscribe()
    }
}
