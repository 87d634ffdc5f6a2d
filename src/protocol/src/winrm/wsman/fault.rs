//! Faults, and what to do about each.
//!
//! Texts come in the server's language, so a fault is known by its numbers: the innermost first, since a provider
//! says more than the service around it, then the outer ones, then the subcode.

use std::fmt;

use super::envelope::Element;
use super::namespace::Namespace;

/// A fault, as a service tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// `Sender` or `Receiver`.
    pub code: String,
    /// The subcode without its prefix, such as `TimedOut`.
    pub subcode: Option<String>,
    /// The reason, in the service's language.
    pub reason: String,
    /// Numbers, outermost first.
    pub numbers: Vec<u32>,
    /// The innermost text, which says most, in the service's language.
    pub message: Option<String>,
    /// The machine that the fault comes from.
    pub machine: Option<String>,
}

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The user may not do that: the service, the plugin or the log refuses.
    AccessDenied,
    /// A request form that the service does not do, such as a chunked body.
    NotSupported,
    /// A parameter of ours is wrong.
    InvalidParameter,
    /// The plugin could not read the log: the event log service is stopped or restarts.
    LogUnreadable,
    /// A channel of the query does not exist.
    ChannelUnknown,
    /// The resource is not there: no such plugin.
    ResourceUnknown,
    /// A resource's name is not understood.
    ResourceInvalid,
    /// The service can't reach what it needs.
    Unreachable,
    /// The query is wrong.
    QueryInvalid,
    /// The subscription or enumeration is gone: pulled too late.
    ContextLost,
    /// No pull subscriptions there.
    DeliveryUnavailable,
    /// Subscriptions can't be renewed there.
    CannotRenew,
    /// An answer does not fit into the envelope.
    EnvelopeTooLarge,
    /// Nothing happened in time; no fault at all.
    TimedOut,
    /// The bookmark names what the log does not hold any more.
    BookmarkLost,
    /// The shell or the command is gone.
    SelectorUnknown,
    /// The client's certificate is not mapped to a user.
    CertificateUnmapped,
    /// A message of ours is not as the schema says.
    SchemaInvalid,
    /// The user may not query WMI.
    WmiAccessDenied,
    /// Too many shells, operations or users at once.
    Quota,
    /// Remote shells are switched off.
    ShellsForbidden,
    /// The command line is longer than 8191 characters.
    CommandTooLong,
    /// The program is not there.
    FileNotFound,
    /// A number or subcode that is not in the table.
    Unknown,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Send the same request once more at once.
    AskAgain,
    /// Subscribe (or enumerate) anew, with the last bookmark.
    SubscribeAgain,
    /// Subscribe without the bookmark and report the gap.
    ReportGap,
    /// Use another way of reading.
    FallBack,
    /// Use a new shell.
    RenewShell,
    /// Ask for less at once, or for larger envelopes.
    AskForLess,
    /// Wait, longer each time, then try again.
    Retry,
    /// Wait a minute and do less at once.
    BackOff,
    /// A new connection, with a new sign-in.
    Reconnect,
    /// The sign-in is refused: wait long, since accounts lock, and tell.
    WaitLong,
    /// Somebody has to act: wait long and tell what is missing.
    Tell,
    /// The configuration is wrong: tell, and wait until it changes.
    FixConfiguration,
    /// Our own message is wrong.
    Defect,
}

/// The first number of WS-Management's own (`ERROR_WSMAN_RESOURCE_NOT_FOUND`).
const WSMAN: u32 = 0x8033_8000;
/// Windows errors as `HRESULT`.
const WIN32: u32 = 0x8007_0000;

// === impl Fault ===

impl Fault {
    /// Reads an `s:Fault`, or an element with a `f:WSManFault` in it.
    pub fn read(fault: &Element<'_>) -> Self {
        use Namespace as N;
        let mut found = Self::default();
        if let Some(code) = fault.child(N::Soap, "Code") {
            let value = |element: &Element<'_>| {
                element.child(N::Soap, "Value").map(|value| crate::xml::local(value.trimmed()).to_owned())
            };
            found.code = value(code).unwrap_or_default();
            found.subcode = code.child(N::Soap, "Subcode").and_then(value);
        }
        let reason = fault.child(N::Soap, "Reason").and_then(|reason| reason.child(N::Soap, "Text"));
        found.reason = reason.map(|text| one_line(&text.text)).unwrap_or_default();
        found.collect(fault);
        found
    }

    /// What it is about.
    pub fn cause(&self) -> Cause {
        let numbers = self.numbers.iter().rev().map(|&number| Cause::of_number(number));
        let subcode = self.subcode.as_deref().map(Cause::of_subcode);
        numbers.chain(subcode).find(|&cause| cause != Cause::Unknown).unwrap_or(Cause::Unknown)
    }

    /// Numbers and texts of the details, outermost first.
    fn collect(&mut self, element: &Element<'_>) {
        if element.is(Namespace::Fault, "WSManFault") {
            self.numbers.extend(element.attribute("Code").and_then(|code| code.parse::<u32>().ok()));
            if let Some(machine) = element.attribute("Machine").filter(|machine| !machine.is_empty()) {
                self.machine = Some(machine.to_owned());
            }
        } else if element.is(Namespace::WmiError, "error_Code") {
            self.numbers.extend(element.trimmed().parse::<u32>());
        }
        let speaks = element.is(Namespace::Fault, "Message")
            || element.is(Namespace::Fault, "ProviderFault")
            || element.is(Namespace::WmiError, "Message")
            || element.name == "ProviderError";
        if speaks && !element.trimmed().is_empty() {
            self.message = Some(one_line(&element.text));
        }
        element.children.iter().for_each(|child| self.collect(child));
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.message.as_deref().unwrap_or(&self.reason);
        write!(f, "{}", text.trim_end_matches('.'))?;
        match (self.numbers.last(), &self.subcode) {
            (Some(number), _) => write!(f, " (code {number})"),
            (None, Some(subcode)) => write!(f, " ({subcode})"),
            (None, None) => Ok(()),
        }
    }
}

