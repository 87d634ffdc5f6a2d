//! The collector of a Linux host: one SSH connection, nothing installed and nothing left there.
//!
//! ```text
//!            ┌ resolve ─ dial ─ greet (host key) ─ sign in ┐        ┌ one shell, which waits in read(2)   files
//! collector ─┤                                             ├ serve ─┼ journalctl -f                       journal
//!            └──────────── back off ◀── trouble ◀──────────┘        └ a shell each time                   commands, facts
//! ```
//!
//! Read in this order:
//! * [`settings`]; [`trouble`]: what can be wrong, and what to do about it;
//! * [`host_key`]: whether the host is the right one; [`connect`]: each step up to being signed in; [`sign_in`];
//! * [`channel`]: what one command writes; [`shell`]: the shell that is asked again and again; [`quote`]: words for it;
//! * [`listing`]: what `ls` says; [`place`]: how far a file was read; [`follow`]: which file is whom, after any kind of
//!   rotation; [`files`]: the loop that lists and reads; [`lines`]: from bytes to batches;
//! * [`journal`], [`commands`], [`facts`]: the other inputs; [`status`]: what all of them say together;
//! * [`collector`]: the actor; [`trial`]: the same steps once, for `-test-device`.
//!
//! Files are looked at, not followed: a shell that is there anyway is asked for one `ls` every `poll_interval`, and while
//! nothing happens more and more seldom, down to a third of that. `tail -f` would cost nothing at rest where inotify is, but says
//! neither which file it reads after a rotation nor where it is, stays behind when a connection breaks, and sends whether
//! we have room or not. A look costs the host about a millisecond of one core (`docs/agentless.md` has the
//! measurement), and everything is read by inode and offset, as fast as the budget allows and no faster (R3).
//!
//! Cost here: a host at rest takes one connection, three tasks and some 100 KiB.

pub mod channel;
pub mod collector;
pub mod commands;
pub mod connect;
pub mod facts;
pub mod files;
pub mod follow;
pub mod host_key;
pub mod journal;
pub mod lines;
pub mod listing;
pub mod place;
pub mod quote;
pub mod settings;
pub mod shell;
pub mod sign_in;
pub mod status;
pub mod trial;
pub mod trouble;

pub use collector::{Collector, Memory};
pub use settings::LinuxSettings;
pub use trial::LinuxTrial;
