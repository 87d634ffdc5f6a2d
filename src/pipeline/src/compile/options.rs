//! Reading the options of one processor.

use super::spec::Spec;
use super::{COMMON_OPTIONS, Compiler};
use crate::condition::Condition;
use crate::pattern::Pattern;
use crate::source::{Diagnostic, Entry, Node, Place, Value};
use crate::step::{Block, Processor};
use crate::suggest::closest;
use crate::template::{Template, ValueTemplate};
use event::model::{Keys, Path};
use std::cell::Cell;
use std::sync::Arc;

/// A mistake was found and noted.
#[derive(Debug)]
pub struct Reported;

/// The options of one processor while it is compiled.
pub struct Options<'o, 'c> {
    compiler: &'o mut Compiler<'c>,
    spec: &'static Spec,
    entry: &'o Entry,
    /// Which of the specification's options were looked at, a bit for each.
    seen: Cell<u64>,
}

impl<'o, 'c> Options<'o, 'c> {
    pub(super) fn new(compiler: &'o mut Compiler<'c>, spec: &'static Spec, entry: &'o Entry) -> Self {
        Self { compiler, spec, entry, seen: Cell::new(0) }
    }

    pub(super) fn compile(mut self) -> Result<Box<dyn Processor>, Reported> {
        let before = self.compiler.problems.len();
        if !matches!(self.entry.value.value, Value::Map(_) | Value::Null) {
            let kind = self.entry.value.kind();
            return Err(self.error(
                &self.entry.value.at,
                format!("its options are a map and not {kind}"),
                "",
            ));
        }
        self.check_names();
        let processor = (self.spec.compile)(&mut self);
        if processor.is_ok() && self.compiler.problems.len() == before {
            self.check_unseen();
        }
        if self.compiler.problems.len() > before { Err(Reported) } else { processor }
    }

    fn check_names(&mut self) {
        let own = |name: &str| self.spec.options.iter().any(|option| option.name == name);
        for entry in self.entry.value.entries() {
            if own(&entry.key) || COMMON_OPTIONS.contains(&entry.key.as_str()) {
                continue;
            }
            let names: Vec<&str> = self.spec.options.iter().map(|option| option.name).collect();
            let fix = closest(&entry.key, names.iter().copied().chain(COMMON_OPTIONS));
            let what = format!("there is no option {:?}{fix}", entry.key);
            let known = format!("its own options are {}", names.join(", "));
            let known = if names.is_empty() { "it has no options of its own".to_owned() } else { known };
            self.error(&entry.key_at, what, known);
        }
    }

    /// What has no effect beside the other options must make sense all the same.
    fn check_unseen(&mut self) {
        for (at, option) in self.spec.options.iter().enumerate() {
            if self.seen.get() & (1 << at) == 0 && self.node(option.name).is_some() {
                // What is wrong was noted.
                let _ = match option.default {
                    "true" | "false" => self.flag(option.name, false).is_ok(),
                    _ => self.texts(option.name).is_ok(),
                };
            }
        }
    }

