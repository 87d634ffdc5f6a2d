//! `confidence`: the likeliest of several scores.

use super::numbers::number;
use super::object::Object;
use crate::compile::spec::{IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "confidence",
    family: "analytics",
    summary: "Compares the scores that `score` gave, and says how sure the best one is.",
    details: "The raw confidence of a score is its part of the highest possible one. Of those that reach \
              `min_raw_confidence` the confidence is computed: `softmax` (e^(raw / temperature), made to add up to 1), `linear` \
              (0 for the least, 1 for the most), `winner_takes_more` (raw², made to add up to 1) or `raw_confidence` (raw, made \
              to add up to 1). The best one is `detected` if it reaches `min_confidence`.",
    options: &[
        optional("score_field", "_score", "The field with the scores."),
        optional("output_field", "_confidence", "Where the result goes."),
        optional("min_confidence", "0.0", "The confidence from which something counts as detected, 0 to 1."),
        optional("min_raw_confidence", "0.0", "The raw confidence from which a score is looked at, 0 to 1."),
        optional("top_n", "3", "How many others are listed."),
        optional("normalization_method", "softmax", "How confidences are computed."),
        optional(
            "softmax_temperature",
            "1.0",
            "The higher, the closer confidences are to each other; above 0.",
        ),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "two candidates",
        event: r#"{"s": {"a": {"score": 25, "max_possible_score": 100, "matched_rules": []}, "b": {"score": 75, "max_possible_score": 100, "matched_rules": ["x"]}}}"#,
        processors: "- confidence: {score_field: s, output_field: c, normalization_method: raw_confidence, min_confidence: 0.7}\n- keep: {field: c}",
        outcome: Outcome::Event(
            r#"{"c": {"identifier": "b", "confidence": 0.75, "raw_confidence": 0.75, "score": 75, "max_possible_score": 100, "matched_rules": ["x"], "status": "detected", "method": "raw_confidence", "alternatives": [{"identifier": "a", "confidence": 0.25, "raw_confidence": 0.25, "score": 25}]}}"#,
        ),
    }],
    compile,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Softmax,
    Linear,
    WinnerTakesMore,
    RawConfidence,
}

const METHODS: [(&str, Method); 4] = [
    ("softmax", Method::Softmax),
    ("linear", Method::Linear),
    ("winner_takes_more", Method::WinnerTakesMore),
    ("raw_confidence", Method::RawConfidence),
];

