//! Which file is whom, after any kind of rotation: what is known, compared with what a look shows.
//!
//! A file is known by its inode as long as that is listed. Where it is not (compressed, copied to another file
//! system) or its content is gone (copied and truncated), its content is looked for among the files whose names say that they
//! are archives of it: same beginning, same bytes before the place. Archives that appeared later than what is known
//! are read from their beginning: the host was rotated while nobody looked.

use super::lines::LineFramer;
use super::listing::{Listed, Listing, is_archive_of, is_zipped};
use super::place::Place;
use crate::device::positions::{Boarding, Positions};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::watch;

/// A file that is not listed any more is forgotten after so many looks.
const GONE_AFTER: u32 = 60;
/// What has the content of a file that is still there may be a copy that is being made (`copytruncate`); after so
/// many looks it is one that stays.
const TWIN_LOOKS: u32 = 10;
/// The content at a known place is another: after so many looks it counts as written anew.
const DOUBTS: u32 = 2;
/// A last line without an end is taken as it is when its file was rotated and rests for so many looks.
const RESTED: u32 = 30;
/// The number of no file.
const NO_INODE: u64 = 0;
/// How the sources of files are named.
const PREFIX: &str = "file:";

/// The files of a host that are read.
pub struct Follow {
    positions: Arc<Positions>,
    acknowledged: watch::Receiver<u64>,
    max_message_bytes: u32,
    next: u64,
    /// Nothing was ever read of this host's files.
    first_contact: bool,
    files: Vec<Known>,
    /// Archives that are older than what was read.
    old: HashSet<u64>,
    twins: HashMap<u64, u32>,
}

/// A file that is read.
pub struct Known {
    source: String,
    boarding: Boarding,
    /// How far.
    pub place: Place,
    /// Its lines.
    pub framer: LineFramer,
    /// Its length at the last look; none while it is not listed.
    pub size: Option<u64>,
    /// Looks at which it was not listed.
    missing: u32,
    /// Looks at which something else was where we stopped.
    doubts: u32,
    /// It was read when it was so long, and nothing but the beginning of a line was new.
    stalled: Option<u64>,
    /// Looks since then.
    rested: u32,
}

/// A file that seems to have another name.
#[derive(Clone, Debug)]
pub struct Renamed {
    /// Which one.
    pub index: usize,
    /// As it is listed.
    pub file: Listed,
}

/// What a newcomer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newcomer {
    /// A file that is meant.
    Meant,
    /// An archive that appeared after what is known of its name.
    Missed,
    /// Nothing to read.
    Old,
}

impl Follow {
    /// Goes on where the last one stopped.
    pub fn new(
        positions: Arc<Positions>,
        acknowledged: watch::Receiver<u64>,
        max_message_bytes: u32,
    ) -> Self {
        let mut follow = Self {
            positions: Arc::clone(&positions),
            acknowledged,
            max_message_bytes,
            next: 0,
            first_contact: true,
            files: Vec::new(),
            old: HashSet::new(),
            twins: HashMap::new(),
        };
        for source in positions.names() {
            let Some(number) = source.strip_prefix(PREFIX).and_then(|number| number.parse::<u64>().ok())
            else {
                continue;
            };
            follow.next = follow.next.max(number + 1);
            let Some(place) = positions.read(&source).and_then(|text| Place::from_text(&text)) else {
                continue;
            };
            follow.first_contact = false;
            follow.board(source, place);
        }
        follow
    }

    fn board(&mut self, source: String, place: Place) {
        let boarding = self.positions.board(&source, self.acknowledged.clone());
        let framer = LineFramer::new(self.max_message_bytes);
        let (size, missing, doubts, stalled, rested) = (None, 0, 0, None, 0);
        self.files.push(Known { source, boarding, place, framer, size, missing, doubts, stalled, rested });
    }

    /// A file that was not known. Returns its index.
    pub fn add(&mut self, place: Place, size: u64, seq: u64) -> usize {
        let source = format!("{PREFIX}{}", self.next);
        self.next += 1;
        self.board(source, place);
        let index = self.files.len() - 1;
        self.files[index].size = Some(size);
        self.mark(index, seq);
        index
    }

    /// Whether nothing was ever read of this host's files. True until a look is over.
    pub fn is_first_contact(&self) -> bool {
        self.first_contact
    }

    /// A look is over.
    pub fn looked(&mut self) {
        self.first_contact = false;
    }

    /// How many files are known and listed.
    pub fn listed(&self) -> usize {
        self.files.iter().filter(|known| known.size.is_some()).count()
    }

    /// A file.
    pub fn get(&mut self, index: usize) -> &mut Known {
        &mut self.files[index]
    }

    /// All of them.
    pub fn all(&self) -> &[Known] {
        &self.files
    }

