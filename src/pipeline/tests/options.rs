//! A mistake in each option of each processor: the message names file, line, column and option, and says what is allowed.
//!
//! The options that are right come from the examples of the processors' documentation; the mistakes are made here.

use event::model::Keys;
use pipeline::compile::Spec;
use pipeline::processors::ALL;
use pipeline::{Diagnostic, Files, Library, Node, Program};
use serde_json::{Map, Value, json};
use std::path::Path;

type Options = Map<String, Value>;

/// Options of which every value is one that a user may mean.
const ANY_VALUE: &[(&str, &str)] = &[
    ("append", "value"),
    ("case", "default"),
    ("csv", "empty_value"),
    ("iff", "when_true"),
    ("iff", "when_false"),
    ("set", "value"),
];

/// Where the name of the processor stands in what [`written`] writes, and the column of its options.
const NAME_AT: (u32, u32) = (2, 5);
const OPTIONS_COLUMN: u32 = 7;

/// A pipeline with one processor, each of its options on a line of its own, from line 3 on.
fn written(name: &str, options: &Options) -> String {
    let mut text = format!("processors:\n  - {name}:\n");
    for (option, value) in options {
        text.push_str(&format!("      {option}: {value}\n"));
    }
    if options.is_empty() {
        text.truncate(text.len() - 1);
        text.push_str(" {}\n");
    }
    text + "  - comment: {tag: end}\n"
}

