//! `geo_grid`: cells of a grid as shapes.

use super::object::{Object, texts};
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Path, Slot};
use std::f64::consts::PI;

pub(super) static SPEC: Spec = Spec {
    name: "geo_grid",
    family: "enrich",
    summary: "Turns a cell of a grid (geohash, geotile) into its shape.",
    details: "A geohash like `sn4ph` becomes a polygon, a geotile like `4/8/5` (zoom, column, row) an envelope.",
    options: &[
        FIELD,
        required("tile_type", "`geohash` or `geotile`."),
        optional("target_format", "GeoJSON", "`GeoJSON` or `WKT`."),
        optional("parent_field", "", "Where the cell goes that this one lies in, if there is one."),
        optional("children_field", "", "Where the cells within this one go."),
        optional(
            "non_children_field",
            "",
            "Where cells go that overlap and are no children; these grids have none.",
        ),
        optional("precision_field", "", "Where the length of the geohash or the zoom of the geotile goes."),
        TARGET_FIELD,
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a geohash",
            event: r#"{"c": "sn4ph"}"#,
            processors: "- geo_grid: {field: c, tile_type: geohash, target_format: wkt, target_field: s, parent_field: p, precision_field: n}",
            outcome: Outcome::Event(
                r#"{"c": "sn4ph", "p": "sn4p", "n": 5, "s": "POLYGON((2.98828125 34.98046875, 3.0322265625 34.98046875, 3.0322265625 35.0244140625, 2.98828125 35.0244140625, 2.98828125 34.98046875))"}"#,
            ),
        },
        Example {
            title: "no cell",
            event: r#"{"c": "4/99/5"}"#,
            processors: "- geo_grid: {field: c, tile_type: geotile}",
            outcome: Outcome::Fails("is no cell of the grid"),
        },
    ],
    compile,
};

/// The precision of a geohash and of a geotile that still fits into 64 bits.
const MAX_HASH_LENGTH: usize = 12;
const MAX_ZOOM: u32 = 29;
const HASH_DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Grid {
    Hash,
    Tile,
}

struct GeoGrid {
    target: Target,
    grid: Grid,
    as_wkt: bool,
    parent: Option<Path>,
    children: Option<Path>,
    non_children: Option<Path>,
    precision: Option<Path>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("tile_type")?;
    Ok(Box::new(GeoGrid {
        target: Target::read(options)?,
        grid: options.choice("tile_type", &[("geohash", Grid::Hash), ("geotile", Grid::Tile)])?,
        as_wkt: options.choice("target_format", &[("GeoJSON", false), ("WKT", true)])?,
        parent: options.optional_field("parent_field")?,
        children: options.optional_field("children_field")?,
        non_children: options.optional_field("non_children_field")?,
        precision: options.optional_field("precision_field")?,
    }))
}

/// A rectangle in degrees.
#[derive(Clone, Copy)]
struct Bounds {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// What is known of a cell.
struct Cell {
    bounds: Bounds,
    precision: u32,
    parent: Option<String>,
    children: Vec<String>,
}

impl Processor for GeoGrid {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default();
        let cell = match self.grid {
            Grid::Hash => geohash(text),
            Grid::Tile => geotile(text),
        };
        let cell = cell.ok_or_else(|| Failure::fixed("is no cell of the grid").at(&self.target.field))?;
        let shape = self.shape(cx, cell.bounds)?;
        self.target.put(cx, shape)?;
        if let (Some(path), Some(parent)) = (&self.parent, &cell.parent) {
            let slot = cx.event.text(parent.as_bytes())?;
            cx.set(path, slot)?;
        }
        if let Some(path) = &self.children {
            let slot = texts(cx, &cell.children)?;
            cx.set(path, slot)?;
        }
        if let Some(path) = &self.non_children {
            cx.set(path, Slot::List(Children::EMPTY))?;
        }
        if let Some(path) = &self.precision {
            cx.set(path, Slot::Int(cell.precision.into()))?;
        }
        Ok(Flow::Next)
    }
}

