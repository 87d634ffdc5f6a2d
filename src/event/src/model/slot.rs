//! What a node of an event holds.

/// A node of a [`Document`](super::Document); valid until the document is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) const NONE: NodeId = NodeId(u32::MAX);

    pub(crate) fn some(self) -> Option<NodeId> {
        (self != NodeId::NONE).then_some(self)
    }
}

/// Bytes of a text: a part of the record, or of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The highest bit tells the arena from the record.
    start: u32,
    len: u32,
}

const IN_ARENA: u32 = 1 << 31;

impl Span {
    /// Bytes of the record.
    pub(crate) fn in_record(start: usize, len: usize) -> Self {
        debug_assert!(start + len < IN_ARENA as usize);
        Self { start: start as u32, len: len as u32 }
    }

    /// Bytes of the arena, which is far smaller than 2 GiB ([`MAX_ARENA_BYTES`](super::MAX_ARENA_BYTES)).
    pub(crate) fn in_arena(start: usize, len: usize) -> Self {
        debug_assert!(start + len < IN_ARENA as usize);
        Self { start: start as u32 | IN_ARENA, len: len as u32 }
    }

    pub(crate) fn is_in_arena(self) -> bool {
        self.start & IN_ARENA != 0
    }

    pub(crate) fn start(self) -> usize {
        (self.start & !IN_ARENA) as usize
    }

    /// Whether it is a part of the record.
    pub fn is_in_record(self) -> bool {
        !self.is_in_arena()
    }

    /// Where it starts, in the record or in the arena.
    pub fn offset(self) -> usize {
        self.start()
    }

    /// Length in bytes.
    #[allow(clippy::len_without_is_empty)] // emptiness is asked of the bytes
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// The part `from..to` of this text, counted in bytes.
    ///
    /// # Panics
    /// When the part lies outside.
    pub fn part(self, from: usize, to: usize) -> Self {
        assert!(from <= to && to <= self.len(), "a part lies in its text");
        Self { start: self.start + from as u32, len: (to - from) as u32 }
    }
}

/// The children of a map or list, linked in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Children {
    pub(crate) first: NodeId,
    pub(crate) last: NodeId,
    pub(crate) count: u32,
}

impl Children {
    /// None.
    pub const EMPTY: Children = Children { first: NodeId::NONE, last: NodeId::NONE, count: 0 };

    /// How many there are.
    #[allow(clippy::len_without_is_empty)] // `len() == 0` is asked once
    pub fn len(self) -> usize {
        self.count as usize
    }
}

/// A value: scalars in place, texts as spans, maps and lists as links to their children.
///
/// Copying a slot of a map or list makes two owners of the same children: use
/// [`Event::copy`](super::Event::copy) unless the first owner is given up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Bytes meant as text; UTF-8 unless the sender got it wrong.
    Text(Span),
    /// Bytes not meant as text; Base64 in JSON.
    Bytes(Span),
    /// Nanoseconds since the Unix epoch; RFC 3339 in JSON.
    Time(i64),
    /// Elements in order.
    List(Children),
    /// Fields in order.
    Map(Children),
}

/// The type of a [`Slot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No value.
    Null,
    /// A truth value.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Float,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// An instant.
    Time,
    /// A list.
    List,
    /// A map.
    Map,
}

impl Slot {
    /// Its type.
    pub fn kind(self) -> Kind {
        match self {
            Slot::Null => Kind::Null,
            Slot::Bool(_) => Kind::Bool,
            Slot::Int(_) => Kind::Int,
            Slot::Float(_) => Kind::Float,
            Slot::Text(_) => Kind::Text,
            Slot::Bytes(_) => Kind::Bytes,
            Slot::Time(_) => Kind::Time,
            Slot::List(_) => Kind::List,
            Slot::Map(_) => Kind::Map,
        }
    }

    /// The number, if it is one.
    pub fn as_number(self) -> Option<f64> {
        match self {
            Slot::Int(number) => Some(number as f64),
            Slot::Float(number) => Some(number),
            _ => None,
        }
    }
}

impl Kind {
    /// As error texts name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "boolean",
            Kind::Int => "integer",
            Kind::Float => "float",
            Kind::Text => "string",
            Kind::Bytes => "bytes",
            Kind::Time => "time",
            Kind::List => "array",
            Kind::Map => "object",
        }
    }
}
