//! The tree of one event, and the view through which it is read.

use super::keys::{FIRST_LOCAL, KeyId, Keys, LaneKeys};
use super::path::{Path, Segment};
use super::slot::{Children, NodeId, Slot, Span};
use super::{MAX_ARENA_BYTES, MAX_LOCAL_NAMES, MAX_NODES, Obstacle};

/// The nodes of an event that only has its record: the root and `message`. Copied as a whole, since writing a node part
/// by part and then moving it makes the processor wait for its own writes.
const START: [Node; 2] = [
    Node {
        key: KeyId::NONE,
        next: NodeId::NONE,
        slot: Slot::Map(Children { first: NodeId(1), last: NodeId(1), count: 1 }),
    },
    Node { key: KeyId::MESSAGE, next: NodeId::NONE, slot: Slot::Null },
];

/// What is kept for the next event; an event that needed more gives the rest back.
const KEEP_ARENA_BYTES: usize = 256 * 1024;
const KEEP_NODES: usize = 16 * 1024;

/// Room for one event at a time: nodes, bytes, names. A lane has one and uses it for every event.
#[derive(Debug)]
pub struct Document {
    pub(crate) keys: LaneKeys,
    pub(crate) nodes: Vec<Node>,
    pub(crate) arena: Vec<u8>,
    /// Names of this event that the table did not take.
    pub(crate) local_names: Vec<Span>,
    /// Bytes of the arena while something reads them and writes others.
    pub(crate) spare: Vec<u8>,
    /// When a name was last seen in the map that is being read, for finding duplicates.
    pub(crate) seen: Vec<Seen>,
    pub(crate) stamp: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) key: KeyId,
    pub(crate) next: NodeId,
    pub(crate) slot: Slot,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) stamp: u32,
    pub(crate) node: NodeId,
}

/// One event: the record and what the document says about it.
#[derive(Debug)]
pub struct Event<'e> {
    pub(crate) doc: &'e mut Document,
    pub(crate) record: &'e [u8],
}

impl Document {
    /// Room for events whose names are numbered by `keys`.
    pub fn new(keys: &Keys) -> Self {
        Self {
            keys: LaneKeys::new(keys),
            nodes: START.to_vec(),
            arena: Vec::with_capacity(4096),
            local_names: Vec::new(),
            spare: Vec::new(),
            seen: Vec::new(),
            stamp: 0,
        }
    }

    /// Starts the event of a record: an object with the record as `message`.
    pub fn start<'e>(&'e mut self, record: &'e [u8]) -> Event<'e> {
        let mut event = Event { doc: self, record };
        event.restart(record);
        event
    }

    /// Starts an event without fields, whose texts may be parts of `record`. Only paths that were compiled before
    /// may be used on it.
    pub fn start_empty<'e>(&'e mut self, record: &'e [u8]) -> Event<'e> {
        let mut event = Event { doc: self, record };
        event.restart_empty(record);
        event
    }

    /// Forgets the event; the first two nodes are those of a new one.
    #[inline]
    fn reset(&mut self) {
        self.keys.catch_up();
        if self.arena.capacity() > KEEP_ARENA_BYTES || self.nodes.capacity() > KEEP_NODES {
            self.shrink();
        }
        self.nodes.truncate(START.len());
        self.nodes[..START.len()].copy_from_slice(&START);
        self.arena.clear();
        self.local_names.clear();
    }

    #[cold]
    fn shrink(&mut self) {
        self.nodes.truncate(START.len());
        self.arena.clear();
        self.arena.shrink_to(KEEP_ARENA_BYTES);
        self.nodes.shrink_to(KEEP_NODES);
        self.spare = Vec::new();
    }

    /// The same event again, after its view was given up.
    ///
    /// `record` must be the one that the event was started with.
    pub fn resume<'e>(&'e mut self, record: &'e [u8]) -> Event<'e> {
        Event { doc: self, record }
    }
}

impl<'e> Event<'e> {
    /// The root, a map.
    pub const ROOT: NodeId = NodeId(0);

    /// Gives this event up for that of another record: an object with the record as `message`.
    #[inline]
    pub fn restart(&mut self, record: &'e [u8]) {
        self.record = record;
        self.doc.reset();
        self.doc.nodes[1].slot = Slot::Text(Span::in_record(0, record.len()));
    }

    /// Gives this event up for one without fields, whose texts may be parts of `record`.
    pub fn restart_empty(&mut self, record: &'e [u8]) {
        self.record = record;
        self.doc.reset();
        self.doc.nodes[0].slot = Slot::Map(Children::EMPTY);
    }

