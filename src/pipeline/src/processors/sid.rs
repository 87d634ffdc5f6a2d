//! Security identifiers of Windows (MS-DTYP 2.4.2): `S-1-5-21-…`.

use std::fmt::Write as _;

/// MS-DTYP 2.4.2.2: at most 15 sub-authorities.
const MAX_SUB_AUTHORITIES: usize = 15;

/// A security identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sid {
    pub(super) revision: u8,
    /// 48 bits.
    pub(super) authority: u64,
    pub(super) sub_authorities: Vec<u32>,
}

impl Sid {
    /// From a text like `S-1-5-18`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        if !parts.next()?.eq_ignore_ascii_case("S") {
            return None;
        }
        let revision = parts.next()?.parse().ok()?;
        let authority = parts.next()?;
        let authority = match authority.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok()?,
            None => authority.parse().ok()?,
        };
        let sub_authorities: Vec<u32> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let fits = authority < 1 << 48 && sub_authorities.len() <= MAX_SUB_AUTHORITIES;
        fits.then_some(Self { revision, authority, sub_authorities })
    }

    /// From its binary form: revision, count, authority with the highest byte first, sub-authorities with the lowest.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(8)?;
        let count = usize::from(head[1]);
        if head[0] != 1 || count > MAX_SUB_AUTHORITIES || rest.len() != count * 4 {
            return None;
        }
        let authority = head[2..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let words =
            rest.chunks_exact(4).map(|word| word.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte)));
        Some(Self { revision: head[0], authority, sub_authorities: words.collect() })
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        let mut text = format!("S-{}-{}", self.revision, self.authority);
        for part in &self.sub_authorities {
            let _ = write!(text, "-{part}"); // writing to a string does not fail
        }
        text
    }

    /// Whether it belongs to a domain or a machine: `S-1-5-21-x-y-z-RID`.
    pub(super) fn is_domain_sid(&self) -> bool {
        self.authority == 5 && self.sub_authorities.len() >= 4 && self.sub_authorities[0] == 21
    }

    /// Who decides about it.
    pub(super) fn authority_name(&self) -> &'static str {
        match self.authority {
            0 => "Null Authority",
            1 => "World Authority",
            2 => "Local Authority",
            3 => "Creator Authority",
            4 => "Non-unique Authority",
            5 => "NT Authority",
            9 => "Resource Manager Authority",
            12 => "Authentication Authority",
            15 => "Application Package Authority",
            16 => "Mandatory Label Authority",
            17 => "Scoped Policy Authority",
            _ => "Unknown Authority",
        }
    }

    /// The account that it is known by everywhere.
    pub(super) fn well_known_name(&self) -> Option<&'static str> {
        match (self.authority, &self.sub_authorities[..]) {
            (5, [21, _, _, _, rid]) => rid_name(*rid),
            (5, [5, _, _]) => Some("Logon Session"),
            (5, [80, 0]) => Some("All Services"),
            (5, [80, ..]) => Some("Service"),
            (5, [90, 0, _]) => Some("Window Manager"),
            (5, [96, 0, _]) => Some("Font Driver Host"),
            (5, [32, alias]) => alias_name(*alias),
            (5, [64, package]) => match package {
                10 => Some("NTLM Authentication"),
                14 => Some("SChannel Authentication"),
                21 => Some("Digest Authentication"),
                _ => None,
            },
            (authority, [single]) => single_name(authority, *single),
            _ => None,
        }
    }
}

