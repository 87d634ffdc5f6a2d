//! `community_id`: one id for all records of a network flow (Community ID, version 1).
//!
//! <https://github.com/corelight/community-id-spec>: SHA-1 over seed, addresses, protocol and ports, in the order that
//! makes both directions of a flow equal.

use super::whole_number::{WholeNumber, whole_number};
use crate::compile::spec::optional;
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::model::{Path, Slot};
use sha1::{Digest, Sha1};
use std::net::IpAddr;

pub(super) static SPEC: Spec = Spec {
    name: "community_id",
    family: "security",
    summary: "Computes the Community ID of a network flow.",
    details: "Both directions of a flow get the same id. The protocol comes from `iana_number`, or else from `transport`: a \
              name (TCP, UDP, SCTP, ICMP, ICMP IPv6, IGMP, GRE, EIGRP, OSPF, PIM) or a number.",
    options: &[
        optional("source_ip", "source.ip", "The field with the source's address."),
        optional("source_port", "source.port", "The field with the source's port."),
        optional("destination_ip", "destination.ip", "The field with the destination's address."),
        optional("destination_port", "destination.port", "The field with the destination's port."),
        optional("iana_number", "network.iana_number", "The field with the protocol's number."),
        optional("transport", "network.transport", "The field with the protocol's name or number."),
        optional("icmp_type", "icmp.type", "The field with the ICMP type."),
        optional("icmp_code", "icmp.code", "The field with the ICMP code."),
        optional("seed", "0", "Keeps networks apart that use the same addresses; 0 to 65535."),
        optional("specification", "0", "Another name of `seed`."),
        optional("target_field", "network.community_id", "Where the id goes."),
        optional(
            "ignore_missing",
            "true",
            "Do nothing when addresses or protocol are missing, instead of failing.",
        ),
    ],
    examples: &[Example {
        title: "a TCP connection",
        event: r#"{"source": {"ip": "128.232.110.120", "port": 34855}, "destination": {"ip": "66.35.250.204", "port": 80}, "network": {"transport": "TCP"}}"#,
        processors: "- community_id: {target_field: id}\n- remove: {field: [source, destination, network]}",
        outcome: Outcome::Event(r#"{"id": "1:LQU9qZlK+B5F3KDmev6m5PMibrg="}"#),
    }],
    compile,
};

struct CommunityId {
    source_ip: Path,
    source_port: Path,
    destination_ip: Path,
    destination_port: Path,
    iana_number: Path,
    transport: Path,
    icmp_type: Path,
    icmp_code: Path,
    seed: u16,
    target: Path,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = |options: &mut Options<'_, '_>, name: &str, default: [&str; 2]| {
        let default = Path::of_names(options.keys(), &default);
        options.field_or(name, &default)
    };
    let range = 0..=i64::from(u16::MAX);
    let seed = match options.int("seed", range.clone())? {
        Some(seed) => seed,
        None => options.int("specification", range)?.unwrap_or(0),
    };
    Ok(Box::new(CommunityId {
        source_ip: field(options, "source_ip", ["source", "ip"])?,
        source_port: field(options, "source_port", ["source", "port"])?,
        destination_ip: field(options, "destination_ip", ["destination", "ip"])?,
        destination_port: field(options, "destination_port", ["destination", "port"])?,
        iana_number: field(options, "iana_number", ["network", "iana_number"])?,
        transport: field(options, "transport", ["network", "transport"])?,
        icmp_type: field(options, "icmp_type", ["icmp", "type"])?,
        icmp_code: field(options, "icmp_code", ["icmp", "code"])?,
        seed: seed as u16,
        target: field(options, "target_field", ["network", "community_id"])?,
        ignore_missing: options.flag("ignore_missing", true)?,
    }))
}

const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;

/// Types of ICMP that ask and answer: the answer stands where a port would.
const COUNTERPARTS: [(u8, u8, u8); 13] = [
    (ICMP, 0, 8),
    (ICMP, 9, 10),
    (ICMP, 13, 14),
    (ICMP, 15, 16),
    (ICMP, 17, 18),
    (ICMP_V6, 128, 129),
    (ICMP_V6, 130, 131),
    (ICMP_V6, 133, 134),
    (ICMP_V6, 135, 136),
    (ICMP_V6, 139, 140),
    (ICMP_V6, 144, 145),
    (ICMP_V6, 146, 147),
    (ICMP_V6, 157, 158),
];

/// What ports a flow has.
enum Ports {
    None,
    Both(u16, u16),
    /// Of messages that nobody answers: type and code, which are never exchanged.
    OneWay(u16, u16),
}

impl Processor for CommunityId {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let addresses = (self.address(cx, &self.source_ip)?, self.address(cx, &self.destination_ip)?);
        let protocol = self.protocol(cx)?;
        let missing =
            |path: &Path| if self.ignore_missing { Ok(Flow::Next) } else { Err(Failure::missing(path)) };
        let (source, destination, protocol) = match (addresses, protocol) {
            ((None, _), _) => return missing(&self.source_ip),
            ((_, None), _) => return missing(&self.destination_ip),
            (_, None) => return missing(&self.transport),
            ((Some(source), Some(destination)), Some(protocol)) => (source, destination, protocol),
        };
        let ports = self.ports(cx, protocol)?;
        let id = id(self.seed, source, destination, protocol, &ports);
        let id = cx.event.text(id.as_bytes())?;
        cx.set(&self.target, id)?;
        Ok(Flow::Next)
    }
}

