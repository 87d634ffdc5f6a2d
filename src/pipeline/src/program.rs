//! placeholder
/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepId(pub u32);
