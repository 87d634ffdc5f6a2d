//! The actors of devices: listeners with their connections, collectors.

pub mod connection;
pub mod tcp_listener;
