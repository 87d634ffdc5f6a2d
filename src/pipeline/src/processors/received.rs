//! Names of fields that received data chose: they never lead into the namespaces of metadata (`_vmetric`, `_ingest`, `_temp`,
//! `_index`, `_score`), since conditions and routes trust these. A processor leaves out what would.

use crate::context::Context;
use event::model::{Event, KeyId, NodeId, Segment};

/// Whether a path below `from` leads into metadata, and the configuration did not say so itself: `written` is what the
/// path begins with there.
pub(super) fn is_reserved(cx: &Context<'_>, from: NodeId, segments: &[Segment], written: &str) -> bool {
    let first = segments.first().map(|segment| segment.key);
    first.is_some_and(|key| is_reserved_key(from, key)) && !names_metadata(cx, written)
}

/// The same for the name of a field of `map`.
pub(super) fn is_reserved_key(map: NodeId, key: KeyId) -> bool {
    map == Event::ROOT && key.is_metadata()
}

/// The same for a name that may be no key yet.
pub(super) fn is_reserved_name(cx: &Context<'_>, map: NodeId, name: &[u8]) -> bool {
    map == Event::ROOT && is_metadata(cx, name)
}

/// Whether this is the name of a namespace.
pub(super) fn is_metadata(cx: &Context<'_>, name: &[u8]) -> bool {
    name.first() == Some(&b'_') && cx.event.known_key(name).is_some_and(KeyId::is_metadata)
}

/// Whether a text begins with the whole name of a namespace, as `_temp.` does.
fn names_metadata(cx: &Context<'_>, written: &str) -> bool {
    let name = written.find(['.', '[']).map(|end| written[..end].trim());
    name.is_some_and(|name| is_metadata(cx, name.as_bytes()))
}
