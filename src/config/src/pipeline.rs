//! A pipeline, uncompiled: processors and their options are not known here.

use crate::{Node, Position};

/// A pipeline as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineSource {
    /// Its unique name.
    pub name: String,
    /// The whole pipeline object: `name`, `description`, `tags`, `processors`, `if`, `on_failure`, `ignore_failure`.
    pub node: Node,
    /// Where it is.
    pub at: Position,
}