    /// Writes down a file's place: everything before it is in batches that end before this record.
    pub fn mark(&self, index: usize, seq: u64) {
        let known = &self.files[index];
        self.positions.mark(&known.source, known.boarding, seq, known.place.to_text());
    }

    /// Compares what is known with a look. Returns files with another name: a number is used again when its file is gone,
    /// so their beginnings are to be compared.
    pub fn see(&mut self, listing: &Listing) -> Vec<Renamed> {
        let mut renamed = Vec::new();
        let mut by_inode: HashMap<u64, Vec<&Listed>> = HashMap::new();
        for file in &listing.files {
            by_inode.entry(file.inode).or_default().push(file);
        }
        for index in 0..self.files.len() {
            let known = &mut self.files[index];
            let Some(found) = by_inode.get(&known.place.inode) else {
                known.size = None;
                continue;
            };
            // Hard links and symbolic ones lead to one file by several names.
            let same = found.iter().find(|file| file.path == known.place.path);
            let file = same.unwrap_or(&found[0]);
            known.size = Some(file.size);
            known.missing = 0;
            known.rested = if known.stalled == known.size { known.rested + 1 } else { 0 };
            if file.path != known.place.path {
                renamed.push(Renamed { index, file: Listed::clone(file) });
            }
        }
        let present: HashSet<u64> = by_inode.keys().copied().collect();
        self.old.retain(|inode| present.contains(inode));
        self.twins.retain(|inode, _| present.contains(inode));
        renamed
    }

    /// A file has another name.
    pub fn rename(&mut self, renamed: Renamed, seq: u64) {
        let place = &mut self.files[renamed.index].place;
        tracing::debug!(from = place.path, to = renamed.file.path, "file was renamed");
        place.path = renamed.file.path;
        self.mark(renamed.index, seq);
    }

    /// Another file has the number of one that is gone.
    pub fn replace(&mut self, renamed: &Renamed) {
        let known = &mut self.files[renamed.index];
        (known.place.inode, known.size) = (NO_INODE, None);
    }

    /// Files whose content is no longer where it was: not listed, shorter than what was read, or another. Archives that were
    /// written over come first: they may be copies of the others.
    pub fn lost(&self) -> Vec<usize> {
        let is_lost = |known: &Known| match known.size {
            None => true,
            Some(_) if known.place.is_zipped() => known.doubts >= DOUBTS,
            Some(size) => size < known.place.at.offset || known.doubts >= DOUBTS,
        };
        let mut lost: Vec<usize> =
            (0..self.files.len()).filter(|index| is_lost(&self.files[*index])).collect();
        lost.sort_by_key(|index| !self.files[*index].is_archive() || self.files[*index].size.is_none());
        lost
    }

