//! `score`: points for what is found in an event.

use super::object::{Object, texts};
use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::pattern::Pattern;
use crate::source::{Node, Value};
use crate::step::{Block, Flow, Processor, Ran, nested};
use crate::suggest::closest;
use crate::template::write_plain;
use event::model::{Event, Path, Slot};
use memchr::memmem;

pub(super) static SPEC: Spec = Spec {
    name: "score",
    family: "analytics",
    summary: "Gives points for what is found in an event, by rules.",
    details: "The points go to `score_field` below the identifier: `score`, `max_possible_score` and `matched_rules`, so that \
              several of these processors fill one field, and `confidence` compares them. Rules look at the field `message` \
              unless they name another. Each rule has a `type`, `points`, and if you like a `description`: \
              `regex` (`pattern`, `capture_groups`: further points for groups that match), `contains` and `not_contains` \
              (`text`, `case_sensitive`: true), `field_value` (`field`, `value`, `ignore_case`: false), `kv_fields` \
              (`fields`, `min_matches`: all; fields of the event, or `name=` in the text), `csv` (`delimiter`, \
              `min_fields`, `header_patterns`), `structure` (`format`: cef, leef, json, kv, csv), `processor` \
              (`processors`, which run on a copy and have to succeed).",
    options: &[
        required("identifier", "What the points are for."),
        optional("score_field", "_score", "Where they go."),
        required("rules", "The rules, in order."),
    ],
    examples: &[Example {
        title: "an access log",
        event: r#"{"message": "192.0.2.1 - - \"GET / HTTP/1.1\" 404"}"#,
        processors: "- score: {identifier: apache, score_field: s, rules: [{type: regex, points: 30, pattern: '^\\d+\\.\\d+', description: address}, {type: contains, points: 25, text: 'get /', case_sensitive: false}, {type: contains, points: 5, text: POST}, {type: regex, points: 10, pattern: 'HTTP/(\\d).(\\d)', capture_groups: {'1': 5}}]}\n- keep: {field: s}",
        outcome: Outcome::Event(
            r#"{"s": {"apache": {"score": 70, "max_possible_score": 75, "matched_rules": ["address", "contains: get /", "regex: HTTP/(\\d).(\\d)"]}}}"#,
        ),
    }],
    compile,
};

/// What rules have, whatever their type.
const COMMON: [&str; 3] = ["type", "points", "description"];

struct Score {
    field: Path,
    rules: Vec<Rule>,
    max: f64,
}

struct Rule {
    points: f64,
    description: String,
    /// What it looks at; none is the whole event.
    field: Path,
    test: Test,
}

enum Test {
    Regex { pattern: Pattern, bonus: Vec<(usize, f64)> },
    Contains { text: Vec<u8>, case_sensitive: bool, wanted: bool },
    FieldValue { value: Vec<u8>, ignore_case: bool },
    KvFields { fields: Vec<(Path, String)>, min_matches: usize },
    Csv { delimiter: u8, min_fields: usize, headers: Vec<String> },
    Structure(Format),
    Processors(Block),
}

#[derive(Clone, Copy)]
enum Format {
    Cef,
    Leef,
    Json,
    Kv,
    Csv,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let identifier = options.required_text("identifier")?;
    let default = Path::of_names(options.keys(), &["_score"]);
    let field = options.field_or("score_field", &default)?;
    let field = field.child(options.keys(), &identifier);
    let node = options.required("rules")?;
    let Value::List(items) = &node.value else {
        return Err(options.error(&node.at, "`rules` is a list", "write `- type: contains`"));
    };
    let mut rules = Vec::new();
    for item in items {
        rules.push(RuleReader { options, node: item }.rule()?);
    }
    let bonus = |rule: &Rule| match &rule.test {
        Test::Regex { bonus, .. } => bonus.iter().map(|(_, points)| points).sum(),
        _ => 0.0,
    };
    let max = rules.iter().map(|rule| rule.points + bonus(rule)).sum();
    Ok(Box::new(Score { field, rules, max }))
}

struct RuleReader<'r, 'o, 'c> {
    options: &'r mut Options<'o, 'c>,
    node: &'o Node,
}

