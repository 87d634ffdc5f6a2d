//! Places in a network: URLs, hosts, addresses to bind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value as Json, json};

use super::{Reader, Wrong, text_of};
use crate::Node;

/// An `http` or `https` URL with a host, without credentials, spaces or fragment.
pub(crate) struct Url;

impl Reader for Url {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Wrong> {
        let fix = "write a URL such as https://host:8080/path";
        let text = text_of(node).ok_or_else(|| Wrong::new(node, fix))?;
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let authority = rest.and_then(|rest| rest.split(['/', '?']).next()).unwrap_or("");
        if authority.contains('@') {
            let shown = "a URL with credentials".to_owned();
            let fix = "leave them out of the URL and use the properties for them".to_owned();
            return Err(Wrong { at: node.at.clone(), shown, fix });
        }
        if !is_authority(authority) || text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#') {
            return Err(Wrong::new(node, fix));
        }
        Ok(text.to_owned())
    }

    fn placeholder(&self) -> String {
        String::new()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": r"^https?://|\$\{"})
    }
}

/// Whether it is `host`, `host:port`, `[v6]` or `[v6]:port`.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, rest)) => {
            let port = if rest.is_empty() { Some("1") } else { rest.strip_prefix(':') };
            let Some(port) = port else { return false };
            return v6.parse::<Ipv6Addr>().is_ok() && is_port(port);
        }
        None => text.split_once(':').unwrap_or((text, "1")),
    };
    is_host(host) && is_port(port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port != 0)
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// A host name or address of a peer.
pub(crate) struct Host;

impl Reader for Host {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Wrong> {
        match text_of(node) {
            Some(text) if is_host(text) || text.parse::<IpAddr>().is_ok() => Ok(text.to_owned()),
            _ => Err(Wrong::new(node, "write a host name or an IP address, the port apart")),
        }
    }

    fn placeholder(&self) -> String {
        String::new()
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// An IP address to bind.
pub(crate) struct Address;

impl Reader for Address {
    type Value = IpAddr;

    fn read(&self, node: &Node) -> Result<IpAddr, Wrong> {
        let fix = "write an IP address of this machine, or 0.0.0.0 for all";
        node.as_text().and_then(|text| text.parse().ok()).ok_or_else(|| Wrong::new(node, fix))
    }

    fn placeholder(&self) -> IpAddr {
        Ipv4Addr::UNSPECIFIED.into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_needs_a_host_and_a_port_in_range() {
        for good in ["a", "a:80", "10.0.0.1:9200", "[::1]", "[::1]:80"] {
            assert!(is_authority(good), "{good}");
        }
        for bad in ["", ":80", "a:", "a:0", "a:70000", "[::1", "[x]", "[::1]80", "a b"] {
            assert!(!is_authority(bad), "{bad}");
        }
    }
}
