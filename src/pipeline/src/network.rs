//! Networks of IP addresses: `10.0.0.0/8`, `fd00::/8`, or a single address.

use std::net::IpAddr;

/// A network; also the key of its addresses for a prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    is_v6: bool,
    /// The first address; of IPv4 the low 32 bits.
    first: u128,
    prefix: u8,
}

impl Network {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let Some((address, prefix)) = text.split_once('/') else {
            return Some(Self::single(text.parse().ok()?));
        };
        let single = Self::single(address.parse().ok()?);
        let prefix: u8 = prefix.parse().ok()?;
        (prefix <= single.prefix).then(|| single.shortened(prefix))
    }

    /// The network of one address.
    pub(crate) fn single(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(ip) => Self { is_v6: false, first: u32::from(ip).into(), prefix: 32 },
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => Self::single(IpAddr::V4(ip)),
                None => Self { is_v6: true, first: ip.into(), prefix: 128 },
            },
        }
    }

    /// The network of this length that this one lies in.
    pub(crate) fn shortened(self, prefix: u8) -> Self {
        let width: u32 = if self.is_v6 { 128 } else { 32 };
        let hidden = width - u32::from(prefix).min(width);
        let mask = u128::MAX.checked_shl(hidden).unwrap_or(0);
        Self { first: self.first & mask, prefix: prefix.min(width as u8), ..self }
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        let single = Self::single(address);
        single.is_v6 == self.is_v6 && single.shortened(self.prefix) == self
    }

    pub(crate) fn prefix(self) -> u8 {
        self.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_their_addresses_and_no_others() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/8", "10.0.0.1", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.9", false),
            ("fd00::/8", "fd12::1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
        ];
        for (network, address, expected) in cases {
            let parsed = Network::parse(network).expect("a network");
            assert_eq!(
                parsed.contains(address.parse().expect("an address")),
                expected,
                "{network} {address}"
            );
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "a", "::/129", "10.0.0.0/-1"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
