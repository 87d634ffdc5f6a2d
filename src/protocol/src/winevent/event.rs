//! An event's XML, read once.
//!
//! ```text
//!   <Event><System>…</System>
//!     <EventData><Data Name="…">…</Data>…<Binary>…</Binary></EventData>   or <UserData><X>…</X></UserData>
//!     <RenderingInfo Culture="…"><Message>…</Message>…</RenderingInfo></Event>
//! ```
//!
//! Prefixes and namespaces are not looked at: an event may be cut out of a message that declares them. What is
//! missing or not understood is `None`; only XML that is not well-formed, or no event, is an error.

use std::borrow::Cow;

use crate::xml::{self, Scanner, Tag, Token};

/// An event. Numbers that can't be read are `None`, texts that are missing are empty or `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The provider's name.
    pub provider_name: Cow<'a, str>,
    /// The provider's id, in braces.
    pub provider_guid: Option<Cow<'a, str>>,
    /// The name under which a classic source writes.
    pub event_source_name: Option<Cow<'a, str>>,
    /// The event's id; of a classic one the lower 16 bits.
    pub event_id: Option<u32>,
    /// The upper 16 bits of a classic id.
    pub qualifiers: Option<u32>,
    /// The version of the event's layout.
    pub version: Option<u32>,
    /// 1 critical to 5 verbose; 0 is always logged; from 16 on the provider's own.
    pub level: Option<u8>,
    /// The provider's number for what it was doing.
    pub task: Option<u32>,
    /// The step of the task.
    pub opcode: Option<u32>,
    /// Bits; see [`super::names::keywords`].
    pub keywords: Option<u64>,
    /// When, in UTC, with up to seven digits of a second.
    pub time_created: Option<Cow<'a, str>>,
    /// The number in its channel.
    pub record_id: Option<u64>,
    /// The activity that this is part of.
    pub activity_id: Option<Cow<'a, str>>,
    /// The activity that this one leads to.
    pub related_activity_id: Option<Cow<'a, str>>,
    /// The process that wrote the event.
    pub process_id: Option<u32>,
    /// The thread that wrote the event.
    pub thread_id: Option<u32>,
    /// The channel.
    pub channel: Cow<'a, str>,
    /// The computer, as NetBIOS or DNS name.
    pub computer: Cow<'a, str>,
    /// The SID of the user.
    pub user_id: Option<Cow<'a, str>>,
    /// What the event tells, in order.
    pub data: Vec<Data<'a>>,
    /// Bytes that a classic event carries, in hex.
    pub binary: Option<Cow<'a, str>>,
    /// What the event tells in a form of its provider's.
    pub user_data: Option<UserData<'a>>,
    /// Its texts, where the endpoint has rendered them.
    pub rendering: Option<Box<Rendering<'a>>>,
    /// Why the endpoint could not render it.
    pub error_code: Option<Cow<'a, str>>,
}

/// A `<Data>` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// The name; classic events have none.
    pub name: Option<Cow<'a, str>>,
    /// The value.
    pub value: Cow<'a, str>,
}

/// `<UserData>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserData<'a> {
    /// The name of the element in it.
    pub xml_name: &'a str,
    /// Its leaves in order; names of deeper ones are joined with dots.
    pub values: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// `<RenderingInfo>`: texts in the language of `culture`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendering<'a> {
    /// The language, `en-US`.
    pub culture: Option<Cow<'a, str>>,
    /// The message.
    pub message: Option<Cow<'a, str>>,
    /// The level's name.
    pub level: Option<Cow<'a, str>>,
    /// The task's name.
    pub task: Option<Cow<'a, str>>,
    /// The opcode's name.
    pub opcode: Option<Cow<'a, str>>,
    /// The keywords' names.
    pub keywords: Vec<Cow<'a, str>>,
}

/// Why a text is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is no XML, or cut.
    #[error("the event is {0}")]
    Xml(#[from] xml::Error),
    /// It is something else.
    #[error("the xml is no windows event")]
    NotAnEvent,
}

