//! Where a Director is installed: its configuration, and the storage folder with what it writes.
//!
//! ```text
//!   DIR/vmetric.yml, DIR/config/**      or the file of -config-path
//!   DIR/storage/director.lock           held while it runs, with its process id
//!   DIR/storage/control.sock            for -top, -tap, -stop ...
//!   DIR/storage/logs/director.log
//! ```

use crate::arguments::Arguments;
use config::Source;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// An installation.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    root: PathBuf,
    /// Where the configuration is.
    pub(crate) source: Source,
}

/// The right to run on a storage folder; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "its being open is what counts")] File);

/// Who holds the lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Nobody.
    Nobody,
    /// A running Director; its process id, if it could be read.
    Director(Option<u32>),
}

impl Place {
    /// As the command line says.
    pub(crate) fn of(arguments: &Arguments) -> Self {
        let root = PathBuf::from(arguments.value("path").unwrap_or("."));
        let source = match arguments.value("config-path") {
            Some(file) => Source::File(file.into()),
            None => Source::Folder(root.clone()),
        };
        Self { root, source }
    }

    /// The installation root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder with what the Director writes.
    fn storage(&self) -> PathBuf {
        self.root.join("storage")
    }

    /// The control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.storage().join("control.sock")
    }

    /// Where the quarantine's events are.
    pub(crate) fn quarantine(&self) -> PathBuf {
        actors::quarantine::store::folder(&self.root)
    }

    /// All journals: the process's, those of targets, the quarantine.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        let mut all = vec![self.storage().join("journal"), self.quarantine()];
        let spools = fs::read_dir(self.storage().join("spool")).into_iter().flatten().flatten();
        all.extend(spools.map(|entry| entry.path()));
        all.retain(|path| path.is_dir());
        all.sort();
        all
    }

    /// The folder of the log files.
    pub(crate) fn logs(&self) -> PathBuf {
        self.storage().join("logs")
    }

    fn lock_file(&self) -> PathBuf {
        self.storage().join("director.lock")
    }

    /// Takes the right to run here, or says who has it.
    pub(crate) fn lock(&self) -> io::Result<Result<Lock, Holder>> {
        fs::create_dir_all(self.storage())?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.lock_file())?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                file.set_len(0)?;
                write!(file, "{}", std::process::id())?;
                Ok(Ok(Lock(file)))
            }
            Err(Errno::WOULDBLOCK) => Ok(Err(Holder::Director(read_pid(&mut file)))),
            Err(e) => Err(e.into()),
        }
    }

    /// Who runs here.
    pub(crate) fn holder(&self) -> io::Result<Holder> {
        let mut file = match File::open(self.lock_file()) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
            Err(e) => return Err(e),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(Holder::Nobody),
            Err(Errno::WOULDBLOCK) => Ok(Holder::Director(read_pid(&mut file))),
            Err(e) => Err(e.into()),
        }
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_may_run_on_a_storage_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let place =
            Place { root: folder.path().to_owned(), source: Source::Folder(folder.path().to_owned()) };
        assert_eq!(place.holder().expect("asked"), Holder::Nobody);
        let lock = place.lock().expect("asked").expect("free");
        let me = Holder::Director(Some(std::process::id()));
        assert_eq!(place.holder().expect("asked"), me);
        assert_eq!(place.lock().expect("asked").expect_err("taken"), me);
        drop(lock);
        assert_eq!(place.holder().expect("asked"), Holder::Nobody);
    }
}
