//! Every property of every target type arrives in its typed value; so do the defaults.

mod loading;

use std::time::Duration;

use config::target::{
    Batch, ClientTls, ElasticEndpoint, ElasticTarget, ElasticVersion, Endpoint, FileCompression, FileLayout,
    FileTarget, Format, HttpBody, HttpMethod, HttpTarget, Ordering, Retry, SplunkCredential, SplunkTarget,
    SpoolFull, SyslogTarget, SyslogTargetTransport, TargetAuthentication, TargetDebug, TargetFraming,
    TargetSpool, TcpTarget, TlsVersion, UdpTarget, WriteAction,
};
use config::{Schedule, Secret, TargetKind};
use loading::{snapshot, target};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn endpoint(address: &str, port: u16) -> Endpoint {
    Endpoint { address: address.into(), port }
}

fn plain_tls() -> ClientTls {
    ClientTls { verify: true, ca: None, certificate: None, min: TlsVersion::Tls12, max: TlsVersion::Tls13 }
}

const ALL_TLS: &str = "tls: {status: true, verify: false, ca_name: /ca, cert_name: /c, key_name: /k, \
                       min_tls_version: tls1.3, max_tls_version: tls1.3}";

fn all_tls() -> ClientTls {
    ClientTls {
        verify: false,
        ca: Some("/ca".into()),
        certificate: Some(("/c".into(), "/k".into())),
        min: TlsVersion::Tls13,
        max: TlsVersion::Tls13,
    }
}

#[test]
fn common_fields_of_a_target() {
    let text = "
targets:
  - name: out
    description: what it is
    type: console
    tags: a
    pipelines: p
    status: false
    batch_size: 7
    format: json
    properties: {batch_bytes: 1KiB, batch_time: 250ms, debug: {status: true, dont_send_logs: true}}
pipelines: [{name: p, processors: []}]
";
    let snapshot = snapshot(text);
    let target = &snapshot.targets[0];
    assert_eq!((target.name.as_str(), target.description.as_str()), ("out", "what it is"));
    assert_eq!((&target.tags[..], &target.pipelines[..]), (&["a".to_owned()][..], &["p".to_owned()][..]));
    assert_eq!((target.status, &target.kind), (false, &TargetKind::Console));
    assert_eq!(target.batch, Batch { events: 7, bytes: 1024, time: Duration::from_millis(250) });
    assert_eq!((target.format, target.debug), (Some(Format::Json), TargetDebug::LogOnly));
}

#[test]
fn properties_win_over_what_stands_beside_them() {
    let text = "targets: [{name: out, type: console, batch_size: 7, format: json, properties: {batch_size: 8, format: raw}}]";
    let snapshot = snapshot(text);
    assert_eq!((snapshot.targets[0].batch.events, snapshot.targets[0].format), (8, Some(Format::Raw)));
}

#[test]
fn console_and_discard() {
    assert_eq!(target("console", "debug: {status: true}").debug, TargetDebug::Log);
    let discard = snapshot("targets: [{name: out, type: discard}]");
    assert_eq!(
        (&discard.targets[0].kind, discard.targets[0].debug),
        (&TargetKind::Discard, TargetDebug::Off)
    );
}

#[test]
fn tcp() {
    let tcp = target("tcp", "{address: host, port: 9000}");
    let expected = TcpTarget {
        endpoints: vec![endpoint("host", 9000)],
        framing: TargetFraming::Delimiter(b"\n".to_vec()),
        timeout: seconds(30),
        tls: None,
    };
    assert_eq!(tcp.kind, TargetKind::Tcp(expected));
    assert_eq!(tcp.batch, Batch { events: 1000, bytes: 131_072, time: Duration::ZERO });
    assert_eq!(tcp.retry, Retry { max_retries: 1, delay: seconds(1), max_delay: seconds(60) });
    assert_eq!(tcp.format, None);

    let text = format!(
        "endpoints: [{{address: a, port: 1}}, {{address: '::1', port: 2}}]\nframing: octet\nline_delimiter: x\n\
         timeout: 5\nmax_retries: 3\nretry_delay: 2\nmax_retry_delay: 10\nformat: raw\n{ALL_TLS}\n"
    );
    let tcp = target("tcp", &text);
    let expected = TcpTarget {
        endpoints: vec![endpoint("a", 1), endpoint("::1", 2)],
        framing: TargetFraming::Octet,
        timeout: seconds(5),
        tls: Some(all_tls()),
    };
    assert_eq!(tcp.kind, TargetKind::Tcp(expected));
    assert_eq!(tcp.retry, Retry { max_retries: 3, delay: seconds(2), max_delay: seconds(10) });
    assert_eq!(tcp.format, Some(Format::Raw));
}

