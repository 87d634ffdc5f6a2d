//! The actors of devices: listeners with their connections, collectors.
//!
//! * [`tcp_listener`] accepts, [`transport`] opens (with TLS or without), [`connection`] reads byte streams
//!   from a [`wire`];
//! * [`udp_listener`] reads datagrams, many at once by [`datagrams`];
//! * [`http`]: a server that turns requests into events;
//! * [`bind`]: why an address can't be bound; [`silence`]: whether a device still hears anything;
//! * [`replica`]: passes on everything as it came in.

mod accept;
pub mod bind;
pub mod connection;
pub mod datagrams;
pub mod file;
pub mod http;
pub mod replica;
pub mod silence;
pub mod tcp_listener;
pub mod transport;
pub mod udp_listener;
pub mod wire;
