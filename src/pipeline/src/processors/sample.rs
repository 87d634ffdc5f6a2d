//! `sample` and `dynamic_sample`: one of many events.
//!
//! Both count, and nothing is left to chance. The counts belong to the compiled
//! program, all lanes share them, and they start anew when the pipeline changes.

use crate::compile::spec::optional;
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::condition::Condition;
use crate::context::Context;
use crate::failure::Failure;
use crate::source::{Node, Value};
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template};
use event::model::Path;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// Groups that are counted at once. Events of groups beyond are kept: 640 KiB, and a key that is different in each event
/// would be a mistake.
const MAX_GROUPS: usize = 16_384;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

pub(super) static SAMPLE: Spec = Spec {
    name: "sample",
    family: "analytics",
    summary: "Keeps one of every N events.",
    details: "The first rule whose filter holds counts; an event that no rule is for is kept. Of what a rule is for, the first \
              of every N goes on and gets `_vmetric.sampled` like `10:1`, the others are dropped.",
    options: &[
        optional(
            "rules",
            "none",
            "A list of `filter` (a condition) and `sampling_rate` (N, 2; a number or template).",
        ),
        optional("exclude_filters", "none", "Conditions; an event for which one holds is kept."),
    ],
    examples: &[
        Example {
            title: "the first is kept",
            event: r#"{"level": "debug"}"#,
            processors: "- sample: {rules: [{filter: \"level == 'debug'\", sampling_rate: 10}]}\n- set: {field: note, value: '{{_vmetric.sampled}}'}",
            outcome: Outcome::Event(r#"{"level": "debug", "note": "10:1"}"#),
        },
        Example {
            title: "excluded",
            event: r#"{"level": "error"}"#,
            processors: "- sample: {rules: [{filter: 'true', sampling_rate: 100}], exclude_filters: [\"level == 'error'\"]}",
            outcome: Outcome::Event(r#"{"level": "error"}"#),
        },
    ],
    compile: compile_sample,
};

pub(super) static DYNAMIC_SAMPLE: Spec = Spec {
    name: "dynamic_sample",
    family: "analytics",
    summary: "Keeps the fewer events of a group the more there are.",
    details: "Of each group the events of a period are counted. Below `minimum_events` all are kept; from there on one of \
              ⌈ln n⌉ or ⌈√n⌉, where n is the count of this period or of the last one, whichever is larger. What is \
              kept gets `_vmetric.sampled` like `7:1`, and `_vmetric.sample_group`. At most 16384 groups are counted; \
              events of others are kept.",
    options: &[
        optional("sample_mode", "logarithmic", "`logarithmic` or `square_root`."),
        optional("sample_group_key", "{{host}}", "What tells groups apart, a template."),
        optional("sample_period_sec", "30", "The period in seconds, 1 to 86400."),
        optional("minimum_events", "30", "Up to how many events of a period all are kept."),
        optional("max_sampling_rate", "100", "At least one of this many is kept."),
        optional(
            "exclude_filters",
            "none",
            "Conditions; an event for which one holds is kept and not counted.",
        ),
    ],
    examples: &[Example {
        title: "few events",
        event: r#"{"host": "a"}"#,
        processors: "- dynamic_sample: {minimum_events: 50}",
        outcome: Outcome::Event(r#"{"host": "a"}"#),
    }],
    compile: compile_dynamic,
};

/// Where an event that was kept says for how many it stands.
struct Marks {
    sampled: Path,
    group: Path,
}

impl Marks {
    fn new(options: &Options<'_, '_>) -> Self {
        let path = |name: &str| Path::of_names(options.keys(), &["_vmetric", name]);
        Self { sampled: path("sampled"), group: path("sample_group") }
    }

    fn put(&self, cx: &mut Context<'_>, rate: u64) -> Result<(), Failure> {
        let text = cx.event.text(format!("{rate}:1").as_bytes())?;
        cx.set(&self.sampled, text)
    }
}

fn exclusions(options: &mut Options<'_, '_>) -> Result<Vec<Condition>, Reported> {
    let Some(node) = options.node("exclude_filters") else { return Ok(Vec::new()) };
    let nodes: Vec<&Node> = match &node.value {
        Value::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    nodes.into_iter().map(|node| options.condition(node)).collect()
}

fn any_holds(conditions: &[Condition], cx: &Context<'_>) -> Result<bool, Failure> {
    for condition in conditions {
        if condition.holds(&cx.event, cx.origin)? {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Sample {
    rules: Vec<Rule>,
    exclude: Vec<Condition>,
    marks: Marks,
}

struct Rule {
    filter: Condition,
    rate: Rate,
    count: AtomicU64,
}

enum Rate {
    Fixed(u64),
    Template(Template),
}

fn compile_sample(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let mut rules = Vec::new();
    if let Some(node) = options.node("rules") {
        let Value::List(items) = &node.value else {
            return Err(options.error(&node.at, "`rules` is a list", "write `- filter: 'true'`"));
        };
        for item in items {
            rules.push(rule(options, item)?);
        }
    }
    Ok(Box::new(Sample { rules, exclude: exclusions(options)?, marks: Marks::new(options) }))
}

fn rule(options: &mut Options<'_, '_>, node: &Node) -> Result<Rule, Reported> {
    if let Some(entry) =
        node.entries().iter().find(|entry| !["filter", "sampling_rate"].contains(&&*entry.key))
    {
        let what = format!("a rule has no {:?}", entry.key);
        return Err(options.error(&entry.key_at, what, "there are filter, sampling_rate"));
    }
    let Some(filter) = node.get("filter") else {
        return Err(options.error(
            &node.at,
            "a rule has no `filter`",
            "write `filter: 'true'` for all events",
        ));
    };
    let filter = match &filter.value {
        Value::Bool(truth) => &Node { at: filter.at.clone(), value: Value::Text(truth.to_string()) },
        _ => filter,
    };
    let filter = options.condition(filter)?;
    let rate = match node.get("sampling_rate") {
        None => Rate::Fixed(2),
        Some(node) => match &node.value {
            Value::Int(rate) if *rate >= 1 => Rate::Fixed(*rate as u64),
            Value::Text(text) => match text.trim().parse::<u64>() {
                Ok(rate) if rate >= 1 => Rate::Fixed(rate),
                _ => Rate::Template(options.template_of(&node.at, text)?),
            },
            _ => {
                return Err(options.error(&node.at, "`sampling_rate` is a number from 1, or a template", ""));
            }
        },
    };
    Ok(Rule { filter, rate, count: AtomicU64::new(0) })
}

impl Processor for Sample {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        if any_holds(&self.exclude, cx)? {
            return Ok(Flow::Next);
        }
        for rule in &self.rules {
            if !rule.filter.holds(&cx.event, cx.origin)? {
                continue;
            }
            let rate = match &rule.rate {
                Rate::Fixed(rate) => *rate,
                Rate::Template(template) => {
                    let text = template.render(cx, Missing::Fails)?;
                    let rate = text.trim().parse().ok().filter(|rate| *rate >= 1);
                    rate.ok_or_else(|| {
                        Failure::text(format!("the sampling rate {text:?} is no number from 1"))
                    })?
                }
            };
            if !rule.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(rate) {
                return Ok(Flow::Drop);
            }
            self.marks.put(cx, rate)?;
            return Ok(Flow::Next);
        }
        Ok(Flow::Next)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Logarithmic,
    SquareRoot,
}

struct DynamicSample {
    mode: Mode,
    key: Template,
    period: i64,
    minimum: u64,
    max_rate: u64,
    exclude: Vec<Condition>,
    marks: Marks,
    groups: Mutex<Groups>,
}

/// The groups by the hash of their keys.
#[derive(Default)]
struct Groups {
    by_key: HashMap<u64, Group>,
    /// The period in which silent groups were looked for last.
    cleaned_in: i64,
}

#[derive(Clone, Copy, Default)]
struct Group {
    /// Counted from the epoch.
    period: i64,
    count: u64,
    count_before: u64,
    /// Events since the last one that was kept.
    since_kept: u64,
}

fn compile_dynamic(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let modes = [("logarithmic", Mode::Logarithmic), ("square_root", Mode::SquareRoot)];
    let at = options.place().clone();
    let key = match options.template("sample_group_key")? {
        Some(key) => key,
        None => options.template_of(&at, "{{host}}")?,
    };
    let seconds = options.int("sample_period_sec", 1..=86_400)?.unwrap_or(30);
    Ok(Box::new(DynamicSample {
        mode: options.choice("sample_mode", &modes)?,
        key,
        period: seconds * NANOS_PER_SECOND,
        minimum: options.int("minimum_events", 0..=i64::MAX)?.unwrap_or(30) as u64,
        max_rate: options.int("max_sampling_rate", 1..=i64::MAX)?.unwrap_or(100) as u64,
        exclude: exclusions(options)?,
        marks: Marks::new(options),
        groups: Mutex::default(),
    }))
}

impl Processor for DynamicSample {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        if any_holds(&self.exclude, cx)? {
            return Ok(Flow::Next);
        }
        let rate = cx.with_buffer(|cx, key| {
            self.key.write(cx, key, Missing::IsEmpty)?;
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            let rate = match self.count(hasher.finish(), cx.now.div_euclid(self.period)) {
                Verdict::Drop => return Ok::<_, Failure>(None),
                Verdict::Keep(rate) => rate,
            };
            if rate > 1 {
                let group = cx.event.text(key)?;
                cx.set(&self.marks.group, group)?;
            }
            Ok(Some(rate))
        })?;
        match rate {
            None => Ok(Flow::Drop),
            Some(1) => Ok(Flow::Next),
            Some(rate) => {
                self.marks.put(cx, rate)?;
                Ok(Flow::Next)
            }
        }
    }
}

enum Verdict {
    Drop,
    /// It stands for so many.
    Keep(u64),
}

impl DynamicSample {
    fn count(&self, key: u64, period: i64) -> Verdict {
        let mut groups = self.groups.lock();
        if !groups.by_key.contains_key(&key) && !groups.has_room(period) {
            return Verdict::Keep(1);
        }
        let group = groups.by_key.entry(key).or_insert(Group { period, ..Group::default() });
        group.go_to(period);
        group.count += 1;
        let volume = group.count.max(group.count_before);
        if volume <= self.minimum {
            return Verdict::Keep(1);
        }
        let rate = match self.mode {
            Mode::Logarithmic => (volume as f64).ln(),
            Mode::SquareRoot => (volume as f64).sqrt(),
        };
        let rate = (rate.ceil() as u64).clamp(1, self.max_rate);
        group.since_kept += 1;
        if group.since_kept < rate {
            return Verdict::Drop;
        }
        group.since_kept = 0;
        Verdict::Keep(rate)
    }
}

impl Group {
    fn go_to(&mut self, period: i64) {
        // A clock that was set back does not make a new period of the past.
        if period <= self.period {
            return;
        }
        self.count_before = if period == self.period + 1 { self.count } else { 0 };
        (self.period, self.count) = (period, 0);
    }
}

impl Groups {
    /// Whether one more group may be counted; looks for silent ones once a period.
    fn has_room(&mut self, period: i64) -> bool {
        if self.by_key.len() < MAX_GROUPS {
            return true;
        }
        if self.cleaned_in != period {
            self.cleaned_in = period;
            self.by_key.retain(|_, group| group.period >= period - 1);
        }
        self.by_key.len() < MAX_GROUPS
    }
}
