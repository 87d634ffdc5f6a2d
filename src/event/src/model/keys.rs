//! Names of fields as numbers.
//!
//! One table a process ([`Keys`], shared, behind a lock) gives a name its number; each lane keeps a copy
//! ([`LaneKeys`]) that answers without the lock and holds each name in the form in which JSON needs it. So a path
//! compiled once means the same in every lane, and comparing names is comparing numbers.
//!
//! Names that events bring along enter the table until it holds [`MAX_INTERNED_KEYS`]; later ones, and long ones,
//! are numbered within their event only ([`Document`](super::Document)). Memory: some 100 bytes a name in the
//! shared table and some 60 in each lane, hence at most about 10 MiB for two lanes.

use super::json_write::write_text;
use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many names that events bring along are kept; more would be data, not names.
pub const MAX_INTERNED_KEYS: usize = 64 * 1024;
/// Longer names are not kept beyond their event.
pub const MAX_INTERNED_KEY_BYTES: usize = 128;

/// The number of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub(crate) u32);

/// From here on numbers count the names of one event.
pub(crate) const FIRST_LOCAL: u32 = 1 << 31;

/// The names that every table starts with. The first five are metadata and not part of an event's JSON.
const WELL_KNOWN: [&str; 7] = ["_vmetric", "_ingest", "_temp", "_index", "_score", "message", ""];

impl KeyId {
    /// `_vmetric`: what the Director knows about the event.
    pub const VMETRIC: KeyId = KeyId(0);
    /// `_ingest`: what holds while a pipeline runs.
    pub const INGEST: KeyId = KeyId(1);
    /// `_temp`: for pipelines to use.
    pub const TEMP: KeyId = KeyId(2);
    /// `message`: the record as received.
    pub const MESSAGE: KeyId = KeyId(5);
    /// The name of what has none: list elements and the root.
    pub(crate) const NONE: KeyId = KeyId(6);

    /// A small number for each name: the table's names first, those of the event behind them.
    pub(crate) fn place(self, table: usize) -> usize {
        match self.0.checked_sub(FIRST_LOCAL) {
            None => self.0 as usize,
            Some(local) => table + local as usize,
        }
    }

    /// Whether the top-level field of this name is metadata, which is not put out.
    pub fn is_metadata(self) -> bool {
        self.0 < 5
    }
}

/// The table of names, shared by all that compile or run pipelines; cheap to clone.
#[derive(Clone, Debug)]
pub struct Keys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: RwLock<Table>,
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    names: Vec<Arc<[u8]>>,
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Default for Keys {
    fn default() -> Self {
        let mut table = Table::default();
        for name in WELL_KNOWN {
            table.insert(name.as_bytes());
        }
        let len = AtomicUsize::new(table.names.len());
        Self(Arc::new(Shared { table: RwLock::new(table), len }))
    }
}

impl Keys {
    /// The number of a name that a configuration uses: always kept, since configurations are bounded.
    pub fn compiled(&self, name: &str) -> KeyId {
        self.insert(name.as_bytes(), usize::MAX).unwrap_or(KeyId::NONE) // no limit, hence always some
    }

    /// The number of a name that an event brought along, unless the table is full or the name too long.
    fn observed(&self, name: &[u8]) -> Option<KeyId> {
        if name.len() > MAX_INTERNED_KEY_BYTES {
            return None;
        }
        self.insert(name, MAX_INTERNED_KEYS)
    }

    fn insert(&self, name: &[u8], limit: usize) -> Option<KeyId> {
        if let Some(id) = self.0.table.read().find(name) {
            return Some(id);
        }
        if self.len() >= limit {
            return None;
        }
        let mut table = self.0.table.write();
        let id = table.find(name).unwrap_or_else(|| table.insert(name));
        self.0.len.store(table.names.len(), Ordering::Release);
        Some(id)
    }

    /// The name of a number that this table gave.
    pub(crate) fn name(&self, key: KeyId) -> Arc<[u8]> {
        Arc::clone(&self.0.table.read().names[key.0 as usize])
    }

    /// How many names there are.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.0.len.load(Ordering::Acquire)
    }
}

impl Table {
    fn find(&self, name: &[u8]) -> Option<KeyId> {
        let hash = self.hasher.hash_one(name);
        self.ids.find(hash, |id| &*self.names[*id as usize] == name).map(|id| KeyId(*id))
    }

    fn insert(&mut self, name: &[u8]) -> KeyId {
        let id = self.names.len() as u32;
        self.names.push(Arc::from(name));
        let Table { names, ids, hasher } = self;
        ids.insert_unique(hasher.hash_one(name), id, |id| hasher.hash_one(&*names[*id as usize]));
        KeyId(id)
    }
}

/// A lane's copy of the table.
#[derive(Debug)]
pub struct LaneKeys {
    shared: Keys,
    names: Vec<Name>,
    /// The names, and [`SHORT`] bytes behind them, so that as many can be read from each.
    bytes: Vec<u8>,
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// Where a name lies in `bytes`: as it is, and as `,"name":`.
#[derive(Clone, Copy, Debug)]
struct Name {
    text: u32,
    json: u32,
    end: u32,
}

/// Most names are no longer than this in JSON, and a copy of so many bytes, needed or not, takes two instructions.
const SHORT: usize = 32;

impl LaneKeys {
    /// A copy of `shared`.
    pub fn new(shared: &Keys) -> Self {
        let mut keys = Self {
            shared: shared.clone(),
            names: Vec::new(),
            bytes: vec![0; SHORT],
            ids: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        };
        keys.catch_up();
        keys
    }