#[test]
fn udp() {
    let expected = UdpTarget { endpoints: vec![endpoint("a", 1), endpoint("b", 2)] };
    assert_eq!(
        target("udp", "{address: a, port: 1, endpoints: [{address: b, port: 2}]}").kind,
        TargetKind::Udp(expected)
    );
}

#[test]
fn syslog() {
    let expected = SyslogTarget {
        endpoint: endpoint("127.0.0.1", 514),
        transport: SyslogTargetTransport::Udp,
        template: "<{{.Priority}}> {{.Timestamp}} {{.AppName}}[{{.PID}}]: {{.Message}}".into(),
        app_name: "vmetric".into(),
        priority: 14,
        timeout: seconds(30),
    };
    assert_eq!(target("syslog", "{}").kind, TargetKind::Syslog(expected));
    let text = format!(
        "type: tls\naddress: host\nport: 6514\ntemplate: '{{{{.Message}}}}'\napp_name: app\npriority: 191\n\
         timeout: 4\nframing: rfc6587\n{ALL_TLS}\n"
    );
    let expected = SyslogTarget {
        endpoint: endpoint("host", 6514),
        transport: SyslogTargetTransport::Tcp { framing: TargetFraming::Octet, tls: Some(all_tls()) },
        template: "{{.Message}}".into(),
        app_name: "app".into(),
        priority: 191,
        timeout: seconds(4),
    };
    assert_eq!(target("syslog", &text).kind, TargetKind::Syslog(expected));
    let TargetKind::Syslog(tcp) = target("syslog", "type: tcp").kind else { panic!("a syslog target") };
    let framing = TargetFraming::Delimiter(b"\n".to_vec());
    assert_eq!(tcp.transport, SyslogTargetTransport::Tcp { framing, tls: None });
}

#[test]
fn http() {
    let expected = HttpTarget {
        url: "http://host/path".into(),
        method: HttpMethod::Post,
        body: HttpBody::Json,
        content_type: "application/json".into(),
        headers: Vec::new(),
        timeout: seconds(60),
        connect_timeout: seconds(10),
        socket_timeout: seconds(10),
        compression: false,
        keep_alive: true,
        follow_redirects: true,
        pool_max: 50,
        pool_max_per_route: 25,
        authentication: TargetAuthentication::None,
        tls: plain_tls(),
        ordering: Ordering::Relaxed,
    };
    let http = target("http", "url: http://host/path");
    assert_eq!(http.kind, TargetKind::Http(expected));
    assert_eq!(http.batch, Batch { events: 1000, bytes: 1 << 20, time: Duration::ZERO });

    let text = format!(
        "url: https://host\nmethod: PUT\nformat: message\ncontent_type: application/x-ndjson\n\
         headers: {{X-A: a, X-B: '${{PASSWORD}}'}}\nbatch_size: 9\ntimeout: 1\nconnect_timeout: 2\nsocket_timeout: 3\n\
         max_retries: 4\nretry_delay: 5\ncompression: true\nkeep_alive: false\nfollow_redirects: false\n\
         pool_max: 6\npool_max_per_route: 7\nauthentication: {{type: basic, username: u, password: p}}\n\
         ordering: strict\n{ALL_TLS}\n"
    );
    let expected = HttpTarget {
        url: "https://host".into(),
        method: HttpMethod::Put,
        body: HttpBody::Message,
        content_type: "application/x-ndjson".into(),
        headers: vec![("X-A".into(), Secret::new("a")), ("X-B".into(), Secret::new("hunter2"))],
        timeout: seconds(1),
        connect_timeout: seconds(2),
        socket_timeout: seconds(3),
        compression: true,
        keep_alive: false,
        follow_redirects: false,
        pool_max: 6,
        pool_max_per_route: 7,
        authentication: TargetAuthentication::Basic { username: "u".into(), password: Secret::new("p") },
        tls: all_tls(),
        ordering: Ordering::Strict,
    };
    let http = target("https", &text);
    assert!(!format!("{http:?}").contains("hunter2"));
    assert_eq!(http.kind, TargetKind::Http(expected));
    assert_eq!(http.batch.events, 9);
    assert_eq!((http.retry.max_retries, http.retry.delay), (4, seconds(5)));
}

