//! Simulated endpoints, faults, scenarios, and their report.
//!
//! * [`windows_host`]: a Windows host as WinRM shows it: sign-in, sealed messages, subscriptions, shells, WMI.

#![forbid(unsafe_code)]

pub mod windows_host;
