//! Comparing values.

use super::document::Event;
use super::slot::{Children, Slot};
use std::cmp::Ordering;

impl Event<'_> {
    /// Whether two values are equal: numbers by value, maps without regard to order.
    pub fn equal(&self, left: Slot, right: Slot) -> bool {
        match (left, right) {
            (Slot::Null, Slot::Null) => true,
            (Slot::Bool(a), Slot::Bool(b)) => a == b,
            (Slot::Int(a), Slot::Int(b)) => a == b,
            (Slot::Int(_) | Slot::Float(_), Slot::Int(_) | Slot::Float(_)) => {
                left.as_number() == right.as_number()
            }
            (Slot::Text(a), Slot::Text(b)) | (Slot::Bytes(a), Slot::Bytes(b)) => {
                self.bytes(a) == self.bytes(b)
            }
            (Slot::Time(a), Slot::Time(b)) => a == b,
            (Slot::List(a), Slot::List(b)) => {
                a.count == b.count
                    && self
                        .children(a)
                        .zip(self.children(b))
                        .all(|(a, b)| self.equal(self.slot(a), self.slot(b)))
            }
            (Slot::Map(a), Slot::Map(b)) => a.count == b.count && self.equal_maps(a, b),
            _ => false,
        }
    }

    fn equal_maps(&self, left: Children, right: Children) -> bool {
        self.children(left).all(|node| {
            let other = self.field(right, self.key(node));
            other.is_some_and(|other| self.equal(self.slot(node), self.slot(other)))
        })
    }

    /// The order of two numbers, texts, times or truth values; none for values that have no order.
    pub fn order(&self, left: Slot, right: Slot) -> Option<Ordering> {
        match (left, right) {
            (Slot::Int(a), Slot::Int(b)) | (Slot::Time(a), Slot::Time(b)) => Some(a.cmp(&b)),
            (Slot::Bool(a), Slot::Bool(b)) => Some(a.cmp(&b)),
            (Slot::Text(a), Slot::Text(b)) | (Slot::Bytes(a), Slot::Bytes(b)) => {
                Some(self.bytes(a).cmp(self.bytes(b)))
            }
            _ => left.as_number()?.partial_cmp(&right.as_number()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Document, Keys, json_read};
    use super::*;

    #[test]
    fn values_are_compared_by_what_they_mean() {
        let keys = Keys::default();
        let mut doc = Document::new(&keys);
        let mut event = doc.start_empty(b"");
        let mut value = |text: &str| json_read::read_text(&mut event, text.as_bytes()).expect("valid");
        let cases = [
            ("1", "1.0", true),
            ("1", "\"1\"", false),
            (r#"{"a":1,"b":[2]}"#, r#"{"b":[2.0],"a":1}"#, true),
            ("[1,2]", "[2,1]", false),
            (r#"{"a":1}"#, r#"{"b":1}"#, false),
        ];
        let slots = cases.map(|(a, b, equal)| (value(a), value(b), equal, (a, b)));
        for (a, b, equal, texts) in slots {
            assert_eq!(event.equal(a, b), equal, "{texts:?}");
        }
        assert_eq!(event.order(Slot::Int(1), Slot::Float(1.5)), Some(Ordering::Less));
        assert_eq!(event.order(Slot::Int(1), Slot::Null), None);
    }
}
