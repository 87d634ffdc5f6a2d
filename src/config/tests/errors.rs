//! What is said about each kind of mistake, word for word.

mod loading;

use loading::{device_yaml, load_files, load_text, shown, target_yaml};

/// Asserts all diagnostics of a text.
#[track_caller]
fn says(text: &str, expected: &[&str]) {
    let loaded = load_text(text);
    assert_eq!(shown(&loaded), expected, "{text}");
    let errors = loaded.diagnostics.iter().any(config::Diagnostic::is_error);
    assert_eq!(loaded.snapshot.is_none(), errors);
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    says(
        &device_yaml("tcp", "port: 1\nadress: 10.0.0.1\n"),
        &["a.yml:7:7: \"properties.adress\" of device \"in\" is not known; did you mean \"address\"?"],
    );
    says(
        "devces: []\n",
        &["a.yml:1:1: \"devces\" of the configuration is not known; did you mean \"devices\"?"],
    );
    says(
        &device_yaml("tcp", "port: 1\ntls: {statu: true}\n"),
        &["a.yml:7:13: \"properties.tls.statu\" of device \"in\" is not known; did you mean \"status\"?"],
    );
    says(
        &device_yaml("udp", "port: 1\nbanana: 1\n"),
        &[
            "a.yml:7:7: \"properties.banana\" of device \"in\" is not known; available: batch_size, flush_interval, queue, \
           address, port, allowed_ips, reuse, workers, buffer_size, interval, cron, rate_limit, silent_after",
        ],
    );
}

#[test]
fn values_of_a_wrong_type_or_out_of_range_say_what_is_allowed() {
    let cases = [
        (
            "port: 0",
            "a.yml:6:13: \"properties.port\" of device \"in\" is \"0\"; write a whole number from 1 to 65535",
        ),
        (
            "port: 70000",
            "a.yml:6:13: \"properties.port\" of device \"in\" is \"70000\"; write a whole number from 1 to 65535",
        ),
        (
            "port: http",
            "a.yml:6:13: \"properties.port\" of device \"in\" is \"http\"; write a whole number from 1 to 65535",
        ),
        (
            "port: [1]",
            "a.yml:6:13: \"properties.port\" of device \"in\" is a list; write a whole number from 1 to 65535",
        ),
        (
            "{port: 1, address: example.org}",
            "a.yml:6:26: \"properties.address\" of device \"in\" is \"example.org\"; write an IP address of this machine, or \
             0.0.0.0 for all",
        ),
        (
            "{port: 1, reuse: yes}",
            "a.yml:6:24: \"properties.reuse\" of device \"in\" is \"yes\"; write true or false",
        ),
        (
            "{port: 1, timeout: 0}",
            "a.yml:6:26: \"properties.timeout\" of device \"in\" is \"0\"; write a time from 1 to 604800 seconds, such as 30, \
             250ms, 5m or 2h",
        ),
        (
            "{port: 1, buffer_size: 1}",
            "a.yml:6:30: \"properties.buffer_size\" of device \"in\" is \"1\"; write a size from 512 to 67108864 bytes, such \
             as 4096, 32MB or 24MiB",
        ),
        (
            "{port: 1, framing: octets}",
            "a.yml:6:26: \"properties.framing\" of device \"in\" is \"octets\"; did you mean \"octet\"?",
        ),
        (
            "{port: 1, framing: auto}",
            "a.yml:6:26: \"properties.framing\" of device \"in\" is \"auto\"; available: delimiter, octet, rfc6587",
        ),
        (
            "{port: 1, framing: [octet]}",
            "a.yml:6:26: \"properties.framing\" of device \"in\" is a list; write one of delimiter, octet, rfc6587",
        ),
        (
            "{port: 1, line_delimiter: '\\q'}",
            "a.yml:6:33: \"properties.line_delimiter\" of device \"in\" is \"\\\\q\"; write a text such as \"\\n\", \"\\r\\n\" or \
             \"\\x00\"",
        ),
        (
            "{port: 1, allowed_ips: [10.0.0.1, 10.0.0.0/33]}",
            "a.yml:6:41: \"properties.allowed_ips\" of device \"in\" is \"10.0.0.0/33\"; write an address, a range such as \
             10.0.0.1-10.0.0.9, or a network such as 10.0.0.0/8",
        ),
        ("{port: 1, tls: true}", "a.yml:6:22: \"properties.tls\" of device \"in\" is \"true\"; write a map"),
    ];
    for (properties, expected) in cases {
        says(&device_yaml("tcp", properties), &[expected]);
    }
}

