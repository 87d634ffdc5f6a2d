//! Simulated endpoints, faults, scenarios, and their report.
