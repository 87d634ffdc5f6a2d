//! [`SpoolDesk`]: the spools of a Director, as commands and its view see them.

use actors::target::spool::{Spool, Waiting, folder_of, look, name_of};
use anyhow::Context;
use parking_lot::Mutex;
use seams::Disk;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The spools; clones share them. They outlive their targets' actors.
#[derive(Clone)]
pub struct SpoolDesk(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    by_target: Mutex<HashMap<String, Arc<Spool>>>,
}

/// Where spools lie below a Director's root.
pub fn folder(root: &Path) -> PathBuf {
    root.join("storage").join("spool")
}

/// The folders of all spools in such a folder, with the names of their targets, in order.
pub fn all(disk: &dyn Disk, folder: &Path) -> Vec<(String, PathBuf)> {
    let folders = disk.folders(folder).unwrap_or_default();
    let named = folders.iter().filter_map(|name| Some((name_of(name)?, folder.join(name))));
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}

/// Removes a spool that nobody has open; says what was in it. Blocks.
///
/// # Errors
/// When there is none, it is in use, or can't be removed.
pub fn remove(disk: &Arc<dyn Disk>, folder: &Path, name: &str) -> anyhow::Result<String> {
    let own = folder.join(folder_of(name));
    if disk.list(&own).is_err() {
        let present: Vec<String> = all(&**disk, folder).into_iter().map(|(name, _)| name).collect();
        let present = if present.is_empty() { "none".to_owned() } else { present.join(", ") };
        anyhow::bail!("there is no spool of \"{name}\"; there are: {present}");
    }
    // One that can't be read can be removed.
    let Waiting { deliveries, bytes, .. } = look(&**disk, &own).unwrap_or_default();
    let freed = journal::remove(disk, &own).context("cannot remove the spool")?;
    tracing::warn!(target = name, deliveries, bytes, "a spool was removed by command");
    Ok(format!("{deliveries} deliveries ({bytes} bytes) purged; {freed} bytes of disk are free again"))
}

impl SpoolDesk {
    /// None yet, below this root.
    pub(crate) fn new(root: &Path, disk: Arc<dyn Disk>) -> Self {
        Self(Arc::new(Inner { folder: folder(root), disk, by_target: Mutex::default() }))
    }

    pub(crate) fn add(&self, target: &str, spool: &Arc<Spool>) {
        self.0.by_target.lock().insert(target.to_owned(), Arc::clone(spool));
    }

    pub(crate) fn spool(&self, target: &str) -> Option<Arc<Spool>> {
        self.0.by_target.lock().get(target).cloned()
    }

    /// The folder of a target's spool.
    pub(crate) fn folder(&self, target: &str) -> PathBuf {
        self.0.folder.join(folder_of(target))
    }

    /// Drops what waits in a spool; what is left of a target that has none now is removed. Says what was dropped. Blocks.
    ///
    /// # Errors
    /// When there is no such spool, or its disk fails.
    pub fn purge(&self, name: &str) -> anyhow::Result<String> {
        let Some(spool) = self.spool(name) else { return remove(&self.0.disk, &self.0.folder, name) };
        let purged = spool.purge()?;
        Ok(format!("{} deliveries ({} bytes) purged", purged.deliveries, purged.bytes))
    }

    /// Removes spools that hold nothing and whose targets have none now; says which others there are. Blocks.
    pub(crate) fn look_after_strays(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for (name, folder) in all(&*self.0.disk, &self.0.folder) {
            if self.spool(&name).is_some() {
                continue;
            }
            let holds = match look(&*self.0.disk, &folder) {
                Ok(Waiting { deliveries: 0, since: None, .. }) => {
                    // What can't be removed now is empty at the next start, too.
                    let _ = journal::remove(&self.0.disk, &folder);
                    continue;
                }
                Ok(Waiting { deliveries, bytes, .. }) => format!("{deliveries} deliveries ({bytes} bytes)"),
                Err(e) => format!("what can't be read ({e})"),
            };
            texts.push(format!(
                "the spool of \"{name}\", which has none now, holds {holds} in {}; put the target back with \
                 persistent_storage or a schedule, or drop it with -spools purge {name}",
                folder.display()
            ));
        }
        texts
    }
}

impl fmt::Debug for SpoolDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpoolDesk({} spools)", self.0.by_target.lock().len())
    }
}
