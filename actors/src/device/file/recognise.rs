//! Which file is whom: one look at the folders of a device, after whatever has happened in them.
//!
//! | a file that is there | is | and is read |
//! |---|---|---|
//! | the inode of a followed one | that one, under whatever name | on |
//! | inode, birth and content of a known one | that one: rotated while nobody looked, or not at all | on |
//! | inode of a known one, other content | that one, truncated while nobody looked | from the beginning |
//! | content of one that was truncated | the copy that was made of it before (copy-truncate) | from where the original was read to |
//! | so far the content of a followed one | most likely such a copy that is being made | when that is decided |
//! | anything else | new | from the beginning |
//!
//! Nothing is decided by content alone while the original is as it was: two files may begin alike, or have one equal
//! line. The collector looks again soon; after a while the file is taken as new.

use super::content::{Born, Inode, Position, Stat, agree};
use super::epoch::Epoch;
use super::following::{Desk, Followed, Following, Newcomer, Standing};
use super::pattern::Listing;
use super::registry::{FileKey, Sight};
use event::UnixNanos;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirEntryExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A copy is older than the truncation that follows it; clocks of file servers differ a little.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);
/// Making a copy of so many bytes may take the patience of the settings; of more, more.
const COPIED_WITHIN_PATIENCE: u64 = 256 << 20;

/// What the collector remembers between two looks.
#[derive(Debug, Default)]
pub struct Scanner {
    looked: bool,
    /// Where followed files are.
    paths: HashMap<PathBuf, FileKey>,
    desks: HashMap<FileKey, usize>,
    seen: HashMap<FileKey, (Stat, Standing)>,
    /// Which file had a name before, until another one takes it.
    former: HashMap<PathBuf, FileKey>,
    waiting: HashMap<Inode, Waiting>,
}

/// A file of which it is not decided what it is.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Until when that may take.
    until: Instant,
    twin: Option<FileKey>,
}

/// The time of a look.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For durations.
    pub instant: Instant,
    /// Nanoseconds since the Unix epoch.
    pub unix: u64,
}

/// What a look gave.
#[derive(Debug)]
pub struct Looked {
    /// Folders in which files may appear.
    pub folders: BTreeSet<PathBuf>,
    /// How many files are followed.
    pub followed: usize,
    /// Whether there is a file of which it is not decided what it is.
    pub undecided: bool,
    /// What could not be read, and why.
    pub trouble: Option<String>,
}

/// A file that is there and not followed.
struct Stranger {
    path: PathBuf,
    file: Arc<File>,
    inode: Inode,
    born: Born,
    stat: Stat,
}

/// One look.
struct Look<'a> {
    following: &'a Following,
    desks: &'a [Arc<Desk>],
    scanner: &'a mut Scanner,
    now: Now,
    trouble: Option<String>,
}

impl Scanner {
    /// The followed file at a path.
    pub fn at(&self, path: &Path) -> Option<(FileKey, usize)> {
        let key = *self.paths.get(path)?;
        Some((key, *self.desks.get(&key)?))
    }

    /// Looks at all folders and tells the desks what there is. Blocks.
    pub fn look(&mut self, following: &Following, desks: &[Arc<Desk>], now: Now) -> Looked {
        let Listing { files, folders, unreadable } = following.settings.patterns.list();
        let trouble = unreadable.map(|(folder, e)| {
            format!("cannot read folder {}: {e}; correct its permissions", folder.display())
        });
        let mut look = Look { following, desks, scanner: self, now, trouble };
        let strangers = look.compare(files);
        look.decide(strangers);
        let trouble = look.trouble;
        self.looked = true;
        Looked { folders, followed: self.desks.len(), undecided: !self.waiting.is_empty(), trouble }
    }
}

