//! What a service answers.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::envelope::{Element, Envelope, ReadError};
use super::fault::Fault;
use super::namespace::Namespace as N;
use crate::xml::{Scanner, Token};

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// The id of the request that it answers.
    pub relates_to: Option<String>,
    /// The bookmarks behind the events in it, to be kept and sent back unchanged.
    pub bookmark: Option<&'a str>,
    /// What it says.
    pub content: Content<'a>,
}

/// What an answer says.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// A fault.
    Fault(Fault),
    /// A subscription was made.
    Subscribed {
        /// What Unsubscribe needs.
        identifier: String,
        /// What the first Pull needs.
        context: String,
    },
    /// Events or WMI instances; none of them: a heartbeat, or an enumeration's first answer.
    Items(Items<'a>),
    /// A shell was made.
    Shell {
        /// What names it.
        shell_id: String,
    },
    /// A command was started.
    Command {
        /// What names it.
        command_id: String,
    },
    /// What a command has written.
    Output(Output),
    /// Who the service is.
    Identity(Identity),
    /// The service ends a subscription by itself.
    Ended(Fault),
    /// Nothing to say: Delete, Signal, Send, Unsubscribe were done.
    Done,
    /// Something else, by the name of the element.
    Other(&'a str),
}

/// Items of an enumeration or a subscription.
#[derive(Clone, Debug, Default)]
pub struct Items<'a> {
    /// What the next Pull needs; the one before is dead.
    pub context: Option<String>,
    /// Each one's XML.
    pub items: Vec<Cow<'a, str>>,
    /// Nothing follows.
    pub end: bool,
}

/// What a command has written since it was asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// How far the command is.
    pub state: CommandState,
}

/// How far a command is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommandState {
    /// More may come.
    #[default]
    Running,
    /// It has ended.
    Done {
        /// The exit code, where the service tells it.
        exit_code: Option<i32>,
    },
}

/// Who a service says it is; without a sign-in without versions (`OS: 0.0.0 SP: 0.0 Stack: 3.0`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `Microsoft Corporation`.
    pub vendor: String,
    /// Versions of the system and of WinRM.
    pub version: String,
}

// === impl Reply ===

impl<'a> Reply<'a> {
    /// Reads an answer. A fault is one, too.
    ///
    /// # Errors
    /// It is no SOAP envelope, or lacks what such an answer must have.
    pub fn read(xml: &'a str) -> Result<Self, ReadError> {
        let mut envelope = Envelope::read(xml)?;
        let content = Content::read(&mut envelope)?;
        let relates_to = envelope.relates_to().map(str::to_owned);
        Ok(Self { relates_to, bookmark: envelope.bookmark(), content })
    }

    /// Whether it answers that request. Some faults do not say; Kerberos needs it, since Windows gives its answers
    /// no numbers.
    pub fn answers(&self, message_id: &str) -> bool {
        self.relates_to.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(message_id))
    }
}

// === impl Content ===

