//! The files of a target, written where blocking is allowed.
//!
//! A step takes what waits, up to a megabyte at a time, and settles it once it is written. Nothing of it survives a
//! crash in memory only: what is not written is not settled.

use super::compression::Compression;
use super::layout::Layout;
use super::name::NameTemplate;
use super::open_file::{OpenFile, put_aside};
use crate::data::delivery::Delivery;
use crate::data::target::Target;
use crate::target::events::Events;
use crate::target::rendering::Rendering;
use event::{Settled, UnixNanos};
use seams::{Clock, Disk, OpenMode};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One write takes so many bytes before compression, and the event that goes beyond.
const CHUNK_BYTES: usize = 1 << 20;

/// Which files, and what is in them.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// The folder.
    pub location: PathBuf,
    /// Names below it.
    pub name: NameTemplate,
    /// Suffix of the names.
    pub extension: String,
    /// How events lie in a file.
    pub layout: Layout,
    /// What is written for an event.
    pub rendering: Rendering,
    /// How the content is compressed. An array can't be.
    pub compression: Compression,
    /// A file of so many bytes is complete.
    pub rotate_bytes: u64,
    /// A file with so many events is complete.
    pub rotate_events: u32,
    /// Every delivery is a write of its own.
    pub no_buffer: bool,
}

/// The files of a target.
pub struct Files {
    settings: FileSettings,
    target: Arc<Target>,
    disk: Arc<dyn Disk>,
    clock: Clock,
    open: Option<OpenFile>,
    /// Whether the file that an earlier process wrote last was looked after.
    repaired: bool,
    rendered: Vec<u8>,
}

/// What goes into one write.
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    events: u32,
    /// So many deliveries are in it to their end.
    whole: usize,
    /// And of the next one the records before this.
    upto: u32,
    /// The file is complete with it.
    completes: bool,
}

impl Files {
    /// The files of a target; none is opened before there is an event.
    pub fn new(target: Arc<Target>, settings: FileSettings, disk: Arc<dyn Disk>, clock: Clock) -> Self {
        Self { settings, target, disk, clock, open: None, repaired: false, rendered: Vec::new() }
    }

    /// Writes and settles what waits. After an error the rest still waits, and nothing of it is in a file.
    ///
    /// # Errors
    /// The system's, and which file it is about.
    pub fn write(&mut self, waiting: &mut VecDeque<Delivery>) -> Result<(), FileTrouble> {
        loop {
            // What was dispatched again elsewhere is theirs.
            waiting.retain(|delivery| delivery.claim.is_current());
            if waiting.is_empty() {
                return Ok(());
            }
            self.write_some(waiting).map_err(|source| FileTrouble { path: self.path(), source })?;
        }
    }

    /// Closes the file that is open; one without events is removed.
    ///
    /// # Errors
    /// The system's, and which file it is about.
    pub fn close(&mut self) -> Result<(), FileTrouble> {
        let path = self.path();
        let Some(open) = self.open.take() else { return Ok(()) };
        self.target.meters.connected.down();
        open.close(&*self.disk).map_err(|source| FileTrouble { path, source })
    }

    fn path(&self) -> PathBuf {
        self.open.as_ref().map_or_else(|| self.settings.location.clone(), |open| open.path.clone())
    }

    fn write_some(&mut self, waiting: &mut VecDeque<Delivery>) -> io::Result<()> {
        let now = self.clock.unix_nanos();
        self.open_present(now)?;
        let Some(open) = &mut self.open else { return Ok(()) };
        self.rendered.clear();
        let chunk = self.settings.fill(open, waiting, &mut self.rendered);
        if chunk.events > 0 {
            let compressed = self.settings.compression.compress(&self.rendered)?;
            let bytes = compressed.as_deref().unwrap_or(&self.rendered);
            open.write(bytes, chunk.events)?;
            self.target.meters.requests.add(1);
            self.target.meters.bytes.add(bytes.len() as u64);
        }
        for delivery in waiting.drain(..chunk.whole) {
            delivery.claim.settle(Settled::Delivered);
        }
        if let Some(delivery) = waiting.front_mut().filter(|d| d.claim.first() < chunk.upto) {
            delivery.claim.settle_to(chunk.upto, Settled::Delivered);
        }
        let large = self.settings.compression != Compression::None
            && self.open.as_ref().is_some_and(|open| open.content.bytes >= self.settings.rotate_bytes);
        if chunk.completes || large {
            self.complete(now)?;
        }
        Ok(())
    }

