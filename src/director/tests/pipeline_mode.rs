//! `-pipeline`: the examples in `configs/pipelines`, and what else the mode does, with the real program.

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Runs the program in the repository's folder.
fn run(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmetric-director"));
    command.arg("-pipeline").args(flags).current_dir(ROOT).stdin(Stdio::null()).output().expect("it runs")
}

/// The same with a text on its standard input.
fn run_with_input(flags: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmetric-director"));
    command.arg("-pipeline").args(flags).current_dir(ROOT);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// A configuration with these pipelines, in a folder of its own.
fn pipelines(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipelines.yml");
    fs::write(&path, text).expect("written");
    let path = path.to_str().expect("text").to_owned();
    (folder, path)
}

const TWO: &str = "pipelines:
  - name: mark
    processors:
      - set: {field: seen, value: true, tag: mark}
  - name: strict
    processors:
      - drop: {if: message == 'noise'}
      - rename: {field: must, target_field: have, if: message != 'fine'}
";

/// The file beside an example whose name begins like this.
fn beside(example: &Path, what: &str) -> PathBuf {
    let stem = example.file_stem().expect("a name").to_str().expect("text");
    let files = fs::read_dir(example.parent().expect("a folder")).expect("readable");
    let mut files = files.map(|file| file.expect("readable").path());
    let wanted = format!("{stem}.{what}.");
    let is_wanted =
        |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&wanted));
    let path = files.find(is_wanted).unwrap_or_else(|| panic!("{stem} has no file {wanted}"));
    path.strip_prefix(ROOT).expect("below the root").to_owned()
}

#[test]
fn every_example_gives_what_it_says() {
    let folder = Path::new(ROOT).join("configs/pipelines");
    let mut seen = 0;
    for entry in fs::read_dir(&folder).expect("the examples") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("readable");
        let (input, expected) = (beside(&path, "input"), beside(&path, "expected"));
        let config = path.strip_prefix(ROOT).expect("below the root");
        let mut flags = vec!["-config-path", config.to_str().expect("text")];
        flags.extend(["-input", input.to_str().expect("text")]);
        flags.extend(["-expected", expected.to_str().expect("text"), "-diff"]);
        // The comment on top shows the command: its flags are part of the example.
        let shown = text.lines().take_while(|line| line.starts_with('#')).collect::<Vec<_>>().join(" ");
        if shown.contains("-extended") {
            flags.push("-extended");
        }
        if let Some((_, name)) = shown.split_once("-name ") {
            flags.extend(["-name", name.split_whitespace().next().expect("a name")]);
        }
        let output = run(&flags);
        assert!(output.status.success(), "{flags:?}: {}{}", stdout(&output), stderr(&output));
        seen += 1;
    }
    assert!(seen >= 4, "examples are missing: {seen}");
}