#[test]
fn http_words() {
    let kind = |properties: &str| match target("http", &format!("{{url: 'http://a', {properties}}}")).kind {
        TargetKind::Http(http) => http,
        other => panic!("an http target, not {other:?}"),
    };
    let methods = [
        ("GET", HttpMethod::Get),
        ("POST", HttpMethod::Post),
        ("PATCH", HttpMethod::Patch),
        ("DELETE", HttpMethod::Delete),
        ("HEAD", HttpMethod::Head),
    ];
    for (word, method) in methods {
        assert_eq!(kind(&format!("method: {word}")).method, method);
    }
    let bodies = [
        ("json", HttpBody::Json, "application/json"),
        ("json_batch", HttpBody::JsonBatch, "application/json"),
        ("form", HttpBody::Form, "application/x-www-form-urlencoded"),
        ("message", HttpBody::Message, "text/plain"),
    ];
    for (word, body, content_type) in bodies {
        let http = kind(&format!("format: {word}"));
        assert_eq!((http.body, http.content_type.as_str()), (body, content_type));
    }
    assert_eq!(
        kind("authentication: {type: bearer, token: t}").authentication,
        TargetAuthentication::Bearer { token: Secret::new("t") }
    );
    assert_eq!(
        kind("authentication: {type: header, header: {key: k, value: v}}").authentication,
        TargetAuthentication::Header { key: "k".into(), value: Secret::new("v") }
    );
}

#[test]
fn elastic() {
    let elastic = target("elasticsearch", "{index: logs, endpoints: [{endpoint: 'http://a:9200'}]}");
    let expected = ElasticTarget {
        index: "logs".into(),
        endpoints: vec![ElasticEndpoint { url: "http://a:9200".into(), credentials: None }],
        version: ElasticVersion::V8,
        timeout: seconds(30),
        compression: true,
        action: WriteAction::Create,
        filter_path: "errors,items.*.error,items.*._index,items.*.status".into(),
        pipeline: None,
        tls: plain_tls(),
        ordering: Ordering::Relaxed,
    };
    assert_eq!(elastic.kind, TargetKind::Elastic(expected));
    assert_eq!(elastic.batch, Batch { events: 10_000, bytes: 4096 << 10, time: Duration::ZERO });

    let text = "
index: logs
endpoints: [{endpoint: 'https://a', username: u, password: p}, {endpoint: 'https://b'}]
version: 7
max_payload_size_kb: 100
batch_size: 5
batch_time: 1
timeout: 6
insecure_skip_verify: true
tls: {ca_name: /ca}
use_compression: false
write_action: index
filter_path: errors
pipeline: p
ordering: strict
";
    let elastic = target("elastic", text);
    let expected = ElasticTarget {
        index: "logs".into(),
        endpoints: vec![
            ElasticEndpoint { url: "https://a".into(), credentials: Some(("u".into(), Secret::new("p"))) },
            ElasticEndpoint { url: "https://b".into(), credentials: None },
        ],
        version: ElasticVersion::V7,
        timeout: seconds(6),
        compression: false,
        action: WriteAction::Index,
        filter_path: "errors".into(),
        pipeline: Some("p".into()),
        tls: ClientTls { verify: false, ca: Some("/ca".into()), ..plain_tls() },
        ordering: Ordering::Strict,
    };
    assert_eq!(elastic.kind, TargetKind::Elastic(expected));
    assert_eq!(elastic.batch, Batch { events: 5, bytes: 102_400, time: seconds(1) });
    for (word, action) in [("update", WriteAction::Update), ("delete", WriteAction::Delete)] {
        let text = format!("{{index: i, endpoints: [{{endpoint: 'http://a'}}], write_action: {word}}}");
        let TargetKind::Elastic(elastic) = target("elastic", &text).kind else { panic!("an elastic target") };
        assert_eq!(elastic.action, action);
    }
}

