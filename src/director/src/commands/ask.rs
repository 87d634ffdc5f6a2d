//! `-tap`, `-console`, `-reload`: what is passed on to a running Director as it is.

use super::say;
use crate::arguments::Arguments;
use crate::client::{Client, block_on};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use std::io::{self, Write};

/// Shows live events of a device, route or target.
pub(super) fn tap(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    follow(arguments, place, "/tap", arguments.value("tap").unwrap_or_default())
}

/// Follows the log.
pub(super) fn console(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let level: u8 = arguments.read("debug-level", 3, "a number from 1 to 5")?;
    follow(arguments, place, "/log", &level.to_string())
}

/// Has the configuration loaded again.
pub(super) fn reload(place: &Place) -> Result<Exit, Failed> {
    block_on(Client::of(place).post("/reload"))?;
    say("asked to load the configuration again; the log and -info say what came of it\n")
}

fn follow(arguments: &Arguments, place: &Place, path: &str, what: &str) -> Result<Exit, Failed> {
    let filter = arguments.value("filter").unwrap_or_default().to_lowercase();
    let client = Client::of(place);
    block_on(async {
        let mut out = io::stdout().lock();
        let print = |line: &str| {
            if !filter.is_empty() && !line.to_lowercase().contains(&filter) {
                return;
            }
            if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
                // Whoever read this is gone, so there is nobody to tell.
                std::process::exit(Exit::Ok as i32);
            }
        };
        client.follow(path, what, print).await
    })?;
    eprintln!("the Director has ended");
    Ok(Exit::Ok)
}
