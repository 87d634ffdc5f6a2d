//! YAML to a tree with positions to a validated snapshot, and the difference of two snapshots.