#[test]
fn splunk() {
    let expected = SplunkTarget {
        endpoints: vec!["https://a:8088".into()],
        credential: SplunkCredential::Token(Secret::new("t")),
        index: None,
        sourcetype: None,
        source: None,
        timeout: seconds(30),
        tcp_routing: false,
        compression: true,
        tls: plain_tls(),
        ordering: Ordering::Relaxed,
    };
    let splunk = target("splunk", "{endpoints: [{endpoint: 'https://a:8088'}], token: t}");
    assert_eq!(splunk.kind, TargetKind::Splunk(expected));
    assert_eq!(splunk.batch.events, 10_000);

    let text = "
endpoints: [{endpoint: 'https://a'}, {endpoint: 'https://b'}]
auth_type: secret
secret: s
index: i
sourcetype: st
source: so
timeout: 3
tcp_routing: true
use_compression: false
insecure_skip_verify: true
ordering: strict
";
    let expected = SplunkTarget {
        endpoints: vec!["https://a".into(), "https://b".into()],
        credential: SplunkCredential::Bearer(Secret::new("s")),
        index: Some("i".into()),
        sourcetype: Some("st".into()),
        source: Some("so".into()),
        timeout: seconds(3),
        tcp_routing: true,
        compression: false,
        tls: ClientTls { verify: false, ..plain_tls() },
        ordering: Ordering::Strict,
    };
    assert_eq!(target("splunk", text).kind, TargetKind::Splunk(expected));
}

#[test]
fn file() {
    let expected = FileTarget {
        location: "/out".into(),
        name: "vmetric.{{.Timestamp}}.{{.Extension}}".into(),
        extension: "json".into(),
        layout: FileLayout::Lines,
        compression: FileCompression::None,
        rotate_events: 100_000,
        rotate_bytes: 32_000_000,
        no_buffer: false,
    };
    let file = target("file", "location: /out");
    assert_eq!((&file.kind, file.format), (&TargetKind::File(expected.clone()), None));
    let text = "{location: /out, name: a, format: multijson, compression: none, extension: x, batch_size: 5, max_size: 1MiB, no_buffer: true}";
    let file = target("file", text);
    let all = FileTarget {
        location: "/out".into(),
        name: "a".into(),
        extension: "x".into(),
        layout: FileLayout::JsonArray,
        compression: FileCompression::None,
        rotate_events: 5,
        rotate_bytes: 1 << 20,
        no_buffer: true,
    };
    assert_eq!((file.kind, file.format), (TargetKind::File(all), Some(Format::Json)));
    let file = target("file", "{location: /out, format: raw}");
    assert_eq!(file.format, Some(Format::Raw));
    let raw = FileTarget { extension: "log".into(), ..expected.clone() };
    assert_eq!(file.kind, TargetKind::File(raw));
    let file = target("file", "{location: /out, compression: gzip}");
    let gzip = FileTarget { extension: "json.gz".into(), compression: FileCompression::Gzip, ..expected };
    assert_eq!(file.kind, TargetKind::File(gzip));
}

#[test]
fn a_schedule_is_a_cron_pattern_or_else_an_interval_of_more_than_a_second() {
    let schedule = |text: &str| target("discard", text).schedule;
    for at_once in ["", "interval: 0", "interval: 1", "interval: 500ms"] {
        assert_eq!(schedule(at_once), Schedule::Always, "{at_once}");
    }
    assert_eq!(schedule("interval: 15m"), Schedule::Every(seconds(900)));
    for pattern in ["*/5 * * * *", "0 30 2 * * *", "0 8 * * 1"] {
        let both = format!("interval: 60\ncron: \"{pattern}\"");
        assert_eq!(schedule(&both), Schedule::Cron(pattern.to_owned()));
    }
}

#[test]
fn what_may_wait_on_disk_for_a_target_is_its_own_business() {
    let spool = |text: &str| target("discard", text).spool;
    assert_eq!(spool(""), TargetSpool { max_bytes: None, when_full: SpoolFull::Block });
    let own = TargetSpool { max_bytes: Some(1 << 30), when_full: SpoolFull::DropOldest };
    assert_eq!(spool("spool: {max_size: 1GiB, when_full: drop_oldest}"), own);
}
