//! `-pipeline`: runs one pipeline on events of a file, for those who write pipelines and test them in their own CI.
//!
//! Read in this order: [`input`] (what becomes an event), [`run`] (what became of each), [`expected`] (the comparison),
//! [`picture`] (what people are shown on a terminal). Everything is read before anything runs: memory is that of the
//! input, some ten times over with `-extended`.

mod expected;
mod input;
mod picture;
mod run;

use super::say;
use crate::arguments::{Arguments, Mistake};
use crate::configuration::load;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use anyhow::Context;
use config::Snapshot;
use run::Outcome;
use serde_json::Value;
use std::io::IsTerminal;

/// How the result is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A line of JSON for each event that is left, or, with `-extended`, for each input.
    Lines,
    /// The same over several lines, with sorted keys.
    Pretty,
    /// For people: what each processor did, in colour.
    Picture,
}

/// Runs a pipeline on the input, and shows the result or compares it with what is expected.
pub(super) fn pipeline(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let Some(input) = arguments.value("input") else {
        return Err(mistake("-pipeline needs -input: a file, an event in JSON, or - for the standard input"));
    };
    if arguments.has("diff") && !arguments.has("expected") {
        return Err(mistake("-diff shows how the result differs from -expected FILE, which is not there"));
    }
    let loaded = load(place);
    let Some(snapshot) = loaded.snapshot.as_ref() else {
        eprint!("{}", loaded.report());
        return Ok(Exit::Configuration);
    };
    let name = name(arguments, snapshot)?;
    let extended = arguments.has("extended");
    let records = input::read(input)?;
    if let Some(line) = input::mistake_in_json_lines(&records) {
        eprintln!("the input is taken as raw lines: it begins with JSON, and line {line} is no JSON object");
    }
    let outcomes = run::run(
        &supervisors::programs::library(&pipeline::Files::below(place.root()), snapshot),
        name,
        &records,
        extended,
    )
    .map_err(|problems| Failed::new(Exit::Configuration, anyhow::anyhow!("{problems}")))?;

    let form = form(arguments);
    let text = show(&outcomes, form, extended);
    if let Some(file) = arguments.value("output") {
        std::fs::write(file, &text).with_context(|| format!("cannot write {file}"))?;
        say(&format!("Successfully exported to {file}\n"))?;
    } else if !arguments.has("expected") {
        say(&text)?;
    }
    if !extended {
        for (n, error) in outcomes.iter().enumerate().filter_map(|(n, it)| Some((n, it.error.as_ref()?))) {
            eprintln!("event {} failed and is left out: {error}", n + 1);
        }
    }
    match arguments.value("expected") {
        Some(file) => expected::judge(file, &lines(&outcomes, extended), extended, arguments.has("diff")),
        None => Ok(Exit::Ok),
    }
}

fn mistake(text: &str) -> Failed {
    Failed::new(Exit::Usage, anyhow::anyhow!("{text}"))
}

/// The pipeline that is asked for; without `-name` the only one there is.
fn name<'s>(arguments: &'s Arguments, snapshot: &'s Snapshot) -> Result<&'s str, Failed> {
    let known = || snapshot.pipelines.iter().map(|pipeline| pipeline.name.as_str());
    let all = known().collect::<Vec<_>>().join(", ");
    match (arguments.value("name"), &snapshot.pipelines[..]) {
        (Some(name), _) => {
            let bare = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")).unwrap_or(name);
            let found = known().find(|known| *known == name || *known == bare);
            let fits = if all.is_empty() { "define one below `pipelines:`".to_owned() } else { all };
            found.ok_or_else(|| Mistake::Unfit("name", name.to_owned(), fits).into())
        }
        (None, [only]) => Ok(&only.name),
        (None, []) => Err(mistake("the configuration has no pipelines; define one below `pipelines:`")),
        (None, _) => Err(mistake(&format!("-pipeline needs -name: one of {all}"))),
    }
}

fn form(arguments: &Arguments) -> Form {
    let for_people = arguments.has("extended") && !arguments.has("output") && std::io::stdout().is_terminal();
    match (arguments.has("visualize"), for_people) {
        (true, _) => Form::Pretty,
        (false, true) => Form::Picture,
        (false, false) => Form::Lines,
    }
}

fn show(outcomes: &[Outcome], form: Form, extended: bool) -> String {
    let mut text = String::new();
    if form == Form::Picture {
        let colour = std::env::var_os("NO_COLOR").is_none();
        for (n, outcome) in outcomes.iter().enumerate() {
            picture::draw(n + 1, outcome, colour, &mut text);
        }
        return text;
    }
    if form == Form::Lines && !extended {
        // As the pipeline wrote them: reading and writing again could change numbers.
        for event in outcomes.iter().flat_map(|outcome| &outcome.events) {
            text.push_str(&event.json);
            text.push('\n');
        }
        return text;
    }
    for mut line in lines(outcomes, extended) {
        if form == Form::Pretty {
            line.sort_all_objects();
            text.push_str(&format!("{line:#}\n"));
        } else {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

/// The result as values: the events that are left, or what became of each input.
fn lines(outcomes: &[Outcome], extended: bool) -> Vec<Value> {
    match extended {
        true => outcomes.iter().map(Outcome::to_json).collect(),
        false => outcomes.iter().flat_map(|outcome| &outcome.events).map(run::Left::value).collect(),
    }
}
