//! Properties of the product that are accepted without an effect. Never silently: each gives a warning,
//! unless its value asks for what happens anyway.

use serde_json::json;

use crate::fields::Fields;

/// A property without an effect.
struct NotYet {
    /// Which maps have it: a name that a `decode` function passes to [`accept`].
    of: &'static str,
    /// Its key.
    property: &'static str,
    /// Values that ask for what happens anyway.
    harmless: &'static [&'static str],
    /// Why it has no effect.
    why: &'static str,
}

const fn not_yet(
    of: &'static str,
    property: &'static str,
    harmless: &'static [&'static str],
    why: &'static str,
) -> NotYet {
    NotYet { of, property, harmless, why }
}

const SCHEDULES: &str = "schedules are not available in this version";
const NO_TIMER: &str = "what was received is passed on as soon as the socket has no more to read";
const LINES_AS_THEY_ARE: &str = "files are read from their start, lines are taken as they are";
const REALTIME: &[&str] = &["0", "1"];

/// All of them.
const NOT_YET: &[NotYet] = &[
    not_yet("device", "interval", REALTIME, SCHEDULES),
    not_yet("device", "cron", &[], SCHEDULES),
    not_yet("listener", "batch_size", &[], NO_TIMER),
    not_yet("listener", "flush_interval", &[], NO_TIMER),
    not_yet("listener", "queue", &[], NO_TIMER),
    not_yet("file device", "start_date", &["-1"], LINES_AS_THEY_ARE),
    not_yet("file device", "ignore_time", &["true"], LINES_AS_THEY_ARE),
    not_yet("file device", "ignore_old_date", &["true"], LINES_AS_THEY_ARE),
    not_yet("file device", "ignore_retention", &["true"], LINES_AS_THEY_ARE),
    not_yet("file device", "compute_pattern", &["false"], LINES_AS_THEY_ARE),
    not_yet("file device", "compute_level", &["false"], LINES_AS_THEY_ARE),
    not_yet("linux device", "use_ssh_credentials", &["false"], "a device signs in as it is written"),
    not_yet("target", "field_format", &[], "normalisation by targets is not available in this version"),
    not_yet("target", "interval", REALTIME, SCHEDULES),
    not_yet("target", "cron", &[], SCHEDULES),
    not_yet(
        "file target",
        "schema",
        &[],
        "only avro and parquet have one, which are not available in this version",
    ),
    not_yet("file target", "locations", &[], "a file target has one location in this version"),
    not_yet("route", "interval", REALTIME, SCHEDULES),
    not_yet("route", "cron", &[], SCHEDULES),
    not_yet("director", "stream", &[], "there is no message bus in this version"),
    not_yet("listen", "external_address", &[], "agents are not available in this version"),
    not_yet("listen", "port", &[], "agents are not available in this version"),
    not_yet("listen", "ws_port", &[], "agents are not available in this version"),
    not_yet("listen", "httpconfigport", &[], "agents are not available in this version"),
    not_yet("service", "supervisor", &[], "everything is supervised without being told"),
];

/// Accepts the properties without an effect that maps of this name have.
pub(crate) fn accept(of: &str, fields: &mut Fields) {
    for row in NOT_YET.iter().filter(|row| row.of == of) {
        fields.knows(row.property, &format!("no effect: {}", row.why), || json!({"deprecated": true}));
        let Some(node) = fields.node(row.property) else { continue };
        if !node.as_text().is_some_and(|text| row.harmless.contains(&text)) {
            warn(fields, row.property, row.why);
        }
    }
}

/// Says that a property has no effect.
pub(crate) fn warn(fields: &Fields, property: &str, why: &str) {
    let what = format!("{} has no effect: {why}", fields.property(property));
    fields.report(fields.at_key(property).warning(what, "remove it"));
}
