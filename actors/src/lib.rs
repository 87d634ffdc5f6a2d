//! One module an actor, and the specification of a child.
