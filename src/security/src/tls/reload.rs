//! A configuration that follows its files.
//!
//! ```text
//!    first use ─▶ build ──ok──▶ in use ──files changed──▶ build ──ok──▶ in use
//!                   │                                       └─fails──▶ the old one stays in use, reported once
//!                   └─fails──▶ error, tried again at the next use
//! ```

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::TlsError;

/// How often files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

type Build<C> = dyn Fn() -> Result<Arc<C>, TlsError> + Send + Sync;

/// A configuration that follows its files.
pub struct Reloading<C> {
    files: Vec<PathBuf>,
    build: Box<Build<C>>,
    look: Duration,
    state: Mutex<Option<InUse<C>>>,
}

struct InUse<C> {
    config: Arc<C>,
    looked: Instant,
    /// What the files looked like when they were last read, whether they were of use or not.
    stamps: Vec<Stamp>,
    trouble: Option<String>,
}

/// What tells one version of a file from another: inode, size, time of modification; none where there is no file.
type Stamp = Option<(u64, u64, i64, i64)>;

impl<C> Reloading<C> {
    /// What `build` makes of these files.
    pub fn new(
        files: Vec<PathBuf>,
        build: impl Fn() -> Result<Arc<C>, TlsError> + Send + Sync + 'static,
    ) -> Self {
        Self { files, build: Box::new(build), look: LOOK, state: Mutex::new(None) }
    }

    /// Looks at the files so often at most.
    pub fn looking_every(mut self, time: Duration) -> Self {
        self.look = time;
        self
    }

    /// The configuration to use for the next connection.
    ///
    /// # Errors
    /// When the files were never of use. Later on, the last one that was of use stays.
    pub fn current(&self) -> Result<Arc<C>, TlsError> {
        let mut state = self.state.lock();
        let Some(in_use) = &mut *state else {
            // The stamps go first: what changes while the files are read counts as changed.
            let stamps = self.stamps();
            let config = (self.build)()?;
            let (looked, trouble) = (Instant::now(), None);
            *state = Some(InUse { config: Arc::clone(&config), looked, stamps, trouble });
            return Ok(config);
        };
        if in_use.looked.elapsed() >= self.look {
            in_use.looked = Instant::now();
            let stamps = self.stamps();
            if stamps != in_use.stamps {
                in_use.stamps = stamps;
                self.replace(in_use);
            }
        }
        Ok(Arc::clone(&in_use.config))
    }

    /// Why changed files are not in use.
    pub fn trouble(&self) -> Option<String> {
        self.state.lock().as_ref().and_then(|in_use| in_use.trouble.clone())
    }

    fn replace(&self, in_use: &mut InUse<C>) {
        let files = self.files.first().map(|file| file.display().to_string()).unwrap_or_default();
        match (self.build)() {
            Ok(config) => {
                tracing::info!(files, "certificate changed; new connections use it");
                (in_use.config, in_use.trouble) = (config, None);
            }
            Err(e) => {
                let text = format!("changed certificate files are not in use: {e}");
                tracing::warn!(files, "{text}");
                in_use.trouble = Some(text);
            }
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.files.iter().map(|file| stamp(file)).collect()
    }
}

fn stamp(file: &Path) -> Stamp {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

impl<C> fmt::Debug for Reloading<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reloading({:?})", self.files)
    }
}
