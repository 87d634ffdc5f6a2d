//! YAML text to trees with positions.
//!
//! `saphyr-parser` gives events with markers; this puts them together iteratively, so that no input can
//! exhaust the stack. Aliases are expanded by copying, merge keys (`<<`) are resolved, both within
//! [`MAX_NODES`]; a tree is at most [`MAX_DEPTH`] deep, aliases included.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use crate::{Diagnostic, Entry, Map, Node, Position, Scalar, Value};

/// Longest configuration file.
pub const MAX_FILE_BYTES: u64 = 16 << 20;
/// Deepest nesting. Real configurations stay below twenty.
pub const MAX_DEPTH: usize = 64;
/// Most keys and values of a file after aliases were expanded: ninety thousand devices, some 260 MB while loading.
pub const MAX_NODES: usize = 1_000_000;

/// Reads the documents of a file. `file` is only a name for positions.
///
/// # Errors
///
/// Text that is not YAML, a key that is there twice, an unknown tag, a limit that is exceeded. All duplicate
/// keys are reported; the others end the reading.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Node>, Vec<Diagnostic>> {
    let mut builder = Builder::new(file.into());
    if text.len() as u64 > MAX_FILE_BYTES {
        let at = Position::new(builder.file, 1, 1);
        return Err(vec![too_long(&at)]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Err(fatal) = builder.read(text) {
        builder.duplicates.push(fatal);
    }
    if builder.duplicates.is_empty() { Ok(builder.documents) } else { Err(builder.duplicates) }
}

/// The file is longer than [`MAX_FILE_BYTES`].
pub(crate) fn too_long(at: &Position) -> Diagnostic {
    at.error(
        format!("the file is longer than {} MiB", MAX_FILE_BYTES >> 20),
        "split it into several files below config/",
    )
}

struct Builder {
    file: Arc<Path>,
    documents: Vec<Node>,
    open: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    duplicates: Vec<Diagnostic>,
}

/// A list or map that is not complete yet.
struct Frame {
    at: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
    key: Option<(String, Position)>,
    merged: Vec<Map>,
}

struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

impl Builder {
    fn new(file: Arc<Path>) -> Self {
        Self {
            file,
            documents: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            duplicates: Vec::new(),
        }
    }

    fn read(&mut self, text: &str) -> Result<(), Diagnostic> {
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                let what = format!("not valid YAML: {}", error.info().trim_end_matches('.').to_lowercase());
                self.position(error.marker()).error(what, "correct the text here or just before")
            })?;
            let at = self.position(&span.start);
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(1, &at)?;
                    let quoted = match tag.as_deref() {
                        None => style != ScalarStyle::Plain,
                        Some(tag) => self.known_tag(tag, &at)? == "str",
                    };
                    let value = Value::Scalar(Scalar::new(text.into_owned(), quoted));
                    self.complete(Node { at, value }, anchor)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.open(Content::List(Vec::new()), at, anchor, tag.as_deref())?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.open(Content::Map(OpenMap::default()), at, anchor, tag.as_deref())?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close()?,
                Event::Alias(anchor) => {
                    let node = self.expand(anchor, &at)?;
                    self.complete(node, 0)?;
                }
                Event::DocumentEnd => self.anchors.clear(),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
            }
        }
        Ok(())
    }

    /// Markers count lines from 1 and columns from 0.
    fn position(&self, marker: &Marker) -> Position {
        let limited = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position::new(self.file.clone(), limited(marker.line()), limited(marker.col() + 1))
    }

    fn count(&mut self, nodes: usize, at: &Position) -> Result<(), Diagnostic> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let what =
                format!("the file has more than {MAX_NODES} keys and values after aliases were expanded");
            return Err(at.error(what, "split it, or use fewer aliases"));
        }
        Ok(())
    }

    fn check_depth(&self, further: usize, at: &Position) -> Result<(), Diagnostic> {
        if self.open.len() + further > MAX_DEPTH {
            let what = format!("values are nested more than {MAX_DEPTH} deep");
            return Err(at.error(what, "nest less"));
        }
        Ok(())
    }

    fn known_tag<'t>(&self, tag: &'t Tag, at: &Position) -> Result<&'t str, Diagnostic> {
        if tag.is_yaml_core_schema() {
            return Ok(&tag.suffix);
        }
        if tag.handle == "!" && tag.suffix.is_empty() {
            return Ok("str"); // the non-specific tag: not resolved, so a text
        }
        Err(at.error(format!("unknown YAML tag \"{tag}\""), "leave it out"))
    }

    fn open(
        &mut self,
        content: Content,
        at: Position,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), Diagnostic> {
        self.count(1, &at)?;
        self.check_depth(1, &at)?;
        if let Some(tag) = tag {
            self.known_tag(tag, &at)?;
        }
        self.open.push(Frame { at, anchor, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Diagnostic> {
        let Some(Frame { at, anchor, content }) = self.open.pop() else {
            return Ok(()); // the parser pairs starts and ends
        };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map(map) => Value::Map(map.finish()),
        };
        self.complete(Node { at, value }, anchor)
    }

    fn expand(&mut self, anchor: usize, at: &Position) -> Result<Node, Diagnostic> {
        let Some(&Anchored { nodes, depth, .. }) = self.anchors.get(&anchor) else {
            return Err(at.error("an alias stands within its own anchor", "write the value itself"));
        };
        self.count(nodes, at)?;
        self.check_depth(depth, at)?;
        Ok(self.anchors[&anchor].node.clone())
    }

    /// Puts a complete value where it belongs: a document, an item, a key or the value of one.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        if anchor != 0 {
            let (nodes, depth) = measure(&node);
            self.count(nodes, &node.at)?; // the copy kept for aliases
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, depth });
        }
        let Some(frame) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map(map) => map.take(node, &mut self.duplicates)?,
        }
        Ok(())
    }
}

