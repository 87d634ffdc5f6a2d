//! Files that processors look things up in: databases and tables. Read when a pipeline is compiled, never while it runs.
//!
//! A name is looked for in `user/FOLDER/`, then in `package/FOLDER/`, then in the root itself; an absolute path is taken as
//! it is. What was made of a file is kept and shared by all processors that name it, until the file has another
//! size or time of change: then the next compile reads it again, and [`Program::is_stale`](crate::Program::is_stale) says
//! that there is something to compile.

use parking_lot::Mutex;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// How large a file may be; it is kept in memory. The largest database of places that is sold has half of it.
pub const MAX_FILE_BYTES: u64 = 512 * 1024 * 1024;

/// Where files are, and what was made of them so far. Clones share it.
#[derive(Clone)]
pub struct Files(Arc<Shelf>);

struct Shelf {
    root: PathBuf,
    kept: Mutex<HashMap<(PathBuf, TypeId), Kept>>,
}

struct Kept {
    stamp: Stamp,
    value: Arc<dyn Any + Send + Sync>,
}

/// How a file was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    changed: Option<SystemTime>,
}

/// A file that a program was compiled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsedFile {
    path: PathBuf,
    stamp: Stamp,
}

impl UsedFile {
    /// Whether the file is another one by now, or gone.
    pub(crate) fn has_changed(&self) -> bool {
        Stamp::of(&self.path).ok() != Some(self.stamp)
    }
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self { bytes: found.len(), changed: found.modified().ok() })
    }
}

impl Default for Files {
    /// Files below the working directory.
    fn default() -> Self {
        Self::below(".")
    }
}

impl Files {
    /// Files below this folder.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Shelf { root: root.into(), kept: Mutex::default() }))
    }

    /// What `make` makes of a file, or made of it before.
    ///
    /// # Errors
    /// That there is no such file, that it is too large, or what `make` says.
    pub(crate) fn open<T: Send + Sync + 'static>(
        &self,
        folder: &str,
        name: &str,
        make: impl FnOnce(Vec<u8>) -> Result<T, String>,
    ) -> Result<(Arc<T>, UsedFile), String> {
        let path = self.find(folder, name)?;
        let stamp = Stamp::of(&path).map_err(|why| unreadable(&path, &why))?;
        let used = UsedFile { path: path.clone(), stamp };
        let key = (path.clone(), TypeId::of::<T>());
        // One compile after the other: a file is read once, however many ask for it.
        let mut kept = self.0.kept.lock();
        if let Some(kept) = kept.get(&key).filter(|kept| kept.stamp == stamp)
            && let Ok(value) = Arc::clone(&kept.value).downcast::<T>()
        {
            return Ok((value, used));
        }
        if stamp.bytes > MAX_FILE_BYTES {
            return Err(format!("{} has more than {MAX_FILE_BYTES} bytes", path.display()));
        }
        let bytes = std::fs::read(&path).map_err(|why| unreadable(&path, &why))?;
        let value = make(bytes).map_err(|why| format!("{}: {why}", path.display()))?;
        let value = Arc::new(value);
        kept.insert(key, Kept { stamp, value: Arc::<T>::clone(&value) });
        Ok((value, used))
    }

    fn find(&self, folder: &str, name: &str) -> Result<PathBuf, String> {
        let root = &self.0.root;
        let places = [root.join("user").join(folder), root.join("package").join(folder), root.clone()];
        let found = places.iter().map(|place| place.join(name)).find(|path| path.is_file());
        found.ok_or_else(|| match Path::new(name).is_absolute() {
            true => format!("there is no file {name}"),
            false => format!(
                "there is no file {name:?} in {}",
                places.map(|place| place.display().to_string()).join(", ")
            ),
        })
    }
}

fn unreadable(path: &Path, why: &io::Error) -> String {
    format!("{} can't be read: {why}", path.display())
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files({})", self.0.root.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_s_file_wins_and_a_changed_one_is_read_again() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = |name: &str| root.path().join(name).join("lookups");
        for (name, text) in [("package", "theirs"), ("user", "ours")] {
            std::fs::create_dir_all(folder(name)).expect("made");
            std::fs::write(folder(name).join("a.csv"), text).expect("written");
        }
        let files = Files::below(root.path());
        let open = || files.open("lookups", "a.csv", Ok).expect("there");
        let (value, used) = open();
        assert_eq!(*value, b"ours");
        assert!(Arc::ptr_eq(&value, &open().0));
        assert!(!used.has_changed());
        std::fs::write(folder("user").join("a.csv"), "changed").expect("written");
        assert!(used.has_changed());
        assert_eq!(*open().0, b"changed");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_the_places_that_were_searched() {
        let files = Files::below("/nowhere");
        let why = files.open("lookups", "a.csv", Ok).err().unwrap_or_default();
        assert!(why.contains("/nowhere/user/lookups, /nowhere/package/lookups, /nowhere"), "{why}");
    }
}