#[test]
fn what_is_missing_is_named_with_what_belongs_there() {
    says(
        "devices:\n  - type: tcp\n",
        &[
            "a.yml:2:5: device number 1 has no \"id\"; add id: a number that no other device has",
            "a.yml:2:5: device number 1 has no \"name\"; add name: a name that no other device has",
            "a.yml:2:5: device number 1 has no \"properties.port\"; add port: port to bind, 1 to 65535",
        ],
    );
    says(
        "devices:\n  - {id: 1, name: in}\n",
        &[
            "a.yml:2:5: device \"in\" has no \"type\"; add type: one of syslog, tcp, udp, http, file, linux, windows",
        ],
    );
    says(
        &device_yaml("tcp", "{port: 1, tls: {status: true, cert_name: c.pem}}"),
        &[
            "a.yml:6:22: device \"in\" has no \"properties.tls.key_name\"; add key_name: a PEM file, since tls.status is true",
        ],
    );
    says(
        &target_yaml("tcp", "address: a"),
        &["a.yml:5:7: target \"out\" has no \"properties.port\"; add port: port of the peer, 1 to 65535"],
    );
    says(
        &target_yaml("elastic", "index: i"),
        &[
            "a.yml:5:7: target \"out\" has no \"properties.endpoints\"; add endpoints: a list with at least one - \
           endpoint: https://host:port",
        ],
    );
    says(
        &target_yaml("splunk", "endpoints: [{endpoint: 'https://a'}]"),
        &[
            "a.yml:5:7: target \"out\" has no \"properties.token\"; add token: auth_type token needs it, best as \
           ${NAME} from the environment",
        ],
    );
    says(
        "pipelines: [{name: a}]\n",
        &["a.yml:1:13: pipeline \"a\" has no \"processors\"; add processors: a list of processors"],
    );
}

#[test]
fn types_of_the_product_that_are_not_there_yet_are_refused_by_name() {
    says(
        "devices: [{id: 1, name: in, type: kafka}]\n",
        &[
            "a.yml:1:35: device type \"kafka\" is not available in this version; available: syslog, tcp, udp, http, file, linux, windows",
        ],
    );
    says(
        "targets: [{name: out, type: awss3}]\n",
        &[
            "a.yml:1:29: target type \"awss3\" is not available in this version; available: console, discard, file, \
           tcp, udp, syslog, http, elastic, splunk",
        ],
    );
    says(
        "targets: [{name: out, type: elastik}]\n",
        &["a.yml:1:29: target \"out\" has the unknown type \"elastik\"; did you mean \"elastic\"?"],
    );
}