    /// Makes sure that the right file is open.
    fn open_present(&mut self, now: UnixNanos) -> io::Result<()> {
        let period = self.settings.name.period(now);
        if let Some(open) = &mut self.open {
            if open.period == period && open.is_still_there(&*self.disk, self.clock.now())? {
                return Ok(());
            }
            let moved = open.period == period;
            self.target.meters.connected.down();
            let Some(open) = self.open.take() else { return Ok(()) };
            if moved {
                tracing::info!(
                    target = &*self.target.name,
                    path = %open.path.display(),
                    "somebody moved or cut the file; opening it anew"
                );
            } else {
                open.close(&*self.disk)?;
            }
        }
        self.repair_last()?;
        let path = self.next_path(now)?;
        let can_continue = self.settings.compression == Compression::None;
        let (disk, layout, clock) = (&*self.disk, self.settings.layout, self.clock.now());
        let open = loop {
            match OpenFile::open(disk, path.clone(), period.clone(), layout, can_continue, clock)? {
                Some(open) => break open,
                None => {
                    put_aside(disk, &path, &self.settings.extension, now)?;
                }
            }
        };
        self.target.meters.connected.up();
        self.open = Some(open);
        Ok(())
    }

    /// Where the next file goes. A name with a timestamp is new even where the clock stood still or was set back.
    fn next_path(&self, now: UnixNanos) -> io::Result<PathBuf> {
        let mut stamp = now;
        loop {
            let path = self.settings.location.join(self.settings.name.render(stamp));
            if !self.settings.name.is_unique() {
                return Ok(path);
            }
            match self.disk.open(&path, OpenMode::Read) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(path),
                Err(e) => return Err(e),
                Ok(_) => stamp += 1,
            }
        }
    }

    /// The present file is complete.
    fn complete(&mut self, now: UnixNanos) -> io::Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        self.target.meters.connected.down();
        let path = open.path.clone();
        open.close(&*self.disk)?;
        if !self.settings.name.is_unique() {
            put_aside(&*self.disk, &path, &self.settings.extension, now)?;
        }
        Ok(())
    }

    /// Cuts off what a process that was killed left behind the whole events of its last file, where that file will not
    /// be opened by its name again.
    fn repair_last(&mut self) -> io::Result<()> {
        if self.repaired || !self.settings.name.is_unique() || self.settings.compression != Compression::None
        {
            return Ok(());
        }
        let entries = match self.disk.list(&self.settings.location) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e),
        };
        let ours = entries.into_iter().filter(|entry| self.settings.name.matches(&entry.name));
        if let Some(last) = ours.max_by(|a, b| a.name.cmp(&b.name)) {
            let path = self.settings.location.join(&last.name);
            let file = self.disk.open(&path, OpenMode::Write)?;
            let content = self.settings.layout.repair(&*file)?;
            if content.is_some_and(|content| !content.events) {
                self.disk.remove(&path)?;
            }
        }
        self.repaired = true;
        Ok(())
    }
}

impl FileSettings {
    /// Renders as many events as go into the next write. All events of a record go together.
    fn fill(&self, open: &OpenFile, waiting: &VecDeque<Delivery>, out: &mut Vec<u8>) -> Chunk {
        let mut chunk = Chunk::default();
        for delivery in waiting {
            chunk.upto = delivery.claim.first();
            let mut events = Events::new(&delivery.payload, chunk.upto).peekable();
            while let Some(record) = events.peek().map(|event| event.record) {
                let (bytes_before, events_before) = (out.len(), chunk.events);
                while let Some(event) = events.next_if(|event| event.record == record) {
                    self.layout.begin(!open.content.events && chunk.events == 0, out);
                    self.rendering.write(&event, out);
                    self.layout.end(out);
                    chunk.events += 1;
                }
                let in_file = open.content.bytes + out.len() as u64;
                let full = open.events + chunk.events > self.rotate_events
                    || self.compression == Compression::None && in_file > self.rotate_bytes;
                if full && (open.content.events || events_before > 0) {
                    out.truncate(bytes_before);
                    chunk.events = events_before;
                    chunk.completes = true;
                    return chunk;
                }
                chunk.upto = record + 1;
                chunk.completes = open.events + chunk.events >= self.rotate_events;
                if chunk.completes || out.len() >= CHUNK_BYTES {
                    return chunk;
                }
            }
            chunk.whole += 1;
            chunk.upto = 0;
            if self.no_buffer {
                break;
            }
        }
        chunk
    }
}

/// A file can't be written at present.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; {}", path.display(), advice(source))]
pub struct FileTrouble {
    /// Which one, or the folder when none is open.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

fn advice(e: &io::Error) -> &'static str {
    use io::ErrorKind::*;
    match e.kind() {
        StorageFull | QuotaExceeded => "make room, it goes on by itself then",
        PermissionDenied => "give the Director's user the right to write there",
        ReadOnlyFilesystem => "mount the file system for writing",
        NotADirectory | AlreadyExists => "a file stands where a folder should be; move it away",
        _ => "see what the system's log says of the disk",
    }
}

impl FileTrouble {
    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests;
