//! Where a reader of event logs was: a `BookmarkList`, one bookmark a channel.
//!
//! What a service sends is to be kept and sent back unchanged ([`crate::winrm::wsman::Reply::bookmark`]); it is read
//! to notice gaps, and written where there is none to keep: polling, simulated hosts.

use crate::xml::{self, Scanner, Token, Writer};

/// The last record that was read of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// The channel.
    pub channel: String,
    /// The record's number in it.
    pub record_id: u64,
    /// Whether it is the channel that was read last.
    pub is_current: bool,
}

/// Why a text is no list of bookmarks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookmarkError {
    /// It is no XML, or cut.
    #[error("the bookmark is {0}")]
    Xml(#[from] xml::Error),
    /// It is something else.
    #[error("the bookmark is no BookmarkList")]
    NotAList,
    /// A bookmark without channel or number.
    #[error("the bookmark has an entry without a channel or a record number")]
    Incomplete,
}

/// Reads a list.
///
/// # Errors
/// The text is no list, or a bookmark in it lacks its channel or number.
pub fn parse(xml: &str) -> Result<Vec<Bookmark>, BookmarkError> {
    let mut scanner = Scanner::new(xml.trim());
    match scanner.token()? {
        Some(Token::Start(root)) if root.local_name() == "BookmarkList" => {}
        _ => return Err(BookmarkError::NotAList),
    }
    let mut found = Vec::new();
    while let Some(token) = scanner.token()? {
        let Token::Start(tag) = token else { continue };
        if tag.local_name() != "Bookmark" {
            continue;
        }
        let channel = tag.attribute("Channel").ok_or(BookmarkError::Incomplete)?.into_owned();
        let record_id = tag.attribute("RecordId").and_then(|id| id.trim().parse().ok());
        let record_id = record_id.ok_or(BookmarkError::Incomplete)?;
        let is_current =
            tag.attribute("IsCurrent").is_some_and(|current| current.eq_ignore_ascii_case("true"));
        found.push(Bookmark { channel, record_id, is_current });
    }
    Ok(found)
}

/// Writes a list.
pub fn build(bookmarks: &[Bookmark]) -> String {
    let mut xml = Writer::with_capacity(64 + bookmarks.len() * 96);
    xml.open("BookmarkList", &[]);
    for bookmark in bookmarks {
        let record_id = bookmark.record_id.to_string();
        let attributes = [("Channel", bookmark.channel.as_str()), ("RecordId", &record_id)];
        match bookmark.is_current {
            true => xml.empty("Bookmark", &[attributes[0], attributes[1], ("IsCurrent", "true")]),
            false => xml.empty("Bookmark", &attributes),
        }
    }
    xml.close("BookmarkList");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_written() {
        let list = vec![
            Bookmark { channel: "Security".into(), record_id: u64::MAX, is_current: true },
            Bookmark { channel: "A & \"B\"/<C>".into(), record_id: 0, is_current: false },
        ];
        assert_eq!(parse(&build(&list)).unwrap(), list);
        assert_eq!(parse("<a/>"), Err(BookmarkError::NotAList));
        let incomplete = "<BookmarkList><Bookmark Channel='x'/></BookmarkList>";
        assert_eq!(parse(incomplete), Err(BookmarkError::Incomplete));
    }
}
