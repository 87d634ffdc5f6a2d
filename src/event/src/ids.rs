//! Identities. Each is a type of its own, so that none can be taken for another.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id! {
    /// A device of the configuration: its numeric `id`.
    DeviceId(u64)
}
id! {
    /// What keeps order: a connection, a file, a subscription, a socket. Unique in a process's life.
    StreamId(u64)
}
id! {
    /// A way through the configuration (route, pipeline, target) within one [`Book`](crate::Book).
    BranchId(u32)
}
id! {
    /// The seat of an actor that data passes through, within one [`Book`](crate::Book).
    PlaceId(u32)
}
