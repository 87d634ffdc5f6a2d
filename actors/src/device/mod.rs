//! The actors of devices: listeners with their connections, collectors.
//!
//! * [`tcp_listener`] accepts, [`transport`] opens (with TLS or without), [`connection`] reads byte streams
//!   from a [`wire`];
//! * [`udp_listener`] reads datagrams, many at once by [`datagrams`];
//! * [`http`]: a server that turns requests into events; [`windows`]: event logs of Windows hosts over WinRM;
//! * [`bind`]: why an address can't be bound; [`silence`]: whether a device still hears anything;
//! * [`replica`]: passes on everything as it came in;
//! * for collectors: [`positions`] (where to go on), [`spread`] (who begins when), [`trial`] (`-test-device`).

mod accept;
pub mod bind;
pub mod connection;
pub mod datagrams;
pub mod file;
pub mod http;
pub mod linux;
pub mod positions;
pub mod replica;
pub mod silence;
pub mod spread;
pub mod tcp_listener;
pub mod transport;
pub mod trial;
pub mod udp_listener;
pub mod windows;
pub mod wire;
