//! MaxMind's test databases: every network of their sources is found, and broken databases are refused.

mod vectors;

use serde_json::{Value, json};
use vectors::Report;
use vectors::ingest::{Ended, run_case};

/// Databases; beside each is the JSON that it was made from.
const DATABASES: [&str; 3] = ["GeoLite2-City-Test", "GeoLite2-Country-Test", "GeoLite2-ASN-Test"];

/// What `geoip` says about an address.
fn look_up(database: &str, address: &str) -> Ended {
    let path = vectors::folder().join("geo").join(database);
    run_case(&json!({
        "processors": [{"geoip": {"field": "ip", "database_file": path, "target_field": "found"}}],
        "doc": {"ip": address},
    }))
}

/// What a record of the source means in the event.
fn expected(record: &Value) -> Value {
    if let Some(number) = record.get("autonomous_system_number") {
        let mut system = json!({ "number": number });
        if let Some(name) = record.get("autonomous_system_organization") {
            system["organization"] = json!({ "name": name });
        }
        return system;
    }
    let english = |name: &str| record[name]["names"]["en"].clone();
    let region = &record["subdivisions"][0];
    let location = &record["location"];
    let place = match (&location["latitude"], &location["longitude"]) {
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (lat, lon) => json!({"lat": lat, "lon": lon}),
    };
    let found = json!({
        "continent_name": english("continent"),
        "country_name": english("country"),
        "country_iso_code": record["country"]["iso_code"],
        "region_name": region["names"]["en"],
        "region_iso_code": region["iso_code"],
        "city_name": english("city"),
        "location": place,
    });
    let is_empty = found.as_object().is_some_and(|fields| fields.values().all(Value::is_null));
    if is_empty { Value::Null } else { found }
}

#[test]
fn every_network_of_the_sources_is_found() {
    for name in DATABASES {
        let path = vectors::folder().join("geo").join(format!("{name}.json"));
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("SKIPPED: {} is not there", path.display());
            return;
        };
        let source: Vec<Value> = serde_json::from_str(&text).expect("json");
        let networks: Vec<(String, Value)> = source
            .iter()
            .flat_map(|entry| entry.as_object().expect("a network"))
            .map(|(network, record)| (network.clone(), record.clone()))
            .collect();
        let mut report = Report::new(name);
        for (network, record) in &networks {
            let address = network.split('/').next().expect("an address");
            let ended = look_up(&format!("{name}.mmdb"), address);
            let passed = match &ended {
                Ended::Kept(event, _) => {
                    vectors::same(&expected(record), event.get("found").unwrap_or(&Value::Null))
                }
                _ => false,
            };
            report.check(network, passed, || format!("{ended:?}; {record}"));
        }
        report.finish(networks.len());
    }
}

#[test]
fn broken_databases_are_refused_when_the_pipeline_is_compiled() {
    let folder = vectors::folder().join("geo/broken");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: {} is not there", folder.display());
        return;
    };
    for file in files {
        let name = file.expect("listed").file_name().into_string().expect("a name");
        let ended = look_up(&format!("broken/{name}"), "2.125.160.218");
        assert!(
            matches!(&ended, Ended::Refused(why) if why.contains("the database is damaged or none")),
            "{name}: {ended:?}"
        );
    }
}

#[test]
fn a_database_of_another_kind_is_refused_with_its_type() {
    if !vectors::folder().join("geo").exists() {
        println!("SKIPPED: the vectors are not there");
        return;
    }
    let ended = look_up("GeoIP2-Anonymous-IP-Test.mmdb", "1.2.3.4");
    assert!(matches!(&ended, Ended::Refused(why) if why.contains("GeoIP2-Anonymous-IP")), "{ended:?}");
}
