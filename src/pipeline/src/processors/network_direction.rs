//! `network_direction`: whether traffic comes in, goes out, or stays where it is.

use crate::compile::spec::optional;
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::network::Network;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template};
use event::model::{Path, Slot};
use std::net::IpAddr;

pub(super) static SPEC: Spec = Spec {
    name: "network_direction",
    family: "network",
    summary: "Says whether traffic is inbound, outbound, internal or external, from its addresses and the internal networks.",
    details: "A network is written like `10.0.0.0/8`, or named: loopback, unicast, multicast, interface_local_multicast, \
              link_local_unicast, link_local_multicast, private, public, unspecified.",
    options: &[
        optional(
            "internal_networks",
            "",
            "The networks; this or `internal_networks_field`. May have templates in them.",
        ),
        optional("internal_networks_field", "", "The field with the list of networks."),
        optional("source_ip", "source.ip", "The field with the source's address."),
        optional("destination_ip", "destination.ip", "The field with the destination's address."),
        optional("target_field", "network.direction", "Where the direction goes."),
        optional("ignore_missing", "true", "Do nothing when a field is missing or null, instead of failing."),
    ],
    examples: &[Example {
        title: "from outside",
        event: r#"{"source": {"ip": "128.232.110.120"}, "destination": {"ip": "192.168.1.1"}}"#,
        processors: "- network_direction: {internal_networks: [private], target_field: d}\n- remove: {field: [source, destination]}",
        outcome: Outcome::Event(r#"{"d": "inbound"}"#),
    }],
    compile,
};

struct NetworkDirection {
    source: Path,
    destination: Path,
    target: Path,
    networks: Networks,
    ignore_missing: bool,
}

enum Networks {
    Known(Vec<Kind>),
    /// Some have templates in them.
    Templates(Vec<Template>),
    Field(Path),
}

/// A network, or a name for many.
#[derive(Clone, Copy)]
enum Kind {
    Network(Network),
    Loopback,
    Unicast,
    Multicast,
    InterfaceLocalMulticast,
    LinkLocalUnicast,
    LinkLocalMulticast,
    Private,
    Public,
    Unspecified,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "loopback" => Self::Loopback,
            "unicast" | "global_unicast" => Self::Unicast,
            "multicast" => Self::Multicast,
            "interface_local_multicast" => Self::InterfaceLocalMulticast,
            "link_local_unicast" => Self::LinkLocalUnicast,
            "link_local_multicast" => Self::LinkLocalMulticast,
            "private" => Self::Private,
            "public" => Self::Public,
            "unspecified" => Self::Unspecified,
            network => Self::Network(Network::parse(network)?),
        })
    }

    fn contains(self, address: IpAddr) -> bool {
        match self {
            Self::Network(network) => network.contains(address),
            Self::Loopback => address.is_loopback(),
            Self::Unicast => is_unicast(address),
            Self::Multicast => address.is_multicast(),
            Self::InterfaceLocalMulticast => has_scope(address, 1),
            Self::LinkLocalUnicast => is_link_local(address),
            Self::LinkLocalMulticast => match address {
                IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
                IpAddr::V6(_) => has_scope(address, 2),
            },
            Self::Private => is_private(address),
            Self::Public => is_public(address),
            Self::Unspecified => address.is_unspecified(),
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(ip) if ip.is_broadcast())
}

/// Whether it is multicast of IPv6 with this scope (RFC 4291 §2.7).
fn has_scope(address: IpAddr, scope: u16) -> bool {
    matches!(address, IpAddr::V6(ip) if ip.is_multicast() && ip.segments()[0] & 0xf == scope)
}

fn is_unicast(address: IpAddr) -> bool {
    let other = is_broadcast(address) || address.is_unspecified() || address.is_loopback();
    !(other || address.is_multicast() || is_link_local(address))
}

fn is_public(address: IpAddr) -> bool {
    let local = is_private(address) || address.is_loopback() || address.is_unspecified();
    !(local || is_link_local(address) || address.is_multicast() || is_broadcast(address))
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let path = |options: &mut Options<'_, '_>, name: &str, default: [&str; 2]| {
        let default = Path::of_names(options.keys(), &default);
        options.field_or(name, &default)
    };
    Ok(Box::new(NetworkDirection {
        source: path(options, "source_ip", ["source", "ip"])?,
        destination: path(options, "destination_ip", ["destination", "ip"])?,
        target: path(options, "target_field", ["network", "direction"])?,
        networks: networks(options)?,
        ignore_missing: options.flag("ignore_missing", true)?,
    }))
}

