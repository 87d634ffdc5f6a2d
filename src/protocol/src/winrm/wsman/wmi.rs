//! The properties of a WMI instance: typed (`<p:Win32_Service>`) or a fragment (`<w:XmlFragment>`).

use std::borrow::Cow;

use super::envelope::ReadError;
use crate::xml::{Scanner, Token};

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance<'a> {
    /// The class; fragments do not tell it.
    pub class: Option<&'a str>,
    /// Names and values, in order; a name comes once for each element of an array. `None` is null.
    pub properties: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

// === impl Instance ===

impl<'a> Instance<'a> {
    /// Reads an item of an answer.
    ///
    /// # Errors
    /// It is not well-formed.
    pub fn read(xml: &'a str) -> Result<Self, ReadError> {
        let mut scanner = Scanner::new(xml);
        let Some(Token::Start(root)) = scanner.token()? else { return Err(ReadError::Missing("instance")) };
        let class = Some(root.local_name()).filter(|name| *name != "XmlFragment");
        let mut properties = Vec::with_capacity(32);
        while let Some(token) = scanner.token()? {
            let Token::Start(property) = token else { continue };
            let null = property.attribute("nil").is_some_and(|nil| matches!(nil.as_ref(), "true" | "1"));
            let value = value(&mut scanner)?;
            properties.push((property.local_name(), (!null).then_some(value)));
        }
        Ok(Self { class, properties })
    }

    /// The value of a property; `None` where it is null or missing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(found, _)| *found == name)?.1.as_deref()
    }
}

/// The characters of a property, those of elements in it (`cim:Datetime`) included.
fn value<'a>(scanner: &mut Scanner<'a>) -> Result<Cow<'a, str>, ReadError> {
    let inside = scanner.depth();
    let mut found = Cow::Borrowed("");
    while let Some(token) = scanner.token()? {
        match token {
            Token::Text(raw) => crate::xml::text::append(&mut found, crate::xml::text::unescaped(raw)),
            Token::CData(raw) => crate::xml::text::append(&mut found, crate::xml::text::cleaned(raw)),
            Token::End { .. } if scanner.depth() < inside => break,
            Token::Start(_) | Token::End { .. } => {}
        }
    }
    Ok(found)
}
