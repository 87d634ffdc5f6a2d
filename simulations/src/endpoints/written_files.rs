//! Reads what the Director writes to files, as it grows; a file that gets another name is still the same.

use super::stream_receiver::Records;
use super::stream_sender::Framing;
use crate::account::Deliveries;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Reads all files of a folder until it is dropped.
pub async fn run(folder: PathBuf, deliveries: Arc<Deliveries>) {
    let mut reading = HashMap::new();
    loop {
        // A folder that is not there yet has no files.
        let _ = look(&folder, &mut reading, &deliveries);
        tokio::time::sleep(LOOK).await;
    }
}

/// A file that is read.
struct Reading {
    file: File,
    at: u64,
    records: Records,
    /// What two files hold is read in any order.
    connection: u32,
}

/// Device and number.
type Inode = (u64, u64);

fn look(folder: &Path, reading: &mut HashMap<Inode, Reading>, deliveries: &Deliveries) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            look(&path, reading, deliveries)?;
            continue;
        }
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        let open = reading.entry((metadata.dev(), metadata.ino())).or_insert_with(|| {
            let records = Records::new(Framing::Delimiter(b"\n".to_vec()));
            Reading { file, at: 0, records, connection: deliveries.connection() }
        });
        open.read(deliveries)?;
    }
    Ok(())
}

impl Reading {
    fn read(&mut self, deliveries: &Deliveries) -> io::Result<()> {
        let mut buffer = vec![0; 256 << 10];
        let mut found = Vec::new();
        self.file.seek(SeekFrom::Start(self.at))?;
        loop {
            let length = self.file.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            self.at += length as u64;
            self.records.find(&buffer[..length], &mut found);
            deliveries.note(self.connection, &found);
            deliveries.note_unmarked(self.records.take_unmarked());
            found.clear();
        }
    }
}