fn networks(options: &mut Options<'_, '_>) -> Result<Networks, Reported> {
    let at = options.place().clone();
    match (options.node("internal_networks"), options.optional_field("internal_networks_field")?) {
        (None, None) => {
            let what = "neither `internal_networks` nor `internal_networks_field` is there";
            Err(options.error(&at, what, "write `internal_networks: [private]`"))
        }
        (Some(node), Some(_)) => {
            let what = "`internal_networks` and `internal_networks_field` exclude each other";
            Err(options.error(&node.at, what, "remove one of them"))
        }
        (None, Some(field)) => Ok(Networks::Field(field)),
        (Some(node), None) => {
            let texts = options.texts("internal_networks")?;
            if texts.iter().any(|text| text.contains("{{")) {
                let templates = texts.iter().map(|text| options.template_of(&node.at, text));
                return Ok(Networks::Templates(templates.collect::<Result<_, _>>()?));
            }
            let mut known = Vec::new();
            for text in texts {
                let fix = "write it like 10.0.0.0/8, or private, public, loopback …";
                known.push(Kind::parse(&text).ok_or_else(|| {
                    options.error(&node.at, format!("{text:?} is neither a network nor a name of some"), fix)
                })?);
            }
            Ok(Networks::Known(known))
        }
    }
}

impl Processor for NetworkDirection {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let (Some(source), Some(destination)) =
            (self.address(cx, &self.source)?, self.address(cx, &self.destination)?)
        else {
            return Ok(Flow::Next);
        };
        let direction = match &self.networks {
            Networks::Known(kinds) => direction(kinds, source, destination),
            Networks::Templates(templates) => {
                let mut kinds = Vec::with_capacity(templates.len());
                for template in templates {
                    let text = template.render(cx, Missing::Fails)?;
                    kinds.push(Kind::parse(&text).ok_or_else(|| wrong(&text))?);
                }
                direction(&kinds, source, destination)
            }
            Networks::Field(field) => {
                let kinds = match cx.value(field) {
                    Some(Slot::List(list)) => cx
                        .event
                        .children(list)
                        .map(|node| kind(cx, cx.event.slot(node)))
                        .collect::<Result<Vec<_>, _>>()?,
                    Some(slot) => vec![kind(cx, slot)?],
                    None if self.ignore_missing => return Ok(Flow::Next),
                    None => return Err(Failure::missing(field)),
                };
                direction(&kinds, source, destination)
            }
        };
        let slot = cx.event.text(direction.as_bytes())?;
        cx.set(&self.target, slot)?;
        Ok(Flow::Next)
    }
}

impl NetworkDirection {
    fn address(&self, cx: &Context<'_>, path: &Path) -> Result<Option<IpAddr>, Failure> {
        match cx.value(path) {
            None if self.ignore_missing => Ok(None),
            None => Err(Failure::missing(path)),
            Some(Slot::Text(span)) => {
                let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default();
                text.parse().map(Some).map_err(|_| Failure::fixed("is no ip address").at(path))
            }
            Some(other) => Err(not_a_text(other).at(path)),
        }
    }
}

fn kind(cx: &Context<'_>, slot: Slot) -> Result<Kind, Failure> {
    let Slot::Text(span) = slot else { return Err(not_a_text(slot)) };
    let text = String::from_utf8_lossy(cx.event.bytes(span));
    Kind::parse(&text).ok_or_else(|| wrong(&text))
}

fn wrong(text: &str) -> Failure {
    Failure::text(format!("{text:?} is neither a network nor a name of some"))
}

fn direction(internal: &[Kind], source: IpAddr, destination: IpAddr) -> &'static str {
    let is_internal = |address: IpAddr| internal.iter().any(|kind| kind.contains(address));
    match (is_internal(source), is_internal(destination)) {
        (true, true) => "internal",
        (true, false) => "outbound",
        (false, true) => "inbound",
        (false, false) => "external",
    }
}