    /// Where the content of a lost file may be, the latest first.
    pub fn candidates<'l>(&self, index: usize, listing: &'l Listing) -> Vec<&'l Listed> {
        let place = &self.files[index].place;
        let gone = self.files[index].size.is_none();
        let may_be = |file: &&Listed| {
            let unknown = self.files.iter().all(|known| known.place.inode != file.inode);
            unknown && (is_archive_of(&file.path, &place.name) || gone && file.path == place.path)
        };
        listing.files.iter().rev().filter(may_be).collect()
    }

    /// The content of a lost file is in another one now.
    pub fn found(&mut self, index: usize, file: &Listed, seq: u64) {
        let known = &mut self.files[index];
        let copy = Place { path: file.path.clone(), inode: file.inode, done: false, ..known.place.clone() };
        tracing::info!(
            from = known.place.path,
            to = copy.path,
            offset = copy.at.offset,
            "rotated file was found again"
        );
        if known.size.is_some() {
            self.add(copy, file.size, seq);
            self.begin_anew(index, seq);
            return;
        }
        (known.place, known.size, known.missing) = (copy, Some(file.size), 0);
        self.mark(index, seq);
    }

    /// The content of a lost file is nowhere. Forgets it after a while, or begins anew with what is there now.
    pub fn not_found(&mut self, index: usize, seq: u64) {
        let known = &mut self.files[index];
        if known.size.is_some() && known.is_archive() {
            // Another content took its place; it is a newcomer, and perhaps a copy of what is read already.
            (known.place.inode, known.size, known.missing) = (NO_INODE, None, GONE_AFTER);
            return;
        }
        if known.size.is_some() {
            tracing::info!(path = known.place.path, read = known.place.at.offset, "file was truncated");
            self.begin_anew(index, seq);
            return;
        }
        known.missing += 1;
    }

    /// Lets go of files that were not listed for a while.
    pub fn forget_gone(&mut self) {
        let positions = &self.positions;
        self.files.retain(|known| {
            let stays = known.missing < GONE_AFTER;
            if !stays {
                tracing::info!(path = known.place.path, "file is gone");
                positions.forget(&known.source);
            }
            stays
        });
    }

    fn begin_anew(&mut self, index: usize, seq: u64) {
        let known = &mut self.files[index];
        let place = Place::start(&known.place.name, &known.place.path, known.place.inode);
        (known.place, known.doubts, known.stalled) = (place, 0, None);
        known.framer = LineFramer::new(self.max_message_bytes);
        self.mark(index, seq);
    }

    /// What is where we stopped is something else, or what was expected.
    pub fn doubt(&mut self, index: usize, doubted: bool) {
        let known = &mut self.files[index];
        known.doubts = if doubted { known.doubts + 1 } else { 0 };
    }

    /// The listed files that are not known, and what they are; their beginnings decide the rest.
    pub fn newcomers<'l>(
        &mut self,
        listing: &'l Listing,
        is_meant: impl Fn(&str) -> bool,
    ) -> Vec<(&'l Listed, Newcomer)> {
        let order: HashMap<u64, usize> =
            listing.files.iter().enumerate().map(|(index, file)| (file.inode, index)).collect();
        let known: HashSet<u64> = self.files.iter().map(|known| known.place.inode).collect();
        let mut newcomers = Vec::new();
        for (index, file) in listing.files.iter().enumerate() {
            if known.contains(&file.inode) || self.old.contains(&file.inode) || order[&file.inode] != index {
                continue;
            }
            let earlier = |known: &Known| {
                let is_before = order.get(&known.place.inode).is_some_and(|at| *at < index);
                is_before && is_archive_of(&file.path, &known.place.name)
            };
            let newcomer = match is_meant(&file.path) && !is_zipped(&file.path) {
                true => Newcomer::Meant,
                false if self.files.iter().any(earlier) => Newcomer::Missed,
                false => Newcomer::Old,
            };
            if newcomer == Newcomer::Old {
                self.old.insert(file.inode);
            }
            newcomers.push((file, newcomer));
        }
        newcomers
    }

    /// Whether the beginning of a newcomer has to be compared: it may be a copy of a file that is read.
    pub fn may_be_copy(&self, file: &Listed) -> bool {
        self.files.iter().any(|known| is_archive_of(&file.path, &known.place.name))
    }

    /// Whether a newcomer with this beginning is to wait: it is a copy that is being made. One that stays is taken
    /// as read.
    pub fn is_twin(&mut self, file: &Listed, beginning: &[u8], seq: u64) -> bool {
        let is_original =
            |known: &&Known| is_archive_of(&file.path, &known.place.name) && known.place.begins(beginning);
        let Some(original) = self.files.iter().find(is_original) else { return false };
        let looks = self.twins.entry(file.inode).or_default();
        *looks += 1;
        if *looks > TWIN_LOOKS {
            let place = Place { path: file.path.clone(), inode: file.inode, ..original.place.clone() };
            self.twins.remove(&file.inode);
            self.add(place, file.size, seq);
        }
        true
    }

    /// The name under which an archive's content was written.
    pub fn name_of(&self, file: &Listed) -> String {
        let of = self.files.iter().find(|known| is_archive_of(&file.path, &known.place.name));
        of.map_or_else(|| file.path.clone(), |known| known.place.name.clone())
    }

    /// The files with something to read, in the order of the listing.
    pub fn unread(&self, listing: &Listing) -> Vec<usize> {
        let order: HashMap<u64, usize> =
            listing.files.iter().enumerate().map(|(index, file)| (file.inode, index)).collect();
        let mut unread: Vec<usize> = (0..self.files.len()).filter(|i| self.files[*i].is_unread()).collect();
        unread.sort_by_key(|index| order.get(&self.files[*index].place.inode).copied());
        unread
    }
}

impl Known {
    /// Whether there is more than what was read.
    fn is_unread(&self) -> bool {
        match self.size {
            Some(_) if self.doubts >= DOUBTS => false,
            Some(_) if self.place.is_zipped() => !self.place.done,
            Some(size) if self.stalled == Some(size) => self.is_to_end(),
            Some(size) => size > self.place.at.offset,
            None => false,
        }
    }

    /// Whether its last line is to be taken as it is, without an end: nobody writes to it any more.
    pub fn is_to_end(&self) -> bool {
        self.place.is_zipped() || self.is_archive() && self.rested >= RESTED
    }

    /// It was read to its end.
    pub fn was_read(&mut self) {
        self.stalled = self.size.filter(|size| *size > self.place.at.offset);
    }

    /// Whether its writer has turned to another file.
    fn is_archive(&self) -> bool {
        self.place.path != self.place.name
    }

    /// Bytes that are listed and were not read.
    pub fn backlog(&self) -> u64 {
        match self.size {
            Some(size) if !self.place.is_zipped() => size.saturating_sub(self.place.at.offset),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;
