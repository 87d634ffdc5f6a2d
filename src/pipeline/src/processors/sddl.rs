//! Security descriptors of Windows as text (MS-DTYP 2.5.1): `O:BAG:SYD:PAI(A;;FA;;;SY)`.

use super::sid::Sid;

/// Entries of one list; more are refused.
const MAX_ENTRIES: usize = 2_000;

/// A security descriptor.
#[derive(Debug, Default)]
pub(super) struct Descriptor<'t> {
    pub(super) owner: Option<&'t str>,
    pub(super) group: Option<&'t str>,
    pub(super) dacl: Option<Acl<'t>>,
    pub(super) sacl: Option<Acl<'t>>,
}

/// A list of who may what.
#[derive(Debug, Default)]
pub(super) struct Acl<'t> {
    pub(super) flags: Vec<&'static str>,
    pub(super) entries: Vec<Entry<'t>>,
}

/// One entry, its parts as they are written.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) kind: &'t str,
    pub(super) flags: &'t str,
    pub(super) rights: &'t str,
    pub(super) object: &'t str,
    pub(super) inherited_object: &'t str,
    pub(super) sid: &'t str,
}

impl<'t> Descriptor<'t> {
    /// Reads a descriptor.
    pub(super) fn parse(text: &'t str) -> Result<Self, &'static str> {
        let mut descriptor = Self::default();
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err("is empty and no security descriptor");
        }
        while !rest.is_empty() {
            let (Some(section), Some(':')) = (rest.chars().next(), rest.chars().nth(1)) else {
                return Err("is no security descriptor: a part does not start with O:, G:, D: or S:");
            };
            let inner = &rest[section.len_utf8() + 1..];
            match section {
                'O' | 'G' => {
                    let len = sid_len(inner).ok_or("is no security descriptor: an owner or group is none")?;
                    let target = if section == 'O' { &mut descriptor.owner } else { &mut descriptor.group };
                    *target = Some(&inner[..len]);
                    rest = inner[len..].trim_start();
                }
                'D' | 'S' => {
                    let (acl, behind) = Acl::parse(inner)?;
                    let target = if section == 'D' { &mut descriptor.dacl } else { &mut descriptor.sacl };
                    *target = Some(acl);
                    rest = behind.trim_start();
                }
                _ => return Err("is no security descriptor: a part does not start with O:, G:, D: or S:"),
            }
        }
        Ok(descriptor)
    }
}

/// How long the alias of two letters or the `S-1-…` is that a text starts with.
fn sid_len(text: &str) -> Option<usize> {
    if text.starts_with("S-") {
        let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
        return Some(2 + text.as_bytes()[2..].iter().take_while(|byte| is_part(byte)).count());
    }
    let is_alias = text.len() >= 2 && text.as_bytes()[..2].iter().all(u8::is_ascii_uppercase);
    is_alias.then_some(2)
}

impl<'t> Acl<'t> {
    fn parse(text: &'t str) -> Result<(Self, &'t str), &'static str> {
        let mut acl = Self::default();
        let mut rest = text;
        for (mark, name) in ACL_FLAGS.iter().cycle().take(ACL_FLAGS.len() * ACL_FLAGS.len()) {
            if let Some(behind) = rest.strip_prefix(mark) {
                acl.flags.push(name);
                rest = behind;
            }
        }
        loop {
            rest = rest.trim_start();
            let Some(inner) = rest.strip_prefix('(') else { return Ok((acl, rest)) };
            let len = closing(inner).ok_or("is no security descriptor: an entry has no end")?;
            acl.entries.push(Entry::parse(&inner[..len])?);
            if acl.entries.len() > MAX_ENTRIES {
                return Err("has more than 2000 entries in a list");
            }
            rest = &inner[len + 1..];
        }
    }
}

/// Where the parenthesis closes; conditions have further ones inside.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => return Some(at),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

impl<'t> Entry<'t> {
    fn parse(text: &'t str) -> Result<Self, &'static str> {
        let mut parts = text.splitn(7, ';');
        let mut part = || {
            parts.next().map(str::trim).ok_or("is no security descriptor: an entry has fewer than six parts")
        };
        Ok(Self {
            kind: part()?,
            flags: part()?,
            rights: part()?,
            object: part()?,
            inherited_object: part()?,
            sid: part()?,
        })
    }

    /// What kind of entry it is; unknown ones as they are written.
    pub(super) fn kind_name(&self) -> &'t str {
        KINDS.iter().find(|(mark, _)| *mark == self.kind).map_or(self.kind, |(_, name)| name)
    }

    /// The names of its flags.
    pub(super) fn flag_names(&self) -> Vec<&'t str> {
        pairs(self.flags).map(|mark| named(&ENTRY_FLAGS, mark)).collect()
    }

    /// The names of what it is about.
    pub(super) fn right_names(&self, expand: bool) -> Vec<String> {
        let mut names = Vec::new();
        if let Some(mask) = mask(self.rights) {
            match MASKS.iter().find(|(known, _)| *known == mask) {
                Some((_, mark)) if !expand => names.push(named(&RIGHTS, mark).to_owned()),
                _ => names.extend(bits(mask)),
            }
            return names;
        }
        for mark in pairs(self.rights) {
            match MASKS.iter().find(|(_, known)| *known == mark) {
                Some((mask, _)) if expand => names.extend(bits(*mask)),
                _ => names.push(named(&RIGHTS, mark).to_owned()),
            }
        }
        names
    }
}

