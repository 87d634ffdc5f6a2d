//! The DataStream Director.
fn main() {}
