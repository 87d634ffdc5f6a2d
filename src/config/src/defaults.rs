//! `defaults`: what all devices of a type have, written once.
//!
//! ```yaml
//! defaults:
//!   linux:
//!     tags: [production]
//!     properties: {credentials: collector, port: 22}
//! ```
//!
//! A device takes over every key that it does not have itself; of `properties` and the maps in them, key by key. It
//! happens in the tree, before anything is decoded, so a mistake in a default is reported where the default is.

use std::collections::HashMap;

use serde_json::json;

use crate::fields::Fields;
use crate::{Diagnostic, Entry, Map, Node, Value};

/// Keys that are a device's own.
const OWN: [&str; 3] = ["id", "name", "type"];

/// Fills the defaults into all devices.
pub(crate) fn fill_in(map: &mut Map, report: &mut Vec<Diagnostic>) {
    let Some(defaults) = map.get("defaults").filter(|node| !node.is_null()).cloned() else { return };
    let Value::Map(types) = &defaults.value else {
        report.push(defaults.error(
            format!("\"defaults\" is {}", defaults.shown()),
            "write a map with a device type a key, such as linux",
        ));
        return;
    };
    let mut by_type: HashMap<&str, &Map> = HashMap::new();
    for Entry { key, key_at, value } in types.entries() {
        let Value::Map(of_type) = &value.value else {
            let what = format!("the defaults of {key:?} are {}", value.shown());
            report.push(value.error(what, "write a map with keys of a device, such as properties"));
            continue;
        };
        for own in of_type.entries().iter().filter(|entry| OWN.contains(&entry.key.as_str())) {
            let what = format!("the defaults of {key:?} have {:?}", own.key);
            report.push(own.key_at.error(what, "remove it: each device has its own"));
        }
        if !crate::device::is_type(key) {
            let what = format!("defaults are given for {key:?}, which is no type of device");
            report.push(key_at.error(what, crate::device::did_you_mean_type(key)));
        }
        by_type.insert(key, of_type);
    }
    let devices = map.entries_mut().iter_mut().find(|entry| entry.key == "devices");
    let Some(Value::List(devices)) = devices.map(|entry| &mut entry.value.value) else { return };
    for device in devices {
        let Some(of_type) = device.get("type").and_then(Node::as_text).and_then(|name| by_type.get(name))
        else {
            continue;
        };
        if let Value::Map(device) = &mut device.value {
            merge(device, of_type);
        }
    }
}

/// Adds what is missing.
fn merge(into: &mut Map, defaults: &Map) {
    for Entry { key, key_at, value } in defaults.entries() {
        if OWN.contains(&key.as_str()) {
            continue;
        }
        let present = into.entries_mut().iter_mut().find(|entry| entry.key == *key);
        match (present.map(|entry| &mut entry.value.value), &value.value) {
            (Some(Value::Map(own)), Value::Map(defaults)) => merge(own, defaults),
            (Some(_), _) => {}
            (None, _) => into.entries_mut().push(Entry {
                key: key.clone(),
                key_at: key_at.clone(),
                value: value.clone(),
            }),
        }
    }
}

/// The key is known; what is in it was filled into the devices.
pub(crate) fn draw(fields: &mut Fields) {
    let about = "what all devices of a type have: a map with keys of a device for each type";
    fields.knows("defaults", about, || json!({"type": ["object", "null"]}));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn filled(text: &str) -> (Map, Vec<String>) {
        let mut document = crate::parse(Path::new("a.yml"), text).unwrap().remove(0);
        let mut report = Vec::new();
        let Value::Map(map) = &mut document.value else { panic!("a map") };
        fill_in(map, &mut report);
        (map.clone(), report.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_device_takes_over_what_it_does_not_say_itself() {
        let (map, report) = filled(
            "defaults: {tcp: {tags: [a], properties: {port: 1, tls: {status: true, cert_name: c}}}}\n\
             devices: [{type: tcp, properties: {port: 2, tls: {status: false}}}, {type: udp}]\n",
        );
        assert_eq!(report, [""; 0]);
        let devices = map.get("devices").unwrap().as_list().unwrap();
        let properties = devices[0].get("properties").unwrap();
        assert_eq!(properties.get("port").unwrap().as_text(), Some("2"));
        let tls = properties.get("tls").unwrap();
        assert_eq!(tls.get("status").unwrap().as_bool(), Some(false));
        assert_eq!(tls.get("cert_name").unwrap().as_text(), Some("c"));
        assert!(devices[0].get("tags").is_some() && devices[1].get("tags").is_none());
    }

    #[test]
    fn what_is_no_default_is_reported_where_it_is() {
        let (_, report) = filled("defaults:\n  tpc: {}\n  udp: {id: 1}\n  tcp: 5\n");
        assert_eq!(report.len(), 3, "{report:?}");
        assert!(report[0].starts_with("a.yml:2:3: defaults are given for \"tpc\""), "{report:?}");
        assert!(report[1].starts_with("a.yml:3:9: the defaults of \"udp\" have \"id\""), "{report:?}");
    }
}
