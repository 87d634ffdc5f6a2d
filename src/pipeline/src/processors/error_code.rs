//! `error_code`: what error codes of Windows mean.

use super::object::{Object, put_each};
use super::target::target_beside;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Processor, Ran};
use event::model::{Path, Slot};
use std::collections::HashMap;

pub(super) static SPEC: Spec = Spec {
    name: "error_code",
    family: "enrich",
    summary: "Explains error codes of Windows: HRESULT, NTSTATUS, Win32 and DOS.",
    details: "Numbers and texts are understood, decimal, negative, or hexadecimal with `0x`. With `auto`, 0x8… is an HRESULT, \
              0xC… and 0x4… an NTSTATUS, everything else Win32. The table has the common codes; another one is described \
              as `Unknown error`. Of a list each element is explained.",
    options: &[
        FIELD,
        optional("target_field", "the field's name with `_decoded` behind it", "Where the result goes."),
        optional("code_type", "auto", "`auto`, `hresult`, `ntstatus`, `win32` or `dos`."),
        optional("add_components", "false", "Add severity, facility and the code within it."),
        optional("add_hex", "false", "Add the code in hexadecimal digits."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "an HRESULT",
            event: r#"{"c": "-2147024891"}"#,
            processors: "- error_code: {field: c, add_hex: true, add_components: true}\n- remove: {field: c}",
            outcome: Outcome::Event(
                r#"{"c_decoded": {"code": 2147942405, "type": "hresult", "hex": "0x80070005", "severity": "failure", "is_failure": true, "facility": 7, "facility_name": "FACILITY_WIN32", "error_code": 5, "description": "E_ACCESSDENIED - Access is denied"}}"#,
            ),
        },
        Example {
            title: "an NTSTATUS",
            event: r#"{"c": 3221226036}"#,
            processors: "- error_code: {field: c, target_field: d}\n- remove: {field: c}",
            outcome: Outcome::Event(
                r#"{"d": {"code": 3221226036, "type": "ntstatus", "description": "STATUS_ACCOUNT_LOCKED_OUT - The account is locked out"}}"#,
            ),
        },
    ],
    compile,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Hresult,
    NtStatus,
    Win32,
    Dos,
}

impl Kind {
    fn of(code: u32) -> Self {
        match code >> 28 {
            0x8..=0xb => Self::Hresult,
            0xc..=0xf | 0x4..=0x7 => Self::NtStatus,
            _ => Self::Win32,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hresult => "hresult",
            Self::NtStatus => "ntstatus",
            Self::Win32 => "win32",
            Self::Dos => "dos",
        }
    }
}

/// Name and meaning of a code.
type Known = (&'static str, &'static str);

struct ErrorCode {
    field: Path,
    target: Path,
    kind: Option<Kind>,
    add_components: bool,
    add_hex: bool,
    ignore_missing: bool,
    known: HashMap<(Kind, u32), Known>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let kinds = [
        ("auto", None),
        ("hresult", Some(Kind::Hresult)),
        ("ntstatus", Some(Kind::NtStatus)),
        ("win32", Some(Kind::Win32)),
        ("dos", Some(Kind::Dos)),
    ];
    Ok(Box::new(ErrorCode {
        target: target_beside(options, &field, "_decoded")?,
        kind: options.choice("code_type", &kinds)?,
        add_components: options.flag("add_components", false)?,
        add_hex: options.flag("add_hex", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
        known: known(),
        field,
    }))
}

fn known() -> HashMap<(Kind, u32), Known> {
    let rows = include_str!("../../data/windows_errors.tsv").lines();
    rows.filter(|row| !row.starts_with('#')).filter_map(row).collect()
}

fn row(row: &'static str) -> Option<((Kind, u32), Known)> {
    let mut cells = row.split('\t');
    let (kind, code, name, meaning) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    let kinds = [Kind::Hresult, Kind::NtStatus, Kind::Win32, Kind::Dos];
    let kind = kinds.into_iter().find(|known| known.name() == kind)?;
    let radix = if matches!(kind, Kind::Hresult | Kind::NtStatus) { 16 } else { 10 };
    Some(((kind, u32::from_str_radix(code, radix).ok()?), (name, meaning)))
}

impl Processor for ErrorCode {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        put_each(cx, (&self.field, &self.target), self.ignore_missing, |cx, slot| {
            let code = code(cx, slot).ok_or_else(|| Failure::fixed("is no error code").at(&self.field))?;
            self.explain(cx, code)
        })
    }
}

