//! A log file that starts anew when it is full, and keeps some older ones: `director.log`, `director.log.1`, ...
//!
//! It is created with its first line. A disk that takes nothing costs lines, never the Director: they are counted,
//! and the number is written when there is room again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file is full at this size.
pub(crate) const MAX_FILE_BYTES: u64 = 10 << 20;
/// So many older files are kept.
const OLDER_KEPT: u32 = 5;
/// After a failure the file is left alone for so long.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The file.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    open: Option<(File, u64)>,
    failed: Option<Instant>,
    lost: u64,
}

impl RotatingFile {
    /// A file at this path that is full at so many bytes.
    pub(crate) fn new(path: PathBuf, max_bytes: u64) -> Self {
        Self { path, max_bytes, open: None, failed: None, lost: 0 }
    }

    /// Writes a line, which ends with a line break.
    pub(crate) fn write(&mut self, line: &str) {
        if self.failed.is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
            self.lost += 1;
            return;
        }
        match self.try_write(line) {
            Ok(()) => self.failed = None,
            Err(e) => {
                if self.failed.is_none() {
                    eprintln!("cannot write the log {}: {e}; trying again", self.path.display());
                }
                (self.open, self.failed) = (None, Some(Instant::now()));
                self.lost += 1;
            }
        }
    }

    fn try_write(&mut self, line: &str) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|(_, bytes)| *bytes >= self.max_bytes) {
            self.open = None;
            self.rotate()?;
        }
        if self.open.is_none() {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            let bytes = file.metadata()?.len();
            self.open = Some((file, bytes));
        }
        let Some((file, bytes)) = &mut self.open else { return Ok(()) };
        if self.lost > 0 {
            writeln!(file, "... {} lines could not be written", self.lost)?;
            self.lost = 0;
        }
        file.write_all(line.as_bytes())?;
        *bytes += line.len() as u64;
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        for n in (1..OLDER_KEPT).rev() {
            rename_if_there(&self.older(n), &self.older(n + 1))?;
        }
        rename_if_there(&self.path, &self.older(1))
    }

    fn older(&self, n: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{n}"));
        name.into()
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_starts_anew_and_the_oldest_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("logs/director.log");
        let mut file = RotatingFile::new(path.clone(), 10);
        assert!(!path.exists(), "nothing to say, no file");
        for n in 0..20 {
            file.write(&format!("line {n:04}\n"));
        }
        let read = |name: &str| fs::read_to_string(path.with_file_name(name)).expect(name);
        assert_eq!(read("director.log"), "line 0019\n");
        assert_eq!(read("director.log.1"), "line 0018\n");
        let files = fs::read_dir(folder.path().join("logs")).expect("there").count();
        assert_eq!(files, 1 + OLDER_KEPT as usize);
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let blocked = folder.path().join("logs");
        fs::write(&blocked, "a file where the folder should be").expect("written");
        let mut file = RotatingFile::new(blocked.join("director.log"), 100);
        file.write("one\n");
        file.write("two\n");
        fs::remove_file(&blocked).expect("removed");
        file.failed = None;
        file.write("three\n");
        let text = fs::read_to_string(blocked.join("director.log")).expect("written");
        assert_eq!(text, "... 2 lines could not be written\nthree\n");
    }
}