#[test]
fn references_that_lead_nowhere_are_refused_with_a_suggestion() {
    let text = "
devices: [{id: 1, name: in, type: udp, pipelines: [wrk], properties: {port: 1}}]
targets: [{name: out, type: discard, pipelines: nope}]
routes:
  - name: a
    devices: [inn, 7, 'x*']
    pipelines: [{name: work}, {name: worl}]
    targets: [outt, out]
pipelines: [{name: work, processors: []}]
";
    says(
        text,
        &[
            "a.yml:2:52: device \"in\" names pipeline \"wrk\", which does not exist; did you mean \"work\"?",
            "a.yml:3:49: target \"out\" names pipeline \"nope\", which does not exist; available: work",
            "a.yml:6:15: route \"a\" names device \"inn\", which does not exist; did you mean \"in\"?",
            "a.yml:6:20: route \"a\" names device 7, which does not exist; name a device that exists",
            "a.yml:6:23: route \"a\" names device \"x*\", which does not exist; available: in",
            "a.yml:7:38: route \"a\" names pipeline \"worl\", which does not exist; did you mean \"work\"?",
            "a.yml:8:15: route \"a\" names target \"outt\", which does not exist; did you mean \"out\"?",
        ],
    );
}

#[test]
fn a_reference_of_another_shape_is_refused() {
    says(
        "targets: [{name: out, type: discard}]\nroutes: [{name: a, targets: [{nam: out}, [out]]}]\n",
        &[
            "a.yml:2:30: \"targets\" of route \"a\" has a map that is no reference; write - name: x, or just x",
            "a.yml:2:42: \"targets\" of route \"a\" holds a list; write - name: x, or just x",
        ],
    );
}

#[test]
fn a_target_that_is_named_twice_would_get_events_twice() {
    says(
        "targets: [{name: out, type: discard}]\nroutes: [{name: a, targets: [out, out]}]\n",
        &["a.yml:2:29: route \"a\" names target \"out\" twice; name it once"],
    );
}

#[test]
fn ids_and_names_are_unique_and_both_places_are_named() {
    let text = "
devices:
  - {id: 1, name: a, type: udp, properties: {port: 1}}
  - {id: 1, name: b, type: udp, properties: {port: 2}}
  - {id: 2, name: a, type: udp, properties: {port: 3}}
targets: [{name: t, type: discard}, {name: t, type: discard}]
routes: [{name: r, targets: t}, {name: r, targets: t}]
pipelines: [{name: p, processors: []}, {name: p, processors: []}]
";
    says(
        text,
        &[
            "a.yml:4:10: device id 1 is there twice, first at a.yml:3:10; change one of them",
            "a.yml:5:19: device name \"a\" is there twice, first at a.yml:3:19; change one of them",
            "a.yml:6:44: target name \"t\" is there twice, first at a.yml:6:18; change one of them",
            "a.yml:7:40: route name \"r\" is there twice, first at a.yml:7:17; change one of them",
            "a.yml:8:47: pipeline name \"p\" is there twice, first at a.yml:8:20; change one of them",
        ],
    );
}

#[test]
fn variables_that_are_not_set_are_named_once() {
    says(
        &device_yaml("tcp", "port: ${NOPE}"),
        &[
            "a.yml:6:13: environment variable \"NOPE\" is not set; set it, or write $${NOPE} for the text itself",
        ],
    );
}

#[test]
fn an_empty_variable_is_not_a_key_that_was_left_out() {
    says(
        &device_yaml("udp", "{port: 1, allowed_ips: '${EMPTY}'}"),
        &[
            "a.yml:6:30: \"properties.allowed_ips\" of device \"in\" is \"${EMPTY}\"; write an address, a range such \
           as 10.0.0.1-10.0.0.9, or a network such as 10.0.0.0/8",
        ],
    );
    says(
        &device_yaml("udp", "port: 1\nallowed_ips: ${EMPTY}"),
        &[
            "a.yml:7:20: \"properties.allowed_ips\" of device \"in\" is \"${EMPTY}\"; write an address, a range such \
           as 10.0.0.1-10.0.0.9, or a network such as 10.0.0.0/8",
        ],
    );
}

