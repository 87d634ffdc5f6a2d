//! What is started as the Director under test.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A Director to be tested: program, configuration, folder.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(super) program: PathBuf,
    pub(super) files: BTreeMap<PathBuf, String>,
    pub(super) root: Option<PathBuf>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) terms: Terms,
}

/// What the program is told on its command line, as JSON: the value of `-under-test`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Where the chance of faults comes from.
    #[serde(default)]
    pub seed: u64,
    /// Whether SIGKILL is a power cut: what was not synced is gone.
    #[serde(default)]
    pub power_cuts: bool,
    /// A defence that this Director does not have, to learn whether a rehearsal notices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<Defence>,
}

/// A defence that can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defence {
    /// Actors that fail are not started again.
    Restarts,
    /// What is written stays in the process until it is synced: gone with SIGKILL.
    Writes,
    /// `fdatasync` does nothing.
    FileSyncs,
    /// Syncing a folder does nothing: new names are not durable.
    FolderSyncs,
}

impl Setup {
    /// This program (for itself: [`std::env::current_exe`]) with this `vmetric.yml`, in a temporary folder.
    ///
    /// Let its `control` be off (`status: false`) or have port 0, or several Directors can't run at once.
    pub fn new(program: impl Into<PathBuf>, configuration: impl Into<String>) -> Self {
        let files = BTreeMap::from([(PathBuf::from("vmetric.yml"), configuration.into())]);
        Self { program: program.into(), files, root: None, environment: Vec::new(), terms: Terms::default() }
    }

    /// With one more file below its folder: a part of the configuration, a certificate, a table.
    #[must_use]
    pub fn file(mut self, name: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.files.insert(name.into(), text.into());
        self
    }

    /// In this folder, which is created if need be and stays.
    #[must_use]
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.root = Some(folder.into());
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// With chance from this seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.terms.seed = seed;
        self
    }

    /// What it did not sync is in memory only, so that SIGKILL is a power cut; see
    /// [`VolatileDisk`](super::disk::VolatileDisk) for what that covers and costs.
    #[must_use]
    pub fn power_cuts(mut self) -> Self {
        self.terms.power_cuts = true;
        self
    }

    /// With a defence taken away, to learn whether a rehearsal notices.
    #[must_use]
    pub fn without(mut self, defence: Defence) -> Self {
        self.terms.without = Some(defence);
        self
    }
}