struct Confidence {
    scores: Path,
    output: Path,
    min: f64,
    min_raw: f64,
    top: usize,
    method: Method,
    temperature: f64,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let path = |options: &mut Options<'_, '_>, name: &str, default: &str| {
        let default = Path::of_names(options.keys(), &[default]);
        options.field_or(name, &default)
    };
    Ok(Box::new(Confidence {
        scores: path(options, "score_field", "_score")?,
        output: path(options, "output_field", "_confidence")?,
        min: part(options, "min_confidence", 0.0, 0.0, 1.0)?,
        min_raw: part(options, "min_raw_confidence", 0.0, 0.0, 1.0)?,
        top: options.int("top_n", 0..=1000)?.unwrap_or(3) as usize,
        method: options.choice("normalization_method", &METHODS)?,
        temperature: part(options, "softmax_temperature", 1.0, 1e-6, 1e6)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

fn part(
    options: &mut Options<'_, '_>,
    name: &str,
    default: f64,
    min: f64,
    max: f64,
) -> Result<f64, Reported> {
    let Some(text) = options.text(name)? else { return Ok(default) };
    match text.trim().parse::<f64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => {
            let at = options.place_of(name);
            Err(options.error(&at, format!("`{name}` is a number from {min} to {max}"), ""))
        }
    }
}

/// A score that is compared.
struct Candidate {
    name: Slot,
    score: f64,
    max: f64,
    raw: f64,
    rules: Slot,
    confidence: f64,
}

impl Processor for Confidence {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let scores = match cx.value(&self.scores) {
            None if self.ignore_missing => return Ok(Flow::Next),
            None => return Err(Failure::missing(&self.scores)),
            Some(Slot::Map(scores)) => scores,
            Some(_) => return Err(Failure::fixed("is no object with scores").at(&self.scores)),
        };
        let mut candidates = self.candidates(cx, scores)?;
        self.normalize(&mut candidates);
        let output = self.output(cx, &candidates)?;
        cx.set(&self.output, output)?;
        Ok(Flow::Next)
    }
}

impl Confidence {
    /// Those worth looking at, the best first.
    fn candidates(&self, cx: &mut Context<'_>, scores: Children) -> Result<Vec<Candidate>, Failure> {
        let mut candidates = Vec::new();
        let mut at = cx.event.children(scores).next();
        while let Some(node) = at {
            at = cx.event.next(node);
            let Slot::Map(entry) = cx.event.slot(node) else { continue };
            let field =
                |name: &str| cx.event.field_named(entry, name.as_bytes()).map(|node| cx.event.slot(node));
            let numbers = (
                field("score").and_then(Slot::as_number),
                field("max_possible_score").and_then(Slot::as_number),
            );
            let rules = field("matched_rules").unwrap_or(Slot::List(Children::EMPTY));
            let (Some(score), Some(max)) = numbers else { continue };
            let raw = if max > 0.0 { (score / max).clamp(0.0, 1.0) } else { 0.0 };
            if !raw.is_finite() || raw < self.min_raw {
                continue;
            }
            let name = cx.event.name(node).to_vec();
            let name = cx.event.text(&name)?;
            candidates.push(Candidate { name, score, max, raw, rules, confidence: 0.0 });
        }
        // Stable: what is equal stays in the order of the event.
        candidates.sort_by(|a, b| b.raw.total_cmp(&a.raw));
        Ok(candidates)
    }

    fn normalize(&self, candidates: &mut [Candidate]) {
        let (Some(most), Some(least)) = (candidates.first().map(|c| c.raw), candidates.last().map(|c| c.raw))
        else {
            return;
        };
        let weight = |raw: f64| match self.method {
            // The largest exponent is 0, so that nothing overflows.
            Method::Softmax => ((raw - most) / self.temperature).exp(),
            Method::Linear if most > least => (raw - least) / (most - least),
            Method::Linear => 1.0,
            Method::WinnerTakesMore => raw * raw,
            Method::RawConfidence => raw,
        };
        let sum: f64 = candidates.iter().map(|candidate| weight(candidate.raw)).sum();
        for candidate in candidates {
            let weight = weight(candidate.raw);
            candidate.confidence = match self.method {
                Method::Linear => weight,
                _ if sum > 0.0 => weight / sum,
                _ => 0.0,
            };
        }
    }

    fn output(&self, cx: &mut Context<'_>, candidates: &[Candidate]) -> Result<Slot, Failure> {
        let mut object = Object::new();
        let best = candidates.first();
        let detected = best.filter(|best| best.confidence >= self.min);
        match detected {
            Some(best) => {
                object.put(cx, "identifier", best.name)?;
                object.put(cx, "confidence", Slot::Float(best.confidence))?;
                object.put(cx, "raw_confidence", Slot::Float(best.raw))?;
                object.put(cx, "score", number(best.score))?;
                object.put(cx, "max_possible_score", number(best.max))?;
                let rules = cx.event.copy(best.rules)?;
                object.put(cx, "matched_rules", rules)?;
                object.text(cx, "status", "detected")?;
            }
            None => {
                object.text(cx, "identifier", "")?;
                object.put(cx, "confidence", Slot::Float(best.map_or(0.0, |best| best.confidence)))?;
                object.text(cx, "status", "undetected")?;
                let message = match best {
                    Some(_) => "no candidate reaches the confidence that is asked for",
                    None => "there are no candidates",
                };
                object.text(cx, "message", message)?;
            }
        }
        let method = METHODS.iter().find(|(_, method)| *method == self.method).map_or("", |(name, _)| *name);
        object.text(cx, "method", method)?;
        let mut others = Children::EMPTY;
        for candidate in candidates.iter().skip(usize::from(detected.is_some())).take(self.top) {
            let mut other = Object::new();
            other.put(cx, "identifier", candidate.name)?;
            other.put(cx, "confidence", Slot::Float(candidate.confidence))?;
            other.put(cx, "raw_confidence", Slot::Float(candidate.raw))?;
            other.put(cx, "score", number(candidate.score))?;
            cx.event.push_to(&mut others, other.slot())?;
        }
        object.put(cx, "alternatives", Slot::List(others))?;
        Ok(object.slot())
    }
}
