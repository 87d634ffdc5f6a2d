//! The DataStream Director: command line, process start and stop.
//!
//! Read in this order: [`arguments`] (what can be asked for), [`commands`] (what each flag does), [`daemon`] (the
//! running Director), [`place`] (its folders), [`log`], [`under_test`] (a Director that is told to fail). How it ends:
//! [`exit`].

#![forbid(unsafe_code)]

mod arguments;
mod client;
mod commands;
mod configuration;
mod daemon;
mod exit;
mod failed;
mod log;
mod place;
mod service_manager;
mod under_test;

use exit::Exit;

fn main() -> Exit {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(mistake) => {
            eprintln!("{mistake}");
            return Exit::Usage;
        }
    };
    match commands::run(&arguments) {
        Ok(exit) => exit,
        Err(failed) => {
            eprintln!("{:#}", failed.error);
            failed.exit
        }
    }
}
