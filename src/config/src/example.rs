//! A configuration to start from.

/// A commented configuration that loads without a diagnostic.
pub fn example() -> &'static str {
    include_str!("example.yml")
}