/// Marks of two characters each.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at);
        let (mark, behind) = rest.split_at(end);
        rest = behind;
        (!mark.is_empty()).then_some(mark)
    })
}

fn named<'t>(table: &[(&str, &'static str)], mark: &'t str) -> &'t str {
    table.iter().find(|(known, _)| *known == mark).map_or(mark, |(_, name)| name)
}

fn mask(rights: &str) -> Option<u32> {
    match rights.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => rights.parse().ok(),
    }
}

fn bits(mask: u32) -> Vec<String> {
    let known = BITS.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, name)| (*name).to_owned());
    let left = BITS.iter().fold(mask, |left, (bit, _)| left & !bit);
    known.chain((left != 0).then(|| format!("0x{left:x}"))).collect()
}

/// The name of an alias or a well-known account.
pub(super) fn account_name(sid: &str) -> Option<&'static str> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == sid).map(|(_, name)| *name);
    alias.or_else(|| Sid::parse(sid)?.well_known_name())
}

const ACL_FLAGS: [(&str, &str); 4] = [
    ("NO_ACCESS_CONTROL", "NO_ACCESS_CONTROL"),
    ("AR", "AUTO_INHERIT_REQ"),
    ("AI", "AUTO_INHERITED"),
    ("P", "PROTECTED"),
];

const ENTRY_FLAGS: [(&str, &str); 7] = [
    ("CI", "CONTAINER_INHERIT"),
    ("OI", "OBJECT_INHERIT"),
    ("NP", "NO_PROPAGATE_INHERIT"),
    ("IO", "INHERIT_ONLY"),
    ("ID", "INHERITED"),
    ("SA", "SUCCESSFUL_ACCESS"),
    ("FA", "FAILED_ACCESS"),
];

#[rustfmt::skip]
const KINDS: [(&str, &str); 17] = [
    ("A", "ACCESS_ALLOWED"), ("D", "ACCESS_DENIED"), ("AU", "SYSTEM_AUDIT"), ("AL", "SYSTEM_ALARM"),
    ("OA", "ACCESS_ALLOWED_OBJECT"), ("OD", "ACCESS_DENIED_OBJECT"), ("OU", "SYSTEM_AUDIT_OBJECT"),
    ("OL", "SYSTEM_ALARM_OBJECT"), ("ML", "SYSTEM_MANDATORY_LABEL"), ("XA", "ACCESS_ALLOWED_CALLBACK"),
    ("XD", "ACCESS_DENIED_CALLBACK"), ("XU", "SYSTEM_AUDIT_CALLBACK"), ("ZA", "ACCESS_ALLOWED_CALLBACK_OBJECT"),
    ("RA", "SYSTEM_RESOURCE_ATTRIBUTE"), ("SP", "SYSTEM_SCOPED_POLICY_ID"), ("TL", "SYSTEM_PROCESS_TRUST_LABEL"),
    ("FL", "SYSTEM_ACCESS_FILTER"),
];

#[rustfmt::skip]
const RIGHTS: [(&str, &str); 28] = [
    ("GA", "GENERIC_ALL"), ("GR", "GENERIC_READ"), ("GW", "GENERIC_WRITE"), ("GX", "GENERIC_EXECUTE"),
    ("RC", "READ_CONTROL"), ("SD", "DELETE"), ("WD", "WRITE_DAC"), ("WO", "WRITE_OWNER"),
    ("RP", "DS_READ_PROPERTY"), ("WP", "DS_WRITE_PROPERTY"), ("CC", "DS_CREATE_CHILD"), ("DC", "DS_DELETE_CHILD"),
    ("LC", "DS_LIST_CHILDREN"), ("SW", "DS_SELF"), ("LO", "DS_LIST_OBJECT"), ("DT", "DS_DELETE_TREE"),
    ("CR", "DS_CONTROL_ACCESS"), ("FA", "FILE_ALL_ACCESS"), ("FR", "FILE_GENERIC_READ"),
    ("FW", "FILE_GENERIC_WRITE"), ("FX", "FILE_GENERIC_EXECUTE"), ("KA", "KEY_ALL_ACCESS"), ("KR", "KEY_READ"),
    ("KW", "KEY_WRITE"), ("KX", "KEY_EXECUTE"), ("NR", "NO_READ_UP"), ("NW", "NO_WRITE_UP"), ("NX", "NO_EXECUTE_UP"),
];

