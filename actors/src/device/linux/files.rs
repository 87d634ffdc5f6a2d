//! The loop that looks at a host's files and reads what is new in them.

use super::follow::{Follow, Newcomer};
use super::lines::{Filled, Intake, Rest};
use super::listing::{self, Listed, Listing, is_zipped};
use super::place::{Blocks, Place};
use super::quote;
use super::settings::{Files, LinuxSettings};
use super::shell::{Read, Reply, Shell};
use super::status::Status;
use super::trouble::Trouble;
use crate::device::file::content::{PRINT_BYTES, Position};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Longest listing: some thirty thousand files.
const MOST_LISTING: usize = 4 << 20;
/// At most so much is read of a file before all of them are looked at again.
const MOST_AT_ONCE: u64 = 64 << 20;
/// While nothing happens looks become more seldom, up to so many times the interval.
const SELDOM: u32 = 3;
/// By how much, in percent, after each look that found nothing.
const SLOWER_PERCENT: u32 = 125;
/// What the shell says when it may not read a file; no program ends so.
const DENIED: i32 = 113;

/// The loop.
pub struct FileLoop {
    settings: Arc<LinuxSettings>,
    files: Files,
    shell: Shell,
    intake: Intake,
    follow: Follow,
    status: Status,
    /// Files that may not be read.
    denied: BTreeSet<String>,
    /// Beginnings of files, by number and length.
    beginnings: HashMap<(u64, u64), Vec<u8>>,
}

impl FileLoop {
    /// The loop over these files, by this shell.
    pub fn new(
        settings: Arc<LinuxSettings>,
        files: Files,
        shell: Shell,
        intake: Intake,
        follow: Follow,
        status: Status,
    ) -> Self {
        let (denied, beginnings) = (BTreeSet::new(), HashMap::new());
        Self { settings, files, shell, intake, follow, status, denied, beginnings }
    }

