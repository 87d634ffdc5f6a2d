//! Stand-ins for what surrounds a Director, each real at the wire: senders, files, hosts, receivers.
//!
//! * [`texts`]: what events say; [`quota`]: how many are due; [`certificates`]: an authority for all of them;
//! * [`stream_sender`], [`datagram_sender`], [`poster`], [`growing_file`], [`hosts`]: sources;
//! * [`mood`]: what may go wrong at an endpoint, by switch;
//! * [`stream_receiver`], [`datagram_receiver`], [`requests`], [`written_files`]: receivers.
//!
//! Every event goes through an [`Origin`](crate::account::Origin), everything that comes into
//! [`Deliveries`](crate::account::Deliveries).

pub mod certificates;
pub mod datagram_receiver;
pub mod datagram_sender;
pub mod growing_file;
pub mod hosts;
pub mod mood;
pub mod poster;
pub mod program;
pub mod quota;
pub mod requests;
pub mod stream_receiver;
pub mod stream_sender;
pub mod texts;
pub mod written_files;
