//! A file that grows and rotates: `app.log`, and `app.log.1` and so on for what is full.

use super::quota::Share;
use super::texts::Texts;
use crate::account::{Mark, Origin};
use jiff::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// What a file is like.
#[derive(Clone, Debug)]
pub struct GrowingFile {
    /// Its folder.
    pub folder: PathBuf,
    /// A file of so many bytes is full.
    pub rotate_bytes: u64,
    /// What its lines say.
    pub texts: Arc<Texts>,
}

/// The file that grows.
const NAME: &str = "app.log";

impl GrowingFile {
    /// Writes what is due until it is told to end. What is written is acknowledged: it is there to be read.
    ///
    /// # Errors
    /// When the folder can't be written to.
    pub async fn run(self, origin: Arc<Origin>, mut share: Share) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut stream = origin.open();
        let mut file = self.open()?;
        let (mut bytes, mut full) = (0, 0);
        let mut lines = Vec::new();
        while let Some(count) = share.next().await {
            lines.clear();
            let (first, now) = (origin.send(count), Timestamp::now());
            for number in first..first + count {
                self.texts.write(Mark { origin: origin.number, stream, number }, now, &mut lines);
                lines.push(b'\n');
            }
            file.write_all(&lines)?;
            origin.acknowledge(first, count);
            bytes += lines.len() as u64;
            if bytes >= self.rotate_bytes {
                full += 1;
                bytes = 0;
                fs::rename(self.folder.join(NAME), self.folder.join(format!("{NAME}.{full}")))?;
                file = self.open()?;
                // Two files are read side by side.
                stream = origin.open();
            }
        }
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(self.folder.join(NAME))
    }
}