fn single_name(authority: u64, number: u32) -> Option<&'static str> {
    Some(match (authority, number) {
        (0, 0) => "Nobody",
        (1, 0) => "Everyone",
        (2, 0) => "Local",
        (2, 1) => "Console Logon",
        (3, 0) => "Creator Owner",
        (3, 1) => "Creator Group",
        (3, 2) => "Creator Owner Server",
        (3, 3) => "Creator Group Server",
        (3, 4) => "Owner Rights",
        (5, 1) => "Dialup",
        (5, 2) => "Network",
        (5, 3) => "Batch",
        (5, 4) => "Interactive",
        (5, 6) => "Service",
        (5, 7) => "Anonymous",
        (5, 8) => "Proxy",
        (5, 9) => "Enterprise Domain Controllers",
        (5, 10) => "Principal Self",
        (5, 11) => "Authenticated Users",
        (5, 12) => "Restricted Code",
        (5, 13) => "Terminal Server Users",
        (5, 14) => "Remote Interactive Logon",
        (5, 15) => "This Organization",
        (5, 17) => "IUSR",
        (5, 18) => "Local System",
        (5, 19) => "Local Service",
        (5, 20) => "Network Service",
        (5, 33) => "Write Restricted",
        (5, 113) => "Local Account",
        (5, 114) => "Local Account and Member of Administrators Group",
        (16, 0) => "Untrusted Mandatory Level",
        (16, 4096) => "Low Mandatory Level",
        (16, 8192) => "Medium Mandatory Level",
        (16, 8448) => "Medium Plus Mandatory Level",
        (16, 12288) => "High Mandatory Level",
        (16, 16384) => "System Mandatory Level",
        (16, 20480) => "Protected Process Mandatory Level",
        (18, 1) => "Authentication Authority Asserted Identity",
        (18, 2) => "Service Asserted Identity",
        _ => return None,
    })
}

/// Groups that every machine has, `S-1-5-32-…`.
fn alias_name(alias: u32) -> Option<&'static str> {
    Some(match alias {
        544 => "Administrators",
        545 => "Users",
        546 => "Guests",
        547 => "Power Users",
        548 => "Account Operators",
        549 => "Server Operators",
        550 => "Print Operators",
        551 => "Backup Operators",
        552 => "Replicators",
        554 => "Pre-Windows 2000 Compatible Access",
        555 => "Remote Desktop Users",
        556 => "Network Configuration Operators",
        557 => "Incoming Forest Trust Builders",
        558 => "Performance Monitor Users",
        559 => "Performance Log Users",
        560 => "Windows Authorization Access Group",
        561 => "Terminal Server License Servers",
        562 => "Distributed COM Users",
        568 => "IIS_IUSRS",
        569 => "Cryptographic Operators",
        573 => "Event Log Readers",
        574 => "Certificate Service DCOM Access",
        575 => "RDS Remote Access Servers",
        576 => "RDS Endpoint Servers",
        577 => "RDS Management Servers",
        578 => "Hyper-V Administrators",
        579 => "Access Control Assistance Operators",
        580 => "Remote Management Users",
        _ => return None,
    })
}

/// Accounts that every domain has.
pub(super) fn rid_name(rid: u32) -> Option<&'static str> {
    Some(match rid {
        498 => "Enterprise Read-only Domain Controllers",
        500 => "Administrator",
        501 => "Guest",
        502 => "krbtgt",
        503 => "DefaultAccount",
        504 => "WDAGUtilityAccount",
        512 => "Domain Admins",
        513 => "Domain Users",
        514 => "Domain Guests",
        515 => "Domain Computers",
        516 => "Domain Controllers",
        517 => "Cert Publishers",
        518 => "Schema Admins",
        519 => "Enterprise Admins",
        520 => "Group Policy Creator Owners",
        521 => "Read-only Domain Controllers",
        522 => "Cloneable Domain Controllers",
        525 => "Protected Users",
        526 => "Key Admins",
        527 => "Enterprise Key Admins",
        553 => "RAS and IAS Servers",
        571 => "Allowed RODC Password Replication Group",
        572 => "Denied RODC Password Replication Group",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_bytes_name_the_same() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        let sid = Sid::from_bytes(&bytes).expect("a sid");
        assert_eq!(sid.text(), "S-1-5-32-544");
        assert_eq!(Sid::parse("s-1-5-32-544"), Some(sid.clone()));
        assert_eq!(sid.well_known_name(), Some("Administrators"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "S", "S-1", "S-1-5-x", "S-1-5-4294967296", "S-1-5-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1"] {
            assert_eq!(Sid::parse(text), None, "{text}");
        }
        for bytes in [&[][..], &[1; 7], &[1, 1, 0, 0, 0, 0, 0, 5], &[2, 0, 0, 0, 0, 0, 0, 5]] {
            assert_eq!(Sid::from_bytes(bytes), None, "{bytes:?}");
        }
    }
}