    /// The record as received.
    pub fn record(&self) -> &'e [u8] {
        self.record
    }

    /// The record as a text.
    pub fn whole_record(&self) -> Span {
        Span::in_record(0, self.record.len())
    }

    /// The bytes of a text.
    #[inline]
    pub fn bytes(&self, span: Span) -> &[u8] {
        let from = if span.is_in_arena() { &self.doc.arena[..] } else { self.record };
        &from[span.start()..][..span.len()]
    }

    /// What a node holds.
    #[inline]
    pub fn slot(&self, node: NodeId) -> Slot {
        self.doc.nodes[node.0 as usize].slot
    }

    /// The name of a field; empty for elements of lists.
    pub fn name(&self, node: NodeId) -> &[u8] {
        self.key_text(self.doc.nodes[node.0 as usize].key)
    }

    /// The number of a field's name.
    pub fn key(&self, node: NodeId) -> KeyId {
        self.doc.nodes[node.0 as usize].key
    }

    /// The text of a name.
    pub fn key_text(&self, key: KeyId) -> &[u8] {
        match key.0.checked_sub(FIRST_LOCAL) {
            None => self.doc.keys.text(key),
            Some(local) => self.bytes(self.doc.local_names[local as usize]),
        }
    }

    /// The number of a name within this event; one that the table doesn't take is numbered for the event.
    ///
    /// # Errors
    /// When the event would take too many bytes.
    pub fn key_of(&mut self, name: &[u8]) -> Result<KeyId, Obstacle> {
        match self.doc.keys.id(name) {
            Some(key) => Ok(key),
            None => self.local_key(name),
        }
    }

    /// The number of a name, if it has one already: none means that no field has this name.
    pub fn known_key(&self, name: &[u8]) -> Option<KeyId> {
        self.doc.keys.find(name).or_else(|| self.known_local_key(name))
    }

    fn known_local_key(&self, name: &[u8]) -> Option<KeyId> {
        let at = self.doc.local_names.iter().position(|span| self.bytes(*span) == name)?;
        Some(KeyId(FIRST_LOCAL | at as u32))
    }

    #[cold]
    fn local_key(&mut self, name: &[u8]) -> Result<KeyId, Obstacle> {
        if let Some(key) = self.known_local_key(name) {
            return Ok(key);
        }
        if self.doc.local_names.len() >= MAX_LOCAL_NAMES {
            return Err(Obstacle::TooManyNames);
        }
        let span = self.add_bytes(name)?;
        self.doc.local_names.push(span);
        Ok(KeyId(FIRST_LOCAL | (self.doc.local_names.len() as u32 - 1)))
    }

    /// The children of a map or list, in order.
    pub fn children(&self, children: Children) -> impl Iterator<Item = NodeId> + '_ {
        let mut at = children.first;
        std::iter::from_fn(move || {
            let node = at.some()?;
            at = self.doc.nodes[node.0 as usize].next;
            Some(node)
        })
    }

    /// The node after this one among its siblings.
    pub fn next(&self, node: NodeId) -> Option<NodeId> {
        self.doc.nodes[node.0 as usize].next.some()
    }

    /// The field of a map with this name.
    #[inline]
    pub fn field(&self, map: Children, key: KeyId) -> Option<NodeId> {
        let mut at = map.first;
        while let Some(node) = at.some() {
            let found = &self.doc.nodes[node.0 as usize];
            if found.key == key {
                return Some(node);
            }
            at = found.next;
        }
        None
    }

    /// The field of a map by its name's text.
    pub fn field_named(&self, map: Children, name: &[u8]) -> Option<NodeId> {
        self.field(map, self.known_key(name)?)
    }

    /// The element of a list.
    pub fn element(&self, list: Children, index: usize) -> Option<NodeId> {
        if index >= list.len() { None } else { self.children(list).nth(index) }
    }

    /// The node at a path.
    pub fn find(&self, path: &Path) -> Option<NodeId> {
        self.find_from(Self::ROOT, path.segments())
    }

    /// The node at a path below `node`.
    #[inline]
    pub fn find_from(&self, node: NodeId, segments: &[Segment]) -> Option<NodeId> {
        let mut node = node;
        for segment in segments {
            node = self.step(node, *segment)?;
        }
        Some(node)
    }

    /// The value at a path; a path that leads nowhere has none.
    #[inline]
    pub fn get(&self, path: &Path) -> Option<Slot> {
        self.find(path).map(|node| self.slot(node))
    }

    #[inline]
    pub(crate) fn step(&self, node: NodeId, segment: Segment) -> Option<NodeId> {
        match self.slot(node) {
            Slot::Map(map) => self.field(map, segment.key),
            Slot::List(list) => self.element(list, segment.index? as usize),
            _ => None,
        }
    }

    /// Adds bytes to the arena.
    ///
    /// # Errors
    /// When the event would take too many bytes.
    #[inline]
    pub fn add_bytes(&mut self, bytes: &[u8]) -> Result<Span, Obstacle> {
        let start = self.doc.arena.len();
        if bytes.len() > MAX_ARENA_BYTES - start.min(MAX_ARENA_BYTES) {
            return Err(Obstacle::TooLarge);
        }
        self.doc.arena.extend_from_slice(bytes);
        Ok(Span::in_arena(start, bytes.len()))
    }

    /// Adds what `write` appends to the arena.
    ///
    /// # Errors
    /// When the event then takes too many bytes.
    pub fn add_written<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> Result<(Span, R), Obstacle> {
        let start = self.doc.arena.len();
        let result = write(&mut self.doc.arena);
        let len = self.doc.arena.len() - start;
        if self.doc.arena.len() > MAX_ARENA_BYTES {
            self.doc.arena.truncate(start);
            return Err(Obstacle::TooLarge);
        }
        Ok((Span::in_arena(start, len), result))
    }

    /// Adds what `write` appends to the arena while it reads `span`.
    ///
    /// # Errors
    /// When the event then takes too many bytes.
    pub fn rewrite<R>(
        &mut self,
        span: Span,
        write: impl FnOnce(&[u8], &mut Vec<u8>) -> R,
    ) -> Result<(Span, R), Obstacle> {
        if !span.is_in_arena() {
            let record = self.record;
            let text = &record[span.start()..][..span.len()];
            return self.add_written(|out| write(text, out));
        }
        let mut text = std::mem::take(&mut self.doc.spare);
        text.clear();
        text.extend_from_slice(self.bytes(span));
        let result = self.add_written(|out| write(&text, out));
        self.doc.spare = text;
        result
    }

    #[inline]
    pub(crate) fn add_node(&mut self, key: KeyId, slot: Slot) -> Result<NodeId, Obstacle> {
        add_node(&mut self.doc.nodes, key, slot)
    }
}

