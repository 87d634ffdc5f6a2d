//! The actors of targets: each sender turns deliveries into what its peer understands, and settles them.

pub mod discard;
pub mod http;
pub mod tcp_sender;
pub mod wire;