    /// Looks and reads for ever.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn run(mut self) -> Result<(), Trouble> {
        let interval = self.settings.poll_interval;
        let mut pause = interval;
        loop {
            let read = self.look().await?;
            pause = if read == 0 { (pause * SLOWER_PERCENT / 100).min(interval * SELDOM) } else { interval };
            if read < MOST_AT_ONCE {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Looks at all files once and reads what is new. Returns how many bytes that was.
    async fn look(&mut self) -> Result<u64, Trouble> {
        let command = listing::command(&self.files.paths);
        let (text, _) = self.shell.ask_whole(&command, MOST_LISTING).await?;
        let listing = listing::parse(&text);
        for renamed in self.follow.see(&listing) {
            let beginning = self.beginning(&renamed.file).await?;
            let place = &self.follow.get(renamed.index).place;
            match place.begins(&beginning) || place.head.len == 0 {
                true => self.follow.rename(renamed, self.intake.next_seq()),
                false => self.follow.replace(&renamed),
            }
        }
        self.denied = listing.denied.iter().filter(|path| self.is_meant(path)).cloned().collect();
        for index in self.follow.lost() {
            self.search(index, &listing).await?;
        }
        self.follow.forget_gone();
        self.take_newcomers(&listing).await?;
        self.follow.looked();
        let mut unread = self.follow.unread(&listing);
        if self.settings.newest_first {
            unread.reverse();
        }
        self.tell();
        let mut read = 0;
        for index in unread {
            read += match self.follow.get(index).place.is_zipped() {
                true => self.read_zipped(index).await?,
                false => self.read_plain(index).await?,
            };
            if read >= MOST_AT_ONCE {
                break;
            }
        }
        self.beginnings.retain(|key, _| listing.files.iter().any(|file| (file.inode, file.size) == *key));
        self.tell();
        Ok(read)
    }

    fn is_meant(&self, path: &str) -> bool {
        self.files.patterns.matches(Path::new(path))
    }

    /// Says how things stand.
    fn tell(&self) {
        if let Some(path) = self.denied.first() {
            let (place, user) = (self.settings.place(), &self.settings.user.name);
            let more = match self.denied.len() {
                1 => String::new(),
                n => format!(" and {} more", n - 1),
            };
            self.status.trouble(
                "files",
                format!(
                    "{user} may not read {path}{more} on {place}; on the host: usermod -aG adm {user} (Debian), or \
                     setfacl -m u:{user}:r {path}"
                ),
            );
            return;
        }
        let backlog: u64 = self.follow.all().iter().map(super::follow::Known::backlog).sum();
        let listed = self.follow.listed();
        self.status.note(
            "files",
            match (listed, backlog >> 20) {
                (0, _) => format!("no file on the host matches {} yet", self.files.paths.join(", ")),
                (_, 0) => format!("reading {listed} files"),
                (_, megabytes) => format!("reading {listed} files, {megabytes} MiB to catch up with"),
            },
        );
    }

    // === who is who ===

    /// Looks for the content of a file that is no longer where it was.
    async fn search(&mut self, index: usize, listing: &Listing) -> Result<(), Trouble> {
        let candidates: Vec<Listed> = self.follow.candidates(index, listing).into_iter().cloned().collect();
        for file in candidates {
            let place = self.follow.get(index).place.clone();
            let beginning = self.beginning(&file).await?;
            if !place.begins(&beginning) {
                continue;
            }
            if self.has(&file, place.at).await? {
                self.follow.found(index, &file, self.intake.next_seq());
                return Ok(());
            }
        }
        self.follow.not_found(index, self.intake.next_seq());
        Ok(())
    }

    async fn take_newcomers(&mut self, listing: &Listing) -> Result<(), Trouble> {
        let files = self.files.clone();
        let is_meant = |path: &str| files.patterns.matches(Path::new(path));
        let first_contact = self.follow.is_first_contact();
        for (file, newcomer) in self.follow.newcomers(listing, is_meant) {
            if newcomer == Newcomer::Old {
                continue;
            }
            if self.follow.may_be_copy(file) && !first_contact {
                let beginning = self.beginning(file).await?;
                if self.follow.is_twin(file, &beginning, self.intake.next_seq()) {
                    continue;
                }
            }
            let name = match newcomer {
                Newcomer::Missed => self.follow.name_of(file),
                _ => file.path.clone(),
            };
            let mut place = Place::start(&name, &file.path, file.inode);
            if first_contact && self.settings.from_end {
                self.skip_to_end(&mut place, file).await?;
            }
            self.follow.add(place, file.size, self.intake.next_seq());
        }
        Ok(())
    }

    /// Moves a place behind the last line end of a file.
    async fn skip_to_end(&mut self, place: &mut Place, file: &Listed) -> Result<(), Trouble> {
        place.see_head(&self.beginning(file).await?);
        let blocks = Blocks::covering(file.size.saturating_sub(PRINT_BYTES as u64), file.size);
        let (bytes, _) = self.shell.ask_whole(&dd(&file.path, blocks), 64 << 10).await?;
        let end = bytes.len().min((file.size - blocks.begin()) as usize);
        if let Some(at) = memchr::memrchr(b'\n', &bytes[..end]) {
            place.at = Position::after(&[], &bytes[..=at], blocks.begin() + at as u64 + 1);
        }
        Ok(())
    }

    /// How a file begins.
    async fn beginning(&mut self, file: &Listed) -> Result<Vec<u8>, Trouble> {
        if let Some(known) = self.beginnings.get(&(file.inode, file.size)) {
            return Ok(known.clone());
        }
        let path = quote::word(&file.path);
        let command = match is_zipped(&file.path) {
            true => format!("gzip -dc {path} 2>/dev/null | head -c {PRINT_BYTES}"),
            false => format!("dd if={path} bs={PRINT_BYTES} count=1 2>/dev/null"),
        };
        let (bytes, _) = self.shell.ask_whole(&command, PRINT_BYTES).await?;
        self.beginnings.insert((file.inode, file.size), bytes.clone());
        Ok(bytes)
    }

    /// Whether a file has the bytes before a place.
    async fn has(&mut self, file: &Listed, at: Position) -> Result<bool, Trouble> {
        let len = usize::from(at.tail_len);
        if is_zipped(&file.path) {
            let path = quote::word(&file.path);
            let from = at.tail_at() + 1;
            let command = format!("gzip -dc {path} 2>/dev/null | tail -c +{from} | head -c {len}");
            let (bytes, _) = self.shell.ask_whole(&command, PRINT_BYTES).await?;
            return Ok(at.follows(&bytes));
        }
        let blocks = Blocks::covering(at.tail_at(), at.offset);
        let (bytes, _) = self.shell.ask_whole(&dd(&file.path, blocks), 256 << 10).await?;
        let from = (at.tail_at() - blocks.begin()) as usize;
        Ok(bytes.get(from..from + len).is_some_and(|tail| at.follows(tail)))
    }

    // === reading ===

    async fn read_plain(&mut self, index: usize) -> Result<u64, Trouble> {
        let known = self.follow.get(index);
        let (at, size) = (known.place.at, known.size.unwrap_or(0));
        let upto = size.min(at.offset + MOST_AT_ONCE);
        let blocks = Blocks::covering(at.tail_at(), upto);
        let reply = self.shell.ask(&dd(&known.place.path, blocks)).await?;
        let Some(read) = self.take(index, reply, blocks.begin()).await? else { return Ok(0) };
        if upto == size {
            self.follow.get(index).was_read();
        }
        Ok(read)
    }

    async fn read_zipped(&mut self, index: usize) -> Result<u64, Trouble> {
        let known = self.follow.get(index);
        let (path, begin) = (quote::word(&known.place.path), known.place.at.tail_at());
        let from = begin + 1;
        let command = format!("{} && gzip -dc {path} 2>/dev/null | tail -c +{from}", if_readable(&path));
        let reply = self.shell.ask(&command).await?;
        let Some(read) = self.take(index, reply, begin).await? else { return Ok(0) };
        self.follow.get(index).place.done = true;
        self.follow.mark(index, self.intake.next_seq());
        Ok(read)
    }

    /// Takes in what a command sends of a file, from byte `begin` on. The bytes before the place are compared first: it
    /// may be another file by now. Returns how many bytes were new; none when it can't be read at present.
    async fn take(&mut self, index: usize, mut reply: Reply, begin: u64) -> Result<Option<u64>, Trouble> {
        let at = self.follow.get(index).place.at;
        let (mut slab_at, mut new) = (begin, 0);
        let mut rest = self.intake.nothing();
        // Bytes at the front that were read earlier, until they are compared.
        let mut before = Some((at.offset - begin) as usize);
        loop {
            self.shell.readable().await?;
            let kept = rest.bytes.len();
            let (mut slab, hold) = self.intake.room(rest).await;
            let (len, status) = match self.shell.read_now(&mut reply, &mut slab.bytes_mut()[kept..]) {
                Read::More(len) => (len, None),
                Read::End(len, status) => (len, Some(status)),
            };
            let to = kept + len;
            let mut from = 0;
            match before {
                _ if status == Some(DENIED) => {
                    self.denied.insert(self.follow.get(index).place.path.clone());
                    return Ok(None);
                }
                Some(before) if to < before && status.is_some() => {
                    // It is shorter than what was read; the next look will see that.
                    return Ok(None);
                }
                Some(before) if to < before => {
                    rest = self.intake.keep(&slab.bytes()[..to], hold);
                    continue;
                }
                Some(already) => {
                    let tail = already - usize::from(at.tail_len);
                    let is_same = at.follows(&slab.bytes()[tail..already]);
                    self.follow.doubt(index, !is_same);
                    if !is_same {
                        if status.is_none() {
                            self.shell.skip(&mut reply).await?;
                        }
                        return Ok(None);
                    }
                    (before, from) = (None, already);
                }
                None => {}
            }
            new += (to - from.max(kept)) as u64;
            let consumed;
            (consumed, rest) = self.hand_on(index, Filled { slab, from, to, hold }, slab_at).await;
            slab_at += consumed as u64;
            if status.is_some() {
                if !rest.bytes.is_empty() && self.follow.get(index).is_to_end() {
                    self.hand_on_end(index, &rest.bytes);
                }
                return Ok(Some(new));
            }
        }
    }

    /// Hands on the lines of a slab, which begins at byte `slab_at` of the file.
    async fn hand_on(&mut self, index: usize, filled: Filled, slab_at: u64) -> (usize, Rest) {
        let first_seq = self.intake.next_seq();
        let known = self.follow.get(index);
        let mut passed = Vec::new();
        let place = &mut known.place;
        let (consumed, rest) = self.intake.lines(&mut known.framer, filled, |bytes, seq| {
            if slab_at == 0 {
                place.see_head(bytes);
            }
            passed.push((Position::after(&[], bytes, slab_at + bytes.len() as u64), seq));
        });
        passed.sort_by_key(|(at, _)| at.offset);
        for (at, seq) in passed {
            self.follow.get(index).place.at = at;
            self.follow.mark(index, seq);
        }
        self.intake.keep_to_rate(self.intake.next_seq() - first_seq).await;
        (consumed, rest)
    }

    /// Hands on a last line without an end.
    fn hand_on_end(&mut self, index: usize, line: &[u8]) {
        let known = self.follow.get(index);
        let mut ended = None;
        self.intake.last_line(&mut known.framer, line, |seq| ended = Some(seq));
        known.place.at = Position::after(&[], line, known.place.at.offset + line.len() as u64);
        self.follow.mark(index, ended.unwrap_or(self.intake.next_seq()));
    }
}

/// Reads blocks of a file.
fn dd(path: &str, Blocks { size, skip, count }: Blocks) -> String {
    let path = quote::word(path);
    format!("{} && dd if={path} bs={size} skip={skip} count={count} 2>/dev/null", if_readable(&path))
}

/// Goes on only with a file that may be read, and else says so by its status.
fn if_readable(path: &str) -> String {
    format!("{{ [ -r {path} ] || (exit {DENIED}); }}")
}
