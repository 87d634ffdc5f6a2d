//! Every property of every device type arrives in its typed value; so do the defaults.

mod loading;

use std::net::IpAddr;
use std::time::Duration;

use config::device::{
    AllowedIps, Connections, DeviceAuthentication, FileDevice, Forward, ForwardProtocol, Framing,
    HmacAlgorithm, HttpDevice, HttpFormat, HttpResponse, Listen, Multiline, MultilineMatch, Records,
    SyslogDevice, SyslogTransport, TcpDevice, Timezone, Tls, UdpDevice,
};
use config::{Device, DeviceKind, Secret};
use loading::{device, snapshot};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn newline() -> Vec<u8> {
    b"\n".to_vec()
}

fn listen(port: u16) -> Listen {
    Listen { address: ip("0.0.0.0"), port, allowed_ips: Vec::new(), reuse: true, workers: None }
}

#[test]
fn common_fields_of_a_device() {
    let text = "
devices:
  - id: 491591344758837249
    name: in
    description: what it is
    type: udp
    tags: [a, 1]
    pipelines: [{name: p}, q]
    status: false
    properties: {port: 1, rate_limit: 500, silent_after: 2m}
pipelines: [{name: p, processors: []}, {name: q, processors: []}]
";
    let device = snapshot(text).devices[0].clone();
    assert_eq!((device.at.line(), device.at.column()), (3, 5));
    let expected = Device {
        id: 491_591_344_758_837_249,
        name: "in".into(),
        description: "what it is".into(),
        tags: vec!["a".into(), "1".into()],
        pipelines: vec!["p".into(), "q".into()],
        status: false,
        rate_limit_per_second: 500,
        silent_after: Some(seconds(120)),
        kind: DeviceKind::Udp(UdpDevice { listen: listen(1), buffer_bytes: 9000 }),
        at: device.at.clone(),
    };
    assert_eq!(*device, expected);
    let plain = snapshot("devices: [{id: 1, name: in, type: udp, properties: {port: 1, silent_after: 0}}]");
    let plain = &plain.devices[0];
    assert!(plain.status && plain.tags.is_empty() && plain.pipelines.is_empty());
    assert_eq!((plain.rate_limit_per_second, plain.silent_after), (0, None));
}

#[test]
fn listen_address_is_the_default_of_all_listeners() {
    let text = "
devices: [{id: 1, name: in, type: udp, properties: {port: 1}}]
listen: {address: '::1'}
";
    let snapshot = snapshot(text);
    let DeviceKind::Udp(udp) = &snapshot.devices[0].kind else { panic!("a udp device") };
    assert_eq!(udp.listen.address, ip("::1"));
}

#[test]
fn tcp() {
    let connections = Connections {
        framing: Framing::Delimiter { delimiter: newline() },
        max_connections: 10_000,
        idle_timeout: seconds(300),
        tls: None,
    };
    let expected = TcpDevice {
        listen: listen(9000),
        connections,
        max_message_bytes: 20_971_520,
        buffer_bytes: 1_048_576,
    };
    assert_eq!(device("tcp", "port: 9000"), DeviceKind::Tcp(expected));

    let text = r"
protocol: tcp
address: 127.0.0.1
port: ${PORT}
allowed_ips: [10.0.0.1, 10.0.0.1-10.0.0.9, 10.0.0.0/8]
framing: rfc6587
line_delimiter: '\r\n'
max_connections: 5
timeout: 1m
max_message_size: 1MiB
tls: {status: true, cert_name: /c.pem, key_name: /k.pem, ca_name: /ca.pem}
reuse: false
workers: 3
buffer_size: 4096
";
    let expected = TcpDevice {
        listen: Listen {
            address: ip("127.0.0.1"),
            port: 514,
            allowed_ips: vec![
                AllowedIps::Single(ip("10.0.0.1")),
                AllowedIps::Range(ip("10.0.0.1"), ip("10.0.0.9")),
                AllowedIps::Network { address: ip("10.0.0.0"), prefix: 8 },
            ],
            reuse: false,
            workers: Some(3),
        },
        connections: Connections {
            framing: Framing::Octet,
            max_connections: 5,
            idle_timeout: seconds(60),
            tls: Some(Tls { cert: "/c.pem".into(), key: "/k.pem".into(), ca: Some("/ca.pem".into()) }),
        },
        max_message_bytes: 1 << 20,
        buffer_bytes: 4096,
    };
    assert_eq!(device("tcp", text), DeviceKind::Tcp(expected));
    let DeviceKind::Tcp(tcp) = device("tcp", "{port: 1, line_delimiter: '\\x00'}") else {
        panic!("a tcp device")
    };
    assert_eq!(tcp.connections.framing, Framing::Delimiter { delimiter: vec![0] });
}

