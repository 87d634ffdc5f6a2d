//! A file that is being written: it holds whole events only, whatever fails.

use super::layout::{Content, Layout};
use event::UnixNanos;
use seams::{Disk, DiskFile, OpenMode};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is checked that the file is still the one of its name.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// A file that is being written.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    /// [`NameTemplate::period`](super::name::NameTemplate::period) of its name.
    pub(super) period: String,
    pub(super) content: Content,
    /// Events written since it was opened.
    pub(super) events: u32,
    file: Arc<dyn DiskFile>,
    layout: Layout,
    /// A write failed and left who knows what behind the content.
    torn: bool,
    checked_at: Instant,
}

impl OpenFile {
    /// Opens or creates a file. One that is there already is repaired and continued; `None` if that can't be.
    pub(super) fn open(
        disk: &dyn Disk,
        path: PathBuf,
        period: String,
        layout: Layout,
        can_continue: bool,
        now: Instant,
    ) -> io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            disk.create_folder(folder)?;
        }
        let file = disk.open(&path, OpenMode::Create)?;
        let content = match file.is_empty()? {
            true => Some(Content::default()),
            false if can_continue => layout.repair(&*file)?,
            false => None,
        };
        Ok(content.map(|content| Self {
            path,
            period,
            content,
            events: 0,
            file,
            layout,
            torn: false,
            checked_at: now,
        }))
    }

    /// Whether the file still is what its name leads to and holds what was written. Others may have renamed, removed
    /// or emptied it (logrotate does all three); writing on would go to a file that nobody sees, or leave a hole.
    pub(super) fn is_still_there(&mut self, disk: &dyn Disk, now: Instant) -> io::Result<bool> {
        let expected = self.content.bytes + self.tail_bytes();
        if !self.torn && self.file.len()? != expected {
            return Ok(false);
        }
        if now.duration_since(self.checked_at) < CHECK_EVERY {
            return Ok(true);
        }
        self.checked_at = now;
        match disk.open(&self.path, OpenMode::Read) {
            Ok(named) => Ok(self.torn || named.len()? == expected),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn tail_bytes(&self) -> u64 {
        if self.content.events { self.layout.tail().len() as u64 } else { 0 }
    }

    /// Writes so many whole events behind the content. After an error none of them is there.
    pub(super) fn write(&mut self, bytes: &[u8], events: u32) -> io::Result<()> {
        self.mend()?;
        self.torn = true;
        let written = {
            let mut slices = [IoSlice::new(bytes), IoSlice::new(self.layout.tail())];
            self.file.write_at(&mut slices, self.content.bytes)
        };
        if let Err(e) = written {
            // At once if possible, else before the next write: nobody shall see half an event.
            let _ = self.mend();
            return Err(e);
        }
        self.torn = false;
        self.content.bytes += bytes.len() as u64;
        self.content.events = true;
        self.events += events;
        Ok(())
    }

    /// Cuts off what a failed write left.
    fn mend(&mut self) -> io::Result<()> {
        if !self.torn {
            return Ok(());
        }
        self.file.set_len(self.content.bytes)?;
        if self.content.events {
            self.file.write_at(&mut [IoSlice::new(self.layout.tail())], self.content.bytes)?;
        }
        self.torn = false;
        Ok(())
    }

    /// The file is complete; one without events is removed.
    pub(super) fn close(mut self, disk: &dyn Disk) -> io::Result<()> {
        if !self.content.events {
            return disk.remove(&self.path);
        }
        self.mend()
    }
}

/// Gives a complete file a name of its own, so that its name is free for the next one: `out.log` becomes
/// `out.<nanoseconds>.log`.
pub(super) fn put_aside(
    disk: &dyn Disk,
    path: &Path,
    extension: &str,
    now: UnixNanos,
) -> io::Result<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (stem, suffix) = match name.strip_suffix(extension).and_then(|stem| stem.strip_suffix('.')) {
        Some(stem) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let mut stamp = now;
    loop {
        let aside = path.with_file_name(format!("{stem}.{stamp}{suffix}"));
        match disk.open(&aside, OpenMode::Read) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                disk.rename(path, &aside)?;
                return Ok(aside);
            }
            Err(e) => return Err(e),
            // The clock was set back, or two files were completed at the same time.
            Ok(_) => stamp += 1,
        }
    }
}
