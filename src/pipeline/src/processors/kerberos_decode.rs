//! `kerberos_decode`: flags, encryption types, errors and principals of Kerberos, as Windows and others log them.

use super::object::{Object, put_each, texts};
use super::target::target_beside;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Processor, Ran};
use event::model::{Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "kerberos_decode",
    family: "decode",
    summary: "Explains ticket flags, encryption types, error codes and principals of Kerberos.",
    details: "Numbers are decimal or hexadecimal (`0x40810010`). With `auto`, a text with `@` or `/` is a principal, and a number \
              is explained as everything that it can be. Tickets and PACs, which are encrypted where they matter, are not \
              decoded. Of a list each element is explained.",
    options: &[
        FIELD,
        optional("target_field", "the field's name with `_decoded` behind it", "Where the result goes."),
        optional("decode_type", "auto", "`auto`, `flags`, `enctype`, `error` or `principal`."),
        optional("format", "auto", "There are only numbers and texts: `auto` and `string` are the same."),
        optional("parse_timestamps", "false", "Only `false`: there are no times in what is decoded."),
        optional("resolve_names", "false", "Add what the service of a principal is."),
        optional("simplify_output", "false", "Of flags write only what they mean, as truth values."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "flags",
            event: r#"{"f": "0x40810010"}"#,
            processors: "- kerberos_decode: {field: f, decode_type: flags, target_field: d}",
            outcome: Outcome::Event(
                r#"{"f": "0x40810010", "d": {"value": 1082195984, "hex": "0x40810010", "flags": ["forwardable", "renewable", "name-canonicalize", "renewable-ok"]}}"#,
            ),
        },
        Example {
            title: "a principal",
            event: r#"{"p": "HTTP/web.example.com@EXAMPLE.COM", "e": 23}"#,
            processors: "- kerberos_decode: {field: p, resolve_names: true, target_field: p}\n- kerberos_decode: {field: e, decode_type: enctype, target_field: e}",
            outcome: Outcome::Event(
                r#"{"p": {"principal": "HTTP/web.example.com@EXAMPLE.COM", "name": "HTTP/web.example.com", "realm": "EXAMPLE.COM", "type": "service", "service": "HTTP", "host": "web.example.com", "service_description": "web service"}, "e": {"value": 23, "name": "rc4-hmac", "is_weak": true}}"#,
            ),
        },
    ],
    compile,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Auto,
    Flags,
    EncType,
    Error,
    Principal,
}

struct KerberosDecode {
    field: Path,
    target: Path,
    kind: Kind,
    resolve: bool,
    simplify: bool,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let kinds = [
        ("auto", Kind::Auto),
        ("flags", Kind::Flags),
        ("enctype", Kind::EncType),
        ("error", Kind::Error),
        ("principal", Kind::Principal),
    ];
    options.choice("format", &[("auto", ()), ("auto-detect", ()), ("string", ())])?;
    if options.flag("parse_timestamps", false)? {
        let at = options.place_of("parse_timestamps");
        let what = "`parse_timestamps` is not available: tickets, which have times, are not decoded";
        return Err(options.error(&at, what, "remove it"));
    }
    Ok(Box::new(KerberosDecode {
        target: target_beside(options, &field, "_decoded")?,
        kind: options.choice("decode_type", &kinds)?,
        resolve: options.flag("resolve_names", false)?,
        simplify: options.flag("simplify_output", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
        field,
    }))
}

impl Processor for KerberosDecode {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        put_each(cx, (&self.field, &self.target), self.ignore_missing, |cx, slot| self.decode(cx, slot))
    }
}

impl KerberosDecode {
    fn decode(&self, cx: &mut Context<'_>, slot: Slot) -> Result<Slot, Failure> {
        let text = match slot {
            Slot::Int(number) => number.to_string(),
            Slot::Text(span) => String::from_utf8_lossy(cx.event.bytes(span)).trim().to_owned(),
            _ => return Err(Failure::fixed("is neither a string nor a number").at(&self.field)),
        };
        let is_principal =
            self.kind == Kind::Principal || (self.kind == Kind::Auto && text.contains(['@', '/']));
        if is_principal {
            return self.principal(cx, &text);
        }
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        let number = number.ok_or_else(|| Failure::fixed("is no number of kerberos").at(&self.field))?;
        match self.kind {
            Kind::Flags => self.flags(cx, number),
            Kind::EncType => enc_type(cx, number),
            Kind::Error => error(cx, number),
            Kind::Auto | Kind::Principal => {
                let mut object = Object::new();
                object.put(cx, "value", Slot::Int(number.into()))?;
                if FLAGS.iter().any(|(bit, _)| number & bit != 0) {
                    let flags = self.flags(cx, number)?;
                    object.put(cx, "flags", flags)?;
                }
                if enc_type_name(number).is_some() {
                    let enc_type = enc_type(cx, number)?;
                    object.put(cx, "enctype", enc_type)?;
                }
                if error_name(number).is_some() {
                    let error = error(cx, number)?;
                    object.put(cx, "error", error)?;
                }
                Ok(object.slot())
            }
        }
    }

