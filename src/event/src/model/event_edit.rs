//! Changing an event: setting, removing, moving and copying fields and elements.

use super::document::Event;
use super::keys::KeyId;
use super::path::{Path, PathError, Segment, segment, split};
use super::slot::{Children, NodeId, Slot};
use super::{MAX_DEPTH, Obstacle};
use smallvec::SmallVec;

/// Why a text is no path of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathOfEvent {
    /// It is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A limit.
    #[error(transparent)]
    Limit(#[from] Obstacle),
}

impl Event<'_> {
    /// Puts a value at a path; objects on the way are made, a null on the way gives way to an object.
    /// Returns the node that holds it now.
    ///
    /// # Errors
    /// When something else than an object or list is in the way, or a limit is reached.
    pub fn set(&mut self, path: &Path, slot: Slot) -> Result<NodeId, Obstacle> {
        self.set_from(Self::ROOT, path.segments(), slot)
    }

    /// [`set`](Self::set) below `node`.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_from(&mut self, node: NodeId, segments: &[Segment], slot: Slot) -> Result<NodeId, Obstacle> {
        let Some((last, parents)) = segments.split_last() else {
            self.put(node, slot);
            return Ok(node);
        };
        let mut node = node;
        for segment in parents {
            node = self.step_or_make(node, *segment)?;
        }
        node = match self.slot(node) {
            Slot::Map(map) => match self.field(map, last.key) {
                Some(found) => found,
                None => return self.append_child(node, last.key, slot),
            },
            _ => self.step_or_make(node, *last)?,
        };
        self.put(node, slot);
        Ok(node)
    }

    #[inline]
    fn step_or_make(&mut self, node: NodeId, segment: Segment) -> Result<NodeId, Obstacle> {
        match self.slot(node) {
            Slot::Map(map) => match self.field(map, segment.key) {
                Some(found) => Ok(found),
                None => self.append_child(node, segment.key, Slot::Null),
            },
            Slot::List(list) => {
                let index = segment.index.ok_or(Obstacle::NotAMap)? as usize;
                self.element(list, index).ok_or(Obstacle::OutsideList)
            }
            Slot::Null => {
                self.put(node, Slot::Map(Children::EMPTY));
                self.append_child(node, segment.key, Slot::Null)
            }
            _ => Err(Obstacle::NotAMap),
        }
    }

    /// Gives a node another value.
    #[inline]
    pub fn put(&mut self, node: NodeId, slot: Slot) {
        self.doc.nodes[node.0 as usize].slot = slot;
    }

    /// Sets a field of a map.
    ///
    /// # Errors
    /// When `map` is no map, or a limit is reached.
    pub fn set_field(&mut self, map: NodeId, key: KeyId, slot: Slot) -> Result<NodeId, Obstacle> {
        let Slot::Map(children) = self.slot(map) else { return Err(Obstacle::NotAMap) };
        match self.field(children, key) {
            Some(node) => {
                self.put(node, slot);
                Ok(node)
            }
            None => self.append_child(map, key, slot),
        }
    }

    /// Adds an element to a list.
    ///
    /// # Errors
    /// When `list` is no list, or a limit is reached.
    pub fn push(&mut self, list: NodeId, slot: Slot) -> Result<NodeId, Obstacle> {
        self.append_child(list, KeyId::NONE, slot)
    }

    /// Adds a child at the end, without looking whether a field of that name exists.
    ///
    /// # Errors
    /// When `parent` is neither map nor list, or a limit is reached.
    #[inline]
    pub fn append_child(&mut self, parent: NodeId, key: KeyId, slot: Slot) -> Result<NodeId, Obstacle> {
        let mut children = match self.slot(parent) {
            Slot::Map(children) | Slot::List(children) => children,
            _ => return Err(Obstacle::NotAMap),
        };
        let node = self.add_node(key, slot)?;
        self.link(&mut children, node);
        self.put_children(parent, children);
        Ok(node)
    }

    /// Adds a child to children that no node holds yet.
    ///
    /// # Errors
    /// When a limit is reached.
    #[inline]
    pub fn append_to(&mut self, children: &mut Children, key: KeyId, slot: Slot) -> Result<NodeId, Obstacle> {
        let node = self.add_node(key, slot)?;
        self.link(children, node);
        Ok(node)
    }

    /// Adds an element to a list that no node holds yet.
    ///
    /// # Errors
    /// When a limit is reached.
    pub fn push_to(&mut self, list: &mut Children, slot: Slot) -> Result<NodeId, Obstacle> {
        self.append_to(list, KeyId::NONE, slot)
    }

    #[inline]
    fn link(&mut self, children: &mut Children, node: NodeId) {
        match children.last.some() {
            None => children.first = node,
            Some(last) => self.doc.nodes[last.0 as usize].next = node,
        }
        children.last = node;
        children.count += 1;
    }

    #[inline]
    fn put_children(&mut self, parent: NodeId, children: Children) {
        let slot = &mut self.doc.nodes[parent.0 as usize].slot;
        match slot {
            Slot::List(_) => *slot = Slot::List(children),
            _ => *slot = Slot::Map(children),
        }
    }

    /// Removes what is at a path and returns it.
    pub fn remove(&mut self, path: &Path) -> Option<Slot> {
        self.remove_from(Self::ROOT, path.segments())
    }

    /// Removes what is at a path below `node` and returns it.
    pub fn remove_from(&mut self, node: NodeId, segments: &[Segment]) -> Option<Slot> {
        let (last, parents) = segments.split_last()?;
        let parent = self.find_from(node, parents)?;
        let child = self.step(parent, *last)?;
        self.unlink(parent, child);
        Some(self.slot(child))
    }

    /// Takes a child out of its parent; its value stays readable.
    pub fn unlink(&mut self, parent: NodeId, child: NodeId) {
        let (Slot::Map(mut children) | Slot::List(mut children)) = self.slot(parent) else { return };
        let after = self.doc.nodes[child.0 as usize].next;
        if children.first == child {
            children.first = after;
            if children.last == child {
                children.last = NodeId::NONE;
            }
        } else {
            let mut before = children.first;
            while self.doc.nodes[before.0 as usize].next != child {
                before = self.doc.nodes[before.0 as usize].next;
                if before == NodeId::NONE {
                    return;
                }
            }
            self.doc.nodes[before.0 as usize].next = after;
            if children.last == child {
                children.last = before;
            }
        }
        children.count -= 1;
        self.doc.nodes[child.0 as usize].next = NodeId::NONE;
        self.put_children(parent, children);
    }

    /// The steps of a path that is known only now.
    ///
    /// # Errors
    /// When it is no path, or the event would take too many bytes.
    pub fn segments_of(&mut self, text: &str) -> Result<SmallVec<[Segment; 8]>, PathOfEvent> {
        let mut segments = SmallVec::new();
        let mut stopped = None;
        split(text, |name| match self.key_of(name.as_bytes()) {
            Ok(key) => segments.push(segment(key, name)),
            Err(obstacle) => stopped = Some(obstacle),
        })?;
        stopped.map_or(Ok(segments), |obstacle| Err(obstacle.into()))
    }

    /// A value of its own: maps and lists are copied with all below them, texts are shared.
    ///
    /// # Errors
    /// When the event would become too large or too deep.
    pub fn copy(&mut self, slot: Slot) -> Result<Slot, Obstacle> {
        self.copy_at(slot, 0)
    }

    fn copy_at(&mut self, slot: Slot, depth: usize) -> Result<Slot, Obstacle> {
        let (Slot::Map(children) | Slot::List(children)) = slot else { return Ok(slot) };
        if depth >= MAX_DEPTH {
            return Err(Obstacle::TooDeep);
        }
        let mut copied = Children::EMPTY;
        let mut at = children.first.some();
        while let Some(node) = at {
            let value = self.copy_at(self.slot(node), depth + 1)?;
            self.append_to(&mut copied, self.key(node), value)?;
            at = self.next(node);
        }
        Ok(match slot {
            Slot::Map(_) => Slot::Map(copied),
            _ => Slot::List(copied),
        })
    }

    /// A text of its own.
    ///
    /// # Errors
    /// When the event would take too many bytes.
    #[inline]
    pub fn text(&mut self, text: &[u8]) -> Result<Slot, Obstacle> {
        Ok(Slot::Text(self.add_bytes(text)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Keys;
    use super::super::{Document, json_write};
    use super::*;

    fn json(event: &Event<'_>) -> String {
        let mut out = Vec::new();
        json_write::write_event(event, &mut out).expect("shallow");
        String::from_utf8(out).expect("text")
    }

    fn path(keys: &Keys, text: &str) -> Path {
        Path::parse(keys, text).expect("valid")
    }

    /// Keys that have the names of these tests already: names count from the start of an event on.
    fn keys() -> Keys {
        let keys = Keys::default();
        for name in ["a", "b", "c", "d", "e", "l", "x", "y", "z", "0", "1", "2", "7"] {
            keys.compiled(name);
        }
        keys
    }

    #[test]
    fn setting_makes_the_objects_on_the_way_and_keeps_the_order() {
        let keys = keys();
        let paths: Vec<Path> = ["a.b.c", "a.x", "z", "a.b.c"].map(|text| path(&keys, text)).into();
        let mut doc = Document::new(&keys);
        let mut event = doc.start(b"m");
        for (at, path) in paths.iter().enumerate() {
            event.set(path, Slot::Int(at as i64)).expect("set");
        }
        assert_eq!(json(&event), r#"{"message":"m","a":{"b":{"c":3},"x":1},"z":2}"#);
        assert_eq!(event.set(&path(&keys, "z.y"), Slot::Null), Err(Obstacle::NotAMap));
    }

    #[test]
    fn removing_the_first_a_middle_and_the_last_field_keeps_the_others() {
        let keys = keys();
        let names = ["a", "b", "c", "d"];
        let all: Vec<Path> = names.iter().map(|name| path(&keys, name)).collect();
        for removed in 0..names.len() {
            let mut doc = Document::new(&keys);
            let mut event = doc.start_empty(b"");
            for path in &all {
                event.set(path, Slot::Int(1)).expect("set");
            }
            assert_eq!(event.remove(&all[removed]), Some(Slot::Int(1)));
            assert_eq!(event.remove(&all[removed]), None);
            event.set(&path(&keys, "e"), Slot::Int(2)).expect("set");
            let left: Vec<_> = names.iter().filter(|n| **n != names[removed]).collect();
            let expected = format!("{{\"{}\":1,\"{}\":1,\"{}\":1,\"e\":2}}", left[0], left[1], left[2]);
            assert_eq!(json(&event), expected);
        }
    }

    #[test]
    fn elements_of_lists_are_reached_by_position() {
        let keys = keys();
        let mut doc = Document::new(&keys);
        let mut event = doc.start_empty(b"");
        let list = event.set(&path(&keys, "l"), Slot::List(Children::EMPTY)).expect("set");
        for number in 0..3 {
            event.push(list, Slot::Int(number)).expect("room");
        }
        assert_eq!(event.get(&path(&keys, "l.2")), Some(Slot::Int(2)));
        event.set(&path(&keys, "l.0"), Slot::Bool(true)).expect("set");
        event.remove(&path(&keys, "l.1"));
        assert_eq!(json(&event), r#"{"l":[true,2]}"#);
        assert_eq!(event.set(&path(&keys, "l.7"), Slot::Null), Err(Obstacle::OutsideList));
    }

    #[test]
    fn a_copy_is_independent_of_its_origin() {
        let keys = keys();
        let mut doc = Document::new(&keys);
        let mut event = doc.start_empty(b"");
        event.set(&path(&keys, "a.b"), Slot::Int(1)).expect("set");
        let copy = event.get(&path(&keys, "a")).expect("there");
        let copy = event.copy(copy).expect("small");
        event.set(&path(&keys, "c"), copy).expect("set");
        event.set(&path(&keys, "c.b"), Slot::Int(2)).expect("set");
        assert_eq!(json(&event), r#"{"a":{"b":1},"c":{"b":2}}"#);
    }

    #[test]
    fn doubling_an_event_ends_at_its_limits() {
        let keys = keys();
        let mut doc = Document::new(&keys);
        let mut event = doc.start_empty(b"");
        let mut stopped = None;
        for _ in 0..1000 {
            let wrapped = match event.copy(event.slot(Event::ROOT)) {
                Ok(copy) => copy,
                Err(obstacle) => {
                    stopped = Some(obstacle);
                    break;
                }
            };
            if let Err(obstacle) = event.set(&path(&keys, "x"), wrapped) {
                stopped = Some(obstacle);
                break;
            }
        }
        assert_eq!(stopped, Some(Obstacle::TooDeep));
    }
}