impl RuleReader<'_, '_, '_> {
    fn rule(&mut self) -> Result<Rule, Reported> {
        let kind = self.text("type")?;
        let (test, own, detail): (Test, &[&str], String) = match &*kind {
            "regex" => (self.regex()?, &["pattern", "field", "capture_groups"], self.text("pattern")?),
            "contains" | "not_contains" => {
                let text = self.text("text")?;
                let case_sensitive = self.flag("case_sensitive", true)?;
                let bytes = if case_sensitive { text.clone() } else { text.to_lowercase() };
                let wanted = kind == "contains";
                let test = Test::Contains { text: bytes.into_bytes(), case_sensitive, wanted };
                (test, &["text", "field", "case_sensitive"], text)
            }
            "field_value" => {
                let value = self.text("value")?;
                let ignore_case = self.flag("ignore_case", false)?;
                let test = Test::FieldValue { value: value.clone().into_bytes(), ignore_case };
                (test, &["field", "value", "ignore_case"], format!("{}={value}", self.text("field")?))
            }
            "kv_fields" => {
                let (test, names) = self.kv_fields()?;
                (test, &["fields", "min_matches"], names)
            }
            "csv" => {
                (self.csv()?, &["delimiter", "min_fields", "header_patterns", "field"], "columns".to_owned())
            }
            "structure" => (self.structure()?, &["format", "field"], self.text("format")?),
            "processor" => {
                let Some(node) = self.node.get("processors") else { return Err(self.missing("processors")) };
                (Test::Processors(self.options.block(node)), &["processors"], "processors".to_owned())
            }
            other => {
                let known = [
                    "regex",
                    "contains",
                    "not_contains",
                    "field_value",
                    "kv_fields",
                    "csv",
                    "structure",
                    "processor",
                ];
                let what =
                    format!("there is no rule of the type {other:?}{}", closest(other, known.into_iter()));
                return Err(self.options.error(
                    &self.node.at,
                    what,
                    format!("there are {}", known.join(", ")),
                ));
            }
        };
        self.check_names(own)?;
        let description = match self.node.get("description").and_then(Node::as_text) {
            Some(text) => text.to_owned(),
            None => format!("{kind}: {detail}"),
        };
        let field = match self.node.get("field") {
            Some(node) => self.options.path("field", node)?,
            None => Path::of_names(self.options.keys(), &["message"]),
        };
        Ok(Rule { points: self.number("points")?, description, field, test })
    }

    fn check_names(&mut self, own: &[&str]) -> Result<(), Reported> {
        let is_known = |name: &str| own.contains(&name) || COMMON.contains(&name);
        match self.node.entries().iter().find(|entry| !is_known(&entry.key)) {
            None => Ok(()),
            Some(entry) => {
                let hint = closest(&entry.key, own.iter().copied().chain(COMMON));
                let what = format!("a rule of this type has no {:?}{hint}", entry.key);
                Err(self.options.error(&entry.key_at, what, format!("its own are {}", own.join(", "))))
            }
        }
    }

    fn missing(&mut self, name: &str) -> Reported {
        self.options.error(&self.node.at, format!("a rule has no `{name}`"), format!("add `{name}:`"))
    }

    fn text(&mut self, name: &str) -> Result<String, Reported> {
        match self.node.get(name).map(|node| (&node.value, &node.at)) {
            Some((Value::Text(text), _)) => Ok(text.clone()),
            Some((Value::Int(number), _)) => Ok(number.to_string()),
            Some((Value::Float(number), _)) => Ok(number.to_string()),
            Some((Value::Bool(truth), _)) => Ok(truth.to_string()),
            Some((_, at)) => Err(self.options.error(at, format!("`{name}` is a text"), "")),
            None => Err(self.missing(name)),
        }
    }

    fn number(&mut self, name: &str) -> Result<f64, Reported> {
        match self.node.get(name).map(|node| (&node.value, &node.at)) {
            Some((Value::Int(number), _)) => Ok(*number as f64),
            Some((Value::Float(number), _)) => Ok(*number),
            Some((_, at)) => Err(self.options.error(at, format!("`{name}` is a number"), "")),
            None => Err(self.missing(name)),
        }
    }

    fn count(&mut self, name: &str, default: usize) -> Result<usize, Reported> {
        match self.node.get(name).map(|node| (&node.value, &node.at)) {
            None => Ok(default),
            Some((Value::Int(number), _)) if *number >= 0 => Ok(*number as usize),
            Some((_, at)) => Err(self.options.error(at, format!("`{name}` is a whole number"), "")),
        }
    }

    fn flag(&mut self, name: &str, default: bool) -> Result<bool, Reported> {
        match self.node.get(name).map(|node| (&node.value, &node.at)) {
            None => Ok(default),
            Some((Value::Bool(truth), _)) => Ok(*truth),
            Some((_, at)) => Err(self.options.error(at, format!("`{name}` is true or false"), "")),
        }
    }

    fn texts(&mut self, name: &str) -> Result<Vec<String>, Reported> {
        let Some(node) = self.node.get(name) else { return Ok(Vec::new()) };
        let items = match &node.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let texts: Option<Vec<String>> =
            items.into_iter().map(|node| node.as_text().map(str::to_owned)).collect();
        texts.ok_or_else(|| self.options.error(&node.at, format!("`{name}` is a list of texts"), ""))
    }

    fn regex(&mut self) -> Result<Test, Reported> {
        let text = self.text("pattern")?;
        let pattern = self.options.pattern_of(&self.node.at, &text)?;
        let names = pattern.group_names();
        let mut bonus = Vec::new();
        for entry in self.node.get("capture_groups").map(Node::entries).unwrap_or_default() {
            let number = entry.key.parse().ok().filter(|number: &usize| *number < names.len());
            let group = number.or_else(|| names.iter().position(|name| name.as_deref() == Some(&*entry.key)));
            let points = match &entry.value.value {
                Value::Int(points) => Some(*points as f64),
                Value::Float(points) => Some(*points),
                _ => None,
            };
            let Some((group, points)) = group.zip(points) else {
                let what = format!("`capture_groups`: {:?} is no group with points", entry.key);
                return Err(self.options.error(&entry.key_at, what, "write `'1': 5`"));
            };
            bonus.push((group, points));
        }
        Ok(Test::Regex { pattern, bonus })
    }

    fn kv_fields(&mut self) -> Result<(Test, String), Reported> {
        let names = self.texts("fields")?;
        if names.is_empty() {
            return Err(self.missing("fields"));
        }
        let mut fields = Vec::new();
        for name in &names {
            match Path::parse(self.options.keys(), name) {
                Ok(path) => fields.push((path, name.clone())),
                Err(why) => return Err(self.options.error(&self.node.at, format!("{name:?}: {why}"), "")),
            }
        }
        let min_matches = self.count("min_matches", fields.len())?;
        Ok((Test::KvFields { fields, min_matches }, names.join(", ")))
    }

    fn csv(&mut self) -> Result<Test, Reported> {
        let delimiter =
            if self.node.get("delimiter").is_some() { self.text("delimiter")? } else { ",".to_owned() };
        let [delimiter] = delimiter.as_bytes() else {
            return Err(self.options.error(&self.node.at, "`delimiter` is one ASCII character", ""));
        };
        let (delimiter, min_fields) = (*delimiter, self.count("min_fields", 2)?);
        Ok(Test::Csv { delimiter, min_fields, headers: self.texts("header_patterns")? })
    }

    fn structure(&mut self) -> Result<Test, Reported> {
        let name = self.text("format")?;
        let known = [
            ("cef", Format::Cef),
            ("leef", Format::Leef),
            ("json", Format::Json),
            ("kv", Format::Kv),
            ("csv", Format::Csv),
        ];
        match known.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, format)) => Ok(Test::Structure(*format)),
            None => {
                let what = format!("there is no format {name:?}");
                Err(self.options.error(&self.node.at, what, "there are cef, leef, json, kv, csv"))
            }
        }
    }
}

