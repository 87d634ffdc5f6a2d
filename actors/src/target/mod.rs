//! The actors of targets: each sender turns deliveries into what its peer understands, and settles them.

pub mod console;
pub mod discard;
pub mod events;
pub mod file;
pub mod http;
mod link;
pub mod rendering;
#[cfg(test)]
mod rig;
pub mod shown;
pub mod spool;
mod tcp_info;
mod tcp_queue;
pub mod tcp_sender;
mod tls_layer;
pub mod trouble;
pub mod udp_sender;
pub mod wire;
