//! `geoip`: where an IP address is, or whose it is.
//!
//! The database lies in memory, read and verified when the pipeline is compiled, and shared by all processors that name
//! it. A look-up walks some thirty nodes and decodes one record; texts are copied into the event, nothing else is.

use super::object::Object;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::suggest::closest;
use event::model::{Children, Path, Slot};
use maxminddb::{MaxMindDbError, Reader, geoip2};
use std::net::IpAddr;
use std::sync::Arc;

pub(super) static SPEC: Spec = Spec {
    name: "geoip",
    family: "enrich",
    summary: "Adds where an IP address is, or which network it belongs to, from a database of MaxMind's format.",
    details: "Databases of the types City, Country and ASN are understood; they lie in `user/database` or \
              `package/database`, or are named with their whole path. One that is missing or damaged is a mistake in the \
              configuration. A database is kept in memory; a new one is taken over when the configuration is loaded again. \
              An address that the database does not have gets nothing and is no failure.",
    options: &[
        FIELD,
        optional("database_file", "GeoLite2-City.mmdb", "The database."),
        optional(
            "first_only",
            "true",
            "Of a list of addresses take the first that is found, instead of a list of places.",
        ),
        optional(
            "properties",
            "all that the database has",
            "`continent_name`, `country_name`, `country_iso_code`, `region_name`, `region_iso_code`, `city_name`, `location`; of \
             an ASN database `asn` (as `number`) and `organization_name` (as `organization.name`).",
        ),
        optional("target_field", "`geo`, of an ASN database `asn`", "Where the result goes."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "two properties",
            event: r#"{"ip": "2.125.160.218"}"#,
            processors: "- geoip: {field: ip, properties: [country_name, city_name]}",
            outcome: Outcome::Event(
                r#"{"ip": "2.125.160.218", "geo": {"country_name": "United Kingdom", "city_name": "Boxford"}}"#,
            ),
        },
        Example {
            title: "whose it is",
            event: r#"{"ip": "12.81.92.1"}"#,
            processors: "- geoip: {field: ip, database_file: GeoLite2-ASN.mmdb}",
            outcome: Outcome::Event(
                r#"{"ip": "12.81.92.1", "asn": {"number": 7018, "organization": {"name": "AT&T Services"}}}"#,
            ),
        },
        Example {
            title: "an address that nobody knows",
            event: r#"{"ip": ["192.168.1.1"]}"#,
            processors: "- geoip: {field: ip}",
            outcome: Outcome::Event(r#"{"ip": ["192.168.1.1"]}"#),
        },
    ],
    compile,
};

/// What can be asked of City and Country databases.
const PLACE: [(&str, Property); 7] = [
    ("continent_name", Property::Continent),
    ("country_name", Property::Country),
    ("country_iso_code", Property::CountryCode),
    ("region_name", Property::Region),
    ("region_iso_code", Property::RegionCode),
    ("city_name", Property::City),
    ("location", Property::Location),
];
/// What can be asked of ASN databases.
const SYSTEM: [(&str, Property); 2] =
    [("asn", Property::Number), ("organization_name", Property::Organization)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Property {
    Continent,
    Country,
    CountryCode,
    Region,
    RegionCode,
    City,
    Location,
    Number,
    Organization,
}

struct Database {
    reader: Reader<Vec<u8>>,
    is_asn: bool,
}

struct GeoIp {
    field: Path,
    target: Path,
    database: Arc<Database>,
    properties: Vec<Property>,
    first_only: bool,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let name = options.text("database_file")?.unwrap_or_else(|| "GeoLite2-City.mmdb".to_owned());
    let database = options.file("database_file", "database", &name, read)?;
    let default = Path::of_names(options.keys(), &[if database.is_asn { "asn" } else { "geo" }]);
    let known: &[(&str, Property)] = if database.is_asn { &SYSTEM } else { &PLACE };
    let mut properties = Vec::new();
    for name in options.texts("properties")? {
        match known.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, property)) => properties.push(*property),
            None => {
                let names = known.iter().map(|(name, _)| *name);
                let hint = closest(&name, names.clone());
                let at = options.place_of("properties");
                let fix = format!("there are {}", names.collect::<Vec<_>>().join(", "));
                return Err(options.error(&at, format!("this database has no property {name:?}{hint}"), fix));
            }
        }
    }
    if properties.is_empty() {
        properties = known.iter().map(|(_, property)| *property).collect();
    }
    Ok(Box::new(GeoIp {
        target: options.field_or("target_field", &default)?,
        first_only: options.flag("first_only", true)?,
        ignore_missing: options.flag("ignore_missing", false)?,
        field,
        database,
        properties,
    }))
}