impl Processor for Score {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let mut score = 0.0;
        let mut matched = Vec::new();
        for rule in &self.rules {
            if let Some(points) = rule.points_for(cx)? {
                score += points;
                matched.push(&*rule.description);
            }
        }
        let mut object = Object::new();
        object.put(cx, "score", super::numbers::number(score))?;
        object.put(cx, "max_possible_score", super::numbers::number(self.max))?;
        let matched = texts(cx, matched)?;
        object.put(cx, "matched_rules", matched)?;
        cx.set(&self.field, object.slot())?;
        Ok(Flow::Next)
    }
}

impl Rule {
    /// The points, if the rule matches.
    fn points_for(&self, cx: &mut Context<'_>) -> Result<Option<f64>, Failure> {
        if let Test::Processors(block) = &self.test {
            return Ok(succeeds_on_a_copy(block, cx)?.then_some(self.points));
        }
        cx.with_buffer(|cx, text| {
            let value = cx.value(&self.field);
            write_plain(&cx.event, value.unwrap_or(Slot::Null), text)?;
            if let Test::Regex { pattern, bonus } = &self.test {
                return cx.with_groups(|_, groups| {
                    if value.is_none() || !pattern.captures_at(text, 0, groups)? {
                        return Ok(None);
                    }
                    let took_part = |group: usize| groups.get(group).copied().flatten().is_some();
                    let more: f64 =
                        bonus.iter().filter(|(group, _)| took_part(*group)).map(|(_, points)| points).sum();
                    Ok(Some(self.points + more))
                });
            }
            Ok(self.matches(cx, text).then_some(self.points))
        })
    }

