//! inotify: the kernel tells which file of which folder has changed.
//!
//! Folders are watched, not files: one watch for thousands of files. Where there is none (a folder that is not there yet,
//! a network file system, no watches left) the device's `poll_interval` does it.

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;

/// Watched folders.
pub struct Watch {
    events: AsyncFd<OwnedFd>,
    folders: HashMap<i32, PathBuf>,
    watched: BTreeSet<PathBuf>,
}

/// What happened in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A file was written to or truncated.
    Changed,
    /// A name came or went.
    Renamed,
    /// Too much to tell: look yourself.
    Lost,
}

impl Watch {
    /// Watches nothing yet. To be called within the runtime that waits.
    pub fn new() -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        #[allow(
            deprecated,
            reason = "its successor is unsafe for types whose descriptor may change; OwnedFd's can't"
        )]
        let events = AsyncFd::new(events)?;
        Ok(Self { events, folders: HashMap::new(), watched: BTreeSet::new() })
    }

    /// Watches these folders and no others. Returns whether there are new ones, and the first trouble.
    pub fn follow(&mut self, folders: &BTreeSet<PathBuf>) -> (bool, Option<io::Error>) {
        let gone = |path: &PathBuf| !folders.contains(path);
        for id in self.folders.iter().filter(|(_, path)| gone(path)).map(|(id, _)| *id).collect::<Vec<_>>() {
            self.folders.remove(&id);
            // One whose folder is deleted is gone already.
            let _ = inotify::remove_watch(&self.events, id);
        }
        self.watched.retain(|path| folders.contains(path));
        let (mut more, mut trouble) = (false, None);
        for folder in folders.difference(&self.watched.clone()) {
            let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
            match inotify::add_watch(&self.events, folder, flags | WatchFlags::ONLYDIR) {
                Ok(id) => {
                    self.folders.insert(id, folder.clone());
                    self.watched.insert(folder.clone());
                    more = true;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => trouble = trouble.or(Some(e.into())),
            }
        }
        (more, trouble)
    }

    /// Waits until something has happened.
    pub async fn happened(&self) -> io::Result<()> {
        // Kept ready: `take` clears it when it has read everything.
        self.events.readable().await.map(|mut guard| guard.retain_ready())
    }

    /// All that has happened so far.
    pub fn take(&mut self, mut each: impl FnMut(&Path, Happened)) {
        let Self { events, folders, watched } = self;
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut gone = Vec::new();
        let read = events.try_io(tokio::io::Interest::READABLE, |fd| {
            let mut reader = inotify::Reader::new(fd, &mut buffer);
            loop {
                let event = reader.next()?;
                let flags = event.events();
                if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                    each(Path::new(""), Happened::Lost);
                    continue;
                }
                let Some(folder) = folders.get(&event.wd()) else { continue };
                if flags.contains(ReadFlags::IGNORED) {
                    gone.push(event.wd());
                    each(folder, Happened::Lost);
                    continue;
                }
                let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                let path = folder.join(name.unwrap_or_default());
                let happened = match flags {
                    flags if flags.contains(ReadFlags::ISDIR) => Happened::Lost,
                    ReadFlags::MODIFY => Happened::Changed,
                    _ => Happened::Renamed,
                };
                each(&path, happened);
            }
        });
        // Ends with "would block", which clears the readiness; any other error shows again with the next wait.
        let _: io::Result<()> = read;
        for id in gone {
            if let Some(path) = folders.remove(&id) {
                watched.remove(&path);
            }
        }
    }
}