/// The text without line breaks and blanks around.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

// === impl Cause ===

impl Cause {
    /// What a number stands for (`wsmerror.h`, `winerror.h`).
    pub fn of_number(number: u32) -> Self {
        if let Some(error) = number.checked_sub(WIN32).filter(|&error| error <= 0xffff) {
            return Self::of_windows_error(error);
        }
        match number.wrapping_sub(WSMAN) {
            0 => Self::ResourceUnknown,
            18 => Self::Unreachable,
            26 | 34 | 263 => Self::QueryInvalid,
            27 | 28 => Self::ContextLost,
            30 => Self::DeliveryUnavailable,
            36 => Self::CannotRenew,
            38 | 71 | 72 => Self::EnvelopeTooLarge,
            41 => Self::TimedOut,
            56 | 80 => Self::BookmarkLost,
            59 => Self::ResourceInvalid,
            65 => Self::SchemaInvalid,
            91 => Self::SelectorUnknown,
            157 => Self::CertificateUnmapped,
            260..=262 => Self::WmiAccessDenied,
            421..=424 | 427 => Self::Quota,
            428 => Self::ShellsForbidden,
            _ => Self::of_windows_error(number),
        }
    }

    fn of_windows_error(error: u32) -> Self {
        match error {
            2 => Self::FileNotFound,
            5 => Self::AccessDenied,
            50 => Self::NotSupported,
            87 => Self::InvalidParameter,
            206 => Self::CommandTooLong,
            1717 => Self::LogUnreadable,
            15001 => Self::QueryInvalid,
            15007 => Self::ChannelUnknown,
            _ => Self::Unknown,
        }
    }

    /// What a subcode stands for, where there is no number.
    pub fn of_subcode(subcode: &str) -> Self {
        match subcode {
            "AccessDenied" => Self::AccessDenied,
            "TimedOut" => Self::TimedOut,
            "QuotaLimit" => Self::Quota,
            "InvalidEnumerationContext" => Self::ContextLost,
            "CannotProcessFilter" | "FilteringRequestedUnavailable" => Self::QueryInvalid,
            "DeliveryModeRequestedUnavailable" => Self::DeliveryUnavailable,
            "UnableToRenew" => Self::CannotRenew,
            "EncodingLimit" => Self::EnvelopeTooLarge,
            "InvalidBookmark" => Self::BookmarkLost,
            "InvalidSelectors" => Self::SelectorUnknown,
            "SchemaValidationError" => Self::SchemaInvalid,
            "InvalidParameter" => Self::InvalidParameter,
            "UnsupportedFeature" | "ActionNotSupported" => Self::NotSupported,
            "DestinationUnreachable" => Self::Unreachable,
            _ => Self::Unknown,
        }
    }

    /// What to do about it.
    pub fn reaction(self) -> Reaction {
        match self {
            Self::TimedOut => Reaction::AskAgain,
            Self::ContextLost => Reaction::SubscribeAgain,
            Self::BookmarkLost => Reaction::ReportGap,
            Self::ResourceUnknown | Self::DeliveryUnavailable => Reaction::FallBack,
            Self::SelectorUnknown => Reaction::RenewShell,
            Self::EnvelopeTooLarge => Reaction::AskForLess,
            Self::LogUnreadable | Self::Unreachable | Self::Unknown => Reaction::Retry,
            Self::Quota => Reaction::BackOff,
            Self::AccessDenied
            | Self::WmiAccessDenied
            | Self::CertificateUnmapped
            | Self::ShellsForbidden
            | Self::ChannelUnknown
            | Self::FileNotFound => Reaction::Tell,
            Self::QueryInvalid | Self::ResourceInvalid => Reaction::FixConfiguration,
            Self::NotSupported
            | Self::InvalidParameter
            | Self::CannotRenew
            | Self::SchemaInvalid
            | Self::CommandTooLong => Reaction::Defect,
        }
    }
}

// === impl Reaction ===

impl Reaction {
    /// What to do about an answer that has no fault in it, by its HTTP status; `None` for success.
    pub fn to_status(status: u16) -> Option<Self> {
        match status {
            200..=299 => None,
            // Wrong framing, streams out of step, or a shell that is gone.
            400 => Some(Self::Reconnect),
            401 => Some(Self::WaitLong),
            // Another port or prefix.
            403 | 404 => Some(Self::Tell),
            413 => Some(Self::AskForLess),
            // 415: the media type of another mechanism; 500 without a body: a message in the clear.
            415 | 500 => Some(Self::Defect),
            _ => Some(Self::Retry),
        }
    }
}
