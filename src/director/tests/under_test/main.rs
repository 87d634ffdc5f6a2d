//! The Director under test: each kind of fault really happens, is seen, and ends; and a Director without a defence is
//! found out.

mod actors;
mod configuration;
mod defences;
mod disk;
mod lives;
mod process;
mod rig;
#[path = "../support/mod.rs"]
mod support;