impl<'a> Content<'a> {
    fn read(envelope: &mut Envelope<'a>) -> Result<Self, ReadError> {
        let Some(body) = envelope.body().first() else { return Ok(Self::Done) };
        let content = match (body.namespace, body.name) {
            (Some(N::Soap), "Fault") => Self::Fault(Fault::read(body)),
            (Some(N::Eventing), "SubscribeResponse") => Self::Subscribed {
                identifier: text(body.descendant(N::Eventing, "Identifier"), "subscription identifier")?,
                context: text(body.descendant(N::Enumeration, "EnumerationContext"), "enumeration context")?,
            },
            (Some(N::Eventing), "SubscriptionEnd") => Self::Ended(Fault::read(body)),
            (Some(N::Enumeration), "EnumerateResponse" | "PullResponse") => Self::Items(Items::read(body)?),
            (Some(N::Transfer), "ResourceCreated") => {
                Self::Shell { shell_id: text(body.descendant(N::Wsman, "Selector"), "shell id")? }
            }
            (Some(N::Shell), "Shell") => {
                Self::Shell { shell_id: text(body.child(N::Shell, "ShellId"), "shell id")? }
            }
            (Some(N::Shell), "CommandResponse") => {
                Self::Command { command_id: text(body.child(N::Shell, "CommandId"), "command id")? }
            }
            (Some(N::Shell), "ReceiveResponse") => Self::Output(Output::read(body)?),
            (Some(N::Identify), "IdentifyResponse") => {
                let part = |name| {
                    let found = body.child(N::Identify, name).map(Element::trimmed);
                    found.unwrap_or_default().to_owned()
                };
                let (vendor, version) = (part("ProductVendor"), part("ProductVersion"));
                Self::Identity(Identity { vendor, version })
            }
            (Some(N::Shell), "SendResponse" | "SignalResponse")
            | (Some(N::Eventing), "UnsubscribeResponse") => Self::Done,
            (_, name) => Self::Other(name),
        };
        Ok(content)
    }
}

fn text(element: Option<&Element<'_>>, what: &'static str) -> Result<String, ReadError> {
    match element.map(Element::trimmed) {
        None | Some("") => Err(ReadError::Missing(what)),
        Some(text) => Ok(text.to_owned()),
    }
}

// === impl Items ===

impl<'a> Items<'a> {
    fn read(body: &Element<'a>) -> Result<Self, ReadError> {
        let mut found = Self::default();
        for child in &body.children {
            match child.name {
                "EnumerationContext" if !child.trimmed().is_empty() => {
                    found.context = Some(child.trimmed().to_owned());
                }
                "EndOfSequence" => found.end = true,
                "Items" => {
                    found.items.reserve(child.children.len());
                    for item in &child.children {
                        found.items.push(item_xml(item)?);
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The XML of an item. `w:Event` wraps an event, as an element or (option `CDATA`) as text.
fn item_xml<'a>(item: &Element<'a>) -> Result<Cow<'a, str>, ReadError> {
    if !item.is(N::Wsman, "Event") {
        return Ok(Cow::Borrowed(item.outer));
    }
    let inner = item.inner.trim();
    let is_element = inner.starts_with('<') && !inner.starts_with("<![CDATA[");
    if is_element {
        return Ok(Cow::Borrowed(inner));
    }
    let mut scanner = Scanner::new(item.outer);
    match scanner.token()? {
        Some(Token::Start(_)) => Ok(scanner.text()?),
        _ => Err(ReadError::Unusable("event")),
    }
}

// === impl Output ===

impl Output {
    fn read(body: &Element<'_>) -> Result<Self, ReadError> {
        let mut output = Self::default();
        for child in &body.children {
            match child.name {
                "Stream" => {
                    let to = match child.attribute("Name") {
                        Some("stdout") => &mut output.stdout,
                        Some("stderr") => &mut output.stderr,
                        _ => continue,
                    };
                    decode(&child.text, to)?;
                }
                "CommandState" => {
                    let state = child.attribute("State").unwrap_or_default();
                    if state.ends_with("/Done") {
                        let exit_code = child.child(N::Shell, "ExitCode").map(Element::trimmed);
                        // Windows prints codes past 2³¹ without a sign.
                        let exit_code = exit_code.and_then(|code| code.parse::<i64>().ok());
                        output.state = CommandState::Done { exit_code: exit_code.map(|code| code as i32) };
                    }
                }
                _ => {}
            }
        }
        Ok(output)
    }
}

/// Appends a stream's bytes; line breaks in the base64 are passed over.
fn decode(text: &str, to: &mut Vec<u8>) -> Result<(), ReadError> {
    let text: Cow<'_, str> = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        Cow::Owned(text.split_ascii_whitespace().collect())
    } else {
        Cow::Borrowed(text)
    };
    STANDARD.decode_vec(text.as_bytes(), to).map_err(|_| ReadError::Unusable("base64 stream"))
}
