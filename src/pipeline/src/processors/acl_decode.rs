//! `acl_decode`: who may what, from a security descriptor of Windows.

use super::object::{Object, put_each, texts};
use super::sddl::{Acl, Descriptor, Entry, account_name};
use super::target::target_beside;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Processor, Ran};
use event::model::{Children, Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "acl_decode",
    family: "decode",
    summary: "Decodes security descriptors of Windows (SDDL): owner, group, and the entries of the access lists.",
    details: "With `resolve_identities` accounts become objects with `sid`, `name` and `type`. With `simplify_output` there is \
              only a summary in words. Of a list each element is decoded.",
    options: &[
        FIELD,
        optional("target_field", "the field's name with `_decoded` behind it", "Where the result goes."),
        optional("format", "sddl", "There is only `sddl`."),
        optional("resolve_identities", "false", "Add the names of well-known accounts."),
        optional("expand_rights", "false", "Write rights for files and keys as what they are made of."),
        optional("simplify_output", "false", "Write a summary: owner, group, permissions."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "two entries",
            event: r#"{"d": "O:BAG:SYD:P(A;OI;FA;;;SY)(D;;FR;;;BU)"}"#,
            processors: "- acl_decode: {field: d, target_field: acl}\n- remove: {field: [d, acl.sddl]}",
            outcome: Outcome::Event(
                r#"{"acl": {"owner_sid": "BA", "group_sid": "SY", "dacl": {"type": "DACL", "flags": ["PROTECTED"], "aces": [{"index": 0, "type": "ACCESS_ALLOWED", "flags": ["OBJECT_INHERIT"], "rights": ["FILE_ALL_ACCESS"], "principal_sid": "SY"}, {"index": 1, "type": "ACCESS_DENIED", "rights": ["FILE_GENERIC_READ"], "principal_sid": "BU"}]}}}"#,
            ),
        },
        Example {
            title: "in words",
            event: r#"{"d": "O:SYG:SYD:(A;;FA;;;SY)(D;;FR;;;BU)"}"#,
            processors: "- acl_decode: {field: d, target_field: d, resolve_identities: true, simplify_output: true}",
            outcome: Outcome::Event(
                r#"{"d": {"simplified": {"owner": "Local System", "group": "Local System", "permissions": ["Allow Local System: FILE_ALL_ACCESS", "Deny Users: FILE_GENERIC_READ"]}}}"#,
            ),
        },
    ],
    compile,
};

struct AclDecode {
    field: Path,
    target: Path,
    resolve: bool,
    expand: bool,
    simplify: bool,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    options.choice("format", &[("sddl", ())])?;
    Ok(Box::new(AclDecode {
        target: target_beside(options, &field, "_decoded")?,
        resolve: options.flag("resolve_identities", false)?,
        expand: options.flag("expand_rights", false)?,
        simplify: options.flag("simplify_output", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
        field,
    }))
}

impl Processor for AclDecode {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        put_each(cx, (&self.field, &self.target), self.ignore_missing, |cx, slot| {
            let Slot::Text(span) = slot else { return Err(not_a_text(slot).at(&self.field)) };
            let text = String::from_utf8_lossy(cx.event.bytes(span)).into_owned();
            let descriptor = Descriptor::parse(&text).map_err(|why| Failure::fixed(why).at(&self.field))?;
            if self.simplify {
                return self.simplified(cx, &descriptor);
            }
            self.whole(cx, &text, &descriptor)
        })
    }
}

impl AclDecode {
    fn whole(&self, cx: &mut Context<'_>, text: &str, descriptor: &Descriptor<'_>) -> Result<Slot, Failure> {
        let mut object = Object::new();
        object.text(cx, "sddl", text)?;
        for (name, sid) in [("owner", descriptor.owner), ("group", descriptor.group)] {
            if let Some(sid) = sid {
                self.account(cx, &mut object, name, sid)?;
            }
        }
        for (name, kind, acl) in [("dacl", "DACL", &descriptor.dacl), ("sacl", "SACL", &descriptor.sacl)] {
            if let Some(acl) = acl {
                let acl = self.acl(cx, kind, acl)?;
                object.put(cx, name, acl)?;
            }
        }
        Ok(object.slot())
    }

    /// `name_sid`, or `name` as an object.
    fn account(
        &self,
        cx: &mut Context<'_>,
        object: &mut Object,
        name: &str,
        sid: &str,
    ) -> Result<(), Failure> {
        if !self.resolve {
            return object.text(cx, &format!("{name}_sid"), sid);
        }
        let mut account = Object::new();
        account.text(cx, "sid", sid)?;
        let known = account_name(sid);
        if let Some(known) = known {
            account.text(cx, "name", known)?;
        }
        account.text(cx, "type", if known.is_some() { "well_known" } else { "account" })?;
        object.put(cx, name, account.slot())
    }

    fn acl(&self, cx: &mut Context<'_>, kind: &str, acl: &Acl<'_>) -> Result<Slot, Failure> {
        let mut object = Object::new();
        object.text(cx, "type", kind)?;
        let flags = texts(cx, &acl.flags)?;
        object.put(cx, "flags", flags)?;
        let mut entries = Children::EMPTY;
        for (index, entry) in acl.entries.iter().enumerate() {
            let entry = self.entry(cx, index, entry)?;
            cx.event.push_to(&mut entries, entry)?;
        }
        object.put(cx, "aces", Slot::List(entries))?;
        Ok(object.slot())
    }

    fn entry(&self, cx: &mut Context<'_>, index: usize, entry: &Entry<'_>) -> Result<Slot, Failure> {
        let mut object = Object::new();
        object.put(cx, "index", Slot::Int(index as i64))?;
        object.text(cx, "type", entry.kind_name())?;
        let flags = entry.flag_names();
        if !flags.is_empty() {
            let flags = texts(cx, flags)?;
            object.put(cx, "flags", flags)?;
        }
        let rights = texts(cx, entry.right_names(self.expand))?;
        object.put(cx, "rights", rights)?;
        for (name, guid) in [("object_type", entry.object), ("inherited_object_type", entry.inherited_object)]
        {
            if !guid.is_empty() {
                object.text(cx, name, guid)?;
            }
        }
        self.account(cx, &mut object, "principal", entry.sid)?;
        Ok(object.slot())
    }

    fn simplified(&self, cx: &mut Context<'_>, descriptor: &Descriptor<'_>) -> Result<Slot, Failure> {
        let name = |sid: &str| match account_name(sid).filter(|_| self.resolve) {
            Some(name) => name.to_owned(),
            None => sid.to_owned(),
        };
        let mut inner = Object::new();
        for (field, sid) in [("owner", descriptor.owner), ("group", descriptor.group)] {
            if let Some(sid) = sid {
                inner.text(cx, field, &name(sid))?;
            }
        }
        let mut lines = Vec::new();
        for entry in descriptor.dacl.iter().chain(&descriptor.sacl).flat_map(|acl| &acl.entries) {
            let verb = match entry.kind {
                "A" | "OA" | "XA" | "ZA" => "Allow",
                "D" | "OD" | "XD" => "Deny",
                "AU" | "OU" | "XU" => "Audit",
                _ => entry.kind_name(),
            };
            let rights = entry.right_names(self.expand).join(", ");
            lines.push(format!("{verb} {}: {rights}", name(entry.sid)));
        }
        let permissions = texts(cx, lines)?;
        inner.put(cx, "permissions", permissions)?;
        let mut object = Object::new();
        object.put(cx, "simplified", inner.slot())?;
        Ok(object.slot())
    }
}