fn read(bytes: Vec<u8>) -> Result<Database, String> {
    let damaged = |why: MaxMindDbError| format!("the database is damaged or none: {why}");
    let reader = Reader::from_source(bytes).map_err(damaged)?;
    reader.verify().map_err(damaged)?;
    let kind = &reader.metadata().database_type;
    let is_asn = kind.contains("ASN");
    if is_asn || kind.contains("City") || kind.contains("Country") {
        return Ok(Database { is_asn, reader });
    }
    Err(format!("the database is of the type {kind:?}; understood are City, Country and ASN"))
}

impl Processor for GeoIp {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let found = match cx.value(&self.field) {
            None if self.ignore_missing => return Ok(Flow::Next),
            None => return Err(Failure::missing(&self.field)),
            Some(Slot::List(list)) => self.several(cx, list)?,
            Some(slot) => self.one(cx, slot)?,
        };
        if let Some(found) = found {
            cx.set(&self.target, found)?;
        }
        Ok(Flow::Next)
    }
}

impl GeoIp {
    /// The first that is found, or one result an address; nothing if none is found.
    fn several(&self, cx: &mut Context<'_>, list: Children) -> Result<Option<Slot>, Failure> {
        let mut results = Children::EMPTY;
        let mut any = false;
        let mut at = cx.event.children(list).next();
        while let Some(node) = at {
            at = cx.event.next(node);
            let slot = cx.event.slot(node);
            let found = self.one(cx, slot)?;
            if self.first_only && found.is_some() {
                return Ok(found);
            }
            any |= found.is_some();
            cx.event.push_to(&mut results, found.unwrap_or(Slot::Null))?;
        }
        Ok(any.then_some(Slot::List(results)))
    }

    fn one(&self, cx: &mut Context<'_>, slot: Slot) -> Result<Option<Slot>, Failure> {
        let Slot::Text(span) = slot else { return Err(not_a_text(slot).at(&self.field)) };
        let address = std::str::from_utf8(cx.event.bytes(span)).ok().and_then(|text| text.parse().ok());
        let address: IpAddr = address.ok_or_else(|| Failure::fixed("is no ip address").at(&self.field))?;
        let broken = |why: MaxMindDbError| Failure::text(format!("the database can't be read here: {why}"));
        let found = match self.database.reader.lookup(address) {
            Ok(found) => found,
            // The database has only addresses of the other version.
            Err(MaxMindDbError::InvalidInput { .. }) => return Ok(None),
            Err(why) => return Err(broken(why)),
        };
        let mut object = Object::new();
        if self.database.is_asn {
            let Some(record) = found.decode::<geoip2::Asn<'_>>().map_err(broken)? else { return Ok(None) };
            self.system(cx, &record, &mut object)?;
        } else {
            let Some(record) = found.decode::<geoip2::City<'_>>().map_err(broken)? else { return Ok(None) };
            self.place(cx, &record, &mut object)?;
        }
        Ok((!object.is_empty()).then(|| object.slot()))
    }

    fn system(
        &self,
        cx: &mut Context<'_>,
        record: &geoip2::Asn<'_>,
        object: &mut Object,
    ) -> Result<(), Failure> {
        for property in &self.properties {
            match (property, record.autonomous_system_number, record.autonomous_system_organization) {
                (Property::Number, Some(number), _) => object.put(cx, "number", Slot::Int(number.into()))?,
                (Property::Organization, _, Some(name)) => {
                    let mut organization = Object::new();
                    organization.text(cx, "name", name)?;
                    object.put(cx, "organization", organization.slot())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn place(
        &self,
        cx: &mut Context<'_>,
        record: &geoip2::City<'_>,
        object: &mut Object,
    ) -> Result<(), Failure> {
        let region = record.subdivisions.first();
        for property in &self.properties {
            let (name, text) = match property {
                Property::Continent => ("continent_name", record.continent.names.english),
                Property::Country => ("country_name", record.country.names.english),
                Property::CountryCode => ("country_iso_code", record.country.iso_code),
                Property::Region => ("region_name", region.and_then(|region| region.names.english)),
                Property::RegionCode => ("region_iso_code", region.and_then(|region| region.iso_code)),
                Property::City => ("city_name", record.city.names.english),
                Property::Location => {
                    let (lat, lon) = (record.location.latitude, record.location.longitude);
                    if let Some((lat, lon)) = lat.zip(lon) {
                        let mut location = Object::new();
                        location.put(cx, "lat", Slot::Float(lat))?;
                        location.put(cx, "lon", Slot::Float(lon))?;
                        object.put(cx, "location", location.slot())?;
                    }
                    continue;
                }
                Property::Number | Property::Organization => continue,
            };
            if let Some(text) = text {
                object.text(cx, name, text)?;
            }
        }
        Ok(())
    }
}
