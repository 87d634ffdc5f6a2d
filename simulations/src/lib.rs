//! Simulated endpoints, faults, scenarios, and their report.
//!
//! * [`linux_host`]: a Linux host as SSH shows it: sign-in, a small shell and file system, a journal;
//! * [`subject`]: the Director under test: a process of its own, with faults that reach into it;
//! * [`windows_host`]: a Windows host as WinRM shows it: sign-in, sealed messages, subscriptions, shells, WMI;
//! * [`deterministic`]: pure pieces in small worlds that a seed drives; [`shrink`]: the smallest plan that fails;
//! * [`crowd`]: many of both, with faults from a seed;
//! * [`python`]: an environment for counterparts that others wrote.

#![forbid(unsafe_code)]

pub mod crowd;
pub mod deterministic;
pub mod linux_host;
pub mod python;
pub mod shrink;
pub mod subject;
pub mod windows_host;
