//! The command line, without and with a running Director.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use support::{
    Installation, Receiver, connect, device, free_port, repository, stderr, stdout, target, tcp_to_tcp,
};

#[test]
fn the_help_lists_flags_and_exit_codes() {
    let output = Installation::empty().run(&["-help"]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("-config-path") && stdout(&output).contains("exit codes"));
}

#[test]
fn an_unknown_flag_gets_a_suggestion_and_exit_code_2() {
    let output = Installation::empty().run(&["--valdate"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "there is no flag -valdate; did you mean -validate?\n");
}

#[test]
fn two_commands_at_once_are_refused() {
    let output = Installation::empty().run(&["-stop", "-top"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn versions_are_printed_and_compared() {
    let empty = Installation::empty();
    assert!(stdout(&empty.run(&["-version"])).starts_with("vmetric-director "));
    assert!(stdout(&empty.run(&["-compare-version", "0.0.1"])).contains("is newer than 0.0.1"));
    assert!(stdout(&empty.run(&["-compare-version=999.0"])).contains("is older than 999.0"));
    assert_eq!(empty.run(&["-compare-version=new"]).status.code(), Some(2));
}

#[test]
fn the_example_is_valid() {
    let installation = Installation::empty();
    let example = stdout(&installation.run(&["-example"]));
    installation.write("vmetric.yml", &example);
    let output = installation.run(&["-validate"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "[OK] No issues found.\n"));
}

#[test]
fn the_quickstart_is_valid() {
    let quickstart = repository("vmetric.yml");
    let output =
        Installation::empty().run(&["-config-path", quickstart.to_str().expect("text"), "-validate"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "[OK] No issues found.\n"));
}

#[test]
fn mistakes_in_pipelines_are_found_before_anything_starts() {
    let pipelines = "pipelines:\n  - name: p\n    processors:\n      - nosuchprocessor: {field: message}\n";
    let installation = Installation::new(pipelines);
    for flags in [&["-validate"][..], &[]] {
        let output = installation.run(flags);
        assert_eq!(output.status.code(), Some(3), "{flags:?}");
        let text = stdout(&output) + &stderr(&output);
        assert!(text.contains("vmetric.yml:5:"), "{text}");
    }
}

#[test]
fn all_mistakes_come_at_once_with_exit_code_3() {
    let installation = Installation::new("devices:\n  - {id: x, name: a, type: tcpp}\n");
    let output = installation.run(&["-validate"]);
    assert_eq!(output.status.code(), Some(3));
    let text = stdout(&output);
    assert!(text.contains("vmetric.yml:3:") && text.matches("error: ").count() >= 2, "{text}");
    assert!(text.ends_with("files: 1.\n"), "{text}");
}

#[test]
fn a_bare_start_in_an_empty_folder_says_what_to_do_and_writes_nothing() {
    let empty = Installation::empty();
    let output = empty.run(&[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("vmetric-director -example > vmetric.yml"), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(empty.path()).expect("there").count(), 0);
}

#[test]
fn a_director_that_is_switched_off_says_so() {
    let output = Installation::new("director: {status: false}\n").run(&[]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("director.status is false"));
}

#[test]
fn commands_that_need_a_running_director_say_that_there_is_none() {
    let installation = Installation::new("");
    for flags in [&["-stop"][..], &["-top"], &["-stats"], &["-tap", "x"], &["-console"], &["-reload"]] {
        let output = installation.run(flags);
        assert_eq!(output.status.code(), Some(5), "{flags:?}");
        assert!(stderr(&output).starts_with("no Director runs on "), "{}", stderr(&output));
    }
    let info = installation.run(&["-info"]);
    assert!(info.status.success() && stdout(&info).contains("running        no"));
}

#[test]
fn a_second_director_on_the_same_installation_is_refused() {
    let mut installation = Installation::new("");
    let pid = installation.start();
    let output = installation.run(&[]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains(&format!("(process {pid})")), "{}", stderr(&output));
}

#[test]
fn a_director_without_devices_gets_a_hint() {
    let mut installation = Installation::new("");
    installation.start();
    installation.wait_for_log("no device is configured");
}

#[test]
fn stop_waits_until_the_director_is_gone() {
    let mut installation = Installation::new("");
    installation.start();
    assert!(installation.run(&["-stop"]).status.success());
    assert!(installation.wait_for_end().success());
    assert!(stdout(&installation.run(&["-info"])).contains("running        no"));
}

#[test]
fn top_stats_and_info_show_what_goes_on() {
    let (receiver, port) = (Receiver::new(), free_port());
    let mut installation = Installation::new(&tcp_to_tcp(port, receiver.port));
    installation.start();
    connect(port).write_all(b"one\ntwo\n").expect("sent");
    receiver.take(2);
    installation.wait("delivered", |it| (it.counter("targets", "out", "delivered") == 2).then_some(()));

    let top = stdout(&installation.run(&["-top"]));
    assert!(!top.contains('\x1b'), "plain where the output is no terminal");
    for line in [
        "  in (device) running  ",
        "    listener (listener) running  listening on 127.0.0.1:",
        "  out (target) running",
    ] {
        assert!(top.contains(line), "{line} in {top}");
    }
    let stats = stdout(&installation.run(&["-stats"]));
    let row = |name: &str| -> Vec<String> {
        let line = stats.lines().find(|line| line.starts_with(name)).expect("a row");
        line.split_whitespace().take(4).map(str::to_owned).collect()
    };
    assert_eq!(
        (row("in "), row("out ")),
        (["in", "2", "2", "0"].map(String::from).into(), ["out", "2", "2", "0"].map(String::from).into())
    );
    let info = stdout(&installation.run(&["-info"]));
    assert!(info.contains("running        yes") && info.contains("health         ok"), "{info}");
}

#[test]
fn tap_shows_live_events_of_a_device_a_route_and_a_target() {
    let (receiver, port) = (Receiver::new(), free_port());
    let mut installation = Installation::new(&tcp_to_tcp(port, receiver.port));
    installation.start();
    let mut peer = connect(port);
    for name in ["in", "all", "out"] {
        let mut tap =
            installation.command(&["-tap", name]).stdout(Stdio::piped()).spawn().expect("it starts");
        let (sender, lines) = std::sync::mpsc::channel();
        let out = tap.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        // The tap is open at some moment after its start.
        let line = installation.wait("a line", |_| {
            writeln!(peer, "hello {name}").expect("sent");
            lines.try_recv().ok()
        });
        assert!(line.contains(" 127.0.0.1:") && line.ends_with(&format!(" hello {name}")), "{line}");
        tap.kill().expect("it runs");
        tap.wait().expect("it ends");
    }
    let output = installation.run(&["-tap", "nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there are all, in, out"), "{}", stderr(&output));
}

#[test]
fn console_follows_the_log_in_more_detail_than_is_written() {
    let mut installation = Installation::new("");
    installation.start();
    let mut console =
        installation.command(&["-console", "-debug-level", "4", "-filter", "CONFIGURATION WAS LOADED"]);
    let mut console = console.stdout(Stdio::piped()).spawn().expect("it starts");
    let (sender, lines) = std::sync::mpsc::channel();
    let out = console.stdout.take().expect("piped");
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let line = installation.wait("a line", |it| {
        assert!(it.run(&["-reload"]).status.success());
        lines.try_recv().ok()
    });
    assert!(line.contains("] [Information] [vmetric-director] the configuration was loaded again"), "{line}");
    console.kill().expect("it runs");
    console.wait().expect("it ends");
}

#[test]
fn the_generator_sends_what_a_director_takes() {
    let (receiver, port) = (Receiver::new(), free_port());
    let mut installation = Installation::new(&tcp_to_tcp(port, receiver.port));
    installation.start();
    let address = format!("127.0.0.1:{port}");
    let flags = [
        "-generator",
        "-protocol",
        "tcp",
        "-address",
        &address,
        "-count",
        "10",
        "-now",
        "-message",
        "hi there",
    ];
    let output = installation.run(&flags);
    assert!(output.status.success(), "{}", stdout(&output));
    assert!(stdout(&output).contains("in all: 10 sent, 0 not"), "{}", stdout(&output));
    let lines = receiver.take(10);
    assert!(lines.iter().all(|line| line.starts_with("<131>1 ") && line.ends_with(" hi there")), "{lines:?}");
}

#[test]
fn pipelines_of_a_route_get_independent_copies_and_processors_are_counted_exactly() {
    let (receiver, port) = (Receiver::new(), free_port());
    let (device, target) = (device(1, "in", port), target("out", receiver.port));
    let route = "routes:\n  - {name: all, pipelines: [first, second], targets: [out]}\n";
    let pipelines = "pipelines:
  - name: first
    processors:
      - set: {field: a, value: 1}
      - drop: {if: message == 'x', tag: noise}
  - name: second
    processors:
      - set: {field: b, value: 2}
      - rename: {field: c, target_field: d, ignore_failure: true}
";
    let mut installation = Installation::new(&format!("{device}{target}{route}{pipelines}"));
    installation.start();
    connect(port).write_all(b"x\ny\n").expect("sent");
    let mut lines = receiver.take(3);
    lines.sort();
    assert_eq!(lines, [r#"{"message":"x","b":2}"#, r#"{"message":"y","a":1}"#, r#"{"message":"y","b":2}"#]);
    installation.wait("settled", |it| (it.counter("devices", "in", "settled") == 2).then_some(()));

    let (_, metrics) = installation.get("/metrics").expect("an answer");
    let count = |what: &str, step: &str| -> Option<&str> {
        let line = metrics.lines().find(|line| {
            line.starts_with(&format!("vmetric_processor_{what}_total{{")) && line.contains(step)
        });
        line.and_then(|line| line.rsplit(' ').next())
    };
    let drop = r#"pipeline="first",step="2",processor="drop",tag="noise""#;
    let rename = r#"pipeline="second",step="2",processor="rename",tag="""#;
    assert_eq!((count("executed", drop), count("dropped", drop)), (Some("1"), Some("1")));
    assert_eq!((count("executed", rename), count("failed", rename)), (Some("2"), Some("2")));
    let stats = stdout(&installation.run(&["-stats"]));
    let row = stats.lines().find(|line| line.starts_with("second/2 rename")).expect("a row");
    assert_eq!(row.split_whitespace().skip(2).take(2).collect::<Vec<_>>(), ["2", "2"]);
}
