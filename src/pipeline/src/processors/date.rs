//! `date`: text or number to a time.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template, write_plain};
use crate::time::{Layout, parse_iso, zone};
use event::model::{Path, Slot};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

pub(super) static SPEC: Spec = Spec {
    name: "date",
    family: "date",
    summary: "Reads a time by one of several formats and writes it as text in one.",
    details: "Formats: Java's letters, Go's reference time, `ISO8601`, `UNIX` (seconds), `UNIX_MS`, `UNIX_US`, `UNIX_NS`, \
              `TAI64N`, `AUTO`. A year that is missing is the latest that does not make the time one of the future.",
    options: &[
        FIELD,
        optional("formats", "AUTO", "The formats, tried in order."),
        optional("target_field", "@timestamp", "Where the time goes."),
        optional(
            "timezone",
            "UTC",
            "The zone of times that name none, and of the result; may be a template.",
        ),
        optional("locale", "ENGLISH", "Names of months and days are English."),
        optional("output_format", "2006-01-02T15:04:05.000Z07:00", "How the result is written."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a format",
            event: r#"{"t": "10/Aug/2018:09:45:56 +0200"}"#,
            processors: "- date: {field: t, formats: ['dd/MMM/yyyy:HH:mm:ss Z']}",
            outcome: Outcome::Event(
                r#"{"t": "10/Aug/2018:09:45:56 +0200", "@timestamp": "2018-08-10T07:45:56.000Z"}"#,
            ),
        },
        Example {
            title: "no format fits",
            event: r#"{"t": "soon"}"#,
            processors: "- date: {field: t, formats: [UNIX, ISO8601]}",
            outcome: Outcome::Fails("fits none of the time formats"),
        },
    ],
    compile,
};

enum Format {
    Iso,
    Auto,
    /// So many of these units are a second.
    Unix(f64),
    Tai64n,
    Layout(Layout),
}

/// Formats of times, tried in order.
pub(super) struct Formats {
    formats: Vec<Format>,
    guesses: Vec<Layout>,
}

enum Zone {
    Fixed(TimeZone),
    Dynamic(Template),
}

struct Date {
    target: Target,
    formats: Formats,
    zone: Zone,
    output: Layout,
}

/// What `AUTO` tries beside ISO 8601 and numbers.
const GUESSES: [&str; 10] = [
    "02/Jan/2006:15:04:05 -0700",
    "Mon, 02 Jan 2006 15:04:05 -0700",
    "Mon, 02 Jan 2006 15:04:05 MST",
    "Mon Jan _2 15:04:05 2006",
    "Jan _2 15:04:05",
    "Jan _2 2006 15:04:05",
    "2006/01/02 15:04:05",
    "01/02/2006 15:04:05",
    "02.01.2006 15:04:05",
    "01/02/2006",
];

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let default = Path::of_names(options.keys(), &["@timestamp"]);
    let mut target = Target::read(options)?;
    target.target = options.field_or("target_field", &default)?;
    let formats = Formats::read(options, "formats")?;
    let zone_at = options.place_of("timezone");
    let zone = match options.text("timezone")? {
        Some(text) if text.contains("{{") => Zone::Dynamic(options.template_of(&zone_at, &text)?),
        _ => Zone::Fixed(fixed_zone(options, "timezone")?.unwrap_or(TimeZone::UTC)),
    };
    if let Some(locale) = options.text("locale")?
        && !locale.contains("{{")
        && !["en", "english", "root", "c"].iter().any(|known| locale.to_ascii_lowercase().starts_with(known))
    {
        let at = options.place_of("locale");
        return Err(options.error(&at, format!("the locale {locale:?} is not available"), "only English is"));
    }
    let output_at = options.place_of("output_format");
    let output = options.text("output_format")?.unwrap_or_else(|| "2006-01-02T15:04:05.000Z07:00".to_owned());
    let output = layout(options, &output_at, &output)?;
    Ok(Box::new(Date { target, formats, zone, output }))
}

pub(super) fn layout(
    options: &mut Options<'_, '_>,
    at: &crate::source::Place,
    text: &str,
) -> Result<Layout, Reported> {
    Layout::compile(text).map_err(|why| options.error(at, why, "use Java's letters or Go's reference time"))
}

/// The time zone that an option names.
pub(super) fn fixed_zone(options: &mut Options<'_, '_>, name: &str) -> Result<Option<TimeZone>, Reported> {
    let Some(text) = options.text(name)? else { return Ok(None) };
    let at = options.place_of(name);
    match zone(&text) {
        Some(zone) => Ok(Some(zone)),
        None => {
            let what = format!("there is no time zone {text:?}");
            Err(options.error(&at, what, "write one like Europe/Berlin or +01:00"))
        }
    }
}

impl Processor for Date {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(value) = self.target.value(cx)? else { return Ok(Flow::Next) };
        let zone = match &self.zone {
            Zone::Fixed(zone) => zone.clone(),
            Zone::Dynamic(template) => {
                let name = template.render(cx, Missing::Fails)?;
                zone(&name).ok_or_else(|| Failure::text(format!("there is no time zone {name:?}")))?
            }
        };
        let time = self.formats.time(cx, value, &zone)?;
        let time =
            time.ok_or_else(|| Failure::fixed("fits none of the time formats").at(&self.target.field))?;
        let mut text = String::new();
        self.output.format(&time.with_time_zone(zone), &mut text);
        let slot = cx.event.text(text.as_bytes())?;
        self.target.put(cx, slot)?;
        Ok(Flow::Next)
    }
}