impl Look<'_> {
    /// Compares what is there with what is followed. Returns the rest.
    fn compare(&mut self, files: BTreeSet<PathBuf>) -> Vec<Stranger> {
        let followed: HashMap<Inode, Followed> = self.following.all_followed().into_iter().collect();
        let mut strangers = Vec::new();
        let mut there = HashSet::new();
        let mut paths = HashMap::new();
        for path in files {
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let inode = Inode::of(&metadata);
            // A second name of the same file (a link) changes nothing.
            if !metadata.is_file() || !there.insert(inode) {
                continue;
            }
            let Some(known) = followed.get(&inode) else {
                strangers.extend(self.open(path));
                continue;
            };
            let standing = if known.original == path { Standing::Current } else { Standing::Archived };
            self.update(known, Stat::of(&metadata), standing);
            self.following.registry.moved(known.key, &path, inode);
            paths.insert(path, known.key);
        }
        for (inode, known) in &followed {
            if !there.contains(inode) {
                // Nobody tells what happens to it.
                self.desks[known.desk].tell(|inbox| _ = inbox.changed.insert(known.key));
                if let Ok(metadata) = known.file.metadata() {
                    self.update(known, Stat::of(&metadata), Standing::Unlisted);
                }
            }
        }
        let scanner = &mut *self.scanner;
        let present: HashSet<FileKey> = followed.values().map(|known| known.key).collect();
        for (path, key) in std::mem::replace(&mut scanner.paths, paths) {
            if !scanner.paths.contains_key(&path) {
                scanner.former.insert(path, key);
            }
        }
        scanner.former.retain(|_, key| present.contains(key));
        scanner.seen.retain(|key, _| present.contains(key));
        scanner.desks = followed.values().map(|known| (known.key, known.desk)).collect();
        scanner.waiting.retain(|inode, _| there.contains(inode));
        self.following.registry.seen(present, self.now.unix / 1_000_000_000);
        strangers
    }

    /// Tells the desk of a followed file what is new about it.
    fn update(&mut self, known: &Followed, stat: Stat, standing: Standing) {
        let before = self.scanner.seen.insert(known.key, (stat, standing));
        let standing_before = before.map(|(_, standing)| standing);
        if before == Some((stat, standing)) {
            return;
        }
        self.desks[known.desk].tell(|inbox| {
            inbox.changed.insert(known.key);
            if standing_before != Some(standing) {
                inbox.standing.push((known.key, standing));
            }
        });
    }

    fn open(&mut self, path: PathBuf) -> Option<Stranger> {
        // Should it have become a pipe, opening it must not wait for a writer.
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        let opened = opened.and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        match opened {
            Ok((file, metadata)) if metadata.is_file() => {
                let (inode, born, stat) = (Inode::of(&metadata), Born::of(&metadata), Stat::of(&metadata));
                Some(Stranger { path, file: Arc::new(file), inode, born, stat })
            }
            Ok(_) => None,
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => {
                let advice = match e.raw_os_error() {
                    Some(libc::EMFILE | libc::ENFILE) => "raise the limit of open files",
                    _ => "correct its permissions",
                };
                let text = format!("cannot open {}: {e}; {advice}", path.display());
                self.trouble.get_or_insert(text);
                None
            }
        }
    }

    /// Decides who the strangers are, those that are known first: what they were tells who the others are.
    fn decide(&mut self, strangers: Vec<Stranger>) {
        let look_for_archives = !self.scanner.looked;
        if strangers.is_empty() && !look_for_archives {
            return;
        }
        let followed: HashSet<FileKey> = self.following.all_followed().iter().map(|(_, f)| f.key).collect();
        let mut sights = self.following.registry.sights();
        sights.retain(|sight| !followed.contains(&sight.key));
        let mut sights: BTreeMap<FileKey, Sight> =
            sights.into_iter().map(|sight| (sight.key, sight)).collect();
        let mut unknown = Vec::new();
        for stranger in strangers {
            match self.known(&stranger, &sights) {
                Ok(Some(key)) => {
                    let Some(sight) = sights.remove(&key) else { continue };
                    let renamed = sight.path != stranger.path;
                    let standing = if renamed { Standing::Archived } else { Standing::Current };
                    if renamed {
                        self.scanner.former.insert(sight.path, key);
                    }
                    self.follow(key, stranger, standing);
                }
                Ok(None) => unknown.push(stranger),
                Err(e) => self.unreadable(&stranger, &e),
            }
        }
        if look_for_archives {
            self.look_for_archives(sights);
        }
        // The one that was written to last comes last.
        unknown.sort_by_key(|stranger| stranger.stat.modified);
        for stranger in unknown {
            match self.unknown(&stranger) {
                Ok(Some(epoch)) => {
                    self.scanner.waiting.remove(&stranger.inode);
                    let (inode, born) = (stranger.inode, stranger.born);
                    let seen = self.now.unix / 1_000_000_000;
                    let key = self.following.registry.add(inode, born, &stranger.path, epoch, seen);
                    self.follow(key, stranger, Standing::Current);
                }
                Ok(None) => {}
                Err(e) => self.unreadable(&stranger, &e),
            }
        }
    }

    /// The known file that a stranger is.
    fn known(&self, stranger: &Stranger, sights: &BTreeMap<FileKey, Sight>) -> io::Result<Option<FileKey>> {
        let agrees = |sight: &&Sight| sight.inode == stranger.inode && sight.born.agrees(stranger.born);
        // The latest: an inode whose birth nobody knows may have been used before.
        if let Some(sight) = sights.values().rev().find(agrees) {
            if sight.matches(&stranger.file)? {
                return Ok(Some(sight.key));
            }
            if sight.born.0.is_some() || sight.path == stranger.path {
                self.following.registry.end_epoch(sight.key, self.now.unix, None);
                return Ok(Some(sight.key));
            }
            return Ok(None);
        }
        // Device numbers change with the order in which file systems are mounted.
        let elsewhere = |sight: &&Sight| {
            sight.inode.ino == stranger.inode.ino
                && sight.born.0.is_some()
                && sight.born == stranger.born
                && sight.path == stranger.path
        };
        let Some(sight) = sights.values().find(elsewhere) else { return Ok(None) };
        Ok(sight.matches(&stranger.file)?.then_some(sight.key))
    }

    /// Files that were renamed while nobody looked, to names that no pattern has: what is left in them is read.
    fn look_for_archives(&mut self, sights: BTreeMap<FileKey, Sight>) {
        let patterns = &self.following.settings.patterns;
        let mut folders: HashMap<PathBuf, HashMap<u64, Sight>> = HashMap::new();
        for sight in sights.into_values().filter(|sight| patterns.matches(&sight.path)) {
            let Some(folder) = sight.path.parent().map(Path::to_owned) else { continue };
            folders.entry(folder).or_default().insert(sight.inode.ino, sight);
        }
        for (folder, sought) in folders {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                let Some(sight) = sought.get(&entry.ino()) else { continue };
                let Some(found) = self.open(entry.path()) else { continue };
                let same = found.inode == sight.inode && found.born.agrees(sight.born);
                if found.path == sight.path || !same || !sight.matches(&found.file).unwrap_or(false) {
                    continue;
                }
                self.scanner.former.insert(sight.path.clone(), sight.key);
                self.follow(sight.key, found, Standing::Unlisted);
            }
        }
    }

    /// How a file that is not known is read; `None` while that is not decided.
    fn unknown(&mut self, stranger: &Stranger) -> io::Result<Option<Epoch>> {
        if stranger.stat.len == 0 {
            return Ok(None);
        }
        let twin = if self.scanner.looked { self.twin(stranger)? } else { None };
        // In this order: an original whose truncation was noticed meanwhile is found now.
        if let Some(epoch) = self.copied(stranger)? {
            return Ok(Some(epoch));
        }
        let new = Epoch::at(Default::default(), Position::START);
        let Some(twin) = twin else { return Ok(Some(new)) };
        let copying = stranger.stat.len.div_ceil(COPIED_WITHIN_PATIENCE).max(1);
        let patience = self.following.settings.patience.twin * u32::try_from(copying).unwrap_or(u32::MAX);
        let fresh = Waiting { until: self.now.instant + patience, twin: None };
        let waiting = self.scanner.waiting.entry(stranger.inode).or_insert(fresh);
        waiting.twin = twin.or(waiting.twin);
        Ok((waiting.until <= self.now.instant).then_some(new))
    }

    /// If a file is a copy of one that was truncated since: where the original was read to.
    fn copied(&self, stranger: &Stranger) -> io::Result<Option<Epoch>> {
        let twin = self.scanner.waiting.get(&stranger.inode).and_then(|waiting| waiting.twin);
        let (file, len) = (&stranger.file, stranger.stat.len);
        for ended in self.following.registry.ended() {
            let latest = i128::from(ended.at) + CLOCKS_DIFFER.as_nanos() as i128;
            let older = i128::from(stranger.stat.modified) <= latest;
            if !older || u64::from(ended.epoch.head().len) > len || !ended.epoch.head().matches(file)? {
                continue;
            }
            let passed = match ended.epoch.passed_within(len) {
                Some(position) => position.matches(file)?,
                None => twin == Some(ended.of),
            };
            if passed {
                let path = stranger.path.display();
                let device = &*self.following.device.name;
                tracing::info!(device, %path, read = ended.epoch.read().offset, "copy of a truncated file");
                self.following.registry.found(ended.of, ended.at);
                let end = Position::in_file(file, len.min(ended.epoch.read().offset))?;
                return Ok(Some(ended.epoch.copied(len, end)));
            }
        }
        Ok(None)
    }

    /// Whether a file may be the copy of a followed one that is being made, and of which one, if that can be told.
    fn twin(&self, stranger: &Stranger) -> io::Result<Option<Option<FileKey>>> {
        let len = stranger.stat.len;
        let mut unsure = None;
        for (_, known) in self.following.all_followed() {
            let Some(sight) = self.following.registry.sight(known.key) else { continue };
            // A file that is older than what was read of the other is no copy of that.
            let older = |begun: UnixNanos| stranger.born.0.is_some_and(|born| born < begun);
            if sight.begun.is_none_or(older) {
                continue;
            }
            if known.file.metadata()?.len() >= len && agree(&stranger.file, &known.file, len)? {
                return Ok(Some(Some(known.key)));
            }
            // It has just been truncated, which its reader does not know yet: this may be its copy. Looked at after the
            // comparison, which means nothing then.
            if !sight.matches(&known.file)? {
                self.desks[known.desk].tell(|inbox| _ = inbox.changed.insert(known.key));
                unsure = Some(None);
            }
        }
        Ok(unsure)
    }

    fn follow(&mut self, key: FileKey, stranger: Stranger, standing: Standing) {
        let Stranger { path, file, inode, stat, .. } = stranger;
        let original = self.following.registry.sight(key).map_or_else(|| path.clone(), |sight| sight.path);
        let after = match standing {
            Standing::Current => self.scanner.former.remove(&path),
            Standing::Archived | Standing::Unlisted => None,
        };
        // On the desk of its predecessor, so that it is read after it.
        let desk = after.and_then(|after| self.scanner.desks.get(&after).copied());
        let desk = desk.unwrap_or_else(|| self.least_loaded());
        self.following.registry.moved(key, &path, inode);
        self.following.follow(inode, Followed { key, file: Arc::clone(&file), desk, original });
        let scanner = &mut *self.scanner;
        scanner.desks.insert(key, desk);
        scanner.seen.insert(key, (stat, standing));
        if standing != Standing::Unlisted {
            scanner.paths.insert(path.clone(), key);
        }
        tracing::info!(device = &*self.following.device.name, path = %path.display(), ?standing, "following");
        self.desks[desk]
            .tell(|inbox| inbox.follow.push(Newcomer { key, file, inode, path, standing, after }));
    }

    fn least_loaded(&self) -> usize {
        let mut files = vec![0usize; self.desks.len()];
        self.scanner.desks.values().for_each(|desk| files[*desk] += 1);
        (0..files.len()).min_by_key(|desk| files[*desk]).unwrap_or(0)
    }

    fn unreadable(&mut self, stranger: &Stranger, e: &io::Error) {
        let text = format!("cannot read {}: {e}; see the file system's log", stranger.path.display());
        self.trouble.get_or_insert(text);
    }
}