    /// The table of names.
    pub fn keys(&self) -> &'c Keys {
        self.compiler.keys
    }

    pub(crate) fn compiler(&mut self) -> &mut Compiler<'c> {
        self.compiler
    }

    pub(crate) fn library(&self) -> &'c super::Library {
        self.compiler.library
    }

    /// Notes a mistake.
    pub fn error(&mut self, at: &Place, what: impl AsRef<str>, fix: impl Into<String>) -> Reported {
        let what = self.named(at, what.as_ref());
        self.compiler.problems.push(at.error(what, fix));
        Reported
    }

    /// What is wrong at a place, with the processor's name and that of the option which the place is in.
    fn named(&self, at: &Place, what: &str) -> String {
        let place = |place: &Place| (place.line, place.column);
        let begin = place(&self.entry.key_at);
        let entries = self.entry.value.entries().iter();
        let before = entries.filter(|entry| place(&entry.key_at) > begin && place(&entry.key_at) < place(at));
        let processor = self.spec.name;
        match before.max_by_key(|entry| place(&entry.key_at)).map(|entry| &entry.key) {
            Some(option)
                if !what.contains(&format!("\"{option}\"")) && !what.contains(&format!("`{option}`")) =>
            {
                format!("{processor}: the option {option:?}: {what}")
            }
            _ => format!("{processor}: {what}"),
        }
    }

    /// Where an option's value stands, or, where it is left out, the processor.
    pub fn place_of(&self, name: &str) -> Place {
        self.node(name).map_or_else(|| self.place().clone(), |node| node.at.clone())
    }

    /// Where the processor stands.
    pub fn place(&self) -> &'o Place {
        &self.entry.key_at
    }

    /// An option as it is written; null counts as left out.
    pub fn node(&self, name: &str) -> Option<&'o Node> {
        let entry: &'o Entry = self.entry;
        if let Some(at) = self.spec.options.iter().position(|option| option.name == name) {
            self.seen.set(self.seen.get() | 1 << at);
        }
        entry.value.get(name).filter(|node| !matches!(node.value, Value::Null))
    }

    /// An option that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn required(&mut self, name: &str) -> Result<&'o Node, Reported> {
        match self.node(name) {
            Some(node) => Ok(node),
            None => {
                let at = self.entry.key_at.clone();
                Err(self.error(&at, format!("the option {name:?} is missing"), format!("add `{name}:`")))
            }
        }
    }

    fn wrong(&mut self, name: &str, node: &Node, wanted: &str) -> Reported {
        let what = format!("the option {name:?} is {wanted} and not {}", node.kind());
        self.error(&node.at, what, "")
    }

    /// A field that must be named.
    ///
    /// # Errors
    /// When the option is missing or no path.
    pub fn field(&mut self, name: &str) -> Result<Path, Reported> {
        let node = self.required(name)?;
        self.path(name, node)
    }

    /// A field that may be named.
    ///
    /// # Errors
    /// When the option is no path.
    pub fn optional_field(&mut self, name: &str) -> Result<Option<Path>, Reported> {
        self.node(name).map(|node| self.path(name, node)).transpose()
    }

    /// A field that is another one where it is left out.
    ///
    /// # Errors
    /// When the option is no path.
    pub fn field_or(&mut self, name: &str, default: &Path) -> Result<Path, Reported> {
        Ok(self.optional_field(name)?.unwrap_or_else(|| default.clone()))
    }

    /// The field that a text names.
    ///
    /// # Errors
    /// When it is no path.
    pub fn path(&mut self, name: &str, node: &Node) -> Result<Path, Reported> {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            _ => return Err(self.wrong(name, node, "a field path")),
        };
        // A template of a field where a field is wanted means that field's path in the product's examples.
        let text = text.trim();
        let bare = text.strip_prefix("ctx.").or_else(|| text.strip_prefix("logEntry.")).unwrap_or(text);
        match Path::parse(self.keys(), bare) {
            Ok(path) => Ok(path),
            Err(why) => Err(self.error(&node.at, format!("the option {name:?}: {why}"), "")),
        }
    }

    /// A text that may be left out.
    ///
    /// # Errors
    /// When the option is no text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Reported> {
        match self.node(name) {
            None => Ok(None),
            Some(node) => match &node.value {
                Value::Text(text) => Ok(Some(text.clone())),
                Value::Int(number) => Ok(Some(number.to_string())),
                Value::Float(number) => Ok(Some(number.to_string())),
                Value::Bool(truth) => Ok(Some(truth.to_string())),
                _ => Err(self.wrong(name, node, "a text")),
            },
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// When it is not, or is no text.
    pub fn required_text(&mut self, name: &str) -> Result<String, Reported> {
        self.required(name)?;
        Ok(self.text(name)?.unwrap_or_default())
    }

    /// Several texts, or a single one.
    ///
    /// # Errors
    /// When the option is something else.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>, Reported> {
        let Some(node) = self.node(name) else { return Ok(Vec::new()) };
        match &node.value {
            Value::List(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    match &item.value {
                        Value::Text(text) => texts.push(text.clone()),
                        Value::Int(number) => texts.push(number.to_string()),
                        _ => return Err(self.wrong(name, item, "a list of texts")),
                    }
                }
                Ok(texts)
            }
            _ => Ok(self.text(name)?.into_iter().collect()),
        }
    }

    /// Several fields, or a single one.
    ///
    /// # Errors
    /// When one of them is no path.
    pub fn fields(&mut self, name: &str) -> Result<Vec<Path>, Reported> {
        let Some(node) = self.node(name) else { return Ok(Vec::new()) };
        match &node.value {
            Value::List(items) => items.iter().map(|item| self.path(name, item)).collect(),
            _ => Ok(vec![self.path(name, node)?]),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// When the option is something else.
    pub fn flag(&mut self, name: &str, default: bool) -> Result<bool, Reported> {
        match self.node(name) {
            None => Ok(default),
            Some(node) => match &node.value {
                Value::Bool(truth) => Ok(*truth),
                Value::Text(text) if text == "true" => Ok(true),
                Value::Text(text) if text == "false" => Ok(false),
                _ => Err(self.wrong(name, node, "true or false")),
            },
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// When the option is something else or outside the range.
    pub fn int(&mut self, name: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, Reported> {
        let Some(node) = self.node(name) else { return Ok(None) };
        let number = match &node.value {
            Value::Int(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Float(number) if number.fract() == 0.0 => Some(*number as i64),
            _ => None,
        };
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let what =
                    format!("the option {name:?} is a number from {} to {}", range.start(), range.end());
                Err(self.error(&node.at, what, ""))
            }
        }
    }

    /// One of several words; the first is the default.
    ///
    /// # Errors
    /// When the option is another word.
    pub fn choice<T: Copy>(&mut self, name: &str, words: &[(&'static str, T)]) -> Result<T, Reported> {
        let Some(text) = self.text(name)? else { return Ok(words[0].1) };
        match words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)) {
            Some((_, value)) => Ok(*value),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let fix = format!("there are {}", known.join(", "));
                let at = self.place_of(name);
                let hint = closest(&text, known.iter().copied());
                Err(self.error(&at, format!("the option {name:?} has no value {text:?}{hint}"), fix))
            }
        }
    }

    /// A text with fields in it, where there is one.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn template(&mut self, name: &str) -> Result<Option<Template>, Reported> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let at = self.place_of(name);
        self.template_of(&at, &text).map(Some)
    }

    /// A text with fields in it.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn template_of(&mut self, at: &Place, text: &str) -> Result<Template, Reported> {
        Template::compile(self.keys(), text).map_err(|why| self.error(at, why, ""))
    }

    /// A value with templates in it.
    ///
    /// # Errors
    /// When a template can't be read.
    pub fn value(&mut self, node: &Node) -> Result<ValueTemplate, Reported> {
        ValueTemplate::compile(self.keys(), node).map_err(|why| self.error(&node.at, why, ""))
    }

    /// A regular expression that must be there.
    ///
    /// # Errors
    /// When it is missing or not valid.
    pub fn pattern(&mut self, name: &str) -> Result<Pattern, Reported> {
        let text = self.required_text(name)?;
        let at = self.place_of(name);
        self.pattern_of(&at, &text)
    }

    /// A regular expression.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn pattern_of(&mut self, at: &Place, text: &str) -> Result<Pattern, Reported> {
        Pattern::compile(text).map_err(|why| self.error(at, why, "the syntax is that of RE2"))
    }

    /// What `make` makes of a file that an option names.
    ///
    /// # Errors
    /// When there is no such file, or `make` does not like it.
    pub(crate) fn file<T: Send + Sync + 'static>(
        &mut self,
        option: &str,
        folder: &str,
        name: &str,
        make: impl FnOnce(Vec<u8>) -> Result<T, String>,
    ) -> Result<Arc<T>, Reported> {
        match self.compiler.library.files.open(folder, name, make) {
            Ok((value, used)) => {
                self.compiler.files.push(used);
                Ok(value)
            }
            Err(why) => {
                let at = self.place_of(option);
                let fix = format!("put the file into `user/{folder}`, or name it with its whole path");
                Err(self.error(&at, why, fix))
            }
        }
    }

    /// A condition.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn condition(&mut self, node: &Node) -> Result<Condition, Reported> {
        let condition = self.compiler.condition(node);
        if condition.is_none()
            && let Some(problem) = self.compiler.problems.pop()
        {
            let what = self.named(&node.at, &problem.what);
            self.compiler.problems.push(Diagnostic { what, ..problem });
        }
        condition.ok_or(Reported)
    }

    /// Processors below an option.
    pub(crate) fn block(&mut self, node: &Node) -> Block {
        self.compiler.block(node)
    }
}