impl Formats {
    /// Whatever looks like a time.
    pub(super) fn auto() -> Self {
        let guesses = GUESSES.iter().filter_map(|text| Layout::compile(text).ok()).collect();
        Self { formats: vec![Format::Auto], guesses }
    }

    /// Those that an option names; without one, whatever looks like a time.
    pub(super) fn read(options: &mut Options<'_, '_>, name: &str) -> Result<Self, Reported> {
        let at = options.place_of(name);
        let mut formats = Vec::new();
        for text in options.texts(name)? {
            let format = match text.as_str() {
                "ISO8601" | "ISO8601_MS" | "RFC3339" | "strict_date_optional_time" | "date_optional_time" => {
                    Format::Iso
                }
                "AUTO" => Format::Auto,
                "UNIX" | "epoch_second" => Format::Unix(1.0),
                "UNIX_MS" | "epoch_millis" => Format::Unix(1e3),
                "UNIX_US" => Format::Unix(1e6),
                "UNIX_NS" => Format::Unix(1e9),
                "TAI64N" => Format::Tai64n,
                text => Format::Layout(layout(options, &at, text)?),
            };
            formats.push(format);
        }
        if formats.is_empty() {
            return Ok(Self::auto());
        }
        Ok(Self { formats, ..Self::auto() })
    }

    /// The time that a value means; none if it fits no format. A zone it leaves out is `zone`.
    pub(super) fn time(
        &self,
        cx: &mut Context<'_>,
        value: Slot,
        zone: &TimeZone,
    ) -> Result<Option<Zoned>, Failure> {
        match value {
            Slot::Time(nanos) => {
                let time = Timestamp::from_nanosecond(i128::from(nanos)).ok();
                Ok(time.map(|time| time.to_zoned(zone.clone())))
            }
            Slot::Text(_) | Slot::Int(_) | Slot::Float(_) => cx.with_buffer(|cx, buffer| {
                write_plain(&cx.event, value, buffer)?;
                let text = std::str::from_utf8(buffer).unwrap_or_default().trim();
                Ok(self.parse(text, zone, cx.now))
            }),
            _ => Ok(None),
        }
    }

    fn parse(&self, text: &str, zone: &TimeZone, now: i64) -> Option<Zoned> {
        let now = Timestamp::from_nanosecond(i128::from(now)).ok()?.to_zoned(zone.clone());
        self.formats.iter().find_map(|format| match format {
            Format::Iso => parse_iso(text, zone),
            Format::Unix(units) => unix(text, *units, zone),
            Format::Tai64n => tai64n(text, zone),
            Format::Layout(layout) => layout.parse(text, zone, &now),
            Format::Auto => parse_iso(text, zone)
                .or_else(|| number_by_size(text, zone))
                .or_else(|| self.guesses.iter().find_map(|layout| layout.parse(text, zone, &now))),
        })
    }
}

/// A number since 1970; whole ones exactly.
fn unix(text: &str, units: f64, zone: &TimeZone) -> Option<Zoned> {
    let nanos = match text.parse::<i64>() {
        Ok(whole) => i128::from(whole) * (1e9 / units) as i128,
        Err(_) => {
            let (whole, fraction) = text.split_once('.')?;
            if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || fraction.is_empty() {
                return None;
            }
            let whole: i64 = whole.parse().ok()?;
            let digits = &fraction[..fraction.len().min(9)];
            let nanos = digits.parse::<i128>().ok()? * 10i128.pow(9 - digits.len() as u32);
            let sign = if text.starts_with('-') { -1 } else { 1 };
            (i128::from(whole) * 1_000_000_000 + sign * nanos) / units as i128
        }
    };
    Some(Timestamp::from_nanosecond(nanos).ok()?.to_zoned(zone.clone()))
}

/// A number since 1970 in the unit that makes it a time of our days.
fn number_by_size(text: &str, zone: &TimeZone) -> Option<Zoned> {
    let whole = text.split('.').next().unwrap_or_default();
    let units = match whole.trim_start_matches('-').len() {
        9..=11 => 1.0,
        12..=14 => 1e3,
        15..=17 => 1e6,
        18..=19 => 1e9,
        _ => return None,
    };
    unix(text, units, zone)
}

/// `@` and 24 hexadecimal digits; ten seconds are taken off, as Elasticsearch does.
fn tai64n(text: &str, zone: &TimeZone) -> Option<Zoned> {
    let text = text.strip_prefix('@').unwrap_or(text);
    let hex = |from: usize, to: usize| i64::from_str_radix(text.get(from..to)?, 16).ok();
    let seconds = hex(1, 16)? - 10;
    let nanos = hex(16, 24)?;
    let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Some(Timestamp::from_nanosecond(nanos).ok()?.to_zoned(zone.clone()))
}