/// What the rights for files and registry keys are made of (winnt.h).
const MASKS: [(u32, &str); 8] = [
    (0x001f_01ff, "FA"),
    (0x0012_0089, "FR"),
    (0x0012_0116, "FW"),
    (0x0012_00a0, "FX"),
    (0x000f_003f, "KA"),
    (0x0002_0019, "KR"),
    (0x0002_0006, "KW"),
    (0x1000_0000, "GA"),
];

#[rustfmt::skip]
const BITS: [(u32, &str); 19] = [
    (0x1, "FILE_READ_DATA"), (0x2, "FILE_WRITE_DATA"), (0x4, "FILE_APPEND_DATA"), (0x8, "FILE_READ_EA"),
    (0x10, "FILE_WRITE_EA"), (0x20, "FILE_EXECUTE"), (0x40, "FILE_DELETE_CHILD"), (0x80, "FILE_READ_ATTRIBUTES"),
    (0x100, "FILE_WRITE_ATTRIBUTES"), (0x1_0000, "DELETE"), (0x2_0000, "READ_CONTROL"), (0x4_0000, "WRITE_DAC"),
    (0x8_0000, "WRITE_OWNER"), (0x10_0000, "SYNCHRONIZE"), (0x100_0000, "ACCESS_SYSTEM_SECURITY"),
    (0x1000_0000, "GENERIC_ALL"), (0x2000_0000, "GENERIC_EXECUTE"), (0x4000_0000, "GENERIC_WRITE"),
    (0x8000_0000, "GENERIC_READ"),
];

#[rustfmt::skip]
const ALIASES: [(&str, &str); 56] = [
    ("AA", "Access Control Assistance Operators"), ("AC", "All Application Packages"), ("AN", "Anonymous"),
    ("AO", "Account Operators"), ("AP", "Protected Users"), ("AU", "Authenticated Users"), ("BA", "Administrators"),
    ("BG", "Guests"), ("BO", "Backup Operators"), ("BU", "Users"), ("CA", "Cert Publishers"),
    ("CD", "Certificate Service DCOM Access"), ("CG", "Creator Group"), ("CN", "Cloneable Domain Controllers"),
    ("CO", "Creator Owner"), ("CY", "Cryptographic Operators"), ("DA", "Domain Admins"), ("DC", "Domain Computers"),
    ("DD", "Domain Controllers"), ("DG", "Domain Guests"), ("DU", "Domain Users"), ("EA", "Enterprise Admins"),
    ("ED", "Enterprise Domain Controllers"), ("EK", "Enterprise Key Admins"), ("ER", "Event Log Readers"),
    ("HA", "Hyper-V Administrators"), ("HI", "High Mandatory Level"), ("HO", "User Mode Hardware Operators"),
    ("IS", "IIS_IUSRS"), ("IU", "Interactive"), ("KA", "Key Admins"), ("LA", "Administrator"), ("LG", "Guest"),
    ("LS", "Local Service"), ("LU", "Performance Log Users"), ("LW", "Low Mandatory Level"),
    ("ME", "Medium Mandatory Level"), ("MU", "Performance Monitor Users"), ("NO", "Network Configuration Operators"),
    ("NS", "Network Service"), ("NU", "Network"), ("OW", "Owner Rights"), ("PA", "Group Policy Creator Owners"),
    ("PO", "Print Operators"), ("PS", "Principal Self"), ("PU", "Power Users"), ("RC", "Restricted Code"),
    ("RD", "Remote Desktop Users"), ("RE", "Replicators"), ("RM", "Remote Management Users"),
    ("RU", "Pre-Windows 2000 Compatible Access"), ("SA", "Schema Admins"), ("SI", "System Mandatory Level"),
    ("SO", "Server Operators"), ("SY", "Local System"), ("WD", "Everyone"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_a_descriptor_are_read() {
        let text = "O:S-1-5-21-1-2-3-500G:BAD:PAI(A;OICI;0x1200a9;;;BU)(XA;;FX;;;WD;(@User.Title==\"x\"))S:AR(AU;SAFA;WD;;;WD)";
        let descriptor = Descriptor::parse(text).expect("a descriptor");
        assert_eq!((descriptor.owner, descriptor.group), (Some("S-1-5-21-1-2-3-500"), Some("BA")));
        let dacl = descriptor.dacl.expect("there");
        assert_eq!(dacl.flags, ["PROTECTED", "AUTO_INHERITED"]);
        assert_eq!(dacl.entries[0].flag_names(), ["OBJECT_INHERIT", "CONTAINER_INHERIT"]);
        assert!(dacl.entries[0].right_names(false).contains(&"FILE_EXECUTE".to_owned()));
        assert_eq!(dacl.entries[1].sid, "WD");
        assert_eq!(
            descriptor.sacl.expect("there").entries[0].flag_names(),
            ["SUCCESSFUL_ACCESS", "FAILED_ACCESS"]
        );
        assert_eq!(account_name("S-1-5-21-1-2-3-500"), Some("Administrator"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "x", "O:", "D:(A;;FA;;SY", "D:(A;;FA)", "Q:BA", "é:BA", "O:éé"] {
            assert!(Descriptor::parse(text).is_err(), "{text}");
        }
    }
}
