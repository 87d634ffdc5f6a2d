//! Choices, and several values at once.

use serde_json::{Value as Json, json};

use super::{Reader, Wrong, or_placeholder};
use crate::suggest::did_you_mean;
use crate::{Node, Resolved};

/// `true` or `false`.
pub(crate) struct Flag;

impl Reader for Flag {
    type Value = bool;

    fn read(&self, node: &Node) -> Result<bool, Wrong> {
        match node.as_text() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => match node.as_scalar().map(|scalar| scalar.resolve()) {
                Some(Resolved::Bool(value)) => Ok(value),
                _ => Err(Wrong::new(node, "write true or false")),
            },
        }
    }

    fn placeholder(&self) -> bool {
        false
    }

    fn schema(&self) -> Json {
        or_placeholder(json!({"type": "boolean"}))
    }
}

/// One of several words. The first is the placeholder of a wrong one; further words may mean the same.
pub(crate) struct Choice<T: 'static>(pub(crate) &'static [(&'static str, T)]);

impl<T: Copy> Reader for Choice<T> {
    type Value = T;

    fn read(&self, node: &Node) -> Result<T, Wrong> {
        let words = self.0.iter().map(|(word, _)| *word);
        let Some(text) = node.as_text() else {
            return Err(Wrong::new(node, format!("write one of {}", words.collect::<Vec<_>>().join(", "))));
        };
        match self.0.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => Err(Wrong::new(node, did_you_mean(text, words))),
        }
    }

    fn placeholder(&self) -> T {
        self.0[0].1
    }

    fn schema(&self) -> Json {
        let word = |word: &&str| word.parse::<u64>().map_or_else(|_| json!(word), |number| json!(number));
        let words: Vec<Json> = self.0.iter().map(|(text, _)| word(text)).collect();
        or_placeholder(json!({"enum": words}))
    }
}

/// A list of values, or a single one.
pub(crate) struct List<R>(pub(crate) R);

impl<R: Reader> Reader for List<R> {
    type Value = Vec<R::Value>;

    fn read(&self, node: &Node) -> Result<Self::Value, Wrong> {
        match node.as_list() {
            Some(items) => items.iter().map(|item| self.0.read(item)).collect(),
            None => Ok(vec![self.0.read(node)?]),
        }
    }

    fn placeholder(&self) -> Self::Value {
        Vec::new()
    }

    fn schema(&self) -> Json {
        let one = self.0.schema();
        json!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}
