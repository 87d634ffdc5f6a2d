//! `regex_extract`: groups of a regular expression to fields.

use super::received::is_reserved;
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::pattern::{Group, Pattern};
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Event, Path, Slot, Span};
use smallvec::SmallVec;

pub(super) static SPEC: Spec = Spec {
    name: "regex_extract",
    family: "parse",
    summary: "Finds a regular expression again and again and puts its named groups into fields.",
    details: "The groups `_NAME_0` and `_VALUE_0` (`_NAME_1` …) give a field its name and its value. A group whose name begins \
              with `__` is no field: further expressions are looked for in it instead of in the whole text. What comes twice \
              makes a list. An expression without named groups puts its first group, or all it matches, into `target_field`.",
    options: &[
        FIELD,
        required("regex", "The expression."),
        optional("target_field", "", "Where the text of an expression without named groups goes."),
        optional("additional_regex", "", "Further expressions."),
        optional("field_name_format", "${name}", "How fields are named."),
        optional("max_exec", "100", "How many matches of each expression count."),
        optional("overwrite_existing", "false", "Replace fields that exist, instead of making lists."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "several matches",
            event: r#"{"m": "v=1 v=2 v=3"}"#,
            processors: "- regex_extract: {field: m, regex: 'v=(?<v>\\d+)', max_exec: 2, field_name_format: 'x_${name}'}\n- remove: {field: m}",
            outcome: Outcome::Event(r#"{"x_v": ["1", "2"]}"#),
        },
        Example {
            title: "names in the text, within brackets",
            event: r#"{"m": "host: x [action:\"Accept\"; dir:\"in\"]"}"#,
            processors: "- regex_extract: {field: m, regex: '\\[(?<__f>.*?)\\]', additional_regex: ['(?<_NAME_0>[^:]+):\"(?<_VALUE_0>[^\"]+)\"']}\n- remove: {field: m}",
            outcome: Outcome::Event(r#"{"action": "Accept", "dir": "in"}"#),
        },
        Example {
            title: "no match",
            event: r#"{"m": "x"}"#,
            processors: "- regex_extract: {field: m, regex: '(?<n>\\d+)'}",
            outcome: Outcome::Fails("matches no expression of regex_extract"),
        },
    ],
    compile,
};

/// What becomes of a group.
enum Use {
    Field(Path),
    /// Name and value stand in these groups.
    Pair {
        name: usize,
        value: usize,
    },
    /// Further expressions are looked for here.
    Within,
}

struct Expression {
    pattern: Pattern,
    uses: Vec<(usize, Use)>,
    /// There are no named groups: this one is the value.
    unnamed: usize,
}

struct RegexExtract {
    target: Target,
    into: Option<Path>,
    first: Expression,
    further: Vec<Expression>,
    name_format: Option<(String, String)>,
    max_exec: usize,
    overwrite: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let name_format = match options.text("field_name_format")? {
        None => None,
        Some(format) => match format.split_once("${name}") {
            Some((before, behind)) => Some((before.to_owned(), behind.to_owned())),
            None => {
                let at = options.place_of("field_name_format");
                return Err(options.error(
                    &at,
                    "`field_name_format` has no ${name} in it",
                    "write it like `x_${name}`",
                ));
            }
        },
    };
    let into = options.optional_field("target_field")?;
    let pattern = options.pattern("regex")?;
    let first = expression(options, pattern, name_format.as_ref())?;
    if first.uses.is_empty() && into.is_none() {
        let at = options.place_of("regex");
        let fix = "name a group like (?<status>\\d+), or add `target_field:`";
        return Err(options.error(&at, "the expression has no named groups", fix));
    }
    let at = options.place_of("additional_regex");
    let mut further = Vec::new();
    for text in options.texts("additional_regex")? {
        let pattern = options.pattern_of(&at, &text)?;
        further.push(expression(options, pattern, name_format.as_ref())?);
    }
    Ok(Box::new(RegexExtract {
        target: Target::read(options)?,
        into,
        first,
        further,
        name_format,
        max_exec: options.int("max_exec", 1..=10_000)?.unwrap_or(100) as usize,
        overwrite: options.flag("overwrite_existing", false)?,
    }))
}

fn expression(
    options: &mut Options<'_, '_>,
    pattern: Pattern,
    format: Option<&(String, String)>,
) -> Result<Expression, Reported> {
    let names = pattern.group_names();
    let mut uses = Vec::new();
    for (group, name) in names.iter().enumerate() {
        let Some(name) = name.as_deref() else { continue };
        if let Some(number) = name.strip_prefix("_NAME_") {
            let partner = format!("_VALUE_{number}");
            match names.iter().position(|name| name.as_deref() == Some(&partner)) {
                Some(value) => uses.push((group, Use::Pair { name: group, value })),
                None => {
                    let at = options.place().clone();
                    let what = format!("the group {name:?} has no partner {partner:?}");
                    return Err(options.error(&at, what, format!("add a group (?<{partner}>…)")));
                }
            }
        } else if name.starts_with("__") {
            uses.push((group, Use::Within));
        } else if !name.starts_with("_VALUE_") {
            let name =
                format.map_or_else(|| name.to_owned(), |(before, behind)| format!("{before}{name}{behind}"));
            let at = options.place().clone();
            let path = Path::parse(options.keys(), &name)
                .map_err(|why| options.error(&at, format!("the group {name:?}: {why}"), ""))?;
            uses.push((group, Use::Field(path)));
        }
    }
    let unnamed = usize::from(pattern.groups() > 1);
    Ok(Expression { pattern, uses, unnamed })
}

impl Processor for RegexExtract {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let mut within: SmallVec<[Span; 4]> = SmallVec::new();
        // What the field is may be replaced by what is found in it.
        let mut matched =
            cx.with_groups(|cx, groups| self.all(cx, groups, &self.first, span, Some(&mut within)))?;
        if within.is_empty() {
            within.push(span);
        }
        for expression in &self.further {
            for part in &within {
                matched |= cx.with_groups(|cx, groups| self.all(cx, groups, expression, *part, None))?;
            }
        }
        if matched {
            Ok(Flow::Next)
        } else {
            Err(Failure::fixed("matches no expression of regex_extract").at(&self.target.field))
        }
    }
}

impl RegexExtract {
    /// All matches of an expression; says whether there was one.
    fn all(
        &self,
        cx: &mut Context<'_>,
        groups: &mut Vec<Group>,
        expression: &Expression,
        span: Span,
        mut within: Option<&mut SmallVec<[Span; 4]>>,
    ) -> Result<bool, Failure> {
        let mut at = 0;
        let mut count = 0;
        while count < self.max_exec && at <= span.len() {
            if !expression.pattern.captures_at(cx.event.bytes(span), at, groups)? {
                break;
            }
            count += 1;
            let part = |group: usize| {
                let (from, to) = groups.get(group).copied().flatten()?;
                Some(span.part(from, to))
            };
            if expression.uses.is_empty()
                && let (Some(path), Some(value)) = (&self.into, part(expression.unnamed))
            {
                // The first of them replaces what is there: it may be the text itself.
                self.put(cx, path.segments(), value, count == 1)?;
            }
            for (group, what) in &expression.uses {
                let Some(found) = part(*group) else { continue };
                match what {
                    Use::Field(path) => self.put(cx, path.segments(), found, false)?,
                    Use::Pair { name, value } => {
                        let (Some(name), Some(value)) = (part(*name), part(*value)) else { continue };
                        self.put_pair(cx, name, value)?;
                    }
                    Use::Within => {
                        if let Some(within) = within.as_deref_mut() {
                            within.push(found);
                        }
                    }
                }
            }
            let (from, to) = groups.first().copied().flatten().unwrap_or((at, at));
            at = if to > from { to } else { next_character(cx.event.bytes(span), to) };
        }
        Ok(count > 0)
    }

    fn put_pair(&self, cx: &mut Context<'_>, name: Span, value: Span) -> Result<(), Failure> {
        let is_valid = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
        let text = String::from_utf8_lossy(cx.event.bytes(name));
        let clean: String = text.chars().filter(is_valid).collect();
        if clean.is_empty() {
            return Ok(());
        }
        let written = self.name_format.as_ref().map_or(0, |(before, _)| before.len());
        let name = match &self.name_format {
            Some((before, behind)) => format!("{before}{clean}{behind}"),
            None => clean,
        };
        match cx.event.segments_of(&name) {
            Ok(segments) if is_reserved(cx, Event::ROOT, &segments, &name[..written]) => Ok(()),
            Ok(segments) => self.put(cx, &segments, value, false),
            // A name that is no path, as `a..b`, is a field of that name.
            Err(event::model::PathOfEvent::Path(_)) => {
                let key = cx.event.key_of(name.as_bytes())?;
                cx.event.set_field(Event::ROOT, key, Slot::Text(value))?; // no metadata: those names are paths
                Ok(())
            }
            Err(event::model::PathOfEvent::Limit(obstacle)) => Err(obstacle.into()),
        }
    }

    fn put(
        &self,
        cx: &mut Context<'_>,
        segments: &[event::model::Segment],
        value: Span,
        replace: bool,
    ) -> Result<(), Failure> {
        let value = Slot::Text(value);
        let existing = cx.event.find_from(Event::ROOT, segments).map(|node| (node, cx.event.slot(node)));
        match existing {
            Some((node, before)) if !self.overwrite && !replace && before != Slot::Null => match before {
                Slot::List(_) => drop(cx.event.push(node, value)?),
                before => {
                    let mut list = Children::EMPTY;
                    cx.event.push_to(&mut list, before)?;
                    cx.event.push_to(&mut list, value)?;
                    cx.event.put(node, Slot::List(list));
                }
            },
            _ => drop(cx.event.set_from(Event::ROOT, segments, value)?),
        }
        Ok(())
    }
}

/// Where the character behind the one at `at` begins: an empty match must not cut one in two.
fn next_character(text: &[u8], at: usize) -> usize {
    let continues = |byte: &&u8| **byte & 0xc0 == 0x80;
    at + 1 + text.get(at + 1..).unwrap_or_default().iter().take_while(continues).count()
}