#[test]
fn values_from_the_environment_are_never_shown() {
    says(
        &device_yaml("tcp", "port: ${PASSWORD}"),
        &[
            "a.yml:6:13: \"properties.port\" of device \"in\" is \"${PASSWORD}\"; write a whole number from 1 to 65535",
        ],
    );
    says(
        &target_yaml(
            "http",
            "{url: 'http://a', headers: {X: [1]}, authentication: {type: basic, username: u, password: [x]}}",
        ),
        &[
            "a.yml:5:38: \"properties.headers.X\" of target \"out\" is empty or not a text; write a text, best as \
             ${NAME} from the environment",
            "a.yml:5:97: \"properties.authentication.password\" of target \"out\" is empty or not a text; write a \
             text, best as ${NAME} from the environment",
        ],
    );
}

#[test]
fn a_url_holds_no_credentials() {
    says(
        &target_yaml("http", "url: http://u:hunter2@a/"),
        &[
            "a.yml:5:12: \"properties.url\" of target \"out\" is a URL with credentials; leave them out of the URL and \
           use the properties for them",
        ],
    );
}

#[test]
fn properties_without_an_effect_are_warned_about() {
    says(
        &device_yaml("udp", "{port: 1, batch_size: 10, interval: 5m, cron: ''}"),
        &[
            "a.yml:6:29: \"properties.batch_size\" of device \"in\" has no effect: what was received is passed on as \
             soon as the socket has no more to read; remove it",
            "a.yml:6:43: \"properties.interval\" of device \"in\" has no effect: schedules are not available in this \
             version; remove it",
            "a.yml:6:53: \"properties.cron\" of device \"in\" has no effect: schedules are not available in this \
             version; remove it",
        ],
    );
    says(&device_yaml("file", "{path: /a, start_date: -1, ignore_time: true, compute_level: false}"), &[]);
    says(
        &target_yaml("console", "field_format: ecs"),
        &[
            "a.yml:5:21: \"properties.field_format\" of target \"out\" has no effect: normalisation by targets is not \
           available in this version; remove it",
        ],
    );
}

#[test]
fn keys_that_the_product_ignores_are_errors() {
    says(
        "proxy_tls: {status: true}\n",
        &["a.yml:1:12: \"proxy_tls\" at the top has no effect in the product; move it to \
           environments[].nodes[].properties.proxy_tls"],
    );
    says(
        "pipeline_bus: {type: kafka}\n",
        &[
            "a.yml:1:15: \"pipeline_bus\" is not available in this version; remove it; the stages are connected in \
           memory",
        ],
    );
    says(
        "persistent_storage: {crash_resistance: true}\n",
        &[
            "a.yml:1:40: \"persistent_storage.crash_resistance\" of the configuration is \"true\"; set status: true, \
           too, since it needs persistent storage",
        ],
    );
    says(
        "queue: {limit: 3600}\npersistent_storage: {status: true, keep_for: 2h}\n",
        &[
            "a.yml:2:46: \"persistent_storage.keep_for\" of the configuration is \"2h\"; write at most queue.limit, which \
           is 3600 s, or make that longer: older segments are dropped",
        ],
    );
}

#[test]
fn environments_are_checked_for_their_shape() {
    says(
        "environments: [{name: '0', nodes: [{status: true}], node: 1}]\n",
        &[
            "a.yml:1:15: \"environments\" of the configuration has no effect: agents and clusters are not available \
             in this version; remove it",
            "a.yml:1:36: node number 1 of environment \"0\" has no \"name\"; add name: its name",
            "a.yml:1:53: \"node\" of environment \"0\" is not known; did you mean \"nodes\"?",
        ],
    );
}

#[test]
fn a_route_without_targets_is_warned_about_and_null_is_meant() {
    says(
        "routes: [{name: a}]\n",
        &[
            "a.yml:1:10: route \"a\" has no targets, so that its events are discarded; name targets, or write targets: null",
        ],
    );
    says(
        "routes: [{name: a, targets: null}, {name: b, targets: [null]}, {name: c, targets: [{name: null}]}]\n",
        &[],
    );
}

