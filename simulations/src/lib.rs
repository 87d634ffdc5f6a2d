//! Simulated endpoints, faults, scenarios, and their report.
//!
//! * [`linux_host`]: a Linux host as SSH shows it: sign-in, a small shell and file system, a journal.

#![forbid(unsafe_code)]

pub mod linux_host;