#[test]
fn udp() {
    let kind = device(
        "udp",
        "{port: 1, address: 127.0.0.1, reuse: false, workers: 2, buffer_size: 65536, allowed_ips: '::/0'}",
    );
    let listen = Listen {
        address: ip("127.0.0.1"),
        port: 1,
        allowed_ips: vec![AllowedIps::Network { address: ip("::"), prefix: 0 }],
        reuse: false,
        workers: Some(2),
    };
    assert_eq!(kind, DeviceKind::Udp(UdpDevice { listen, buffer_bytes: 65_536 }));
}

#[test]
fn syslog() {
    let expected = SyslogDevice {
        listen: listen(514),
        transport: SyslogTransport::Udp,
        max_message_bytes: 20_971_520,
        buffer_bytes: 9000,
        timezone: Timezone::Local,
        forwarding: Vec::new(),
    };
    assert_eq!(device("syslog", "port: 514"), DeviceKind::Syslog(expected.clone()));

    let connections = Connections {
        framing: Framing::Auto { delimiter: newline() },
        max_connections: 10_000,
        idle_timeout: seconds(300),
        tls: None,
    };
    let tcp = SyslogDevice { transport: SyslogTransport::Tcp(connections.clone()), ..expected };
    assert_eq!(device("syslog", "{port: 514, protocol: tcp}"), DeviceKind::Syslog(tcp.clone()));

    let text = "
port: 514
protocol: tcp
framing: octet
max_connections: 7
timeout: 8
tls: {status: true, cert_name: /c, key_name: /k}
buffer_size: 10000
max_message_size: 9000
timezone: '+02:00'
forwarding: [{address: host, port: 1514, type: tcp}, {address: 10.0.0.1}]
";
    let forward = |address: &str, port, protocol| Forward { address: address.into(), port, protocol };
    let expected = SyslogDevice {
        transport: SyslogTransport::Tcp(Connections {
            framing: Framing::Octet,
            max_connections: 7,
            idle_timeout: seconds(8),
            tls: Some(Tls { cert: "/c".into(), key: "/k".into(), ca: None }),
        }),
        max_message_bytes: 9000,
        buffer_bytes: 10_000,
        timezone: Timezone::Fixed(7200),
        forwarding: vec![
            forward("host", 1514, ForwardProtocol::Tcp),
            forward("10.0.0.1", 514, ForwardProtocol::Udp),
        ],
        ..tcp
    };
    assert_eq!(device("syslog", text), DeviceKind::Syslog(expected));
}

