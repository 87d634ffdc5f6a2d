//! The target `file`: events in local files.
//!
//! * [`writer`]: the actor, one for a target, shared by all lanes; [`files`]: what it does where blocking is allowed;
//! * [`name`]: templates of names; [`layout`]: lines and arrays, and their repair; [`compression`];
//! * `open_file`: the file that is being written.
//!
//! An event is settled when its line was handed to the operating system. Nobody ever finds half an event in a file:
//! a write that failed is cut off, at the next start if need be. Files are complete at a size, at a number of
//! events, or when the day in their name is over. A name without `{{.Timestamp}}` is always that of the present file;
//! complete ones are put aside as `name.<nanoseconds>.extension`.

pub mod compression;
pub mod files;
pub mod layout;
pub mod name;
mod open_file;
pub mod writer;

/// The zone whose days names of files have: that of the system.
pub fn time_zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::system()
}