    fn matches(&self, cx: &Context<'_>, text: &[u8]) -> bool {
        match &self.test {
            Test::Contains { text: wanted, case_sensitive: true, wanted: is_wanted } => {
                memmem::find(text, wanted).is_some() == *is_wanted
            }
            Test::Contains { text: wanted, wanted: is_wanted, .. } => {
                let lower = String::from_utf8_lossy(text).to_lowercase();
                memmem::find(lower.as_bytes(), wanted).is_some() == *is_wanted
            }
            Test::FieldValue { value, ignore_case } => {
                cx.value(&self.field).is_some()
                    && (text == value || (*ignore_case && text.eq_ignore_ascii_case(value)))
            }
            Test::KvFields { fields, min_matches } => {
                let is_there = |path: &Path, name: &str| {
                    cx.value(path).is_some() || memmem::find(text, format!("{name}=").as_bytes()).is_some()
                };
                fields.iter().filter(|(path, name)| is_there(path, name)).count() >= *min_matches
            }
            Test::Csv { delimiter, min_fields, headers } => {
                let cells = cells(text, *delimiter);
                let has = |header: &String| {
                    let header = header.to_lowercase();
                    cells.iter().any(|cell| cell.to_lowercase().contains(&header))
                };
                cells.len() >= *min_fields && headers.iter().all(has)
            }
            Test::Structure(format) => has_format(text, *format),
            Test::Regex { .. } | Test::Processors(_) => false,
        }
    }
}

/// Whether processors succeed; the event is as before afterwards.
fn succeeds_on_a_copy(block: &Block, cx: &mut Context<'_>) -> Result<bool, Failure> {
    let root = cx.event.slot(Event::ROOT);
    let copy = cx.event.copy(root)?;
    cx.event.put(Event::ROOT, copy);
    let (dropped_by, routing) = (cx.progress.dropped_by, cx.routing.clone());
    let result = nested(cx, |cx| block.run(cx));
    (cx.progress.dropped_by, cx.routing) = (dropped_by, routing);
    cx.event.put(Event::ROOT, root);
    match result {
        Ok(flow) => Ok(flow == Flow::Next),
        Err(failure) if failure.is_final => Err(failure),
        Err(_) => Ok(false),
    }
}

/// The cells of the first line; none if a quote is not closed.
fn cells(text: &[u8], delimiter: u8) -> Vec<String> {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.is_empty() || !memchr::memchr_iter(b'"', line).count().is_multiple_of(2) {
        return Vec::new();
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(line);
    let record = reader.byte_records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
}

fn has_format(text: &[u8], format: Format) -> bool {
    match format {
        Format::Cef => memmem::find(text, b"CEF:").is_some_and(|at| bars(&text[at..]) >= 7),
        Format::Leef => memmem::find(text, b"LEEF:").is_some_and(|at| bars(&text[at..]) >= 5),
        Format::Json => {
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
            is_json && matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
        }
        Format::Kv => {
            let is_pair = |part: &&[u8]| part.iter().position(|byte| *byte == b'=').is_some_and(|at| at > 0);
            text.split(|byte| matches!(byte, b' ' | b',' | b';' | b'\t')).filter(is_pair).count() >= 2
        }
        Format::Csv => cells(text, b',').len() >= 2,
    }
}

fn bars(text: &[u8]) -> usize {
    memchr::memchr_iter(b'|', text).count()
}
