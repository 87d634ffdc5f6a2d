//! `fqdn`: a host's name split into host and domain, as ASIM does.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};
use event::model::{Path, Slot};
use memchr::{memchr, memchr3, memmem, memrchr};
use std::ops::Range;

pub(super) static SPEC: Spec = Spec {
    name: "fqdn",
    family: "parse",
    summary: "Splits a host's name, or the one in a URL, into host, domain, kind of domain and full name.",
    details: "Kinds: `FQDN` for `web01.example.com`, `Windows` for `CONTOSO\\WEB01`, empty for a name without a domain and for an \
              IP address.",
    options: &[
        FIELD,
        optional("hostname_field", "the field with _hostname behind", "Where the host goes."),
        optional("domain_field", "the field with _domain behind", "Where the domain goes."),
        optional("domain_type_field", "the field with _domain_type behind", "Where the kind goes."),
        optional("fqdn_field", "the field with _fqdn behind", "Where the full name goes."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a URL",
            event: r#"{"h": "https://ann@api.example.com:443/v1?x=y"}"#,
            processors: "- fqdn: {field: h}\n- remove: {field: h}",
            outcome: Outcome::Event(
                r#"{"h_hostname": "api", "h_domain": "example.com", "h_domain_type": "FQDN", "h_fqdn": "api.example.com"}"#,
            ),
        },
        Example {
            title: "a Windows name",
            event: r#"{"h": "CONTOSO\\WEB01"}"#,
            processors: "- fqdn: {field: h}\n- remove: {field: h}",
            outcome: Outcome::Event(
                r#"{"h_hostname": "WEB01", "h_domain": "CONTOSO", "h_domain_type": "Windows", "h_fqdn": "CONTOSO\\WEB01"}"#,
            ),
        },
    ],
    compile,
};

struct Fqdn {
    target: Target,
    hostname: Path,
    domain: Path,
    kind: Path,
    fqdn: Path,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = Target::read(options)?;
    let mut field = |name: &str, suffix: &str| {
        let beside = target.field.beside(options.keys(), suffix);
        options.field_or(name, &beside)
    };
    let hostname = field("hostname_field", "_hostname")?;
    let domain = field("domain_field", "_domain")?;
    let kind = field("domain_type_field", "_domain_type")?;
    let fqdn = field("fqdn_field", "_fqdn")?;
    Ok(Box::new(Fqdn { target, hostname, domain, kind, fqdn }))
}

/// The parts of a name, as places in the text.
struct Parts {
    host: Range<usize>,
    domain: Range<usize>,
    full: Range<usize>,
    kind: &'static str,
}

impl Processor for Fqdn {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let parts = split(cx.event.bytes(span));
        let part = |range: Range<usize>| Slot::Text(span.part(range.start, range.end));
        let kind = cx.event.text(parts.kind.as_bytes())?;
        cx.set(&self.hostname, part(parts.host))?;
        cx.set(&self.domain, part(parts.domain))?;
        cx.set(&self.kind, kind)?;
        cx.set(&self.fqdn, part(parts.full))?;
        Ok(Flow::Next)
    }
}

fn split(text: &[u8]) -> Parts {
    let whole = host(text);
    let name = &text[whole.clone()];
    let (start, end) = (whole.start, whole.end);
    if let Some(at) = memrchr(b'\\', name) {
        let domain_from = start + memrchr(b'\\', &name[..at]).map_or(0, |before| before + 1);
        return Parts {
            host: start + at + 1..end,
            domain: domain_from..start + at,
            full: domain_from..end,
            kind: "Windows",
        };
    }
    let is_address = std::str::from_utf8(name)
        .is_ok_and(|name| name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok());
    match memchr(b'.', name) {
        Some(at) if !is_address && at > 0 && at + 1 < name.len() => {
            Parts { host: start..start + at, domain: start + at + 1..end, full: start..end, kind: "FQDN" }
        }
        _ => Parts { host: start..end, domain: start..start, full: start..start, kind: "" },
    }
}

/// Where the host stands: in a URL behind scheme and user, before port, path, query and fragment.
fn host(text: &[u8]) -> Range<usize> {
    let Some(scheme) = memmem::find(text, b"://") else { return 0..text.len() };
    let from = scheme + 3;
    let end = memchr3(b'/', b'?', b'#', &text[from..]).map_or(text.len(), |at| from + at);
    let from = memrchr(b'@', &text[from..end]).map_or(from, |at| from + at + 1);
    let authority = &text[from..end];
    let host_end = match memchr(b']', authority) {
        Some(at) if authority.starts_with(b"[") => at + 1,
        _ => memchr(b':', authority).unwrap_or(authority.len()),
    };
    from..from + host_end
}
