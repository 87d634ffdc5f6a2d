//! Components whose properties depend on their `type`.

use serde_json::json;

use crate::Scalar;
use crate::fields::Fields;
use crate::suggest::did_you_mean;

/// A type: one row of a table.
pub(crate) struct Kind<T, O> {
    /// Its name.
    pub(crate) name: &'static str,
    /// Further names.
    pub(crate) aliases: &'static [&'static str],
    /// What it is, for the schema.
    pub(crate) about: &'static str,
    /// Reads its properties. `O` is what was read beside them.
    pub(crate) decode: fn(&mut Fields, &O) -> T,
}

/// All types of a component.
pub(crate) struct Kinds<T: 'static, O: 'static> {
    /// `device` or `target`.
    pub(crate) noun: &'static str,
    pub(crate) rows: &'static [Kind<T, O>],
    /// Names that the product knows and this version refuses.
    pub(crate) later: &'static [&'static str],
}

impl<T, O> Kinds<T, O> {
    /// Reads `type` and `properties`; `common` reads the properties that all types have. None, and reported,
    /// if the type is not known.
    pub(crate) fn read<C>(
        &self,
        fields: &mut Fields,
        beside: &O,
        common: impl Fn(&mut Fields) -> C,
    ) -> Option<(T, C)> {
        self.draw(fields, beside, &common);
        let Some(node) = fields.node("type") else {
            fields.missing("type", &format!("one of {}", self.available()));
            return None;
        };
        let name = node.as_text().unwrap_or_default();
        let Some(row) = self.row(name) else {
            if node.as_scalar().is_some_and(Scalar::is_unset) {
                return None; // reported where it was to be filled in
            }
            fields.report(match self.later.contains(&name) {
                true => node.error(
                    format!("{} type \"{name}\" is not available in this version", self.noun),
                    format!("available: {}", self.available()),
                ),
                false => node.error(
                    format!("{} has the unknown type {}", fields.subject(), node.shown()),
                    did_you_mean(name, self.names()),
                ),
            });
            return None;
        };
        Some(fields.section("properties", row.about, |properties| {
            let kind = (row.decode)(properties, beside);
            (kind, common(properties))
        }))
    }

    /// Whether this is the name of a type that is available.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.row(name).is_some()
    }

    /// The type that somebody may have meant.
    pub(crate) fn did_you_mean(&self, name: &str) -> String {
        did_you_mean(name, self.names())
    }

    fn row(&self, name: &str) -> Option<&'static Kind<T, O>> {
        self.rows.iter().find(|row| row.name == name || row.aliases.contains(&name))
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.rows.iter().flat_map(|row| std::iter::once(row.name).chain(row.aliases.iter().copied()))
    }

    fn available(&self) -> String {
        self.rows.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")
    }

    /// `type` is one of the names; `properties` are those of that type.
    fn draw<C>(&self, fields: &mut Fields, beside: &O, common: &impl Fn(&mut Fields) -> C) {
        let names: Vec<&str> = self.names().collect();
        fields.knows("type", &format!("type of the {}", self.noun), || json!({"enum": names}));
        fields.knows("properties", "properties of that type", || json!({"type": ["object", "null"]}));
        let context = fields.context;
        for row in self.rows {
            fields.draw_condition(|| {
                let mut properties = Fields::drawing(context);
                let _ = (row.decode)(&mut properties, beside);
                let _ = common(&mut properties);
                let schema = properties.into_schema(row.about);
                let names: Vec<&str> = std::iter::once(row.name).chain(row.aliases.iter().copied()).collect();
                let needed = if schema.get("required").is_some() { json!(["properties"]) } else { json!([]) };
                json!({
                    "if": {"properties": {"type": {"enum": names}}, "required": ["type"]},
                    "then": {"properties": {"properties": schema}, "required": needed},
                })
            });
        }
    }
}
