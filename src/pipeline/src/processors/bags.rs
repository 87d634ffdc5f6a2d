//! `bag_pack` and `join_kv`: objects from pairs, and pairs from objects.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, ValueTemplate, write_plain};
use event::model::{Children, KeyId, NodeId, Path, Slot};

pub(super) static BAG_PACK: Spec = Spec {
    name: "bag_pack",
    family: "manipulate",
    summary: "Makes an object of a list of keys and values.",
    details: "A value that is one template keeps its type.",
    options: &[
        required("field", "Where the object goes."),
        required("items", "A list of `{key, value}`; values may have templates in them."),
        optional("skip_empty", "false", "Leave out values that are null or empty."),
        optional("index_name", "", "Not needed: objects keep the order of `items`."),
        optional("ignore_missing", "false", "Leave out values whose fields are missing, instead of failing."),
    ],
    examples: &[Example {
        title: "types",
        event: r#"{"user": {"name": "ann", "age": 7, "mail": ""}}"#,
        processors: "- bag_pack:\n    field: info\n    skip_empty: true\n    items:\n      - {key: name, value: '{{user.name}}'}\n      - {key: age, value: '{{user.age}}'}\n      - {key: mail, value: '{{user.mail}}'}\n- remove: {field: user}",
        outcome: Outcome::Event(r#"{"info": {"name": "ann", "age": 7}}"#),
    }],
    compile: compile_bag_pack,
};

pub(super) static JOIN_KV: Spec = Spec {
    name: "join_kv",
    family: "manipulate",
    summary: "Joins the fields of an object to a text of keys and values.",
    details: "Objects and lists in it are written as JSON.",
    options: &[
        FIELD,
        required("target_field", "Where the text goes."),
        optional("separator", ";", "What stands between pairs."),
        optional("kv_separator", "=", "What stands between key and value."),
        optional("sort", "asc", "`asc` or `desc` by key, or `index` for the order that the object has."),
        optional("index_name", "", "Not needed: objects keep their order."),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "sorted",
        event: r#"{"a": {"name": "Ann", "role": "admin", "active": true}}"#,
        processors: "- join_kv: {field: a, target_field: a}",
        outcome: Outcome::Event(r#"{"a": "active=true;name=Ann;role=admin"}"#),
    }],
    compile: compile_join_kv,
};

struct BagPack {
    field: Path,
    items: Vec<(KeyId, ValueTemplate)>,
    skip_empty: bool,
    ignore_missing: bool,
}

fn compile_bag_pack(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let node = options.required("items")?;
    let Value::List(nodes) = &node.value else {
        return Err(options.error(&node.at, "`items` is a list", "write `- {key: a, value: b}`"));
    };
    let mut items: Vec<(KeyId, ValueTemplate)> = Vec::with_capacity(nodes.len());
    for item in nodes {
        let (Some(key), Some(value)) = (item.get("key").and_then(|key| key.as_text()), item.get("value"))
        else {
            return Err(options.error(
                &item.at,
                "an item has `key` and `value`",
                "write `- {key: a, value: b}`",
            ));
        };
        let key_id = options.keys().compiled(key);
        if items.iter().any(|(other, _)| *other == key_id) {
            return Err(options.error(&item.at, format!("the key {key:?} is there twice"), ""));
        }
        items.push((key_id, options.value(value)?));
    }
    Ok(Box::new(BagPack {
        field,
        items,
        skip_empty: options.flag("skip_empty", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for BagPack {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let missing = if self.skip_empty || self.ignore_missing { Missing::IsEmpty } else { Missing::Fails };
        let mut map = Children::EMPTY;
        for (key, value) in &self.items {
            let slot = value.value(cx, missing)?;
            let is_left_out = match slot {
                Slot::Null => self.skip_empty || self.ignore_missing,
                Slot::Text(span) => self.skip_empty && span.len() == 0,
                Slot::List(children) | Slot::Map(children) => self.skip_empty && children.len() == 0,
                _ => false,
            };
            if !is_left_out {
                cx.event.append_to(&mut map, *key, slot)?;
            }
        }
        cx.set(&self.field, Slot::Map(map))?;
        Ok(Flow::Next)
    }
}

#[derive(Clone, Copy)]
enum Order {
    Ascending,
    Descending,
    AsItIs,
}

struct JoinKv {
    target: Target,
    separator: String,
    kv_separator: String,
    order: Order,
}

fn compile_join_kv(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("target_field")?;
    let orders = [("asc", Order::Ascending), ("desc", Order::Descending), ("index", Order::AsItIs)];
    Ok(Box::new(JoinKv {
        target: Target::read(options)?,
        separator: options.text("separator")?.unwrap_or_else(|| ";".to_owned()),
        kv_separator: options.text("kv_separator")?.unwrap_or_else(|| "=".to_owned()),
        order: options.choice("sort", &orders)?,
    }))
}

impl Processor for JoinKv {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let map = match self.target.value(cx)? {
            None => return Ok(Flow::Next),
            Some(Slot::Map(map)) => map,
            Some(_) => return Err(Failure::fixed("is no object").at(&self.target.field)),
        };
        let mut nodes: Vec<NodeId> = cx.event.children(map).collect();
        match self.order {
            Order::Ascending => nodes.sort_by(|a, b| cx.event.name(*a).cmp(cx.event.name(*b))),
            Order::Descending => nodes.sort_by(|a, b| cx.event.name(*b).cmp(cx.event.name(*a))),
            Order::AsItIs => {}
        }
        let joined = cx.with_buffer(|cx, buffer| {
            for (at, node) in nodes.iter().enumerate() {
                if at > 0 {
                    buffer.extend_from_slice(self.separator.as_bytes());
                }
                buffer.extend_from_slice(cx.event.name(*node));
                buffer.extend_from_slice(self.kv_separator.as_bytes());
                write_plain(&cx.event, cx.event.slot(*node), buffer)?;
            }
            Ok::<_, Failure>(cx.event.text(buffer)?)
        })?;
        self.target.put(cx, joined)?;
        Ok(Flow::Next)
    }
}
