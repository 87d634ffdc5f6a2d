//! What each flag does; one file a command.

mod ask;
mod check;
mod generator;
mod info;
mod journal;
mod pipeline;
mod quarantine;
mod replay;
mod service;
mod shown;
mod spools;
mod stats;
mod stop;
mod test_device;
mod top;
mod version;

use crate::arguments::table::Group;
use crate::arguments::{Arguments, Mistake, help};
use crate::daemon::{self, Surroundings};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use crate::under_test;
use std::io::{self, Write};

/// A command: the flag that asks for it, and what it does.
type Command = (&'static str, fn(&Arguments, &Place) -> Result<Exit, Failed>);

/// Those that exclude each other.
const COMMANDS: [Command; 20] = [
    ("help", |_, _| say(&help::page())),
    ("version", |_, _| version::version()),
    ("compare-version", |arguments, _| version::compare(arguments)),
    ("example", |_, _| say(config::example())),
    ("validate", |_, place| check::validate(place)),
    ("test-device", test_device::test_device),
    ("info", |_, place| info::info(place)),
    ("stats", |_, place| stats::stats(place)),
    ("top", |_, place| top::top(place)),
    ("tap", ask::tap),
    ("console", ask::console),
    ("reload", |_, place| ask::reload(place)),
    ("stop", |_, place| stop::stop(place)),
    ("quarantine", quarantine::quarantine),
    ("journal", journal::journal),
    ("spools", spools::spools),
    ("pipeline", pipeline::pipeline),
    ("replay", replay::replay),
    ("service", service::service),
    ("generator", |arguments, _| generator::generator(arguments)),
    ("under-test", under_test::run),
];

/// Does what the command line asks for.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failed> {
    let place = Place::of(arguments);
    if arguments.has("help") {
        let tool = [("pipeline", Group::Pipeline), ("generator", Group::Generator)];
        if let Some((_, group)) = tool.iter().find(|(tool, _)| arguments.has(tool)) {
            return say(&help::of(*group));
        }
    }
    let mut asked = COMMANDS.iter().filter(|(flag, _)| arguments.has(flag));
    match (asked.next(), asked.next()) {
        (Some((first, _)), Some((second, _))) => Err(Failed::new(
            Exit::Usage,
            anyhow::anyhow!("-{first} and -{second} exclude each other; choose one"),
        )),
        (Some((_, command)), None) => command(arguments, &place),
        (None, _) => daemon::run(&place, Surroundings::default()),
    }
}

/// Prints a text; a reader that has gone is no failure.
fn say(text: &str) -> Result<Exit, Failed> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(Exit::Ok),
    }
}

impl From<Mistake> for Failed {
    fn from(mistake: Mistake) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{mistake}"))
    }
}