#[test]
fn http() {
    let expected = HttpDevice {
        listen: listen(80),
        path: "/".into(),
        content_type: "application/json".into(),
        format: HttpFormat::Auto,
        max_connections: 10_000,
        max_body_bytes: 20_971_520,
        response: HttpResponse {
            code: 200,
            body: r#"{"message":"success"}"#.into(),
            content_type: "application/json".into(),
        },
        authentication: DeviceAuthentication::None,
        tls: None,
    };
    assert_eq!(device("http", "port: 80"), DeviceKind::Http(expected.clone()));

    let text = "
protocol: tcp
port: 80
url: /events
content_type: text/plain
format: lines
max_body_size: 1KB
response: {code: 204, body: '', content_type: text/html}
tls: {status: true, cert_name: /c, key_name: /k}
authentication: {type: basic, username: u, password: '${PASSWORD}'}
";
    let expected = HttpDevice {
        path: "/events".into(),
        content_type: "text/plain".into(),
        format: HttpFormat::Lines,
        max_connections: 10_000,
        max_body_bytes: 1000,
        response: HttpResponse { code: 204, body: String::new(), content_type: "text/html".into() },
        authentication: DeviceAuthentication::Basic {
            username: "u".into(),
            password: Secret::new("hunter2"),
        },
        tls: Some(Tls { cert: "/c".into(), key: "/k".into(), ca: None }),
        ..expected
    };
    let kind = device("http", text);
    assert!(!format!("{kind:?}").contains("hunter2"));
    assert_eq!(kind, DeviceKind::Http(expected));
}

#[test]
fn http_authentication_stands_below_authentication_or_beside_it() {
    let authentication = |properties: &str| match device("http", properties) {
        DeviceKind::Http(http) => http.authentication,
        other => panic!("an http device, not {other:?}"),
    };
    let header = DeviceAuthentication::Header { key: "X-Key".into(), value: Secret::new("v") };
    assert_eq!(
        authentication("{port: 1, authentication: {type: header, header: {key: X-Key, value: v}}}"),
        header
    );
    assert_eq!(
        authentication("{port: 1, authentication: {type: header}, header: {key: X-Key, value: v}}"),
        header
    );
    for (word, algorithm) in
        [("sha1", HmacAlgorithm::Sha1), ("sha256", HmacAlgorithm::Sha256), ("sha512", HmacAlgorithm::Sha512)]
    {
        let text = format!(
            "{{port: 1, authentication: {{type: hmac}}, hmac: {{type: {word}, header: X-Sig, key: k, prefix: 'p='}}}}"
        );
        let expected = DeviceAuthentication::Hmac {
            algorithm,
            header: "X-Sig".into(),
            key: Secret::new("k"),
            prefix: "p=".into(),
        };
        assert_eq!(authentication(&text), expected);
    }
    for (word, format) in [("event", HttpFormat::Event), ("json_array", HttpFormat::JsonArray)] {
        let DeviceKind::Http(http) = device("http", &format!("{{port: 1, format: {word}}}")) else {
            panic!("http")
        };
        assert_eq!(http.format, format);
    }
}

#[test]
fn file() {
    let expected = FileDevice {
        paths: vec!["/var/log/*.log".into()],
        exclude: Vec::new(),
        poll_interval: seconds(1),
        ignore_cache: false,
        concurrency: None,
        records: Records::Lines,
        max_message_bytes: 20_971_520,
    };
    assert_eq!(
        device("file", "{path: '/var/log/*.log', line_parser: {type: newline}}"),
        DeviceKind::File(expected)
    );

    let text = "
path: [/a, /b/*]
exclude: /b/x
poll_interval: 250ms
ignore_cache: true
max_message_size: 1000
multiline: {pattern: '^\\s', negate: true, match: before, max_lines: 9, timeout: 2}
";
    let multiline = Multiline {
        pattern: r"^\s".into(),
        negate: true,
        matching: MultilineMatch::Before,
        max_lines: 9,
        timeout: seconds(2),
    };
    let expected = FileDevice {
        paths: vec!["/a".into(), "/b/*".into()],
        exclude: vec!["/b/x".into()],
        poll_interval: Duration::from_millis(250),
        ignore_cache: true,
        concurrency: None,
        records: Records::Multiline(multiline),
        max_message_bytes: 1000,
    };
    assert_eq!(device("file", text), DeviceKind::File(expected));
    let DeviceKind::File(file) = device("file", "{path: /a, multiline: {pattern: x}}") else {
        panic!("a file device")
    };
    let defaults = Multiline {
        pattern: "x".into(),
        negate: false,
        matching: MultilineMatch::After,
        max_lines: 500,
        timeout: seconds(5),
    };
    assert_eq!(file.records, Records::Multiline(defaults));
}
