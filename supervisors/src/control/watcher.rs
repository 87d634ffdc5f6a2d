//! Watches the files of the configuration.
//!
//! The kernel's notifications say when to look; what counts is a fingerprint of the files (paths, sizes, times,
//! identities), so that an unrelated event reloads nothing. A file that is being written is left alone until two looks
//! in a row agree. Without notifications (no watches left, network file systems) it looks once a second: one `stat`
//! for each file.

use super::Request;
use actors::child::actor::Next;
use actors::child::{Child, Condition, Me};
use config::Source;
use notify::{RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Two looks that have to agree are so far apart.
const SETTLE: Duration = Duration::from_millis(200);
/// A look happens at least so often.
const LOOK: Duration = Duration::from_secs(1);
/// After so many looks that did not agree, the files are loaded as they are.
const MAX_SETTLES: u32 = 5;
/// Deepest folder below `config/` that is looked into.
const MAX_FOLDERS: usize = 16;

/// The actor.
pub struct Watcher {
    source: Source,
    requests: mpsc::Sender<Request>,
    known: Known,
}

/// What the files looked like before they were loaded the last time; clones share it, and it outlives actors.
#[derive(Clone, Debug)]
pub struct Known(Arc<Mutex<Look>>);

impl Known {
    /// To be called before the first load, so that no change after it is missed.
    pub fn now(source: &Source) -> Self {
        Self(Arc::new(Mutex::new(look(source))))
    }
}

/// What a file looks like from outside.
type Look = BTreeMap<PathBuf, (u64, i64, i64, u64)>;

impl Watcher {
    /// A watcher of these files.
    pub fn new(source: Source, requests: mpsc::Sender<Request>, known: Known) -> Self {
        Self { source, requests, known }
    }

    async fn watch(&self, me: &Me<()>) {
        let (changed, _notifications) = self.notifications(me);
        loop {
            if look(&self.source) != *self.known.0.lock() {
                let settled = self.settled(me).await;
                *self.known.0.lock() = settled;
                if me.waiting(self.requests.send(Request::Reload("a file changed"))).await.is_err() {
                    return; // the Director is stopping
                }
            }
            // Whichever comes first.
            let _ = me.waiting(tokio::time::timeout(LOOK, changed.notified())).await;
        }
    }

    /// The files as soon as they stay as they are for a moment.
    async fn settled(&self, me: &Me<()>) -> Look {
        let mut seen = look(&self.source);
        for _ in 0..MAX_SETTLES {
            me.waiting(tokio::time::sleep(SETTLE)).await;
            let again = look(&self.source);
            if again == seen {
                break;
            }
            seen = again;
        }
        seen
    }

    /// The kernel's notifications, as far as they are to be had.
    fn notifications(&self, me: &Me<()>) -> (Arc<Notify>, Option<notify::RecommendedWatcher>) {
        let changed = Arc::new(Notify::new());
        let tell = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |_: notify::Result<notify::Event>| tell.notify_one());
        let watched = watcher.and_then(|mut watcher| {
            let folder = self.source.root();
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            let config = folder.join("config");
            if matches!(self.source, Source::Folder(_)) && config.is_dir() {
                watcher.watch(&config, RecursiveMode::Recursive)?;
            }
            Ok(watcher)
        });
        match watched {
            Ok(watcher) => {
                me.report(Condition::Well);
                (changed, Some(watcher))
            }
            Err(e) => {
                let text =
                    format!("no notifications of changed files ({e}); they are looked at every second");
                tracing::info!("{text}");
                me.report(Condition::Note(text));
                (changed, None)
            }
        }
    }
}

impl Child for Watcher {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        tokio::select! {
            () = me.stopping() => {}
            () = self.watch(me) => {}
        }
        me.stopping().await;
        Ok(Next::Done)
    }
}

fn look(source: &Source) -> Look {
    let mut seen = Look::new();
    match source {
        Source::File(file) => look_at(file, &mut seen),
        Source::Folder(folder) => {
            for name in ["vmetric.yml", "vmetric.yaml", "vmetric.toml"] {
                look_at(&folder.join(name), &mut seen);
            }
            look_below(&folder.join("config"), 1, &mut seen);
        }
    }
    seen
}

fn look_at(file: &Path, seen: &mut Look) {
    // A file that is not there is not in the picture, which is a change, too.
    if let Ok(meta) = fs::metadata(file) {
        seen.insert(file.to_owned(), (meta.size(), meta.mtime(), meta.mtime_nsec(), meta.ino()));
    }
}

fn look_below(folder: &Path, depth: usize, seen: &mut Look) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_FOLDERS {
                look_below(&path, depth + 1, seen);
            }
        } else {
            look_at(&path, seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_come_change_and_go_change_the_picture() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = Source::Folder(folder.path().to_owned());
        let mut looks = vec![look(&source)];
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        write("vmetric.yml", "devices: []");
        looks.push(look(&source));
        fs::create_dir_all(folder.path().join("config/devices")).expect("created");
        write("config/devices/a.yml", "devices: []");
        looks.push(look(&source));
        write("config/devices/a.yml", "devices: [ ]");
        looks.push(look(&source));
        fs::remove_file(folder.path().join("config/devices/a.yml")).expect("removed");
        fs::remove_file(folder.path().join("vmetric.yml")).expect("removed");
        assert!(looks.windows(2).all(|pair| pair[0] != pair[1]), "{looks:?}");
        assert_eq!(look(&source), looks[0]);
        write("notes.txt", "unrelated");
        assert_eq!(look(&source), looks[0]);
    }
}
