//! The report as one self-contained page, with a picture of the run: faults, throughput, what waits, memory, restarts.
//!
//! No script, no font, no picture from elsewhere: it can be mailed. Numbers of the picture are in the report's JSON.

use super::report::{FaultReport, Report};
use super::samples::Sample;
use std::fmt::Write;

/// The picture's width, and that of the names at its left.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 130.0;
/// Height of a curve, and of a fault.
const CURVE: f64 = 90.0;
const FAULT: f64 = 18.0;
const GAP: f64 = 26.0;

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}\
    table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}\
    td:first-child,th:first-child{text-align:left}.ok{color:#17693a}.no{color:#b3261e}code,pre{background:#f4f4f4;padding:.1em .3em}\
    pre{padding:1em;overflow:auto}svg{width:100%;height:auto;font:11px system-ui,sans-serif}";

/// The page.
pub fn html(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_page(report, &mut out);
    out
}

fn write_page(report: &Report, out: &mut String) -> std::fmt::Result {
    let name = escaped(&report.scenario);
    let (class, verdict) = if report.passed { ("ok", "passed") } else { ("no", "failed") };
    write!(out, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{name}: {verdict}</title>")?;
    write!(out, "<style>{STYLE}</style><h1>{name}: <span class=\"{class}\">{verdict}</span></h1>")?;
    write!(
        out,
        "<p>{}</p><p>seed {}; again: <code>{}</code></p>",
        escaped(&report.about),
        report.seed,
        escaped(&report.command)
    )?;
    picture(report, out)?;
    write!(out, "<h2>Expectations</h2><ul>")?;
    for finding in &report.findings {
        let expected = escaped(&finding.expected);
        match &finding.found {
            None => write!(out, "<li><span class=\"ok\">✓</span> {expected}")?,
            Some(found) => write!(out, "<li><span class=\"no\">✗</span> {expected}: {}", escaped(found))?,
        }
    }
    write!(
        out,
        "</ul><h2>Events</h2><table><tr><th>way<th>sent<th>due<th>acknowledged<th>delivered<th>repeated<th>lost"
    )?;
    write!(out, "<th>not promised<th>out of order")?;
    for way in &report.ways {
        write!(out, "<tr><td>{} → {}", escaped(&way.device), escaped(&way.target))?;
        let numbers = [
            way.sent,
            way.due,
            way.acknowledged,
            way.delivered,
            way.repeated,
            way.lost,
            way.unpromised,
            way.out_of_order,
        ];
        numbers.iter().try_for_each(|number| write!(out, "<td>{number}"))?;
    }
    write!(out, "</table>")?;
    if !report.notes.is_empty() {
        write!(out, "<h2>Notes</h2><ul>")?;
        report.notes.iter().try_for_each(|note| write!(out, "<li>{}", escaped(note)))?;
        write!(out, "</ul>")?;
    }
    write!(out, "<h2>In words</h2><pre>{}</pre>", escaped(&report.text()))?;
    if !report.log.is_empty() {
        write!(out, "<h2>The end of the Director's log</h2><pre>{}</pre>", escaped(&report.log))?;
    }
    write!(out, "</html>")
}

// === the picture ===

/// Curves over one axis of time, with a band for each fault behind them.
struct Picture<'a> {
    report: &'a Report,
    seconds: f64,
    /// Where the next row begins.
    top: f64,
}

fn picture(report: &Report, out: &mut String) -> std::fmt::Result {
    let last = report.samples.last().map_or(1.0, |sample| sample.seconds);
    let mut picture = Picture { report, seconds: last.max(1.0), top: 10.0 };
    let mut rows = String::new();
    picture.faults(&mut rows)?;
    let bands = picture.top;
    let samples = &report.samples;
    picture.curve("sent, events/s", "#3b6ea5", &rate(samples, |sample| sample.sent), &mut rows)?;
    for (number, target) in report.targets.iter().enumerate().take(6) {
        let delivered = |sample: &Sample| sample.delivered.get(number).copied().unwrap_or(0);
        picture.curve(&format!("to {target}, events/s"), "#17693a", &rate(samples, delivered), &mut rows)?;
    }
    let waiting = |on_disk: bool| {
        let at = move |sample: &Sample| {
            sample.waiting.map(|(memory, disk)| (if on_disk { disk } else { memory }) as f64)
        };
        samples.iter().map(|sample| (sample.seconds, at(sample))).collect::<Vec<_>>()
    };
    picture.curve("waits in memory", "#a5673b", &waiting(false), &mut rows)?;
    picture.curve("waits on disk", "#7a3ba5", &waiting(true), &mut rows)?;
    let of =
        |value: fn(&Sample) -> f64| samples.iter().map(|s| (s.seconds, Some(value(s)))).collect::<Vec<_>>();
    picture.curve("memory, MB", "#555555", &of(|s| s.resident_bytes as f64 / 1e6), &mut rows)?;
    picture.curve("restarts", "#b3261e", &of(|s| s.restarts as f64), &mut rows)?;
    picture.axis(&mut rows)?;
    let height = picture.top + 20.0;
    write!(out, "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"the run over time\">")?;
    for fault in &report.faults {
        let (from, to) = picture.span(fault);
        let tall = picture.top - bands;
        write!(
            out,
            "<rect x=\"{from:.1}\" y=\"{bands:.0}\" width=\"{:.1}\" height=\"{tall:.0}\" fill=\"#fbe9d0\"/>",
            to - from
        )?;
    }
    write!(out, "{rows}</svg>")
}

impl Picture<'_> {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - 10.0) * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    /// From where to where a fault goes; one that is over at once can be seen, too.
    fn span(&self, fault: &FaultReport) -> (f64, f64) {
        let from = self.x(fault.began);
        (from, self.x(fault.ended).max(from + 2.0))
    }

    fn faults(&mut self, out: &mut String) -> std::fmt::Result {
        for fault in &self.report.faults {
            let (from, to) = self.span(fault);
            let (y, text) = (self.top, escaped(&fault.what));
            let at = fault.settings.get("where").and_then(|at| at.as_str()).map(escaped).unwrap_or_default();
            write!(
                out,
                "<rect x=\"{from:.1}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"12\" fill=\"#e08a2c\"/>",
                to - from
            )?;
            let (anchor, x) = if to > WIDTH * 0.7 { ("end", from - 4.0) } else { ("start", to + 4.0) };
            write!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{text} {at}</text>",
                y + 10.0
            )?;
            self.top += FAULT;
        }
        self.top += 6.0;
        Ok(())
    }

    fn curve(
        &mut self,
        name: &str,
        color: &str,
        points: &[(f64, Option<f64>)],
        out: &mut String,
    ) -> std::fmt::Result {
        let most = points.iter().filter_map(|(_, value)| *value).fold(0.0, f64::max);
        let bottom = self.top + CURVE;
        let y = |value: f64| bottom - CURVE * value / most.max(1.0);
        write!(out, "<text x=\"0\" y=\"{:.0}\">{}</text>", self.top + 12.0, escaped(name))?;
        write!(out, "<text x=\"0\" y=\"{:.0}\" fill=\"#777\">most {}</text>", self.top + 26.0, short(most))?;
        write!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{bottom:.0}\" x2=\"{WIDTH}\" y2=\"{bottom:.0}\" stroke=\"#ccc\"/>"
        )?;
        // Where nothing is known the line has a gap.
        for part in points.split(|(_, value)| value.is_none()).filter(|part| !part.is_empty()) {
            write!(out, "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.3\" points=\"")?;
            for (seconds, value) in part {
                write!(out, "{:.1},{:.1} ", self.x(*seconds), y(value.unwrap_or(0.0)))?;
            }
            write!(out, "\"/>")?;
        }
        self.top = bottom + GAP;
        Ok(())
    }

    fn axis(&mut self, out: &mut String) -> std::fmt::Result {
        let step = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3600.0];
        let step = step.into_iter().find(|step| self.seconds / step <= 12.0).unwrap_or(7200.0);
        let mut at = 0.0;
        while at <= self.seconds {
            write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{at} s</text>",
                self.x(at),
                self.top - 6.0
            )?;
            at += step;
        }
        Ok(())
    }
}

/// How fast a count grows, over half a second.
fn rate(samples: &[Sample], count: impl Fn(&Sample) -> u64) -> Vec<(f64, Option<f64>)> {
    let over = 5;
    samples
        .windows(over + 1)
        .map(|some| {
            let (first, last) = (&some[0], &some[over]);
            let grown = count(last).saturating_sub(count(first)) as f64;
            (last.seconds, Some(grown / (last.seconds - first.seconds).max(0.001)))
        })
        .collect()
}

fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.1} M", n / 1e6),
        n if n >= 1e4 => format!("{:.0} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