impl CommunityId {
    fn address(&self, cx: &Context<'_>, path: &Path) -> Result<Option<IpAddr>, Failure> {
        match cx.value(path) {
            None => Ok(None),
            Some(Slot::Text(span)) => {
                let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default();
                text.parse().map(Some).map_err(|_| Failure::fixed("is no ip address").at(path))
            }
            Some(other) => Err(not_a_text(other).at(path)),
        }
    }

    fn protocol(&self, cx: &Context<'_>) -> Result<Option<u8>, Failure> {
        let path = if cx.value(&self.iana_number).is_some() { &self.iana_number } else { &self.transport };
        let number = match whole_number(cx, path) {
            WholeNumber::Missing => return Ok(None),
            WholeNumber::Is(number) => u8::try_from(number).ok(),
            WholeNumber::Other(Slot::Text(span)) => protocol_of(cx.event.bytes(span)),
            WholeNumber::Other(_) => None,
        };
        number.map(Some).ok_or_else(|| Failure::fixed("is no transport protocol").at(path))
    }

    fn ports(&self, cx: &Context<'_>, protocol: u8) -> Result<Ports, Failure> {
        match protocol {
            6 | 17 | 132 => Ok(Ports::Both(port(cx, &self.source_port)?, port(cx, &self.destination_port)?)),
            ICMP | ICMP_V6 => {
                // What is missing or wrong here counts as 0.
                let number = |path: &Path| match whole_number(cx, path) {
                    WholeNumber::Is(number) => u8::try_from(number).unwrap_or(0),
                    _ => 0,
                };
                let (kind, code) = (number(&self.icmp_type), number(&self.icmp_code));
                let counterpart = COUNTERPARTS.iter().find_map(|(of, a, b)| match kind {
                    _ if *of != protocol => None,
                    _ if kind == *a => Some(*b),
                    _ if kind == *b => Some(*a),
                    _ => None,
                });
                Ok(match counterpart {
                    Some(other) => Ports::Both(kind.into(), other.into()),
                    None => Ports::OneWay(kind.into(), code.into()),
                })
            }
            _ => Ok(Ports::None),
        }
    }
}

fn port(cx: &Context<'_>, path: &Path) -> Result<u16, Failure> {
    match whole_number(cx, path) {
        WholeNumber::Missing => Err(Failure::missing(path)),
        WholeNumber::Is(number) if number != 0 && u16::try_from(number).is_ok() => Ok(number as u16),
        _ => Err(Failure::fixed("is no port from 1 to 65535").at(path)),
    }
}

fn protocol_of(name: &[u8]) -> Option<u8> {
    const NAMES: [(&str, u8); 12] = [
        ("tcp", 6),
        ("udp", 17),
        ("icmp", ICMP),
        ("icmp ipv6", ICMP_V6),
        ("ipv6-icmp", ICMP_V6),
        ("icmpv6", ICMP_V6),
        ("igmp", 2),
        ("gre", 47),
        ("eigrp", 88),
        ("ospf", 89),
        ("pim", 103),
        ("sctp", 132),
    ];
    NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, number)| *number)
}

fn id(seed: u16, source: IpAddr, destination: IpAddr, protocol: u8, ports: &Ports) -> String {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (source, destination) = (octets(source), octets(destination));
    let (from, to, is_one_way) = match *ports {
        Ports::None => (0, 0, false),
        Ports::Both(from, to) => (from, to, false),
        Ports::OneWay(kind, code) => (kind, code, true),
    };
    let keeps_order = is_one_way || (&source, from) <= (&destination, to);
    let (first, second) = if keeps_order { (&source, &destination) } else { (&destination, &source) };
    let mut hash = Sha1::new();
    hash.update(seed.to_be_bytes());
    hash.update(first);
    hash.update(second);
    hash.update([protocol, 0]);
    if !matches!(ports, Ports::None) {
        let (first, second) = if keeps_order { (from, to) } else { (to, from) };
        hash.update(first.to_be_bytes());
        hash.update(second.to_be_bytes());
    }
    let mut text = String::with_capacity(2 + 28);
    text.push_str("1:");
    STANDARD.encode_string(hash.finalize(), &mut text);
    text
}
