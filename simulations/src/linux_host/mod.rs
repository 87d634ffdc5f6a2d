//! A Linux host as SSH shows it: sign-in, a small shell, a small file system, a journal.
//!
//! * [`settings`]: who may sign in; [`faults`]: what may go wrong, by switch;
//! * [`files`]: the file system and the journal; [`words`], [`shell`]: the few commands and the syntax around them;
//! * [`server`]: the SSH side; [`program`]: hosts as a program.
//!
//! A host costs a listening socket and what is written to its files; two hundred fit into one process. The shell
//! knows what the collector uses and nothing else: a command that it does not know ends with status 127, as a real one
//! would, so a collector that asks for more shows at once. What real shells do with the same commands is tested
//! against those.

pub mod faults;
pub mod files;
pub mod program;
pub mod server;
pub mod settings;
pub mod shell;
pub mod words;

pub use faults::Faults;
pub use files::Files;
pub use server::LinuxHost;
pub use settings::Settings;
