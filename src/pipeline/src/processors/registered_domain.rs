//! `registered_domain`: a domain split where its owner's part begins, by the public suffix list.
//!
//! The list is compiled in (crate `psl`, made from <https://publicsuffix.org>, which is under the MPL 2.0).

use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "registered_domain",
    family: "enrich",
    summary: "Splits a domain into registered domain, top-level domain and subdomain, by the public suffix list.",
    details: "Of a URL its host is taken. A name that ends in no known suffix, and a text that is no name, get nothing; a URL \
              whose host is no name fails.",
    options: &[
        FIELD,
        optional(
            "target_field",
            "the event itself",
            "The object that takes `domain`, `registered_domain`, `top_level_domain` and `subdomain` beside what it has.",
        ),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "a suffix of two parts",
        event: r#"{"h": "www.example.co.uk"}"#,
        processors: "- registered_domain: {field: h, target_field: url}",
        outcome: Outcome::Event(
            r#"{"h": "www.example.co.uk", "url": {"domain": "www.example.co.uk", "registered_domain": "example.co.uk", "top_level_domain": "co.uk", "subdomain": "www"}}"#,
        ),
    }],
    compile,
};

struct RegisteredDomain {
    field: Path,
    /// Where the parts go. Other fields beside them stay, as in Elasticsearch.
    fields: [Path; 4],
    ignore_missing: bool,
}

const NAMES: [&str; 4] = ["domain", "registered_domain", "top_level_domain", "subdomain"];

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = options.optional_field("target_field")?;
    let field = options.field("field")?;
    let keys = options.keys();
    let fields = NAMES.map(|name| match &target {
        Some(target) => target.child(keys, name),
        None => Path::of_names(keys, &[name]),
    });
    Ok(Box::new(RegisteredDomain { field, fields, ignore_missing: options.flag("ignore_missing", false)? }))
}

impl Processor for RegisteredDomain {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let span = match cx.value(&self.field) {
            None if self.ignore_missing => return Ok(Flow::Next),
            None => return Err(Failure::missing(&self.field)),
            Some(Slot::Text(span)) => span,
            Some(other) => return Err(not_a_text(other).at(&self.field)),
        };
        let text = cx.event.bytes(span);
        let (start, end, is_url) = host(text);
        let name = &text[start..end];
        if !is_name(name) {
            return match is_url {
                true => Err(Failure::fixed("is a url whose host is no domain").at(&self.field)),
                false => Ok(Flow::Next),
            };
        }
        let lower = name.to_ascii_lowercase();
        let Some(suffix) = psl::suffix(&lower).filter(psl::Suffix::is_known) else { return Ok(Flow::Next) };
        let suffix_at = end - suffix.as_bytes().len();
        // The label before the suffix is the owner's.
        let owner_at = (suffix_at > start).then(|| {
            let before = &text[start..suffix_at - 1];
            start + memchr::memrchr(b'.', before).map_or(0, |dot| dot + 1)
        });
        let subdomain = owner_at.filter(|at| *at > start).map(|at| span.part(start, at - 1));
        let parts = [
            Some(span.part(start, end)),
            owner_at.map(|at| span.part(at, end)),
            Some(span.part(suffix_at, end)),
            subdomain,
        ];
        for (path, part) in self.fields.iter().zip(parts) {
            if let Some(part) = part {
                cx.set(path, Slot::Text(part))?;
            }
        }
        Ok(Flow::Next)
    }
}

/// Where the host is in a URL or a name, and whether it is a URL. A dot at the end is left out.
fn host(text: &[u8]) -> (usize, usize, bool) {
    let scheme = memchr::memmem::find(text, b"://").map(|at| at + 3);
    let mut start = scheme.unwrap_or(0);
    let mut end = text.len();
    if scheme.is_some() {
        let is_end = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
        end = text[start..].iter().position(is_end).map_or(end, |at| start + at);
        start = memchr::memrchr(b'@', &text[start..end]).map_or(start, |at| start + at + 1);
        end = memchr::memchr(b':', &text[start..end]).map_or(end, |at| start + at);
    }
    if text[start..end].ends_with(b".") {
        end -= 1;
    }
    (start, end, scheme.is_some())
}

/// Labels of letters, digits, `-` and `_`, also of other alphabets, with dots between them (RFC 1035 §2.3.4).
fn is_name(name: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || *byte >= 0x80;
    let is_label = |label: &[u8]| !label.is_empty() && label.len() <= 63 && label.iter().all(is_letter);
    name.len() <= 253 && name.split(|byte| *byte == b'.').all(is_label)
}
