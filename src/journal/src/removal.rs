//! Removing a journal as a whole.

use std::path::Path;
use std::sync::Arc;

use seams::Disk;

use crate::error::{DiskError, During, OpenError};
use crate::format::LOCK_FILE;
use crate::recovery;

/// Removes a journal that nobody has open: its folder with all files. Returns how many bytes they had.
///
/// # Errors
/// When somebody has it open, or a file can't be removed. What is left then is a journal still.
pub fn remove(disk: &Arc<dyn Disk>, folder: &Path) -> Result<u64, OpenError> {
    let lock = recovery::lock(disk, folder)?;
    let mut entries = disk.list(folder).during("list", folder)?;
    // The newest first: what an interruption leaves are the oldest records, without a gap.
    entries.sort_unstable_by(|one, other| other.name.cmp(&one.name));
    let mut bytes = 0;
    for entry in entries.iter().filter(|entry| entry.name != LOCK_FILE) {
        let file = folder.join(&entry.name);
        disk.remove(&file).during("remove", &file)?;
        bytes += entry.len;
    }
    let file = folder.join(LOCK_FILE);
    disk.remove(&file).during("remove", &file)?;
    drop(lock);
    let removed: Result<(), DiskError> = disk.remove_folder(folder).during("remove", folder);
    Ok(removed.map(|()| bytes)?)
}