    /// Takes over what others added to the shared table since the last time.
    #[inline]
    pub fn catch_up(&mut self) {
        if self.names.len() == self.shared.len() {
            return;
        }
        self.take_over();
    }

    #[cold]
    fn take_over(&mut self) {
        let shared = self.shared.clone();
        let table = shared.0.table.read();
        for at in self.names.len()..table.names.len() {
            self.add(&table.names[at]);
        }
    }

    fn add(&mut self, name: &[u8]) {
        let id = self.names.len() as u32;
        self.bytes.truncate(self.bytes.len() - SHORT);
        let text = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        let json = self.bytes.len() as u32;
        self.bytes.push(b',');
        write_text(name, &mut self.bytes);
        self.bytes.push(b':');
        self.names.push(Name { text, json, end: self.bytes.len() as u32 });
        self.bytes.extend_from_slice(&[0; SHORT]);
        let Self { names, bytes, ids, hasher, .. } = self;
        ids.insert_unique(hasher.hash_one(name), id, |id| hasher.hash_one(text_of(names, bytes, *id)));
    }

    /// The number of a name; none when the table is full or the name too long.
    pub(crate) fn id(&mut self, name: &[u8]) -> Option<KeyId> {
        if let Some(id) = self.find(name) {
            return Some(id);
        }
        let id = self.shared.observed(name)?;
        self.catch_up();
        Some(id)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<KeyId> {
        let hash = self.hasher.hash_one(name);
        let is_name = |id: &u32| text_of(&self.names, &self.bytes, *id) == name;
        self.ids.find(hash, is_name).map(|id| KeyId(*id))
    }

    pub(crate) fn text(&self, key: KeyId) -> &[u8] {
        text_of(&self.names, &self.bytes, key.0)
    }

    /// How many names this copy has.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// Appends `,"name":`.
    #[inline]
    pub(crate) fn write_json(&self, key: KeyId, out: &mut Vec<u8>) {
        let name = self.names[key.0 as usize];
        let (start, end) = (name.json as usize, name.end as usize);
        match self.bytes[start..].first_chunk::<SHORT>() {
            Some(block) if end - start <= SHORT => {
                let len = out.len() + (end - start);
                out.extend_from_slice(block);
                out.truncate(len);
            }
            _ => out.extend_from_slice(&self.bytes[start..end]),
        }
    }
}

fn text_of<'b>(names: &[Name], bytes: &'b [u8], id: u32) -> &'b [u8] {
    let name = names[id as usize];
    &bytes[name.text as usize..name.json as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(keys: &LaneKeys, key: KeyId) -> String {
        let mut out = Vec::new();
        keys.write_json(key, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_name_has_the_same_number_in_every_lane() {
        let keys = Keys::default();
        let mut first = LaneKeys::new(&keys);
        let compiled = keys.compiled("host");
        first.catch_up();
        let observed = first.id(b"user").expect("room");
        let mut second = LaneKeys::new(&keys);
        assert_eq!(second.id(b"host"), Some(compiled));
        assert_eq!(second.id(b"user"), Some(observed));
        assert_eq!(json(&second, observed), ",\"user\":");
    }

    #[test]
    fn metadata_keys_are_known_by_their_numbers() {
        let lane = LaneKeys::new(&Keys::default());
        assert_eq!(lane.find(b"_vmetric"), Some(KeyId::VMETRIC));
        assert_eq!(lane.find(b"_temp"), Some(KeyId::TEMP));
        assert_eq!(lane.find(b"message"), Some(KeyId::MESSAGE));
        assert!(KeyId::INGEST.is_metadata() && !KeyId::MESSAGE.is_metadata());
    }

    #[test]
    fn a_full_table_takes_names_of_configurations_only() {
        let keys = Keys::default();
        let mut lane = LaneKeys::new(&keys);
        for at in 0..MAX_INTERNED_KEYS {
            lane.id(format!("key-{at}").as_bytes());
        }
        assert_eq!(keys.len(), MAX_INTERNED_KEYS);
        assert_eq!(lane.id(b"one more"), None);
        let compiled = keys.compiled("one more");
        lane.catch_up();
        assert_eq!(lane.id(b"one more"), Some(compiled));
    }

    #[test]
    fn a_name_is_kept_as_json_needs_it() {
        let keys = Keys::default();
        let mut lane = LaneKeys::new(&keys);
        let id = lane.id(b"a\"b").expect("room");
        assert_eq!((lane.text(id), json(&lane, id)), (b"a\"b".as_slice(), r#","a\"b":"#.to_owned()));
        let long = lane.id(&[b'x'; 100]).expect("room");
        assert_eq!(json(&lane, long), format!(",\"{}\":", "x".repeat(100)));
    }
}