    fn flags(&self, cx: &mut Context<'_>, number: u32) -> Result<Slot, Failure> {
        let mut object = Object::new();
        if self.simplify {
            let meanings = [
                ("can_be_forwarded", 0x4000_0000),
                ("was_forwarded", 0x2000_0000),
                ("can_be_proxied", 0x1000_0000),
                ("is_renewable", 0x0080_0000),
                ("is_initial", 0x0040_0000),
                ("pre_authenticated", 0x0020_0000),
                ("trusted_for_delegation", 0x0004_0000),
            ];
            for (name, bit) in meanings {
                object.put(cx, name, Slot::Bool(number & bit != 0))?;
            }
            return Ok(object.slot());
        }
        object.put(cx, "value", Slot::Int(number.into()))?;
        object.text(cx, "hex", &format!("0x{number:08x}"))?;
        let names = FLAGS.iter().filter(|(bit, _)| number & bit != 0).map(|(_, name)| *name);
        let names = texts(cx, names)?;
        object.put(cx, "flags", names)?;
        Ok(object.slot())
    }

    /// RFC 4120 §6.2: `name@REALM`, `service/host@REALM`.
    fn principal(&self, cx: &mut Context<'_>, text: &str) -> Result<Slot, Failure> {
        let (name, realm) = text.rsplit_once('@').map_or((text, None), |(name, realm)| (name, Some(realm)));
        if name.is_empty() {
            return Err(Failure::fixed("is no principal").at(&self.field));
        }
        let mut object = Object::new();
        object.text(cx, "principal", text)?;
        object.text(cx, "name", name)?;
        if let Some(realm) = realm {
            object.text(cx, "realm", realm)?;
        }
        let Some((service, host)) = name.split_once('/') else {
            object.text(cx, "type", if name.ends_with('$') { "machine" } else { "user" })?;
            return Ok(object.slot());
        };
        object.text(cx, "type", "service")?;
        object.text(cx, "service", service)?;
        object.text(cx, "host", host)?;
        if let (true, Some(description)) = (self.resolve, service_description(service)) {
            object.text(cx, "service_description", description)?;
        }
        Ok(object.slot())
    }
}

fn service_description(service: &str) -> Option<&'static str> {
    Some(match service.to_ascii_lowercase().as_str() {
        "cifs" => "file sharing",
        "dns" => "name service",
        "ftp" => "file transfer",
        "gc" => "global catalog",
        "host" => "host services",
        "http" => "web service",
        "imap" | "pop" | "smtp" => "mail",
        "kadmin" => "kerberos administration",
        "krbtgt" => "ticket granting service",
        "ldap" => "directory service",
        "mssqlsvc" => "sql server",
        "nfs" => "network file system",
        "restrictedkrbhost" => "host services, restricted",
        "rpcss" => "remote procedure calls",
        "termsrv" => "remote desktop",
        "wsman" => "windows remote management",
        _ => return None,
    })
}

fn enc_type(cx: &mut Context<'_>, number: u32) -> Result<Slot, Failure> {
    let mut object = Object::new();
    object.put(cx, "value", Slot::Int(number.into()))?;
    object.text(cx, "name", enc_type_name(number).unwrap_or("unknown"))?;
    // RFC 6649, RFC 8429: DES and RC4 are deprecated, and so is triple DES.
    object.put(cx, "is_weak", Slot::Bool(matches!(number, 1..=7 | 16 | 23 | 24)))?;
    Ok(object.slot())
}

/// IANA, Kerberos Encryption Type Numbers.
fn enc_type_name(number: u32) -> Option<&'static str> {
    Some(match number {
        1 => "des-cbc-crc",
        2 => "des-cbc-md4",
        3 => "des-cbc-md5",
        5 => "des3-cbc-md5",
        7 => "des3-cbc-sha1",
        16 => "des3-cbc-sha1-kd",
        17 => "aes128-cts-hmac-sha1-96",
        18 => "aes256-cts-hmac-sha1-96",
        19 => "aes128-cts-hmac-sha256-128",
        20 => "aes256-cts-hmac-sha384-192",
        23 => "rc4-hmac",
        24 => "rc4-hmac-exp",
        25 => "camellia128-cts-cmac",
        26 => "camellia256-cts-cmac",
        _ => return None,
    })
}

fn error(cx: &mut Context<'_>, number: u32) -> Result<Slot, Failure> {
    let mut object = Object::new();
    object.put(cx, "code", Slot::Int(number.into()))?;
    object.text(cx, "name", error_name(number).unwrap_or("unknown"))?;
    Ok(object.slot())
}

