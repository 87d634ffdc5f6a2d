//! Who may talk to whom: TLS, access lists, secrets, and how many peers there can be.
//!
//! * [`tls`]: configurations of clients and servers from PEM files, which follow their files;
//! * [`access`]: which addresses may talk to a listener;
//! * [`random`]: bytes that nobody can guess;
//! * [`secret`]: comparison that tells nothing by its duration;
//! * [`open_files`]: the limit of open files, raised and checked against what is configured.
//!
//! Nothing here opens a connection: sockets belong to the actors.

#![forbid(unsafe_code)]

pub mod access;
pub mod open_files;
pub mod random;
pub mod secret;
pub mod tls;
