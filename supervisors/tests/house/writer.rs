//! Who writes numbered lines to a file, which is rotated in all the ways that files are.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Who writes lines `NAME NUMBER....` to a file.
pub struct Writer {
    pub name: String,
    pub path: PathBuf,
    pub file: File,
    pub written: u64,
}

impl Writer {
    pub fn open(name: &str, path: PathBuf) -> Self {
        Self { name: name.to_owned(), file: append(&path), path, written: 0 }
    }

    pub fn write(&mut self, lines: u64) {
        let mut text = String::new();
        for number in self.written..self.written + lines {
            text.push_str(&format!("{} {number}{}\n", self.name, ".".repeat(80)));
        }
        self.file.write_all(text.as_bytes()).expect("written");
        self.written += lines;
    }

    /// Writes for a while, a few lines at a time.
    pub async fn go_on(&mut self, times: usize) {
        for _ in 0..times {
            self.write(20);
            tokio::task::yield_now().await;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn archive(&self, number: usize) -> PathBuf {
        let mut archive = self.path.clone().into_os_string();
        archive.push(format!(".{number}"));
        archive.into()
    }

    /// logrotate's `create`: the file is renamed and begun anew.
    pub fn rename(&mut self, number: usize) {
        fs::rename(&self.path, self.archive(number)).expect("renamed");
        self.file = append(&self.path);
    }

    /// The same, and the archives that are there move on.
    pub fn rotate(&mut self) {
        for number in (1..5).rev() {
            for ending in ["", ".gz"] {
                let from = format!("{}{ending}", self.archive(number).display());
                if Path::new(&from).exists() {
                    let to = format!("{}{ending}", self.archive(number + 1).display());
                    fs::rename(from, to).expect("renamed");
                }
            }
        }
        self.rename(1);
    }

    /// logrotate's `copytruncate`.
    pub fn copy_and_truncate(&mut self, number: usize) {
        fs::copy(&self.path, self.archive(number)).expect("copied");
        self.file.set_len(0).expect("truncated");
    }
}

/// Opens a file to add to it; creates it where it is not there.
pub fn append(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("opened")
}

/// Compresses a file in its place.
pub fn gzip(path: &Path) {
    assert!(Command::new("gzip").arg("-f").arg(path).status().expect("gzip runs").success());
}
