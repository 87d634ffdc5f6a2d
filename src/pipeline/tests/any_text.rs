//! Processors take or refuse whatever is in a field: nothing panics, nothing hangs, what is left is JSON.

use event::model::Keys;
use pipeline::{Form, Input, Library, Node, Origin, Output, Program, Scratch};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::LazyLock;

/// Parsers, decoders and text processors, each on field `m`, most into a field of its own.
static STEPS: LazyLock<Vec<(&str, Value)>> = LazyLock::new(|| {
    vec![
        ("cef", json!({})),
        ("leef", json!({})),
        ("xml", json!({"target_field": "xml"})),
        ("uri_parts", json!({})),
        ("url_decode", json!({"target_field": "t"})),
        ("user_agent", json!({"extract_device_type": true})),
        ("html_strip", json!({"target_field": "t"})),
        ("regex_extract", json!({"regex": "(?<_NAME_0>[^=]*)=?(?<_VALUE_0>.*?)"})),
        ("pattern", json!({"target_field": "p", "tokenize_all": true})),
        ("level", json!({"target_field": "t"})),
        ("duration", json!({"target_field": "t"})),
        ("bytes", json!({"target_field": "t"})),
        ("data_size", json!({"target_field": "t", "output_format": "detailed"})),
        ("fqdn", json!({})),
        ("clean", json!({"target_field": "t"})),
        ("minify", json!({"target_field": "t", "format": "json"})),
        ("minify", json!({"target_field": "t", "format": "xml"})),
        ("minify", json!({"target_field": "t", "format": "html"})),
        ("serialize", json!({"type": "json"})),
        ("serialize", json!({"type": "xml"})),
        ("serialize", json!({"type": "csv", "include_header": true})),
        ("hex_decode", json!({"target_field": "t"})),
        ("hex_decode", json!({"target_field": "t", "format": "color"})),
        ("hex_decode", json!({"target_field": "t", "format": "dump"})),
        ("hex_decode", json!({"target_field": "t", "format": "intel_hex"})),
        ("binary_decode", json!({"target_field": "t"})),
        ("binary_decode", json!({"target_field": "t", "input_format": "hex", "encoding": "utf16le"})),
        ("binary_decode", json!({"target_field": "t", "input_format": "decimal", "output_format": "bytes"})),
        ("color_decode", json!({"target_field": "t", "output_format": "hsla"})),
        ("color_decode", json!({"target_field": "t", "output_format": "rgb_array"})),
        ("jwt_decode", json!({"extract_header": true, "parse_dates": true})),
        ("unix_permission", json!({"add_security_notes": true, "add_commands": true})),
        ("date_index", json!({"date_rounding": "w"})),
        ("timeshift", json!({"target_field": "t", "amount": 5000, "unit": "years"})),
        ("timeshift", json!({"target_field": "t", "amount": -1.5, "unit": "months"})),
        ("dot_nester", json!({"field": "o", "target_field": "t"})),
        (
            "move",
            json!({"target_field": "moved", "fields": ["*", "m.*", "o.[a-c]*"], "ignore_missing": true}),
        ),
        ("bag_pack", json!({"field": "t", "items": [{"key": "k", "value": "{{m}}"}]})),
        ("join_kv", json!({"field": "o", "target_field": "t"})),
        ("contains", json!({"list": ["x", "{{m}}"]})),
        ("debug", json!({"level": "Error", "message": "{{m}}"})),
        ("titlecase", json!({"target_field": "t", "preserve_articles": true})),
        ("text_wrap", json!({"target_field": "t", "width": 3, "break_long_words": true})),
        ("humanize", json!({"target_field": "t", "binary": true})),
        ("humanize", json!({"target_field": "t", "format": "time", "suffix": true})),
        ("ordinal", json!({"target_field": "t", "format": "both", "case": "title"})),
        ("expand_range", json!({"target_field": "t", "sort": true})),
        ("expand_range", json!({"target_field": "t", "range_type": "ip", "output_format": "min_max"})),
        ("expand_range", json!({"target_field": "t", "range_type": "cidr"})),
        ("expand_range", json!({"target_field": "t", "range_type": "alphanumeric", "output_format": "json"})),
        (
            "enforce_schema",
            json!({"schema": "message e { optional int64 m; optional group o { required boolean c; } }"}),
        ),
        ("enforce_schema", json!({"schema": "message e { repeated binary m (DATE); }"})),
        (
            "enforce_schema",
            json!({"schema_type": "avro", "schema": r#"{"type": "record", "name": "e", "fields": [{"name": "m", "type": ["double", "string", {"type": "map", "values": "int"}]}]}"#}),
        ),
        ("random_string", json!({"length": 5})),
        ("snowflake", json!({})),
    ]
});

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::default);

/// A program for each step alone, so that none hides what another one does.
static PROGRAMS: LazyLock<Vec<(&str, Program)>> = LazyLock::new(|| {
    let compile = |(name, options): &(&'static str, Value)| {
        let mut options = options.clone();
        // These take no `field`.
        if !["serialize", "move", "debug", "enforce_schema"].contains(name) && options.get("field").is_none()
        {
            options["field"] = json!("m");
        }
        options["ignore_failure"] = json!(true);
        let mut library = Library::default();
        let pipeline = json!({"processors": [{ *name: options }]});
        library.add("main", Node::from_json(Path::new("test.yml"), &pipeline));
        let program =
            Program::compile(&KEYS, &library, &["main"]).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        (*name, program)
    };
    STEPS.iter().map(compile).collect()
});

fn run_all(value: &Value) -> Result<(), TestCaseError> {
    let doc = json!({"m": value, "o": {"a": {"b": value}, "c": 1}}).to_string();
    let origin = Origin::default();
    for (name, program) in PROGRAMS.iter() {
        let input = Input { record: 0, bytes: doc.as_bytes(), form: Form::Event, origin: &origin };
        let mut out = Output::default();
        program.run(&mut Scratch::new(&KEYS), [input], 1_700_000_000_000_000_000, &mut out);
        // A limit fails the event whatever is ignored.
        prop_assert_eq!(out.kept.len() + out.failed.len(), 1, "{}", name);
        if !out.kept.is_empty() {
            let json = serde_json::from_slice::<Value>(out.json(0));
            prop_assert!(json.is_ok(), "{} gives {}", name, String::from_utf8_lossy(out.json(0)));
        }
    }
    Ok(())
}

/// Pieces of what the formats are made of.
const PIECES: &[&str] = &[
    "CEF:0|",
    "LEEF:2.0|",
    "|",
    "\\",
    "a=b",
    "=",
    "\t",
    " ",
    "x40",
    "<a b='",
    "<a>",
    "</a>",
    "<p>",
    "</p>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<pre>",
    "&amp;",
    "&#x41;",
    "&",
    "'",
    "\"",
    "http://",
    "@",
    "[::1]",
    ":",
    "/",
    "?",
    "#",
    "%4",
    "%41",
    "0x",
    "48656c",
    ":10",
    "0",
    "1",
    "1-5",
    "-",
    ",",
    "10.0.0.0/28",
    "/0",
    "web01-web03",
    "rgb(1,2,3)",
    "hsl(",
    "%",
    ")",
    "#fff",
    "1.5GB",
    "kib",
    "h",
    "eyJhbGciOiJIUzI1NiJ9",
    "eyJzdWIiOiI3IiwiZXhwIjoxNTE2MjM5MDIyfQ",
    ".",
    "E0512 ",
    "77:M",
    "level=",
    "rwxr-xr-x",
    "777",
    "2024-01-15T10:30:00Z",
    "9999-12-31",
    "1705312200",
    "{",
    "}",
    "[",
    "]",
    "null",
    "é",
    "\u{1f600}",
    "\u{0}",
    "\n",
    "9223372036854775808",
    "-9223372036854775808",
    "1e308",
    "_",
    "Mozilla/5.0 (X11; Linux) Chrome/1",
];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~é]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c.é]{0,3}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_text_is_taken_or_refused(text in "[ -~é\n\t]{0,80}") {
        run_all(&json!(text))?;
    }

    #[test]
    fn any_text_of_the_formats_pieces_is_taken_or_refused(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..20),
    ) {
        run_all(&json!(pieces.concat()))?;
    }

    #[test]
    fn any_value_is_taken_or_refused(value in any_value()) {
        run_all(&value)?;
    }
}

#[test]
fn long_texts_that_mean_to_take_long_come_to_an_end() {
    const LEN: usize = 8 * 1024;
    for piece in [
        "<a ", "<a =\"", "<a '", "<", "<!--", "</p>", "&", "\"", "[", "a=b ", "a", "1,", "1-", "http://",
        "%", "(", ".", "\n", "é",
    ] {
        let text = piece.repeat(LEN / piece.len());
        for prefix in ["", "CEF:0|v|p|1|c|n|5|", "<a>"] {
            run_all(&json!(format!("{prefix}{text}"))).expect("it is kept");
        }
    }
}