#[inline]
pub(crate) fn add_node(nodes: &mut Vec<Node>, key: KeyId, slot: Slot) -> Result<NodeId, Obstacle> {
    let at = nodes.len();
    if at >= MAX_NODES {
        return Err(Obstacle::TooManyNodes);
    }
    nodes.push(Node { key, next: NodeId::NONE, slot });
    Ok(NodeId(at as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_starts_as_its_record() {
        let keys = Keys::default();
        let mut doc = Document::new(&keys);
        let event = doc.start(b"text");
        let message = event.get(&Path::parse(&keys, "message").expect("valid")).expect("there");
        let Slot::Text(span) = message else { panic!("a text") };
        assert_eq!(event.bytes(span), b"text");
        assert!(!span.is_in_arena());
    }

    #[test]
    fn a_name_that_the_table_does_not_take_is_numbered_within_the_event() {
        let keys = Keys::default();
        let mut doc = Document::new(&keys);
        let long = vec![b'k'; 1000];
        let mut event = doc.start(b"");
        let key = event.key_of(&long).expect("room");
        assert_eq!(event.key_of(&long), Ok(key));
        assert_eq!(event.key_text(key), long);
        event.set_field(Event::ROOT, key, Slot::Int(1)).expect("set");
        let Slot::Map(root) = event.slot(Event::ROOT) else { panic!("a map") };
        assert!(event.field_named(root, &long).is_some());
        assert!(doc.start(b"").known_key(&long).is_none());
    }

    #[test]
    fn rewriting_reads_the_record_and_the_arena_alike() {
        let keys = Keys::default();
        let mut doc = Document::new(&keys);
        let mut event = doc.start(b"abc");
        let double = |text: &[u8], out: &mut Vec<u8>| out.extend(text.iter().flat_map(|b| [*b, *b]));
        let (once, ()) = event.rewrite(Span::in_record(0, 3), double).expect("room");
        let (twice, ()) = event.rewrite(once, double).expect("room");
        assert_eq!(event.bytes(once), b"aabbcc");
        assert_eq!(event.bytes(twice), b"aaaabbbbcccc");
    }

    #[test]
    fn bytes_beyond_the_limit_are_refused() {
        let mut doc = Document::new(&Keys::default());
        let mut event = doc.start(b"");
        let much = vec![b'x'; MAX_ARENA_BYTES];
        event.add_bytes(&much).expect("as much as allowed");
        assert_eq!(event.add_bytes(b"x"), Err(Obstacle::TooLarge));
        assert_eq!(event.add_written(|out| out.push(b'x')), Err(Obstacle::TooLarge));
    }
}
