//! Which addresses may talk to a listener.
//!
//! Cost: a binary search for each connection or datagram; nothing where everybody may.

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// The addresses that may talk to a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessList {
    /// Everybody may.
    #[default]
    Everybody,
    /// Only these.
    Only(Ranges),
}

/// Ranges of addresses, in order, none touching the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl AccessList {
    /// Only addresses in one of these ranges may; without any range everybody may. A range whose ends are of two
    /// families or in the wrong order holds nobody.
    pub fn only(ranges: impl IntoIterator<Item = RangeInclusive<IpAddr>>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let mut any = false;
        for range in ranges {
            any = true;
            match range.into_inner() {
                (IpAddr::V4(low), IpAddr::V4(high)) => v4.push((low.to_bits(), high.to_bits())),
                (IpAddr::V6(low), IpAddr::V6(high)) => v6.push((low.to_bits(), high.to_bits())),
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
            }
        }
        match any {
            true => Self::Only(Ranges { v4: merged(v4), v6: merged(v6) }),
            false => Self::Everybody,
        }
    }

    /// Whether this address may. An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) counts as IPv4.
    pub fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(ranges) => match address.to_canonical() {
                IpAddr::V4(address) => holds(&ranges.v4, address.to_bits()),
                IpAddr::V6(address) => holds(&ranges.v6, address.to_bits()),
            },
        }
    }
}

/// The same addresses in as few ranges as possible, in order.
fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.retain(|(low, high)| low <= high);
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

fn holds<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(low, _)| *low <= address);
    after.checked_sub(1).is_some_and(|at| address <= ranges[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ranges: &[(&str, &str)]) -> AccessList {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        AccessList::only(ranges.iter().map(|(low, high)| address(low)..=address(high)))
    }

    fn allows(list: &AccessList, address: &str) -> bool {
        list.allows(address.parse().expect("an address"))
    }

    #[test]
    fn an_empty_list_lets_everybody_in() {
        assert_eq!(list(&[]), AccessList::Everybody);
        assert!(allows(&list(&[]), "8.8.8.8"));
    }

    #[test]
    fn only_addresses_in_a_range_are_let_in_whichever_way_ranges_overlap() {
        let list = list(&[
            ("10.0.5.0", "10.0.6.0"),
            ("10.0.0.0", "10.0.0.255"),
            ("10.0.0.10", "10.0.0.20"),
            ("10.0.5.100", "10.0.7.0"),
            ("2001:db8::", "2001:db8::ff"),
            ("10.1.0.9", "10.1.0.1"),
        ]);
        for yes in ["10.0.0.0", "10.0.0.255", "10.0.7.0", "::ffff:10.0.0.7", "2001:db8::1"] {
            assert!(allows(&list, yes), "{yes}");
        }
        for no in ["10.0.1.0", "10.0.7.1", "9.255.255.255", "10.1.0.5", "2001:db8::100", "::"] {
            assert!(!allows(&list, no), "{no}");
        }
    }

    #[test]
    fn a_list_of_one_family_keeps_the_other_out() {
        assert!(!allows(&list(&[("0.0.0.0", "255.255.255.255")]), "::1"));
    }
}