impl GeoGrid {
    fn shape(&self, cx: &mut Context<'_>, bounds: Bounds) -> Result<Slot, Failure> {
        let Bounds { west, east, south, north } = bounds;
        let corners = [(west, south), (east, south), (east, north), (west, north), (west, south)];
        if self.as_wkt {
            let text = match self.grid {
                Grid::Tile => format!("ENVELOPE({west:?}, {east:?}, {north:?}, {south:?})"),
                Grid::Hash => {
                    let points = corners.map(|(lon, lat)| format!("{lon:?} {lat:?}"));
                    format!("POLYGON(({}))", points.join(", "))
                }
            };
            return Ok(cx.event.text(text.as_bytes())?);
        }
        let (kind, coordinates) = match self.grid {
            Grid::Tile => ("Envelope", points(cx, &[(west, north), (east, south)])?),
            Grid::Hash => {
                let ring = points(cx, &corners)?;
                let mut rings = Children::EMPTY;
                cx.event.push_to(&mut rings, ring)?;
                ("Polygon", Slot::List(rings))
            }
        };
        let mut object = Object::new();
        object.text(cx, "type", kind)?;
        object.put(cx, "coordinates", coordinates)?;
        Ok(object.slot())
    }
}

/// A list of points, each a list of longitude and latitude.
pub(super) fn points(cx: &mut Context<'_>, points: &[(f64, f64)]) -> Result<Slot, Failure> {
    let mut list = Children::EMPTY;
    for (lon, lat) in points {
        let mut point = Children::EMPTY;
        cx.event.push_to(&mut point, Slot::Float(*lon))?;
        cx.event.push_to(&mut point, Slot::Float(*lat))?;
        cx.event.push_to(&mut list, Slot::List(point))?;
    }
    Ok(Slot::List(list))
}

/// Each digit halves the rectangle five times, in turn by longitude and latitude.
fn geohash(text: &str) -> Option<Cell> {
    if text.is_empty() || text.len() > MAX_HASH_LENGTH {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let (mut lon, mut lat) = ((-180.0, 180.0), (-90.0, 90.0));
    let mut by_lon = true;
    for digit in text.bytes() {
        let bits = HASH_DIGITS.iter().position(|known| *known == digit)?;
        for bit in (0..5).rev() {
            let range: &mut (f64, f64) = if by_lon { &mut lon } else { &mut lat };
            let middle = f64::midpoint(range.0, range.1);
            if bits >> bit & 1 == 1 {
                range.0 = middle;
            } else {
                range.1 = middle;
            }
            by_lon = !by_lon;
        }
    }
    let parent = text.len() - 1;
    Some(Cell {
        bounds: Bounds { west: lon.0, east: lon.1, south: lat.0, north: lat.1 },
        precision: text.len() as u32,
        parent: (parent > 0).then(|| text[..parent].to_owned()),
        children: match text.len() < MAX_HASH_LENGTH {
            true => HASH_DIGITS.iter().map(|digit| format!("{text}{}", char::from(*digit))).collect(),
            false => Vec::new(),
        },
    })
}

/// Tiles of the Web Mercator projection.
fn geotile(text: &str) -> Option<Cell> {
    let mut parts = text.split('/');
    let mut number = || parts.next()?.parse::<u32>().ok();
    let (zoom, x, y) = (number()?, number()?, number()?);
    if parts.next().is_some() || zoom > MAX_ZOOM || x >> zoom != 0 || y >> zoom != 0 {
        return None;
    }
    let tiles = f64::from(1_u32 << zoom);
    let lon = |x: f64| x / tiles * 360.0 - 180.0;
    let lat = |y: f64| (PI - 2.0 * PI * y / tiles).sinh().atan().to_degrees();
    let (column, row) = (f64::from(x), f64::from(y));
    let children = match zoom < MAX_ZOOM {
        true => [(0, 0), (0, 1), (1, 0), (1, 1)]
            .map(|(a, b)| format!("{}/{}/{}", zoom + 1, 2 * x + a, 2 * y + b))
            .to_vec(),
        false => Vec::new(),
    };
    Some(Cell {
        bounds: Bounds { west: lon(column), east: lon(column + 1.0), south: lat(row + 1.0), north: lat(row) },
        precision: zoom,
        parent: (zoom > 0).then(|| format!("{}/{}/{}", zoom - 1, x / 2, y / 2)),
        children,
    })
}
