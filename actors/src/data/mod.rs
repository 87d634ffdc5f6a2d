//! Where data moves: lanes, the addresses of actors on them, bound sockets, what is delivered to targets.

pub mod address;
pub mod buffers;
pub mod client_socket;
pub mod delivery;
pub mod device;
pub mod lane;
pub mod profile;
pub mod rate;
pub mod sockets;
pub mod target;

pub use address::{Address, Occupancy};
pub use delivery::{Delivery, Door, Encoded, EncodedEvent, Payload, ToSender};
pub use device::Device;
pub use lane::{Lane, Lanes};
pub use profile::{Profile, Timezone};
pub use sockets::Sockets;
pub use target::Target;