fn problems(text: &str) -> Vec<Diagnostic> {
    let documents = config::parse(Path::new("pipelines/main.yml"), text).expect(text);
    let mut library = Library::with_files(Files::below(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files")));
    library.add("main", Node::from(&documents[0]));
    library.add("other", Node::from_json(Path::new("other.yml"), &json!({"processors": []})));
    Program::compile(&Keys::default(), &library, &["main"]).err().unwrap_or_default()
}

/// The options of a processor in its examples, a set for each time it stands there.
fn examples(spec: &Spec) -> Vec<Options> {
    fn find(name: &str, value: &Value, found: &mut Vec<Options>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| find(name, item, found)),
            Value::Object(map) => {
                for (key, value) in map {
                    match value {
                        Value::Object(options) if key == name => found.push(options.clone()),
                        Value::Null if key == name => found.push(Options::new()),
                        _ => {}
                    }
                    find(name, value, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for example in spec.examples {
        find(spec.name, &serde_yaml::from_str(example.processors).expect("yaml"), &mut found);
    }
    for options in &mut found {
        let names = [("target_tag", "end"), ("name", "other")];
        let renamed = names.iter().filter(|_| matches!(spec.name, "go_to" | "pipeline"));
        for (option, name) in renamed {
            options.entry(*option).and_modify(|value| *value = json!(name));
        }
    }
    let is_right = |options: &Options| problems(&written(spec.name, options)).is_empty();
    found.retain(is_right);
    assert!(!found.is_empty(), "{} stands in none of its examples with options that are right", spec.name);
    found
}

/// The line of an option in what [`written`] writes.
fn line_of(options: &Options, name: &str) -> u32 {
    3 + options.keys().position(|option| option == name).expect("it is there") as u32
}

fn said(problems: &[Diagnostic]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

#[test]
fn an_option_that_does_not_exist_is_named_with_those_that_do() {
    for spec in ALL {
        let mut options = examples(spec).swap_remove(0);
        options.insert("no_such_option".to_owned(), json!(1));
        let line = line_of(&options, "no_such_option");
        let problems = problems(&written(spec.name, &options));
        let problem = problems.iter().find(|problem| problem.what.contains("\"no_such_option\""));
        let problem = problem.unwrap_or_else(|| panic!("{}: {}", spec.name, said(&problems)));
        assert_eq!((problem.line, problem.column), (line, OPTIONS_COLUMN), "{problem}");
        for option in spec.options {
            assert!(problem.fix.contains(option.name), "{problem} does not name {}", option.name);
        }
    }
}

#[test]
fn an_option_that_is_needed_and_missing_is_named() {
    for spec in ALL {
        for option in spec.options.iter().filter(|option| option.required) {
            let mut options = examples(spec).swap_remove(0);
            options.remove(option.name);
            let problems = problems(&written(spec.name, &options));
            let missing = format!("the option {:?} is missing", option.name);
            let problem = problems.iter().find(|problem| problem.what.contains(&missing));
            let problem =
                problem.unwrap_or_else(|| panic!("{}, {}: {}", spec.name, option.name, said(&problems)));
            assert_eq!((problem.line, problem.column), NAME_AT, "{problem}");
            assert!(problem.fix.contains(option.name), "{problem}");
        }
    }
}

/// Values that are wrong for nearly every option, in one way or another.
fn wrong_values() -> [Value; 6] {
    [
        json!({"no": {"such": "thing"}}),
        json!([[["x"]]]),
        json!("no (such {{thing"),
        json!(-98_765_432.5),
        json!(true),
        json!([]),
    ]
}

/// Whether a problem is at the option's line and names it, or the processor that should stand there, or says with which
/// other one it can't stand together; and whether it says what would be right.
fn is_clear(problem: &Diagnostic, option: &str, line: u32) -> bool {
    let what = &problem.what;
    let names = what.contains(&format!("{option:?}")) || what.contains(&format!("`{option}`"));
    let of_processors = ["there is no processor", "a processor is a map", "processors are a list"];
    let is_of_processors = of_processors.iter().any(|begin| what.starts_with(begin));
    let excludes = [", not both", "exclude each other", "` takes "].iter().any(|words| what.contains(words));
    let allows = [" and not ", " is a ", " is one ", "; ", "` or `"].iter().any(|words| what.contains(words));
    let place = problem.line == line || (names && excludes);
    place && (names || is_of_processors) && (allows || !problem.fix.is_empty())
}

#[test]
fn a_value_of_a_wrong_kind_is_refused_with_what_is_allowed() {
    let mut wrong = Vec::new();
    for spec in ALL {
        let examples = examples(spec);
        for option in spec.options.iter().filter(|option| !ANY_VALUE.contains(&(spec.name, option.name))) {
            // With the example that has the option; another option may make it one that is looked at.
            let base =
                examples.iter().find(|options| options.contains_key(option.name)).unwrap_or(&examples[0]);
            let mut refused = false;
            for value in wrong_values() {
                let mut options = base.clone();
                options.insert(option.name.to_owned(), value.clone());
                let line = line_of(&options, option.name);
                let problems = problems(&written(spec.name, &options));
                refused |= !problems.is_empty();
                let is_fit = |problem: &Diagnostic| is_clear(problem, option.name, line);
                if !problems.is_empty() && !problems.iter().any(is_fit) {
                    wrong.push(format!("{}, {}: {value}: {}", spec.name, option.name, said(&problems)));
                }
            }
            if !refused {
                wrong.push(format!("{}, {}: takes every value", spec.name, option.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_options_of_all_processors_are_checked_on_each() {
    let wrong = [
        ("if", json!(["a"])),
        ("if", json!("a ==")),
        ("ignore_failure", json!("maybe")),
        ("on_failure", json!("text")),
        ("on_success", json!([{"no": {}}])),
        ("tag", json!({"a": 1})),
        ("description", json!(["a"])),
        ("disabled", json!(2)),
    ];
    for spec in ALL {
        for (option, value) in &wrong {
            let mut options = examples(spec).swap_remove(0);
            options.insert((*option).to_owned(), value.clone());
            let line = line_of(&options, option);
            let problems = problems(&written(spec.name, &options));
            let is_fit = |problem: &Diagnostic| problem.line == line && !problem.fix.is_empty();
            assert!(problems.iter().any(is_fit), "{}, {option}: {value}: {}", spec.name, said(&problems));
        }
    }
}
