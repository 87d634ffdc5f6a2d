//! What was settled, as a record of the journal, format 1.
//!
//! ```text
//! u8   2 = settlements
//! u8   format, 1
//! var  number of keys; each: var length, the branch's key
//! var  number of ranges; each: u64 first position, var how many: nobody owes these batches any more
//! var  number of batches; each: u64 position, var number of branches; each: var key, var from: the branch owes the
//!      batch from this record on (all that are named, and only these, ever took it)
//! ```
//!
//! It lies in the same journal as the batches, later than these: reading the journal from the first batch that is not
//! settled on tells who still owes what, whatever moment the process was killed at. Each record stands for itself: a key
//! is written wherever it is used.

use super::record::{Cut, DecodeError, put_var};
use std::collections::HashMap;
use std::sync::Arc;

/// The first byte of a settlement record.
pub const KIND: u8 = 2;
/// The format that is written and read.
pub const FORMAT: u8 = 1;

/// A branch as it is known beyond the life of the process.
pub type Key = Arc<str>;

/// What is noted at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlements {
    /// Batches that nobody owes any more: first position, how many.
    pub closed: Vec<(u64, u64)>,
    /// Batches that are owed, and from which record on by whom.
    pub owed: Vec<(u64, Vec<(Key, u32)>)>,
}

impl Settlements {
    /// Whether there is nothing to note.
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.owed.is_empty()
    }

    /// Nobody owes the batch at this position any more. In one piece where positions come one after the other.
    pub fn close(&mut self, position: u64) {
        match self.closed.last_mut() {
            Some((first, count)) if *first + *count == position => *count += 1,
            _ => self.closed.push((position, 1)),
        }
    }

    /// Appends the record to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[KIND, FORMAT]);
        let mut numbers: HashMap<&str, u64> = HashMap::new();
        let mut keys: Vec<&str> = Vec::new();
        for (key, _) in self.owed.iter().flat_map(|(_, parts)| parts) {
            numbers.entry(key).or_insert_with(|| {
                keys.push(key);
                keys.len() as u64 - 1
            });
        }
        put_var(out, keys.len() as u64);
        for key in keys {
            put_var(out, key.len() as u64);
            out.extend_from_slice(key.as_bytes());
        }
        put_var(out, self.closed.len() as u64);
        for (first, count) in &self.closed {
            out.extend_from_slice(&first.to_le_bytes());
            put_var(out, *count);
        }
        put_var(out, self.owed.len() as u64);
        for (position, parts) in &self.owed {
            out.extend_from_slice(&position.to_le_bytes());
            put_var(out, parts.len() as u64);
            for (key, from) in parts {
                put_var(out, numbers[&**key]);
                put_var(out, u64::from(*from));
            }
        }
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// When the bytes are none, or damaged.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut cut = Cut { bytes: payload, at: 0 };
        let [kind, format] = cut.array().ok_or(DecodeError::Damaged)?;
        if (kind, format) != (KIND, FORMAT) {
            return Err(DecodeError::Unknown { kind, format });
        }
        read(&mut cut).ok_or(DecodeError::Damaged)
    }
}

fn read(cut: &mut Cut<'_>) -> Option<Settlements> {
    let mut keys: Vec<Key> = Vec::new();
    for _ in 0..cut.var()? {
        keys.push(cut.text()?.into());
    }
    let mut settlements = Settlements::default();
    for _ in 0..cut.var()? {
        settlements.closed.push((cut.u64()?, cut.var()?));
    }
    for _ in 0..cut.var()? {
        let (position, mut parts) = (cut.u64()?, Vec::new());
        for _ in 0..cut.var()? {
            let key = keys.get(usize::try_from(cut.var()?).ok()?)?;
            parts.push((Arc::clone(key), u32::try_from(cut.var()?).ok()?));
        }
        settlements.owed.push((position, parts));
    }
    Some(settlements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_refused() {
        let (a, b): (Key, Key) = ("all\tout".into(), "all\tbackup".into());
        let mut settlements = Settlements::default();
        for position in [3, 4, 5, 9] {
            settlements.close(position);
        }
        settlements.owed.push((6, vec![(Arc::clone(&a), 0), (b, 300)]));
        settlements.owed.push((7, vec![(a, 12)]));
        assert_eq!(settlements.closed, [(3, 3), (9, 1)]);
        let mut bytes = Vec::new();
        settlements.encode(&mut bytes);
        assert_eq!(Settlements::decode(&bytes), Ok(settlements));
        for len in 0..bytes.len() {
            assert_eq!(Settlements::decode(&bytes[..len]), Err(DecodeError::Damaged), "{len} bytes");
        }
    }
}
