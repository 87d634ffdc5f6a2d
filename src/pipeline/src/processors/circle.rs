//! `circle`: circles as polygons.

use super::geo_grid::points;
use super::object::Object;
use super::target::Target;
use super::whole_number::of_slot;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Slot, Span};
use std::f64::consts::{PI, TAU};

pub(super) static SPEC: Spec = Spec {
    name: "circle",
    family: "enrich",
    summary: "Turns a circle into a polygon of about its form.",
    details: "A circle is a text `CIRCLE (lon lat radius)`, or an object with `coordinates` [lon, lat] or `center` \
              \"lat,lon\", and `radius`: a number of metres, or with a unit (mm, cm, m, km, in, ft, yd, mi, nmi). The polygon \
              has as many corners as the error asks for, 4 to 1000. A metre is the same part of a degree everywhere, \
              that at the equator. A text becomes a text, an object GeoJSON.",
    options: &[
        FIELD,
        required(
            "error_distance",
            "How far the polygon's sides may be from the circle: metres; of `shape` without a unit.",
        ),
        required("shape_type", "`geo_shape` (degrees and metres) or `shape` (a plane)."),
        TARGET_FIELD,
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a text",
            event: r#"{"c": "CIRCLE (30 10 2)"}"#,
            processors: "- circle: {field: c, error_distance: 1, shape_type: shape}",
            outcome: Outcome::Event(
                r#"{"c": "POLYGON ((32.0 10.0, 31.0 11.732050807568877, 29.0 11.732050807568877, 28.0 10.0, 29.0 8.267949192431123, 31.0 8.267949192431123, 32.0 10.0))"}"#,
            ),
        },
        Example {
            title: "no circle",
            event: r#"{"c": "POINT (1 2)"}"#,
            processors: "- circle: {field: c, error_distance: 1, shape_type: shape}",
            outcome: Outcome::Fails("is no circle"),
        },
    ],
    compile,
};

const MIN_SIDES: f64 = 4.0;
const MAX_SIDES: f64 = 1000.0;
/// At the equator of WGS 84, along it and across.
const METRES_PER_DEGREE_EAST: f64 = 6_378_137.0 * PI / 180.0;
const METRES_PER_DEGREE_NORTH: f64 = 6_335_439.327_292_82 * PI / 180.0;
const UNITS: [(&str, f64); 9] = [
    ("nmi", 1852.0),
    ("km", 1000.0),
    ("cm", 0.01),
    ("mm", 0.001),
    ("mi", 1609.344),
    ("ft", 0.3048),
    ("yd", 0.9144),
    ("in", 0.0254),
    ("m", 1.0),
];

struct CircleShape {
    target: Target,
    error_distance: f64,
    on_earth: bool,
}

struct Circle {
    x: f64,
    y: f64,
    radius: f64,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("shape_type")?;
    let at = options.required("error_distance")?.at.clone();
    let error_distance = options.required_text("error_distance")?;
    let error_distance = match error_distance.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => number,
        _ => return Err(options.error(&at, "`error_distance` is a number above 0", "")),
    };
    Ok(Box::new(CircleShape {
        target: Target::read(options)?,
        error_distance,
        on_earth: options.choice("shape_type", &[("geo_shape", true), ("shape", false)])?,
    }))
}

