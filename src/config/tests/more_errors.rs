//! What is said about values that are right by themselves and wrong together, and about files, word for word.

mod loading;

use loading::{device_yaml, load_files, load_text, shown, target_yaml};

#[track_caller]
fn says(text: &str, expected: &str) {
    assert_eq!(shown(&load_text(text)), [expected], "{text}");
}

#[test]
fn properties_of_devices_that_do_not_go_together() {
    let cases = [
        (
            "syslog",
            "{port: 1, timezone: Mars}",
            "a.yml:6:27: \"properties.timezone\" of device \"in\" is \"Mars\"; write local, UTC, an offset such as \
             +02:00, or a name that this machine knows such as Europe/Berlin",
        ),
        (
            "syslog",
            "{port: 1, forwarding: [{address: 'a b'}]}",
            "a.yml:6:40: \"address\" of replica number 1 of device \"in\" is \"a b\"; write a host name or an IP \
             address, the port apart",
        ),
        (
            "file",
            "path: []",
            "a.yml:6:13: \"properties.path\" of device \"in\" is a list; name at least one file or pattern",
        ),
        (
            "file",
            "{path: /a, poll_interval: 0}",
            "a.yml:6:33: \"properties.poll_interval\" of device \"in\" is \"0\"; write a time above 0, such as 1 or \
             250ms",
        ),
        (
            "http",
            "{port: 1, url: events}",
            "a.yml:6:22: \"properties.url\" of device \"in\" is \"events\"; write a path that starts with /, such \
             as /events",
        ),
        (
            "http",
            "{port: 1, authentication: {type: basic, username: u}}",
            "a.yml:6:33: device \"in\" has no \"properties.authentication.password\"; add password: \
             authentication.type basic needs it",
        ),
        (
            "http",
            "{port: 1, username: u}",
            "a.yml:6:7: device \"in\" has no \"properties.authentication.type\"; add type: basic, header or hmac, \
             since there are credentials",
        ),
    ];
    for (kind, properties, expected) in cases {
        says(&device_yaml(kind, properties), expected);
    }
}

#[test]
fn properties_of_targets_that_do_not_go_together() {
    let cases = [
        (
            "tcp",
            "{address: a, port: 1, tls: {status: true, cert_name: c}}",
            "a.yml:5:34: target \"out\" has no \"properties.tls.key_name\"; add key_name: the key of the certificate",
        ),
        (
            "tcp",
            "{address: a, port: 1, tls: {min_tls_version: tls1.3, max_tls_version: tls1.2}}",
            "a.yml:5:77: \"properties.tls.max_tls_version\" of target \"out\" is \"tls1.2\"; write a version that is \
             not below min_tls_version",
        ),
        (
            "udp",
            "endpoints: []",
            "a.yml:5:18: \"properties.endpoints\" of target \"out\" is a list; name at least one endpoint",
        ),
        (
            "syslog",
            "tls: {status: true}",
            "a.yml:5:12: \"properties.tls\" of target \"out\" is a map; set type: tls, since there is no TLS over udp",
        ),
        (
            "file",
            "{format: multijson, compression: zstd}",
            "a.yml:5:40: \"properties.compression\" of target \"out\" is \"zstd\"; set format: json to compress, \
             since an array is changed at its end",
        ),
        (
            "http",
            "{url: 'http://a', headers: {'X Y': a}}",
            "a.yml:5:34: header \"X Y\" in \"properties.headers\" of target \"out\" can't be sent; write a name \
             without spaces and a value on one line",
        ),
        (
            "http",
            "url: ftp://a",
            "a.yml:5:12: \"properties.url\" of target \"out\" is \"ftp://a\"; write a URL such as \
             https://host:8080/path",
        ),
        (
            "http",
            "{url: 'http://a', authentication: {token: t}}",
            "a.yml:5:41: target \"out\" has no \"properties.authentication.type\"; add type: basic, bearer or \
             header, since there are credentials",
        ),
        (
            "http",
            "{url: 'https://a', tls: {cert_name: c, key_name: k}}",
            "a.yml:5:31: \"properties.tls\" of target \"out\" has no effect: its certificate is used with \
             tls.status: true only; remove it",
        ),
        (
            "elastic",
            "{index: i, endpoints: [{endpoint: 'http://a', username: u}]}",
            "a.yml:5:30: endpoint number 1 of target \"out\" has no \"password\"; add password: the password of the \
             user",
        ),
        (
            "elastic",
            "{index: i, endpoints: []}",
            "a.yml:5:29: \"properties.endpoints\" of target \"out\" is a list; write at least one - endpoint: \
             https://host:port",
        ),
        (
            "file",
            "format: parquet",
            "a.yml:5:15: \"properties.format\" of target \"out\" is \"parquet\"; available: json, multijson, raw",
        ),
    ];
    for (kind, properties, expected) in cases {
        says(&target_yaml(kind, properties), expected);
    }
}

#[test]
fn routes_updates_and_lists_in_two_files() {
    says(
        "routes: [{name: a, devices: [], targets: null}]\n",
        "a.yml:1:29: \"devices\" of route \"a\" is a list; name at least one device, or leave it out for all",
    );
    says(
        "routes: [{name: a, devices: {id: x}, targets: null}]\n",
        "a.yml:1:34: \"devices\" of route \"a\" holds \"x\"; write the name, a pattern or the id of a device",
    );
    let loaded = load_text("update: {mode: auto, method: schedule, version: latest, cron: daily}\n");
    assert_eq!(
        shown(&loaded),
        [
            "a.yml:1:9: \"update\" of the configuration has no effect: updates are not available in this version; \
             remove it",
            "a.yml:1:63: \"update.cron\" of the configuration is \"daily\"; write five fields such as 0 3 * * *",
        ]
    );
    says("devices: []\n---\ndevices: {id: 1}\n", "a.yml:3:10: \"devices\" is not a list; write a list");
}

#[test]
fn other_service_files_are_named() {
    let files = [("vmetric.yml", ""), ("vmetric.yaml", ""), ("vmetric.toml", "")];
    assert_eq!(
        shown(&load_files(&files, false)),
        [
            "vmetric.toml:1:1: TOML is not read in this version; write it as vmetric.yml",
            "vmetric.yaml:1:1: the file is not read, since there is a vmetric.yml; remove one of them",
        ]
    );
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let text = "#".repeat(16 * 1024 * 1024 + 1);
    says(&text[..], "a.yml:1:1: the file is longer than 16 MiB; split it into several files below config/");
}