/// Reads one event.
///
/// ```
/// let xml = "<Event><System><EventID>4624</EventID></System><EventData><Data Name='a'>b</Data></EventData></Event>";
/// let event = protocol::winevent::parse(xml).unwrap();
/// assert_eq!(event.event_id, Some(4624));
/// assert_eq!(event.data[0].value, "b");
/// ```
///
/// # Errors
/// The text is not well-formed XML, or its element is no `Event`.
pub fn parse(xml: &str) -> Result<Event<'_>, ParseError> {
    let mut scanner = Scanner::new(xml);
    match scanner.token()? {
        Some(Token::Start(root)) if root.local_name() == "Event" => {}
        _ => return Err(ParseError::NotAnEvent),
    }
    let mut event = Event::default();
    while let Some(token) = scanner.token()? {
        let Token::Start(tag) = token else { continue };
        match tag.local_name() {
            "System" => system(&mut scanner, &mut event)?,
            "EventData" => event_data(&mut scanner, &mut event)?,
            "UserData" => user_data(&mut scanner, &mut event)?,
            "RenderingInfo" => rendering(&mut scanner, &tag, &mut event)?,
            "ProcessingErrorData" => {
                children(&mut scanner, |scanner, tag| match tag.local_name() {
                    "ErrorCode" => keep(&mut event.error_code, scanner),
                    _ => scanner.skip(tag).map(drop),
                })?;
            }
            _ => drop(scanner.skip(&tag)?),
        }
    }
    Ok(event)
}

// === impl Event ===

impl Event<'_> {
    /// When, in nanoseconds since 1970.
    pub fn unix_nanos(&self) -> Option<i64> {
        let time: jiff::Timestamp = self.time_created.as_ref()?.parse().ok()?;
        i64::try_from(time.as_nanosecond()).ok()
    }
}

// === The parts of an event ===

fn system<'a>(scanner: &mut Scanner<'a>, event: &mut Event<'a>) -> Result<(), xml::Error> {
    children(scanner, |scanner, tag| {
        match tag.local_name() {
            "Provider" => {
                for (name, value) in tag.attributes() {
                    let value = || xml::text::attribute(value);
                    match name {
                        "Name" => event.provider_name = value(),
                        "Guid" => event.provider_guid = Some(value()),
                        "EventSourceName" => event.event_source_name = Some(value()),
                        _ => {}
                    }
                }
                return scanner.skip(tag).map(drop);
            }
            "EventID" => {
                event.qualifiers = tag.attribute("Qualifiers").and_then(|value| value.parse().ok());
                event.event_id = number(scanner)?;
            }
            "Version" => event.version = number(scanner)?,
            "Level" => event.level = number(scanner)?,
            "Task" => event.task = number(scanner)?,
            "Opcode" => event.opcode = number(scanner)?,
            "Keywords" => event.keywords = bits(scanner)?,
            "TimeCreated" => {
                event.time_created = tag.attribute("SystemTime");
                return scanner.skip(tag).map(drop);
            }
            "EventRecordID" => event.record_id = number(scanner)?,
            "Correlation" => {
                event.activity_id = tag.attribute("ActivityID");
                event.related_activity_id = tag.attribute("RelatedActivityID");
                return scanner.skip(tag).map(drop);
            }
            "Execution" => {
                event.process_id = tag.attribute("ProcessID").and_then(|value| value.parse().ok());
                event.thread_id = tag.attribute("ThreadID").and_then(|value| value.parse().ok());
                return scanner.skip(tag).map(drop);
            }
            "Channel" => event.channel = scanner.text()?,
            "Computer" => event.computer = scanner.text()?,
            "Security" => {
                event.user_id = tag.attribute("UserID").filter(|id| !id.is_empty());
                return scanner.skip(tag).map(drop);
            }
            _ => return scanner.skip(tag).map(drop),
        }
        Ok(())
    })
}

fn event_data<'a>(scanner: &mut Scanner<'a>, event: &mut Event<'a>) -> Result<(), xml::Error> {
    event.data.reserve(24);
    children(scanner, |scanner, tag| {
        match tag.local_name() {
            "Data" => {
                let name = tag.attribute("Name").filter(|name| !name.is_empty());
                event.data.push(Data { name, value: scanner.text()? });
            }
            "Binary" => keep(&mut event.binary, scanner)?,
            _ => drop(scanner.skip(tag)?),
        }
        Ok(())
    })
}

fn user_data<'a>(scanner: &mut Scanner<'a>, event: &mut Event<'a>) -> Result<(), xml::Error> {
    children(scanner, |scanner, tag| {
        let mut found = UserData { xml_name: tag.local_name(), values: Vec::new() };
        children(scanner, |scanner, tag| leaves(scanner, tag.local_name().into(), &mut found.values))?;
        event.user_data = Some(found);
        Ok(())
    })
}