/// The code as 32 bits, whatever the sign it was written with.
fn code(cx: &Context<'_>, slot: Slot) -> Option<u32> {
    let number = match slot {
        Slot::Int(number) => number,
        Slot::Float(number) if number.fract() == 0.0 && number.abs() < 1e10 => number as i64,
        Slot::Text(span) => {
            let text = std::str::from_utf8(cx.event.bytes(span)).ok()?.trim();
            match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                Some(digits) => i64::from_str_radix(digits, 16).ok()?,
                None => text.parse().ok()?,
            }
        }
        _ => return None,
    };
    u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(|number| number as u32))
}

impl ErrorCode {
    fn explain(&self, cx: &mut Context<'_>, code: u32) -> Result<Slot, Failure> {
        let kind = self.kind.unwrap_or_else(|| Kind::of(code));
        let mut object = Object::new();
        object.put(cx, "code", Slot::Int(code.into()))?;
        object.text(cx, "type", kind.name())?;
        if self.add_hex {
            object.text(cx, "hex", &format!("0x{code:08X}"))?;
        }
        if self.add_components {
            components(cx, kind, code, &mut object)?;
        }
        let description = match self.find(kind, code) {
            Some(("", meaning)) => meaning.to_owned(),
            Some((name, meaning)) => format!("{name} - {meaning}"),
            None => "Unknown error".to_owned(),
        };
        object.text(cx, "description", &description)?;
        Ok(object.slot())
    }

    fn find(&self, kind: Kind, code: u32) -> Option<Known> {
        let wrapped = || {
            // HRESULT_FROM_WIN32, HRESULT_FROM_NT: codes of the others inside.
            match kind {
                Kind::Hresult if code >> 16 == 0x8007 => self.known.get(&(Kind::Win32, code & 0xffff)),
                Kind::Hresult if code & 0x1000_0000 != 0 => {
                    self.known.get(&(Kind::NtStatus, code & !0x1000_0000))
                }
                _ => None,
            }
        };
        self.known.get(&(kind, code)).or_else(wrapped).copied()
    }
}

/// MS-ERREF 2.1 and 2.3.
fn components(cx: &mut Context<'_>, kind: Kind, code: u32, object: &mut Object) -> Result<(), Failure> {
    let error_code = Slot::Int((code & 0xffff).into());
    match kind {
        Kind::Hresult => {
            let is_failure = code >> 31 == 1;
            let facility = code >> 16 & 0x7ff;
            object.text(cx, "severity", if is_failure { "failure" } else { "success" })?;
            object.put(cx, "is_failure", Slot::Bool(is_failure))?;
            object.put(cx, "facility", Slot::Int(facility.into()))?;
            object.text(cx, "facility_name", facility_name(facility))?;
            object.put(cx, "error_code", error_code)
        }
        Kind::NtStatus => {
            let severity = ["success", "informational", "warning", "error"][(code >> 30) as usize];
            object.text(cx, "severity", severity)?;
            object.put(cx, "is_error", Slot::Bool(severity == "error"))?;
            object.put(cx, "facility", Slot::Int((code >> 16 & 0xfff).into()))?;
            object.put(cx, "error_code", error_code)
        }
        Kind::Win32 => {
            let category = match code {
                10_000..=11_999 => "network",
                12_000..=12_999 => "internet",
                1_700..=1_999 => "rpc",
                8_200..=8_999 => "directory",
                9_000..=9_999 => "dns",
                _ => "system",
            };
            object.text(cx, "category", category)
        }
        Kind::Dos => Ok(()),
    }
}

fn facility_name(facility: u32) -> &'static str {
    match facility {
        0 => "FACILITY_NULL",
        1 => "FACILITY_RPC",
        2 => "FACILITY_DISPATCH",
        3 => "FACILITY_STORAGE",
        4 => "FACILITY_ITF",
        7 => "FACILITY_WIN32",
        8 => "FACILITY_WINDOWS",
        9 => "FACILITY_SECURITY",
        10 => "FACILITY_CONTROL",
        11 => "FACILITY_CERT",
        12 => "FACILITY_INTERNET",
        13 => "FACILITY_MEDIASERVER",
        15 => "FACILITY_SETUPAPI",
        16 => "FACILITY_SCARD",
        17 => "FACILITY_COMPLUS",
        19 => "FACILITY_URT",
        25 => "FACILITY_HTTP",
        36 => "FACILITY_WINDOWSUPDATE",
        _ => "FACILITY_UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_read_once() {
        let rows = include_str!("../../data/windows_errors.tsv").lines().filter(|row| !row.starts_with('#'));
        assert_eq!(known().len(), rows.count());
    }
}
