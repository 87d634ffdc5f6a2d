//! How the program ends.

use std::process::{ExitCode, Termination};

/// The program's exit codes; `-help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Ok = 0,
    /// Something went wrong; the text says what.
    Failure = 1,
    /// The command line is not understood.
    Usage = 2,
    /// The configuration has mistakes, or there is none.
    Configuration = 3,
    /// Another Director runs on the same storage folder.
    Busy = 4,
    /// No Director runs there, so there is nothing to ask.
    NotRunning = 5,
    /// It stopped, but events that were taken in are not delivered.
    Left = 6,
}

/// All codes with their meaning; 70 comes from the watch over lanes.
pub(crate) const CODES: [(u8, &str); 8] = [
    (Exit::Ok as u8, "done"),
    (Exit::Failure as u8, "failed"),
    (Exit::Usage as u8, "command line not understood"),
    (Exit::Configuration as u8, "configuration has mistakes"),
    (Exit::Busy as u8, "another Director runs there"),
    (Exit::NotRunning as u8, "no Director runs there"),
    (Exit::Left as u8, "stopped with events undelivered"),
    (supervisors::lane_watch::EXIT_STUCK as u8, "threads are stuck"),
];

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