/// RFC 4120 §7.5.9, RFC 4556 §3.1.3.
fn error_name(number: u32) -> Option<&'static str> {
    Some(match number {
        0 => "KDC_ERR_NONE",
        1 => "KDC_ERR_NAME_EXP",
        2 => "KDC_ERR_SERVICE_EXP",
        3 => "KDC_ERR_BAD_PVNO",
        4 => "KDC_ERR_C_OLD_MAST_KVNO",
        5 => "KDC_ERR_S_OLD_MAST_KVNO",
        6 => "KDC_ERR_C_PRINCIPAL_UNKNOWN",
        7 => "KDC_ERR_S_PRINCIPAL_UNKNOWN",
        8 => "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
        9 => "KDC_ERR_NULL_KEY",
        10 => "KDC_ERR_CANNOT_POSTDATE",
        11 => "KDC_ERR_NEVER_VALID",
        12 => "KDC_ERR_POLICY",
        13 => "KDC_ERR_BADOPTION",
        14 => "KDC_ERR_ETYPE_NOSUPP",
        15 => "KDC_ERR_SUMTYPE_NOSUPP",
        16 => "KDC_ERR_PADATA_TYPE_NOSUPP",
        17 => "KDC_ERR_TRTYPE_NOSUPP",
        18 => "KDC_ERR_CLIENT_REVOKED",
        19 => "KDC_ERR_SERVICE_REVOKED",
        20 => "KDC_ERR_TGT_REVOKED",
        21 => "KDC_ERR_CLIENT_NOTYET",
        22 => "KDC_ERR_SERVICE_NOTYET",
        23 => "KDC_ERR_KEY_EXPIRED",
        24 => "KDC_ERR_PREAUTH_FAILED",
        25 => "KDC_ERR_PREAUTH_REQUIRED",
        26 => "KDC_ERR_SERVER_NOMATCH",
        27 => "KDC_ERR_MUST_USE_USER2USER",
        28 => "KDC_ERR_PATH_NOT_ACCEPTED",
        29 => "KDC_ERR_SVC_UNAVAILABLE",
        31 => "KRB_AP_ERR_BAD_INTEGRITY",
        32 => "KRB_AP_ERR_TKT_EXPIRED",
        33 => "KRB_AP_ERR_TKT_NYV",
        34 => "KRB_AP_ERR_REPEAT",
        35 => "KRB_AP_ERR_NOT_US",
        36 => "KRB_AP_ERR_BADMATCH",
        37 => "KRB_AP_ERR_SKEW",
        38 => "KRB_AP_ERR_BADADDR",
        39 => "KRB_AP_ERR_BADVERSION",
        40 => "KRB_AP_ERR_MSG_TYPE",
        41 => "KRB_AP_ERR_MODIFIED",
        42 => "KRB_AP_ERR_BADORDER",
        44 => "KRB_AP_ERR_BADKEYVER",
        45 => "KRB_AP_ERR_NOKEY",
        46 => "KRB_AP_ERR_MUT_FAIL",
        47 => "KRB_AP_ERR_BADDIRECTION",
        48 => "KRB_AP_ERR_METHOD",
        49 => "KRB_AP_ERR_BADSEQ",
        50 => "KRB_AP_ERR_INAPP_CKSUM",
        51 => "KRB_AP_PATH_NOT_ACCEPTED",
        52 => "KRB_ERR_RESPONSE_TOO_BIG",
        60 => "KRB_ERR_GENERIC",
        61 => "KRB_ERR_FIELD_TOOLONG",
        62 => "KDC_ERR_CLIENT_NOT_TRUSTED",
        63 => "KDC_ERR_KDC_NOT_TRUSTED",
        64 => "KDC_ERR_INVALID_SIG",
        65 => "KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED",
        66 => "KDC_ERR_CERTIFICATE_MISMATCH",
        67 => "KRB_AP_ERR_NO_TGT",
        68 => "KDC_ERR_WRONG_REALM",
        69 => "KRB_AP_ERR_USER_TO_USER_REQUIRED",
        70 => "KDC_ERR_CANT_VERIFY_CERTIFICATE",
        71 => "KDC_ERR_INVALID_CERTIFICATE",
        72 => "KDC_ERR_REVOKED_CERTIFICATE",
        73 => "KDC_ERR_REVOCATION_STATUS_UNKNOWN",
        75 => "KDC_ERR_CLIENT_NAME_MISMATCH",
        _ => return None,
    })
}

/// RFC 4120 §5.3 and §5.4.1; the first bit is the highest.
const FLAGS: [(u32, &str); 19] = [
    (0x4000_0000, "forwardable"),
    (0x2000_0000, "forwarded"),
    (0x1000_0000, "proxiable"),
    (0x0800_0000, "proxy"),
    (0x0400_0000, "allow-postdate"),
    (0x0200_0000, "postdated"),
    (0x0100_0000, "invalid"),
    (0x0080_0000, "renewable"),
    (0x0040_0000, "initial"),
    (0x0020_0000, "pre-authent"),
    (0x0010_0000, "hw-authent"),
    (0x0008_0000, "transited-policy-checked"),
    (0x0004_0000, "ok-as-delegate"),
    (0x0001_0000, "name-canonicalize"),
    (0x0000_0020, "disable-transited-check"),
    (0x0000_0010, "renewable-ok"),
    (0x0000_0008, "enc-tkt-in-skey"),
    (0x0000_0002, "renew"),
    (0x0000_0001, "validate"),
];