#[test]
fn tls_over_udp_and_a_wrong_pattern_are_refused() {
    says(
        &device_yaml("syslog", "{port: 1, tls: {status: true, cert_name: c, key_name: k}}"),
        &[
            "a.yml:6:22: \"properties.tls\" of device \"in\" is a map; set protocol: tcp, since there is no TLS over udp",
        ],
    );
    says(
        &device_yaml("file", "{path: /a, multiline: {pattern: '('}}"),
        &[
            "a.yml:6:39: \"properties.multiline.pattern\" of device \"in\" is \"(\"; correct the regular expression: \
           unclosed group",
        ],
    );
}

#[test]
fn all_mistakes_of_all_files_come_at_once_by_file_and_line() {
    let files = [
        ("vmetric.yml", "debug: {level: 9}\n"),
        ("config/devices/a.yml", "devices: [{id: 1, name: a, type: tcp}]\ndebug: {level: 1}\n"),
        ("config/routes.yaml", "a: [\n"),
        ("config/.hidden.yml", "nonsense"),
        ("config/read.me", "nonsense"),
        ("config/vmetric.vmf", "nonsense"),
    ];
    let loaded = load_files(&files, false);
    let shown = shown(&loaded);
    assert_eq!(shown.len(), 5, "{shown:#?}");
    assert_eq!(
        shown[..2],
        [
            "config/devices/a.yml:1:11: device \"a\" has no \"properties.port\"; add port: port to bind, 1 to 65535",
            "config/devices/a.yml:2:1: \"debug\" is there twice, first at vmetric.yml:1:1; keep one of them",
        ]
    );
    assert!(
        shown[2].starts_with("config/routes.yaml:") && shown[2].contains("not valid YAML: "),
        "{}",
        shown[2]
    );
    assert_eq!(
        shown[3..],
        [
            "config/vmetric.vmf:1:1: packaged configurations (.vmf) are not read in this version; write it as .yml, \
             or remove it",
            "vmetric.yml:1:16: \"debug.level\" of the configuration is \"9\"; write a whole number from 1 to 5",
        ]
    );
    assert_eq!(loaded.files.len(), 3);
}

#[test]
fn files_that_can_not_be_read_are_named() {
    let loaded = load_files(&[("config/a.yml", "")], false);
    assert_eq!(
        shown(&loaded),
        [
            "vmetric.yml:1:1: the file can't be read: No such file or directory (os error 2); create it, or name the right one"
        ]
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yml");
    std::fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
    let loaded = config::load(&config::Source::File(path.clone()), &|_| None);
    let expected = format!("{}:2:1: the line is not UTF-8 text; save the file as UTF-8", path.display());
    assert_eq!(shown(&loaded), [expected]);
}

#[test]
fn lists_that_are_no_lists_are_refused() {
    says(
        "devices: {id: 1}\n",
        &["a.yml:1:10: \"devices\" of the configuration is a map; write a list with one device an item"],
    );
    says("devices: [tcp]\n", &["a.yml:1:11: device number 1 is \"tcp\"; write a map with one key a line"]);
    says("just text\n", &["a.yml:1:1: the file is \"just text\"; write a map with keys such as devices"]);
    says(
        "pipelines: [{name: a, processors: {set: 1}}]\n",
        &["a.yml:1:35: \"processors\" of pipeline \"a\" is a map; write a list of processors"],
    );
}

#[test]
fn a_mistake_in_a_schedule_is_found_where_it_was_written() {
    for pattern in ["61 * * * *", "* * *", "soon"] {
        let text = format!("targets:\n  - {{name: t, type: discard, properties: {{cron: \"{pattern}\"}}}}\n");
        let said = shown(&load_text(&text));
        let wanted = format!(
            "a.yml:2:49: \"properties.cron\" of target \"t\" is \"{pattern}\"; write five fields such as */5 * * * * ("
        );
        assert!(said.iter().any(|line| line.starts_with(&wanted)), "{said:?}");
    }
}
