//! `date_index`: the name of an index by a time.

use super::date::{Formats, fixed_zone, layout};
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template};
use crate::time::Layout;
use event::model::Path;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

pub(super) static SPEC: Spec = Spec {
    name: "date_index",
    family: "flow",
    summary: "Puts the name of an index, made of a prefix and a rounded time, into `_index`.",
    details: "`_index` is metadata: it is not part of the event's JSON, and templates, as those of `reroute`, can use it. Weeks begin \
              on Monday.",
    options: &[
        FIELD,
        required("date_rounding", "`y`, `M`, `w`, `d`, `h`, `m` or `s`."),
        optional("date_formats", "AUTO", "The formats of the time, as those of `date`."),
        optional(
            "index_name_format",
            "2006-01-02",
            "How the time is written: Go's reference time or Java's letters.",
        ),
        optional("index_name_prefix", "", "What stands before it; may have templates in it."),
        optional("locale", "ENGLISH", "Names of months and days are English."),
        optional("time_zone", "UTC", "The zone of the name, and of times that name none."),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "a month",
        event: r#"{"t": "2016-04-25T12:02:01.789Z"}"#,
        processors: "- date_index: {field: t, date_rounding: M, index_name_prefix: monthly-}\n- set: {field: t, value: '{{_index}}'}",
        outcome: Outcome::Event(r#"{"t": "monthly-2016-04-01"}"#),
    }],
    compile,
};

#[derive(Clone, Copy)]
enum Rounding {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

struct DateIndex {
    source: Target,
    index: Path,
    formats: Formats,
    rounding: Rounding,
    prefix: Option<Template>,
    output: Layout,
    zone: TimeZone,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let rounding = match options.required_text("date_rounding")?.as_str() {
        "y" => Rounding::Year,
        "M" => Rounding::Month,
        "w" => Rounding::Week,
        "d" => Rounding::Day,
        "h" => Rounding::Hour,
        "m" => Rounding::Minute,
        "s" => Rounding::Second,
        other => {
            let at = options.place_of("date_rounding");
            let what = format!("the option \"date_rounding\" has no value {other:?}");
            return Err(options.error(&at, what, "there are y, M, w, d, h, m, s"));
        }
    };
    let at = options.place_of("index_name_format");
    let output = options.text("index_name_format")?.unwrap_or_else(|| "2006-01-02".to_owned());
    Ok(Box::new(DateIndex {
        source: Target::read(options)?,
        index: Path::of_names(options.keys(), &["_index"]),
        formats: Formats::read(options, "date_formats")?,
        rounding,
        prefix: options.template("index_name_prefix")?,
        output: layout(options, &at, &output)?,
        zone: fixed_zone(options, "time_zone")?.unwrap_or(TimeZone::UTC),
    }))
}

impl Processor for DateIndex {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(value) = self.source.value(cx)? else { return Ok(Flow::Next) };
        let time = self.formats.time(cx, value, &self.zone)?;
        let time =
            time.ok_or_else(|| Failure::fixed("fits none of the time formats").at(&self.source.field))?;
        let rounded = self.rounding.apply(&time.with_time_zone(self.zone.clone()));
        let rounded = rounded
            .ok_or_else(|| Failure::fixed("is a time that can't be rounded").at(&self.source.field))?;
        let mut name = match &self.prefix {
            Some(prefix) => prefix.render(cx, Missing::Fails)?,
            None => String::new(),
        };
        self.output.format(&rounded, &mut name);
        let name = cx.event.text(name.as_bytes())?;
        cx.set(&self.index, name)?;
        Ok(Flow::Next)
    }
}

impl Rounding {
    /// The beginning of the unit that the time is in.
    fn apply(self, time: &Zoned) -> Option<Zoned> {
        let date = match self {
            Self::Year => Date::new(time.year(), 1, 1).ok()?,
            Self::Month => Date::new(time.year(), time.month(), 1).ok()?,
            Self::Week => {
                let since_monday = i64::from(time.weekday().to_monday_zero_offset());
                time.date().checked_sub(since_monday.days()).ok()?
            }
            _ => time.date(),
        };
        let (hour, minute, second) = match self {
            Self::Hour => (time.hour(), 0, 0),
            Self::Minute => (time.hour(), time.minute(), 0),
            Self::Second => (time.hour(), time.minute(), time.second()),
            _ => (0, 0, 0),
        };
        let clock = Time::new(hour, minute, second, 0).ok()?;
        date.to_datetime(clock).to_zoned(time.time_zone().clone()).ok()
    }
}