impl OpenMap {
    /// Takes a key, or the value of the key before.
    fn take(&mut self, node: Node, duplicates: &mut Vec<Diagnostic>) -> Result<(), Diagnostic> {
        let Some((key, key_at)) = self.key.take() else {
            let Value::Scalar(scalar) = &node.value else {
                return Err(node.error(format!("a key is {}", node.shown()), "write a text"));
            };
            self.key = Some((scalar.text().to_owned(), node.at));
            return Ok(());
        };
        if key == "<<" {
            return self.merge(node);
        }
        if let Some(first) = self.index.get(&key) {
            let what = format!("key {key:?} is there twice, first at {}", self.entries[*first].key_at);
            duplicates.push(key_at.error(what, "keep one of them"));
            return Ok(());
        }
        self.index.insert(key.clone(), self.entries.len());
        self.entries.push(Entry { key, key_at, value: node });
        Ok(())
    }

    fn merge(&mut self, node: Node) -> Result<(), Diagnostic> {
        let nodes = match node.value {
            Value::List(items) => items,
            value => vec![Node { at: node.at, value }],
        };
        for node in nodes {
            let shown = node.shown();
            let Value::Map(map) = node.value else {
                return Err(node
                    .at
                    .error(format!("merge key \"<<\" is {shown}"), "write a map or an alias of one"));
            };
            self.merged.push(map);
        }
        Ok(())
    }

    /// Own keys win over merged ones, earlier merged maps over later ones.
    fn finish(mut self) -> Map {
        for mut map in std::mem::take(&mut self.merged) {
            for entry in std::mem::take(map.entries_mut()) {
                if !self.index.contains_key(&entry.key) {
                    self.index.insert(entry.key.clone(), self.entries.len());
                    self.entries.push(entry);
                }
            }
        }
        Map::from_distinct(self.entries)
    }
}

