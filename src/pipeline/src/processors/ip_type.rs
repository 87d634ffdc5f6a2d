//! `ip_type`: the version of an IP address, and whether it is public.

use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Path, Slot};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) static SPEC: Spec = Spec {
    name: "ip_type",
    family: "network",
    summary: "Says of an IP address whether it is IPv4 or IPv6, and whether it is public or private.",
    details: "The answers go to two fields beside `target_field`, with `.type` (`IPv4`, `IPv6`) and `.network` (`Public`, \
              `Private`) behind its name; the dot is a part of the name. Private are the ranges of RFC 1918, 3927 and \
              4193, loopback, link-local and site-local addresses, 0.0.0.0, 255.255.255.255, and multicast of IPv6. A \
              zone (`fe80::1%eth0`) is left out. What is no address is `Unknown`.",
    options: &[
        FIELD,
        optional("target_field", "the field itself", "What the names of the two fields start with."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a private address",
            event: r#"{"ip": "192.168.1.100"}"#,
            processors: "- ip_type: {field: ip}",
            outcome: Outcome::Event(r#"{"ip": "192.168.1.100", "ip.type": "IPv4", "ip.network": "Private"}"#),
        },
        Example {
            title: "a zone",
            event: r#"{"ip": "fe80::1%eth0"}"#,
            processors: "- ip_type: {field: ip, target_field: src}",
            outcome: Outcome::Event(
                r#"{"ip": "fe80::1%eth0", "src.type": "IPv6", "src.network": "Private"}"#,
            ),
        },
    ],
    compile,
};

struct IpType {
    field: Path,
    version: Path,
    network: Path,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let target = options.field_or("target_field", &field)?;
    Ok(Box::new(IpType {
        version: target.beside(options.keys(), ".type"),
        network: target.beside(options.keys(), ".network"),
        ignore_missing: options.flag("ignore_missing", false)?,
        field,
    }))
}

impl Processor for IpType {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let (version, network) = match cx.value(&self.field) {
            None if self.ignore_missing => return Ok(Flow::Next),
            None => return Err(Failure::missing(&self.field)),
            Some(Slot::Text(span)) => match address(cx.event.bytes(span)) {
                Some(IpAddr::V4(ip)) => ("IPv4", network(is_private_v4(ip))),
                Some(IpAddr::V6(ip)) => ("IPv6", network(is_private_v6(ip))),
                None => ("Unknown", "Unknown"),
            },
            Some(_) => ("Unknown", "Unknown"),
        };
        for (path, text) in [(&self.version, version), (&self.network, network)] {
            let slot = cx.event.text(text.as_bytes())?;
            cx.set(path, slot)?;
        }
        Ok(Flow::Next)
    }
}

fn network(is_private: bool) -> &'static str {
    if is_private { "Private" } else { "Public" }
}

/// The address, without its zone.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    text.split_once('%').map_or(text, |(address, _)| address).parse().ok()
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_broadcast()
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_private_v4(ip);
    }
    let is_site_local = ip.segments()[0] & 0xffc0 == 0xfec0;
    let is_local = ip.is_unicast_link_local() || ip.is_unique_local() || is_site_local;
    is_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()
}
