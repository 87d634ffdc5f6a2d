//! The tree: policies, order of start and stop, configuration diffs, the live picture.
