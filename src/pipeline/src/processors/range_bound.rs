//! Ends of ranges, for `expand_range`: numbers behind names, letters, addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An end of a range.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bound {
    /// A number behind a name, with so many digits at least.
    Number {
        prefix: String,
        width: usize,
        value: i128,
    },
    Letter(char),
    Address(IpAddr),
}

impl Bound {
    /// Whether a range may go from `start` to here.
    pub(super) fn fits(&self, start: &Self) -> bool {
        match (self, start) {
            (Self::Number { prefix: a, .. }, Self::Number { prefix: b, .. }) => a == b,
            (Self::Letter(a), Self::Letter(b)) => a.is_ascii_uppercase() == b.is_ascii_uppercase(),
            (Self::Address(a), Self::Address(b)) => {
                // Of version 6 a range lies within one network of 64 bits.
                a.is_ipv4() == b.is_ipv4() && self.raw() >> 64 == start.raw() >> 64
            }
            _ => false,
        }
    }

    /// The end where only its last part is written: `192.168.1.10-15`, `fe80::1-ff`, `web01-05`.
    pub(super) fn shortened_end(&self, text: &str) -> Option<Self> {
        match self {
            Self::Address(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                Some(Self::Address(IpAddr::V4(Ipv4Addr::new(a, b, c, text.parse().ok()?))))
            }
            Self::Address(IpAddr::V6(address)) => {
                let mut parts = address.segments();
                parts[7] = u16::from_str_radix(text, 16).ok()?;
                Some(Self::Address(IpAddr::V6(Ipv6Addr::from(parts))))
            }
            Self::Number { prefix, width, .. } if !prefix.is_empty() => {
                let value: i64 = text.parse().ok().filter(|value| *value >= 0)?;
                Some(Self::Number { prefix: prefix.clone(), width: *width, value: value.into() })
            }
            _ => None,
        }
    }

    /// Its place in the series. Addresses of version 6 are told apart by their lower half.
    pub(super) fn position(&self) -> i128 {
        match self {
            Self::Number { value, .. } => *value,
            Self::Letter(letter) => i128::from(u32::from(*letter)),
            Self::Address(_) => (self.raw() & u128::from(u64::MAX)) as i128,
        }
    }

    pub(super) fn raw(&self) -> u128 {
        match self {
            Self::Address(IpAddr::V4(address)) => u32::from(*address).into(),
            Self::Address(IpAddr::V6(address)) => u128::from(*address),
            _ => 0,
        }
    }

    /// The value at a place of the series that begins here.
    pub(super) fn value_at(&self, position: i128, least_width: usize) -> String {
        match self {
            Self::Number { prefix, width, .. } => {
                format!("{prefix}{position:0width$}", width = least_width.max(*width))
            }
            Self::Letter(letter) => {
                u32::try_from(position).ok().and_then(char::from_u32).unwrap_or(*letter).to_string()
            }
            Self::Address(_) => {
                let upper = self.raw() & !u128::from(u64::MAX);
                self.with_raw(upper | position as u128)
            }
        }
    }

    pub(super) fn with_raw(&self, raw: u128) -> String {
        match self {
            Self::Address(IpAddr::V4(_)) => Ipv4Addr::from(raw as u32).to_string(),
            _ => Ipv6Addr::from(raw).to_string(),
        }
    }
}
