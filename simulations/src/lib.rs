//! Simulated endpoints, faults, scenarios, and their report.
//!
//! * [`scenario`]: bad days in YAML, rehearsed: world, load, faults, expectations, report;
//! * [`endpoints`]: stand-ins for what surrounds a Director; [`links`]: what leads to them, and breaks;
//! * [`account`]: every event from its source to its targets;
//! * [`linux_host`]: a Linux host as SSH shows it: sign-in, a small shell and file system, a journal;
//! * [`shrink`]: the smallest plan that fails;
//! * [`subject`]: the Director under test: a process of its own, with faults that reach into it;
//! * [`windows_host`]: a Windows host as WinRM shows it: sign-in, sealed messages, subscriptions, shells, WMI;
//! * [`deterministic`]: pure pieces in small worlds that a seed drives;
//! * [`crowd`]: many of both, with faults from a seed;
//! * [`python`]: an environment for counterparts that others wrote.

#![forbid(unsafe_code)]

pub mod account;
pub mod crowd;
pub mod deterministic;
pub mod endpoints;
pub mod links;
pub mod linux_host;
pub mod python;
pub mod scenario;
pub mod shrink;
pub mod subject;
pub mod windows_host;
