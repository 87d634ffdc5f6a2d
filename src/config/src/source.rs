//! Which files are the configuration.

use std::path::PathBuf;

/// Where the configuration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder with `vmetric.yml` (or `vmetric.yaml`) and `config/**`.
    Folder(PathBuf),
    /// One file with everything (`-config-path`).
    File(PathBuf),
}
