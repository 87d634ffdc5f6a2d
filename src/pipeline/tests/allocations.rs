//! In the steady state a program allocates nothing per event: a counting allocator shows it.
#![allow(unsafe_code)] // an allocator can't be written without

use event::model::Keys;
use pipeline::{Form, Input, Library, Node, Origin, Output, Program, Scratch};
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local number only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const SYSLOG: &[u8] =
    b"<15>2026-01-31T08:05:09Z myhost myprog[1234]: CONN=003 SEQ=000000000017 id=7 user=ann text";
const JSON: &[u8] =
    br#"{"ts":1790000000000,"level":"info","msg":"CONN=003 x","tags":["a","b"],"n":{"a":1.5}}"#;
const CEF: &[u8] = b"CEF:0|Security|threatmanager|1.0|100|worm stopped|10|src=10.0.0.1 spt=1232 msg=a b c";
const LEEF: &[u8] = b"LEEF:2.0|Vendor|Product|1.0|Alert|^|src=10.0.0.1^pid=7^proto=TCP";
const URL: &[u8] = b"https://ann:pw@www.example.com:8080/a%20b/c.txt?x=1#top";
const EVENTS: u32 = 512;

/// How often one batch allocates once everything is warm.
fn allocations(processors: Value, record: &[u8]) -> u64 {
    let keys = Keys::default();
    let mut library = Library::default();
    library.add("work", Node::from_json(Path::new("test"), &json!({ "processors": processors })));
    let program = Program::compile(&keys, &library, &["work"]).expect("the pipeline is right");
    let (mut scratch, mut out) = (Scratch::new(&keys), Output::default());
    let origin = Origin { device_name: "in", ..Origin::default() };
    let mut last = 0;
    for _ in 0..3 {
        out.clear();
        let inputs =
            (0..EVENTS).map(|at| Input { record: at, bytes: record, form: Form::Message, origin: &origin });
        let before = ALLOCATIONS.get();
        program.run(&mut scratch, inputs, 0, &mut out);
        last = ALLOCATIONS.get() - before;
        assert!(out.failed.is_empty(), "{:?}", out.failed.first());
    }
    last
}

#[test]
fn parsing_setting_renaming_removing_comparing_and_writing_allocate_nothing() {
    let syslog = json!({"syslog": {"field": "message", "ignore_missing": true, "ignore_failure": true}});
    let cases = [
        ("writing", json!([]), SYSLOG),
        ("set", json!([{"set": {"field": "processed_by", "value": "pipeline"}}]), SYSLOG),
        ("set nested", json!([{"set": {"field": "a.b.c", "value": 1}}]), SYSLOG),
        ("set template", json!([{"set": {"field": "a", "value": "x {{message}} y"}}]), SYSLOG),
        ("set copy", json!([{"set": {"field": "a", "copy_from": "message"}}]), SYSLOG),
        ("syslog", json!([syslog]), SYSLOG),
        ("syslog of no syslog", json!([syslog]), b"just words".as_slice()),
        (
            "condition",
            json!([syslog, {"set": {
                "if": "log?.syslog?.severity?.name == \"Debug\" && log.syslog.message contains 'id='",
                "field": "dropped", "value": true,
            }}]),
            SYSLOG,
        ),
        (
            "rename",
            json!([syslog, {"rename": {"field": "log.syslog.hostname", "target_field": "host.name"}}]),
            SYSLOG,
        ),
        ("remove", json!([syslog, {"remove": {"field": ["message", "log.syslog.pid"]}}]), SYSLOG),
        ("drop", json!([{"drop": {"if": "message startsWith '<15>'"}}]), SYSLOG),
        ("json", json!([{"json": {"field": "message", "add_to_root": true}}]), JSON),
        (
            "gsub",
            json!([{"gsub": {"field": "message", "pattern": "SEQ=[0-9]+", "replacement": "SEQ=*"}}]),
            SYSLOG,
        ),
        (
            "gsub groups",
            json!([{"gsub": {"field": "message", "pattern": "(SEQ)=[0-9]+", "replacement": "$1"}}]),
            SYSLOG,
        ),
        ("lowercase", json!([{"lowercase": {"field": "message"}}]), SYSLOG),
        (
            "dissect",
            json!([{"dissect": {"field": "message", "pattern": "<%{pri}>%{time} %{host} %{rest}"}}]),
            SYSLOG,
        ),
        ("cef", json!([{"cef": {"field": "message"}}]), CEF),
        ("leef", json!([{"leef": {"field": "message"}}]), LEEF),
        ("uri_parts", json!([{"uri_parts": {"field": "message"}}]), URL),
        ("url_decode", json!([{"url_decode": {"field": "message"}}]), URL),
        ("fqdn", json!([{"fqdn": {"field": "message"}}]), URL),
        ("level", json!([{"level": {"field": "message", "target_field": "l"}}]), SYSLOG),
        ("html_strip", json!([{"html_strip": {"field": "message"}}]), SYSLOG),
        ("clean", json!([{"clean": {"field": "message"}}]), SYSLOG),
        ("metadata", json!([{"set": {"field": "device", "value": "{{_vmetric.device.name}}"}}]), SYSLOG),
    ];
    let wrong: Vec<(&str, u64)> = cases
        .into_iter()
        .map(|(name, processors, record)| (name, allocations(processors, record)))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(wrong, [], "allocations in a batch of {EVENTS} events");
}
