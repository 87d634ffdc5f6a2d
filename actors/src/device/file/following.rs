//! What the collector and the readers of a device share, and what outlives them.

use super::FileSettings;
use super::checkpoints::Checkpoints;
use super::content::Inode;
use super::recognise::Scanner;
use super::registry::{FileKey, Registry};
use super::stream::FileStream;
use crate::data::device::Device;
use crate::data::lane::{Lane, Lanes};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

/// The files of a device that are followed at present.
pub struct Following {
    /// The device.
    pub device: Arc<Device>,
    /// What it does.
    pub settings: FileSettings,
    /// Where the registry is kept.
    pub checkpoints: Checkpoints,
    /// All files the device knows.
    pub registry: Arc<Registry>,
    /// Where readers ask for another look at the folders.
    pub rescan: Notify,
    /// What the collector remembers.
    pub(super) scanner: Arc<tokio::sync::Mutex<Scanner>>,
    followed: Mutex<HashMap<Inode, Followed>>,
}

/// A file that is followed.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Which one.
    pub key: FileKey,
    /// It is open, so its inode is not used again.
    pub file: Arc<File>,
    /// Whose desk it is on.
    pub desk: usize,
    /// The name under which it was found or, before a rotation, known.
    pub original: PathBuf,
}

/// What a file is to its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has the name under which it was found.
    Current,
    /// It has another name, which is of interest as well.
    Archived,
    /// No path of the device leads to it any more.
    Unlisted,
}

/// A file that is to be followed.
#[derive(Debug)]
pub struct Newcomer {
    /// Which one.
    pub key: FileKey,
    /// The open file.
    pub file: Arc<File>,
    /// Its number.
    pub inode: Inode,
    /// Its name.
    pub path: PathBuf,
    /// What it is.
    pub standing: Standing,
    /// The file that had this name before: read first.
    pub after: Option<FileKey>,
}

/// Where the collector leaves work for the reader of a lane.
pub struct Desk {
    /// The lane.
    pub lane: Arc<Lane>,
    inbox: Mutex<Inbox>,
    wake: Notify,
    /// The files on it. Locked only between two waits: a reader that waits on a stuck thread keeps nothing from its
    /// successor.
    papers: Mutex<Papers>,
}

/// News for a reader.
#[derive(Debug, Default)]
pub struct Inbox {
    /// Files to follow.
    pub follow: Vec<Newcomer>,
    /// Files that may have changed.
    pub changed: HashSet<FileKey>,
    /// Files that are something else now.
    pub standing: Vec<(FileKey, Standing)>,
}

/// The files on a desk. It outlives readers: the next one goes on where the last one stopped.
#[derive(Default)]
pub struct Papers {
    /// The life of the reader that they belong to.
    reader: u32,
    /// All of them.
    pub files: HashMap<FileKey, FileStream>,
    /// Those to look at, each once.
    ready: VecDeque<FileKey>,
    queued: HashSet<FileKey>,
    /// Those to look at later even when nothing happens.
    due: HashMap<FileKey, Instant>,
}

impl Following {
    /// Nothing is followed yet.
    pub fn new(device: Arc<Device>, settings: FileSettings, checkpoints: Checkpoints) -> Arc<Self> {
        let registry = checkpoints.registry(device.id);
        let (rescan, scanner, followed) = (Notify::new(), Arc::default(), Mutex::default());
        Arc::new(Self { device, settings, checkpoints, registry, rescan, scanner, followed })
    }

    /// A desk on each lane that may read for the device.
    pub fn desks(&self, lanes: &Lanes) -> Vec<Arc<Desk>> {
        lanes.all().iter().take(self.settings.most_readers.max(1)).map(Desk::on).collect()
    }

    /// The followed file with this number.
    pub fn followed(&self, inode: Inode) -> Option<Followed> {
        self.followed.lock().get(&inode).cloned()
    }

    /// All followed files.
    pub fn all_followed(&self) -> Vec<(Inode, Followed)> {
        self.followed.lock().iter().map(|(inode, followed)| (*inode, followed.clone())).collect()
    }

    /// A file is followed from now on.
    pub fn follow(&self, inode: Inode, followed: Followed) {
        self.followed.lock().insert(inode, followed);
    }

    /// A file is not followed any more.
    pub fn let_go(&self, inode: Inode) {
        self.followed.lock().remove(&inode);
    }
}

impl Desk {
    fn on(lane: &Arc<Lane>) -> Arc<Self> {
        let (inbox, wake, papers) = (Mutex::default(), Notify::new(), Mutex::default());
        Arc::new(Self { lane: Arc::clone(lane), inbox, wake, papers })
    }

    /// Leaves something in the inbox.
    pub fn tell(&self, news: impl FnOnce(&mut Inbox)) {
        news(&mut self.inbox.lock());
        self.wake.notify_one();
    }

    /// Takes what is in the inbox.
    pub fn news(&self) -> Inbox {
        std::mem::take(&mut self.inbox.lock())
    }

    /// A new life of the reader takes the files over; its predecessor finds them taken. False when that one is stuck in
    /// the middle of reading.
    pub fn take_over(&self, life: u32) -> bool {
        let Some(mut papers) = self.papers.try_lock() else { return false };
        papers.reader = life;
        papers.all_ready();
        true
    }

    /// Does something with the files, unless another life has taken them over.
    pub fn with<R>(&self, life: u32, act: impl FnOnce(&mut Papers) -> R) -> Option<R> {
        let mut papers = self.papers.lock();
        (papers.reader == life).then(|| act(&mut papers))
    }

    /// Does something with a file, unless another life has taken them over.
    pub fn with_file<R>(&self, life: u32, key: FileKey, act: impl FnOnce(&mut FileStream) -> R) -> Option<R> {
        self.with(life, |papers| papers.files.get_mut(&key).map(act))?
    }

    /// Waits for news.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}

impl Papers {
    /// A file is to be looked at.
    pub fn ready(&mut self, key: FileKey) {
        if self.files.contains_key(&key) && self.queued.insert(key) {
            self.ready.push_back(key);
        }
    }

    /// All are.
    pub fn all_ready(&mut self) {
        let keys: Vec<FileKey> = self.files.keys().copied().collect();
        keys.into_iter().for_each(|key| self.ready(key));
    }

    /// The next one to look at.
    pub fn take_next(&mut self) -> Option<FileKey> {
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        self.due.remove(&key);
        Some(key)
    }

    /// A file is to be looked at again at some time.
    pub fn look_at(&mut self, key: FileKey, when: Instant) {
        self.due.insert(key, when);
    }

    /// When the next file is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// Files whose time has come are to be looked at.
    pub fn take_due(&mut self, now: Instant) {
        let due: Vec<FileKey> =
            self.due.iter().filter(|(_, when)| **when <= now).map(|(key, _)| *key).collect();
        for key in due {
            self.due.remove(&key);
            self.ready(key);
        }
    }

    /// A file leaves the desk.
    pub fn remove(&mut self, key: FileKey) -> Option<FileStream> {
        self.due.remove(&key);
        self.files.remove(&key)
    }

    /// All leave it.
    pub fn clear(&mut self) {
        *self = Self { reader: self.reader, ..Self::default() };
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Following({} files of {})", self.followed.lock().len(), self.device.name)
    }
}