/// How many values a tree has, and how deep it is.
fn measure(node: &Node) -> (usize, usize) {
    let mut nodes = 1;
    let mut depth = 0;
    let mut add = |child: &Node| {
        let (below, deep) = measure(child);
        nodes += below;
        depth = depth.max(deep);
    };
    match &node.value {
        Value::Map(map) => map.entries().iter().for_each(|entry| add(&entry.value)),
        Value::List(items) => items.iter().for_each(add),
        Value::Scalar(_) => return (1, 0),
    }
    (nodes, depth + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        parse(Path::new("a.yml"), text).unwrap().remove(0)
    }

    fn errors(text: &str) -> Vec<String> {
        parse(Path::new("a.yml"), text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn order_and_positions_of_keys_and_values_are_kept() {
        let node = one("b: 1\na:\n  - x\n  - {c: d}\n");
        let map = node.as_map().unwrap();
        let keys: Vec<&str> = map.entries().iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["b", "a"]);
        assert_eq!(map.entry("a").unwrap().key_at.to_string(), "a.yml:2:1");
        let items = node.get("a").unwrap().as_list().unwrap();
        assert_eq!(items[0].at.to_string(), "a.yml:3:5");
        assert_eq!(items[1].get("c").unwrap().at.to_string(), "a.yml:4:9");
    }

    #[test]
    fn aliases_are_copies_and_merge_keys_do_not_win() {
        let node = one("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\nd: {<<: [{x: 5}, *a]}\n");
        assert_eq!(node.get("b").unwrap(), &one("{y: 3, x: 1}"));
        assert_eq!(node.get("c").unwrap(), &one("{x: 1, y: 2}"));
        assert_eq!(node.get("d").unwrap(), &one("{x: 5, y: 2}"));
    }

    #[test]
    fn every_duplicate_key_is_an_error_that_names_both_places() {
        let expected = [
            "a.yml:2:1: key \"a\" is there twice, first at a.yml:1:1; keep one of them",
            "a.yml:3:11: key \"c\" is there twice, first at a.yml:3:5; keep one of them",
        ];
        assert_eq!(errors("a: 1\na: 2\nb: {c: 1, c: 2}\n"), expected);
    }

    #[test]
    fn a_bomb_of_aliases_is_an_error() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let below = level - 1;
            let items = vec![format!("*a{below}"); 10].join(", ");
            text += &format!("a{level}: &a{level} [{items}]\n");
        }
        assert_eq!(
            errors(&text),
            ["a.yml:6:40: the file has more than 1000000 keys and values after aliases were expanded; \
              split it, or use fewer aliases"]
        );
    }

    #[test]
    fn too_deep_is_an_error_also_by_way_of_aliases() {
        let deep = "[".repeat(70);
        assert_eq!(errors(&deep), ["a.yml:1:65: values are nested more than 64 deep; nest less"]);
        let forty = format!("{}x{}", "[".repeat(40), "]".repeat(40));
        let text = format!("a: &a {forty}\nb: {}*a{}\n", "[".repeat(30), "]".repeat(30));
        assert_eq!(errors(&text), ["a.yml:2:34: values are nested more than 64 deep; nest less"]);
    }

    #[test]
    fn other_mistakes_say_where_and_what_to_do() {
        let cases = [
            ("a: &a [*a]\n", "a.yml:1:8: an alias stands within its own anchor; write the value itself"),
            ("[a]: b\n", "a.yml:1:1: a key is a list; write a text"),
            ("a: !foo b\n", "a.yml:1:4: unknown YAML tag \"!foo\"; leave it out"),
            ("<<: 1\n", "a.yml:1:5: merge key \"<<\" is \"1\"; write a map or an alias of one"),
        ];
        for (text, expected) in cases {
            assert_eq!(errors(text), [expected]);
        }
        let [broken] = &errors("a: [1\nb: 2\n")[..] else { panic!("one error") };
        assert!(broken.starts_with("a.yml:") && broken.contains("not valid YAML: "), "{broken}");
    }

    #[test]
    fn documents_of_a_file_are_kept_apart() {
        assert_eq!(parse(Path::new("a.yml"), "a: 1\n---\nb: 2\n").unwrap().len(), 2);
        assert!(parse(Path::new("a.yml"), "").unwrap().is_empty());
    }
}
