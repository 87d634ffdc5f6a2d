//! Simulated endpoints, faults, scenarios, and their report.
//!
//! * [`python`]: an environment for counterparts that others wrote;
//! * [`windows_host`]: a Windows host as WinRM shows it: sign-in, sealed messages, subscriptions, shells, WMI.

#![forbid(unsafe_code)]

pub mod python;
pub mod windows_host;
