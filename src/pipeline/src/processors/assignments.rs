//! Names of fields in options: fixed ones, resolved beforehand, and templates.

use super::received::is_reserved;
use crate::compile::{Options, Reported};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::{Node, Value};
use crate::template::{Missing, Template};
use event::model::{Event, Path, PathOfEvent, Segment, Slot};

/// The name of a field, which may have templates in it.
pub(crate) enum FieldName {
    Fixed(Path),
    Dynamic(Template),
}

impl FieldName {
    pub(crate) fn read(options: &mut Options<'_, '_>, name: &str, node: &Node) -> Result<Self, Reported> {
        match &node.value {
            Value::Text(text) if text.contains("{{") => {
                Ok(Self::Dynamic(options.template_of(&node.at, text)?))
            }
            _ => Ok(Self::Fixed(options.path(name, node)?)),
        }
    }

    /// Does something with the field's steps.
    pub(crate) fn with<R>(
        &self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Context<'_>, &[Segment]) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        match self {
            Self::Fixed(path) => work(cx, path.segments()).map_err(|failure| failure.at(path)),
            Self::Dynamic(template) => {
                let text = template.render(cx, Missing::Fails)?;
                let segments = cx.event.segments_of(&text).map_err(|why| not_a_path(why, &text))?;
                if is_reserved(cx, Event::ROOT, &segments, template.source()) {
                    return Err(Failure::text(format!(
                        "{text:?} is metadata, which values of fields can't name"
                    )));
                }
                work(cx, &segments)
            }
        }
    }
}

fn not_a_path(why: PathOfEvent, text: &str) -> Failure {
    match why {
        PathOfEvent::Limit(obstacle) => obstacle.into(),
        PathOfEvent::Path(why) => Failure::text(format!("{text:?} names no field: {why}")),
    }
}

/// Sets a field by its steps.
pub(crate) fn write_field(cx: &mut Context<'_>, segments: &[Segment], slot: Slot) -> Result<(), Failure> {
    cx.event.set_from(Event::ROOT, segments, slot)?;
    Ok(())
}
