//! `timeshift`: times earlier or later.

use super::date::{Formats, fixed_zone, layout};
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::time::Layout;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Zoned};

pub(super) static SPEC: Spec = Spec {
    name: "timeshift",
    family: "date",
    summary: "Moves a time by an amount and writes it in a format and a zone.",
    details: "Reads what `date` reads by itself. Whole months and years follow the calendar; parts of them count as 30.44 and \
              365.25 days.",
    options: &[
        FIELD,
        required("amount", "How many units; negative for earlier."),
        required(
            "unit",
            "`seconds`, `minutes`, `hours`, `days`, `weeks`, `months` or `years`, or an abbreviation.",
        ),
        TARGET_FIELD,
        optional("format", "RFC3339", "How the result is written: Go's reference time or Java's letters."),
        optional("timezone", "the time's own", "The zone of the result, and of times that name none."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "with a zone",
            event: r#"{"t": "2024-01-15T10:30:00Z"}"#,
            processors: "- timeshift: {field: t, amount: '-1', unit: days, timezone: America/New_York}",
            outcome: Outcome::Event(r#"{"t": "2024-01-14T05:30:00-05:00"}"#),
        },
        Example {
            title: "a part of a unit",
            event: r#"{"t": 1705312200}"#,
            processors: "- timeshift: {field: t, amount: 1.5, unit: h, format: '2006-01-02 15:04'}",
            outcome: Outcome::Event(r#"{"t": "2024-01-15 11:20"}"#),
        },
    ],
    compile,
};

/// By what a time is moved.
enum Shift {
    Calendar(Span),
    Exact(SignedDuration),
}

struct TimeShift {
    target: Target,
    formats: Formats,
    shift: Shift,
    /// None: RFC 3339, with as many digits of a second as there are.
    output: Option<Layout>,
    zone: Option<TimeZone>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let amount = options.required_text("amount")?;
    let unit = options.required_text("unit")?;
    let Some(number) = amount.trim().parse().ok().filter(|number: &f64| number.is_finite()) else {
        let at = options.place_of("amount");
        return Err(options.error(&at, "`amount` is no number", "write it like -1.5"));
    };
    let shift = shift(number, &unit.to_ascii_lowercase()).ok_or_else(|| {
        let fix =
            "units are seconds, minutes, hours, days, weeks, months and years, up to ten thousand years";
        // A unit that is known has amounts that are too large.
        let wrong = if shift(1.0, &unit.to_ascii_lowercase()).is_some() { "amount" } else { "unit" };
        let at = options.place_of(wrong);
        options.error(&at, format!("there is no shift by {amount} {unit:?}"), fix)
    })?;
    let format_at = options.place_of("format");
    let output = match options.text("format")?.as_deref() {
        None | Some("RFC3339") => None,
        Some(text) => Some(layout(options, &format_at, text)?),
    };
    Ok(Box::new(TimeShift {
        target: Target::read(options)?,
        formats: Formats::auto(),
        shift,
        output,
        zone: fixed_zone(options, "timezone")?,
    }))
}

fn shift(amount: f64, unit: &str) -> Option<Shift> {
    const DAY: f64 = 86_400.0;
    const MAX_SECONDS: f64 = 10_000.0 * 365.25 * DAY;
    let seconds = match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        "month" | "months" => 30.44 * DAY,
        "y" | "yr" | "yrs" | "year" | "years" => 365.25 * DAY,
        _ => return None,
    };
    let exact = amount * seconds;
    if exact.abs() > MAX_SECONDS {
        return None;
    }
    if amount.fract() == 0.0 && seconds > 30.0 * DAY {
        let months = unit.starts_with("month");
        let amount = amount as i64;
        let span = if months { Span::new().try_months(amount) } else { Span::new().try_years(amount) };
        return span.ok().map(Shift::Calendar);
    }
    SignedDuration::try_from_secs_f64(exact).ok().map(Shift::Exact)
}

impl Processor for TimeShift {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
            let time =
                self.formats.time(cx, slot, &zone)?.ok_or(Failure::fixed("fits none of the time formats"))?;
            let shifted = match &self.shift {
                Shift::Calendar(span) => time.checked_add(*span),
                Shift::Exact(duration) => time.checked_add(*duration),
            };
            let shifted = shifted.map_err(|_| Failure::fixed("would leave the years from -9999 to 9999"))?;
            let shifted = match &self.zone {
                Some(zone) => shifted.with_time_zone(zone.clone()),
                None => shifted,
            };
            let mut text = String::new();
            match &self.output {
                Some(layout) => layout.format(&shifted, &mut text),
                None => text = rfc3339(&shifted),
            }
            Ok(cx.event.text(text.as_bytes())?)
        })?;
        Ok(Flow::Next)
    }
}

fn rfc3339(time: &Zoned) -> String {
    if time.offset().seconds() == 0 {
        return time.timestamp().to_string();
    }
    time.timestamp().display_with_offset(time.offset()).to_string()
}