#[test]
fn raw_lines_json_lines_a_document_and_the_standard_input_are_events() {
    let (_folder, config) = pipelines(TWO);
    let flags = |input: &'static str| ["-config-path", &*config, "-name", "mark.yml", "-input", input];
    assert_eq!(stdout(&run(&flags(r#"{"n": 1.50}"#))), "{\"n\":1.5,\"seen\":true}\n");
    let of_input = |text: &str| lines(&run_with_input(&flags("-"), text));
    assert_eq!(
        of_input("one\ntwo\n"),
        [json!({"message": "one", "seen": true}), json!({"message": "two", "seen": true})]
    );
    assert_eq!(
        of_input("{\"a\": 1}\n{\"a\": 2}\n"),
        [json!({"a": 1, "seen": true}), json!({"a": 2, "seen": true})]
    );
    assert_eq!(of_input("[{\"a\": 1}]"), [json!({"a": 1, "seen": true})]);
    assert_eq!(of_input(""), [] as [Value; 0]);
}

#[test]
fn extended_says_of_each_input_what_became_of_it_and_what_each_processor_did() {
    let (_folder, config) = pipelines(TWO);
    let output = run_with_input(
        &["-config-path", &config, "-name", "strict", "-input", "-", "-extended"],
        "noise\nbad\nfine\n",
    );
    let lines = lines(&output);
    let outcomes: Vec<&Value> = lines.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["dropped", "failed", "kept"]);
    assert!(lines[1]["error"].as_str().expect("why").ends_with("pipelines.yml:8: field [must] is missing"));
    assert_eq!(lines[2]["event"], json!({"message": "fine"}));
    let did = |line: usize| -> Vec<&Value> {
        lines[line]["steps"].as_array().expect("steps").iter().map(|step| &step["did"]).collect()
    };
    assert_eq!(
        (did(0), did(1), did(2)),
        (
            vec![&json!("dropped")],
            vec![&json!("skipped"), &json!("failed")],
            vec![&json!("skipped"), &json!("skipped")],
        )
    );
    let output = run(&["-config-path", &config, "-name", "mark", "-input", "{}", "-extended"]);
    let step = &self::lines(&output)[0]["steps"][0];
    assert_eq!(step["changed"], json!({"seen": {"after": true}}));
    assert_eq!((&step["processor"], &step["tag"]), (&json!("set"), &json!("mark")));
    assert!(step["took_ns"].is_u64());
}

#[test]
fn a_result_that_differs_ends_with_1_and_says_where() {
    let (folder, config) = pipelines(TWO);
    let expected = folder.path().join("expected.json");
    fs::write(&expected, "{\"seen\": true, \"a\": 1.0}").expect("written");
    let expected = expected.to_str().expect("text");
    let flags = ["-config-path", &config, "-name", "mark", "-input", r#"{"a": 1}"#, "-expected", expected];
    let output = run(&flags);
    assert!(output.status.success(), "{}", stdout(&output));
    assert_eq!(stdout(&output), "[OK] the result is as expected, events: 1\n");
    let mut flags = flags.to_vec();
    flags[5] = r#"{"a": 2}"#;
    let output = run(&flags);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stdout(&output),
        format!("[FAILED] the result differs from {expected}, first at event 1; -diff shows how\n")
    );
    flags.push("-diff");
    assert!(stdout(&run(&flags)).starts_with("event 1, a\n  - 1.0\n  + 2\n"));
}

#[test]
fn the_result_goes_to_a_file_or_is_drawn_with_sorted_keys() {
    let (folder, config) = pipelines(TWO);
    let file = folder.path().join("out.jsonl");
    let file = file.to_str().expect("text");
    let flags = ["-config-path", &config, "-name", "mark", "-input", r#"{"z": 1}"#];
    let output = run(&[&flags[..], &["-output", file]].concat());
    assert_eq!(stdout(&output), format!("Successfully exported to {file}\n"));
    assert_eq!(fs::read_to_string(file).expect("written"), "{\"z\":1,\"seen\":true}\n");
    let output = run(&[&flags[..], &["-visualize"]].concat());
    assert_eq!(stdout(&output), "{\n  \"seen\": true,\n  \"z\": 1\n}\n");
}

#[test]
fn an_event_that_fails_is_said_on_the_standard_error() {
    let (_folder, config) = pipelines(TWO);
    let output = run_with_input(&["-config-path", &config, "-name", "strict", "-input", "-"], "bad\nfine\n");
    assert_eq!(lines(&output), [json!({"message": "fine"})]);
    let said = stderr(&output);
    assert!(
        said.starts_with("event 1 failed and is left out: rename at ") && said.contains("is missing"),
        "{said}"
    );
}

#[test]
fn mistakes_say_what_would_be_right() {
    let (_folder, config) = pipelines(TWO);
    let cases: [(&[&str], i32, &str); 6] = [
        (&["-config-path", &config], 2, "-pipeline needs -input"),
        (&["-config-path", &config, "-input", "{}"], 2, "-pipeline needs -name: one of mark, strict"),
        (&["-config-path", &config, "-input", "{}", "-name", "x"], 2, "write mark, strict"),
        (&["-config-path", &config, "-input", "{}", "-name", "mark", "-diff"], 2, "-expected FILE"),
        (
            &["-config-path", &config, "-input", "no/such/file", "-name", "mark"],
            1,
            "cannot read the input no/such/file",
        ),
        (&["-config-path", "no/such.yml", "-input", "{}"], 3, "no/such.yml"),
    ];
    for (flags, code, text) in cases {
        let output = run(flags);
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(text), "{flags:?}: {}", stderr(&output));
    }
    let (_folder, broken) = pipelines("pipelines:\n  - name: a\n    processors:\n      - sett: {field: a}\n");
    let output = run(&["-config-path", &broken, "-input", "{}"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("pipelines.yml:4:9: there is no processor \"sett\"; did you mean \"set\""),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_help_beside_a_tool_lists_its_flags() {
    let output = run(&["-help"]);
    assert!(output.status.success());
    for flag in ["-name", "-input", "-output", "-expected", "-diff", "-visualize", "-extended"] {
        assert!(stdout(&output).contains(flag), "{flag}");
    }
}
