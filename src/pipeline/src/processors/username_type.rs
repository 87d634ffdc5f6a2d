//! `username_type` and `windows_user_type`: what kind of account a name stands for.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Path, Slot};
use memchr::memchr;

pub(super) static USERNAME_TYPE: Spec = Spec {
    name: "username_type",
    family: "security",
    summary: "Says how a user name is written: `UPN`, `Windows`, `DN` or `Simple`.",
    details: "The types are those of ASIM: `ann@example.com`, `CORP\\ann`, `CN=ann,DC=example`, `ann`.",
    options: &[FIELD, TARGET_FIELD, IGNORE_MISSING],
    examples: &[Example {
        title: "a domain",
        event: r#"{"u": "CORP\\ann"}"#,
        processors: "- username_type: {field: u, target_field: t}",
        outcome: Outcome::Event(r#"{"u": "CORP\\ann", "t": "Windows"}"#),
    }],
    compile: |options| Ok(Box::new(UsernameType(Target::read(options)?))),
};

pub(super) static WINDOWS_USER_TYPE: Spec = Spec {
    name: "windows_user_type",
    family: "security",
    summary: "Says what kind of account a Windows user name and its SID stand for.",
    details: "`Admin`, `Guest`, `Machine`, `Service`, `System`, `Anonymous`, `Regular`, or `Other`, as ASIM has them. The \
              SID counts before the name.",
    options: &[
        required("username_field", "The field with the name."),
        required("sid_field", "The field with the SID as a text."),
        optional("target_field", "`username_field`", "Where the type goes."),
        optional("ignore_missing", "false", "Do nothing when both fields are missing, instead of failing."),
    ],
    examples: &[Example {
        title: "a built-in account",
        event: r#"{"u": "ann", "s": "S-1-5-21-1-2-3-500"}"#,
        processors: "- windows_user_type: {username_field: u, sid_field: s, target_field: t}",
        outcome: Outcome::Event(r#"{"u": "ann", "s": "S-1-5-21-1-2-3-500", "t": "Admin"}"#),
    }],
    compile: compile_windows,
};

struct UsernameType(Target);

impl Processor for UsernameType {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.0.text(cx)? else { return Ok(Flow::Next) };
        let kind = kind_of_name(cx.event.bytes(span));
        let slot = cx.event.text(kind.as_bytes())?;
        self.0.put(cx, slot)?;
        Ok(Flow::Next)
    }
}

fn kind_of_name(name: &[u8]) -> &'static str {
    if memchr(b'@', name).is_some() {
        "UPN"
    } else if memchr(b'\\', name).is_some() {
        "Windows"
    } else if is_distinguished(name) {
        "DN"
    } else {
        "Simple"
    }
}

/// Whether it starts like `CN=…`, `OU=…`, `DC=…`, `UID=…`, whatever the case.
fn is_distinguished(name: &[u8]) -> bool {
    ["cn=", "ou=", "dc=", "uid=", "o="]
        .iter()
        .any(|start| name.get(..start.len()).is_some_and(|part| part.eq_ignore_ascii_case(start.as_bytes())))
}

struct WindowsUserType {
    name: Path,
    sid: Path,
    target: Path,
    ignore_missing: bool,
}

fn compile_windows(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let name = options.field("username_field")?;
    Ok(Box::new(WindowsUserType {
        sid: options.field("sid_field")?,
        target: options.field_or("target_field", &name)?,
        ignore_missing: options.flag("ignore_missing", false)?,
        name,
    }))
}

impl Processor for WindowsUserType {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let text = |path: &Path| match cx.value(path) {
            Some(Slot::Text(span)) => Some(cx.event.bytes(span)),
            _ => None,
        };
        let kind = match (text(&self.name), text(&self.sid)) {
            (None, None) if self.ignore_missing => return Ok(Flow::Next),
            (None, None) => return Err(Failure::missing(&self.name)),
            (name, sid) => kind_of_account(name.unwrap_or_default(), sid.unwrap_or_default()),
        };
        let slot = cx.event.text(kind.as_bytes())?;
        cx.set(&self.target, slot)?;
        Ok(Flow::Next)
    }
}

/// MS-DTYP 2.4.2.4, well-known SIDs; accounts of domains and machines are `S-1-5-21-…-RID`.
fn kind_of_account(name: &[u8], sid: &[u8]) -> &'static str {
    let is_machine = name.ends_with(b"$");
    if sid.starts_with(b"S-1-5-80-") {
        return "Service";
    }
    if sid.starts_with(b"S-1-5-21-") {
        let rid = sid.rsplit(|byte| *byte == b'-').next().unwrap_or_default();
        return match rid {
            b"500" => "Admin",
            b"501" => "Guest",
            b"502" => "Service", // krbtgt, the account of the key distribution centre
            _ if name.to_ascii_lowercase().windows(5).any(|part| part == b"admin") => "Admin",
            _ if is_machine => "Machine",
            _ => "Regular",
        };
    }
    match sid {
        _ if is_machine => "Machine",
        b"S-1-5-7" => "Anonymous",
        b"S-1-5-18" => "System",
        b"S-1-5-17" | b"S-1-5-19" | b"S-1-5-20" => "Service",
        _ => "Other",
    }
}