impl Processor for CircleShape {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let (circle, is_text) = match self.target.value(cx)? {
            None => return Ok(Flow::Next),
            Some(Slot::Text(span)) => (of_text(cx, span), true),
            Some(Slot::Map(map)) => (of_object(cx, map), false),
            Some(_) => (None, false),
        };
        let usable = |circle: &Circle| circle.radius > 0.0 && circle.x.is_finite() && circle.y.is_finite();
        let circle = circle.filter(usable);
        let circle =
            circle.ok_or_else(|| Failure::fixed("is no circle with a radius").at(&self.target.field))?;
        let corners = self.corners(&circle).map_err(|why| why.at(&self.target.field))?;
        let shape = if is_text {
            let corners: Vec<String> = corners.iter().map(|(x, y)| format!("{x:?} {y:?}")).collect();
            cx.event.text(format!("POLYGON (({}))", corners.join(", ")).as_bytes())?
        } else {
            // Polygons stand in a list of their own, as the product writes them.
            let mut coordinates = points(cx, &corners)?;
            for _ in 0..2 {
                let mut outer = Children::EMPTY;
                cx.event.push_to(&mut outer, coordinates)?;
                coordinates = Slot::List(outer);
            }
            let mut object = Object::new();
            object.text(cx, "type", "Polygon")?;
            object.put(cx, "coordinates", coordinates)?;
            object.slot()
        };
        self.target.put(cx, shape)?;
        Ok(Flow::Next)
    }
}

impl CircleShape {
    /// The polygon's corners, the first one again at the end.
    fn corners(&self, circle: &Circle) -> Result<Vec<(f64, f64)>, Failure> {
        let (width, height) = match self.on_earth {
            true => (circle.radius / METRES_PER_DEGREE_EAST, circle.radius / METRES_PER_DEGREE_NORTH),
            false => (circle.radius, circle.radius),
        };
        if self.on_earth && circle.y.abs() + height >= 90.0 {
            return Err(Failure::fixed("is a circle that contains a pole"));
        }
        let sides = TAU / (1.0 - self.error_distance / circle.radius).clamp(-1.0, 1.0).acos();
        // Rounding makes a hair's breadth more of whole numbers.
        let sides = (sides - 1e-9).ceil().clamp(MIN_SIDES, MAX_SIDES) as u32;
        let corner = |n: u32| {
            let angle = TAU * f64::from(n) / f64::from(sides);
            (circle.x + width * angle.cos(), circle.y + height * angle.sin())
        };
        let mut corners: Vec<(f64, f64)> = (0..sides).map(corner).collect();
        corners.push(corner(0));
        Ok(corners)
    }
}

fn of_text(cx: &Context<'_>, span: Span) -> Option<Circle> {
    let text = std::str::from_utf8(cx.event.bytes(span)).ok()?.trim();
    let inner = text.get(..6).filter(|word| word.eq_ignore_ascii_case("circle")).map(|_| text[6..].trim())?;
    let inner = inner.strip_prefix('(')?.strip_suffix(')')?;
    let numbers: Vec<f64> = inner.split_whitespace().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match numbers[..] {
        [x, y, radius] => Some(Circle { x, y, radius }),
        _ => None,
    }
}

fn of_object(cx: &Context<'_>, map: Children) -> Option<Circle> {
    let field = |name: &str| cx.event.field_named(map, name.as_bytes()).map(|node| cx.event.slot(node));
    let text = |span: Span| std::str::from_utf8(cx.event.bytes(span)).ok();
    let (x, y) = match (field("coordinates"), field("center")) {
        (Some(Slot::List(list)), _) => {
            let mut numbers = cx.event.children(list).map(|node| number(cx, cx.event.slot(node)));
            (numbers.next()??, numbers.next()??)
        }
        (_, Some(Slot::Text(span))) => {
            let (lat, lon) = text(span)?.split_once(',')?;
            (lon.trim().parse().ok()?, lat.trim().parse().ok()?)
        }
        _ => return None,
    };
    let radius = match field("radius")? {
        Slot::Text(span) => distance(text(span)?)?,
        slot => number(cx, slot)?,
    };
    Some(Circle { x, y, radius })
}

fn number(cx: &Context<'_>, slot: Slot) -> Option<f64> {
    slot.as_number().or_else(|| of_slot(cx, slot).map(|number| number as f64))
}

/// Metres of a text like `40m` or `1.5 km`.
fn distance(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(unit, metres)| Some((text.strip_suffix(unit)?, *metres)));
    let (number, metres) = unit.unwrap_or((text, 1.0));
    number.trim().parse::<f64>().ok().map(|number| number * metres)
}