/// The leaves of an element; recursion ends at the scanner's depth.
fn leaves<'a>(
    scanner: &mut Scanner<'a>,
    name: Cow<'a, str>,
    values: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
) -> Result<(), xml::Error> {
    let inside = scanner.depth();
    let before = values.len();
    let mut text = Cow::Borrowed("");
    while let Some(token) = scanner.token()? {
        match token {
            Token::Start(tag) => leaves(scanner, format!("{name}.{}", tag.local_name()).into(), values)?,
            Token::Text(raw) => xml::text::append(&mut text, xml::text::unescaped(raw)),
            Token::CData(raw) => xml::text::append(&mut text, xml::text::cleaned(raw)),
            Token::End { .. } if scanner.depth() < inside => break,
            Token::End { .. } => {}
        }
    }
    if values.len() == before || !text.trim().is_empty() {
        values.push((name, text));
    }
    Ok(())
}

fn rendering<'a>(scanner: &mut Scanner<'a>, tag: &Tag<'a>, event: &mut Event<'a>) -> Result<(), xml::Error> {
    let mut found = Rendering { culture: tag.attribute("Culture"), ..Rendering::default() };
    children(scanner, |scanner, tag| match tag.local_name() {
        "Message" => keep(&mut found.message, scanner),
        "Level" => keep(&mut found.level, scanner),
        "Task" => keep(&mut found.task, scanner),
        "Opcode" => keep(&mut found.opcode, scanner),
        "Keywords" => children(scanner, |scanner, _| {
            let keyword = scanner.text()?;
            if !keyword.is_empty() {
                found.keywords.push(keyword);
            }
            Ok(())
        }),
        _ => scanner.skip(tag).map(drop),
    })?;
    event.rendering = Some(Box::new(found));
    Ok(())
}

// === Reading ===

/// Calls `each` for every element in the one whose start tag was the last token; `each` reads it to its end.
fn children<'a>(
    scanner: &mut Scanner<'a>,
    mut each: impl FnMut(&mut Scanner<'a>, &Tag<'a>) -> Result<(), xml::Error>,
) -> Result<(), xml::Error> {
    let inside = scanner.depth();
    while let Some(token) = scanner.token()? {
        match token {
            Token::Start(tag) => each(scanner, &tag)?,
            Token::End { .. } if scanner.depth() < inside => break,
            _ => {}
        }
    }
    Ok(())
}

/// Keeps an element's text where there is any.
fn keep<'a>(to: &mut Option<Cow<'a, str>>, scanner: &mut Scanner<'a>) -> Result<(), xml::Error> {
    *to = Some(scanner.text()?).filter(|text| !text.is_empty());
    Ok(())
}

fn number<N: std::str::FromStr>(scanner: &mut Scanner<'_>) -> Result<Option<N>, xml::Error> {
    Ok(scanner.text()?.trim().parse().ok())
}

/// `0x8020000000000000`.
fn bits(scanner: &mut Scanner<'_>) -> Result<Option<u64>, xml::Error> {
    let text = scanner.text()?;
    let text = text.trim();
    Ok(match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_quotes_and_nesting_do_not_matter() {
        let xml = "<e:Event xmlns:e='x'><e:System><e:Provider Name=\"P &amp; Q\"/><e:Correlation/></e:System>\
                   <e:UserData><X xmlns='y'><a>1</a><b><c>2</c><c>3</c></b><d/></X></e:UserData></e:Event>";
        let event = parse(xml).unwrap();
        assert_eq!(event.provider_name, "P & Q");
        assert_eq!(event.activity_id, None);
        let user_data = event.user_data.unwrap();
        assert_eq!(user_data.xml_name, "X");
        let values: Vec<_> = user_data.values.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(values, [("a", "1"), ("b.c", "2"), ("b.c", "3"), ("d", "")]);
    }

    #[test]
    fn control_characters_do_not_cost_the_event() {
        let xml = "<Event><EventData><Data>a\u{1}&#2;b</Data><Data Name=''>&bad;</Data></EventData></Event>";
        let event = parse(xml).unwrap();
        assert_eq!(event.data[0].value, "a\u{fffd}\u{fffd}b");
        assert_eq!((event.data[1].name.as_ref(), event.data[1].value.as_ref()), (None, "&bad;"));
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        assert_eq!(parse("<Evento/>"), Err(ParseError::NotAnEvent));
        assert_eq!(parse(""), Err(ParseError::NotAnEvent));
        assert!(matches!(parse("<Event><System>"), Err(ParseError::Xml(_))));
    }
}
