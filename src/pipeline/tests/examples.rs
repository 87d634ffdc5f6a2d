//! The examples of every processor's documentation are run.

use event::model::Keys;
use pipeline::compile::{Example, Outcome};
use pipeline::{Files, Form, Input, Library, Node, Origin, Output, Program, Scratch};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn every_example_does_what_it_says() {
    let mut wrong = Vec::new();
    for spec in pipeline::processors::ALL {
        assert!(!spec.examples.is_empty(), "{} has no example", spec.name);
        for example in spec.examples {
            if let Err(why) = check(example) {
                wrong.push(format!("{}, {:?}: {why}", spec.name, example.title));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(example: &Example) -> Result<(), String> {
    let processors: Value = serde_yaml::from_str(example.processors).map_err(|why| why.to_string())?;
    let pipeline = Node::from_json(Path::new("example"), &json!({ "processors": processors }));
    let mut library = Library::with_files(Files::below(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files")));
    library.add("example", pipeline);
    let keys = Keys::default();
    let program = Program::compile(&keys, &library, &["example"])
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "))?;
    let origin = Origin::default();
    let input = Input { record: 0, bytes: example.event.as_bytes(), form: Form::Event, origin: &origin };
    let mut out = Output::default();
    program.run(&mut Scratch::new(&keys), [input], 1_700_000_000_000_000_000, &mut out);
    match (&example.outcome, out.kept.first(), out.failed.first()) {
        (Outcome::Dropped, None, None) => Ok(()),
        (Outcome::Fails(text), None, Some(failed)) if failed.cause.to_string().contains(text) => Ok(()),
        (Outcome::Event(expected), Some(_), None) => {
            let expected: Value = serde_json::from_str(expected).map_err(|why| why.to_string())?;
            let got: Value = serde_json::from_slice(out.json(0)).map_err(|why| why.to_string())?;
            if got == expected { Ok(()) } else { Err(format!("gives {got}")) }
        }
        (_, _, Some(failed)) => Err(format!("fails: {}", failed.cause)),
        _ => Err(format!(
            "gives {:?}",
            out.kept.first().map(|_| String::from_utf8_lossy(out.json(0)).into_owned())
        )),
    }
}
