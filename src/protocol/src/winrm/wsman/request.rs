//! What is asked of a service.
//!
//! Every request has the same header ([`Request`]); each operation adds its resource, selectors, options and body.
//! Elements are written in the order and form that products send which are known to work against Windows.

use std::time::Duration;

use super::namespace::Namespace;
use crate::xml::Writer;

/// The most items to ask for at once; Windows gives no more (MS-WSMV 3.1.4.1.14).
const MAX_ITEMS: &str = "32000";
const EVENT_LOG: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";

/// What all requests to a service have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `http://host:5985/wsman`.
    pub to: String,
    /// The largest answer, in bytes; at least 8192, and Windows gives no more than 500 KiB by default.
    pub max_envelope_bytes: u32,
    /// How long the service may take.
    pub operation_timeout: Duration,
    /// The language of texts, `en-US`.
    pub locale: String,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// Windows' event logs.
    EventLog,
    /// A WMI namespace, `root/cimv2`; backslashes count as slashes.
    Wmi(&'a str),
    /// Shells.
    Shell,
    /// The service's own configuration.
    Config,
}

/// A subscription to event logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// A name that shows up in the endpoint's own log.
    pub name: String,
    /// What is read: a `QueryList`; see [`crate::winevent::query`].
    pub query: String,
    /// Whether the endpoint renders texts.
    pub format: ContentFormat,
    /// How long the service stays silent at most; shorter than the operation timeout.
    pub heartbeat: Duration,
    /// What to begin with.
    pub start: Start,
    /// Go on where a channel can't be read. The price: it stays unread, and nobody says so.
    pub ignore_channel_errors: bool,
}

/// Whether events come with texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentFormat {
    /// As they were written.
    Raw,
    /// With message, level, task names in the endpoint's language: half as much again, and work for it.
    RenderedText,
}

/// The first event of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// What is written from now on.
    New,
    /// The oldest that the logs hold.
    Earliest,
    /// Behind a bookmark: a `BookmarkList` as an answer had it.
    Behind(String),
}

/// How a command is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It ends; needed after it is done, too: this frees it.
    Terminate,
    /// Ctrl-C.
    CtrlC,
}

/// The form of an id that messages have, from 16 random bytes.
pub fn message_id(random: [u8; 16]) -> String {
    let mut id = random;
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let groups = [&id[..4], &id[4..6], &id[6..8], &id[8..10], &id[10..]].map(hex);
    format!("uuid:{}", groups.join("-"))
}

/// A duration as XML Schema writes it: `PT60.000S`.
pub fn duration(duration: Duration) -> String {
    format!("PT{}.{:03}S", duration.as_secs(), duration.subsec_millis())
}

/// Asks who is there, without signing in: sent with the HTTP header `WSMANIDENTIFY: unauthenticated`.
pub fn identify() -> String {
    let mut xml = Writer::with_capacity(256);
    let namespaces = [("xmlns:s", Namespace::Soap.uri()), ("xmlns:wsmid", Namespace::Identify.uri())];
    xml.open("s:Envelope", &namespaces);
    xml.empty("s:Header", &[]);
    xml.open("s:Body", &[]);
    xml.empty("wsmid:Identify", &[]);
    xml.close("s:Body");
    xml.close("s:Envelope");
    xml.finish()
}

// === Event logs ===

impl Request {
    /// Subscribes to events, to be pulled.
    pub fn subscribe(&self, id: &str, subscription: &Subscription) -> String {
        let mut xml = self.begin(id, "http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe");
        resource(&mut xml, Resource::EventLog);
        event_options(&mut xml, subscription);
        body(&mut xml);
        xml.open("e:Subscribe", &[]);
        xml.open("e:Delivery", &[("Mode", "http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull")]);
        xml.leaf("w:Heartbeats", &[], &duration(subscription.heartbeat));
        self.locales(&mut xml);
        xml.leaf("w:ContentEncoding", &[], "UTF-8");
        xml.close("e:Delivery");
        xml.open("w:Filter", &[("Dialect", "http://schemas.microsoft.com/win/2004/08/events/eventquery")]);
        xml.raw(&subscription.query);
        xml.close("w:Filter");
        match &subscription.start {
            Start::New => {}
            Start::Earliest => {
                xml.leaf("w:Bookmark", &[], "http://schemas.dmtf.org/wbem/wsman/1/wsman/bookmark/earliest");
            }
            Start::Behind(bookmark) => {
                xml.open("w:Bookmark", &[]);
                xml.raw(bookmark);
                xml.close("w:Bookmark");
            }
        }
        xml.empty("w:SendBookmarks", &[]);
        xml.close("e:Subscribe");
        end(xml)
    }

    /// Pulls events; the answer may take as long as the heartbeat.
    pub fn pull_events(&self, id: &str, subscription: &Subscription, context: &str) -> String {
        let mut xml = self.begin(id, "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull");
        resource(&mut xml, Resource::EventLog);
        event_options(&mut xml, subscription);
        body(&mut xml);
        pull(&mut xml, context);
        end(xml)
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, id: &str, subscription: &Subscription, identifier: &str) -> String {
        let mut xml = self.begin(id, "http://schemas.xmlsoap.org/ws/2004/08/eventing/Unsubscribe");
        resource(&mut xml, Resource::EventLog);
        event_options(&mut xml, subscription);
        xml.leaf("e:Identifier", &[], identifier);
        body(&mut xml);
        xml.empty("e:Unsubscribe", &[]);
        end(xml)
    }
}

// === Queries ===

impl Request {
    /// Runs a WQL query in a WMI namespace.
    pub fn enumerate(&self, id: &str, namespace: &str, wql: &str) -> String {
        let mut xml = self.begin(id, "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate");
        resource(&mut xml, Resource::Wmi(namespace));
        body(&mut xml);
        xml.open("n:Enumerate", &[]);
        xml.empty("w:OptimizeEnumeration", &[]);
        xml.leaf("w:MaxElements", &[], MAX_ITEMS);
        xml.leaf("w:Filter", &[("Dialect", "http://schemas.microsoft.com/wbem/wsman/1/WQL")], wql);
        xml.close("n:Enumerate");
        end(xml)
    }

    /// Pulls the next items of an enumeration in the same namespace.
    pub fn pull(&self, id: &str, namespace: &str, context: &str) -> String {
        let mut xml = self.begin(id, "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull");
        resource(&mut xml, Resource::Wmi(namespace));
        body(&mut xml);
        pull(&mut xml, context);
        end(xml)
    }

    /// Asks for the service's configuration and quotas; administrators only.
    pub fn configuration(&self, id: &str) -> String {
        let mut xml = self.begin(id, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get");
        resource(&mut xml, Resource::Config);
        body(&mut xml);
        end(xml)
    }
}

// === Shells ===

impl Request {
    /// Makes a shell whose programs write in a code page; 65001 is UTF-8. No user profile is loaded.
    pub fn create_shell(&self, id: &str, code_page: u16, idle_timeout: Duration) -> String {
        let mut xml = self.begin(id, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create");
        resource(&mut xml, Resource::Shell);
        let code_page = code_page.to_string();
        shell_options(&mut xml, &[("WINRS_NOPROFILE", "TRUE"), ("WINRS_CODEPAGE", &code_page)]);
        body(&mut xml);
        xml.open("rsp:Shell", &[]);
        xml.leaf("rsp:IdleTimeOut", &[], &duration(idle_timeout));
        xml.leaf("rsp:InputStreams", &[], "stdin");
        xml.leaf("rsp:OutputStreams", &[], "stdout stderr");
        xml.close("rsp:Shell");
        end(xml)
    }

    /// Starts a command; with its arguments at most 8191 characters.
    pub fn command(&self, id: &str, shell_id: &str, command: &str, arguments: &[&str]) -> String {
        let mut xml = self.shell(id, "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command");
        shell_options(&mut xml, &[("WINRS_CONSOLEMODE_STDIN", "TRUE"), ("WINRS_SKIP_CMD_SHELL", "FALSE")]);
        selector(&mut xml, shell_id);
        body(&mut xml);
        xml.open("rsp:CommandLine", &[]);
        xml.leaf("rsp:Command", &[], command);
        for argument in arguments {
            xml.leaf("rsp:Arguments", &[], argument);
        }
        xml.close("rsp:CommandLine");
        end(xml)
    }

    /// Asks for what a command has written; quiet ones answer with a fault (`TimedOut`) that means: ask again.
    pub fn receive(&self, id: &str, shell_id: &str, command_id: &str) -> String {
        let mut xml = self.shell(id, "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive");
        shell_options(&mut xml, &[("WSMAN_CMDSHELL_OPTION_KEEPALIVE", "TRUE")]);
        selector(&mut xml, shell_id);
        body(&mut xml);
        xml.open("rsp:Receive", &[]);
        xml.leaf("rsp:DesiredStream", &[("CommandId", command_id)], "stdout stderr");
        xml.close("rsp:Receive");
        end(xml)
    }

    /// Ends a command, or frees one that has ended.
    pub fn signal(&self, id: &str, shell_id: &str, command_id: &str, signal: Signal) -> String {
        let mut xml = self.shell(id, "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Signal");
        selector(&mut xml, shell_id);
        body(&mut xml);
        xml.open("rsp:Signal", &[("CommandId", command_id)]);
        let code = match signal {
            Signal::Terminate => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate",
            Signal::CtrlC => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/ctrl_c",
        };
        xml.leaf("rsp:Code", &[], code);
        xml.close("rsp:Signal");
        end(xml)
    }

    /// Deletes a shell, and what still runs in it.
    pub fn delete_shell(&self, id: &str, shell_id: &str) -> String {
        let mut xml = self.shell(id, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete");
        selector(&mut xml, shell_id);
        body(&mut xml);
        end(xml)
    }

    fn shell(&self, id: &str, action: &str) -> Writer {
        let mut xml = self.begin(id, action);
        resource(&mut xml, Resource::Shell);
        xml
    }
}

// === Parts ===

impl Request {
    /// Everything up to what an operation adds to the header.
    fn begin(&self, id: &str, action: &str) -> Writer {
        const REQUIRED: [(&str, &str); 1] = [("s:mustUnderstand", "true")];
        let mut xml = Writer::with_capacity(2048);
        xml.open(
            "s:Envelope",
            &[
                ("xmlns:s", Namespace::Soap.uri()),
                ("xmlns:a", Namespace::Addressing.uri()),
                ("xmlns:w", Namespace::Wsman.uri()),
                ("xmlns:p", Namespace::Microsoft.uri()),
                ("xmlns:n", Namespace::Enumeration.uri()),
                ("xmlns:e", Namespace::Eventing.uri()),
                ("xmlns:rsp", Namespace::Shell.uri()),
                ("xmlns:xsi", Namespace::Instance.uri()),
            ],
        );
        xml.open("s:Header", &[]);
        xml.leaf("a:To", &[], &self.to);
        xml.open("a:ReplyTo", &[]);
        xml.leaf("a:Address", &REQUIRED, ANONYMOUS);
        xml.close("a:ReplyTo");
        xml.leaf("a:Action", &REQUIRED, action);
        xml.leaf("w:MaxEnvelopeSize", &REQUIRED, &self.max_envelope_bytes.to_string());
        xml.leaf("a:MessageID", &[], id);
        self.locales(&mut xml);
        xml.leaf("w:OperationTimeout", &[], &duration(self.operation_timeout));
        xml
    }

    fn locales(&self, xml: &mut Writer) {
        let attributes = [("xml:lang", self.locale.as_str()), ("s:mustUnderstand", "false")];
        xml.empty("w:Locale", &attributes);
        xml.empty("p:DataLocale", &attributes);
    }
}

fn resource(xml: &mut Writer, resource: Resource<'_>) {
    xml.leaf("w:ResourceURI", &[("s:mustUnderstand", "true")], &resource.uri());
}

impl Resource<'_> {
    /// The resource's name.
    pub fn uri(self) -> String {
        match self {
            Self::EventLog => EVENT_LOG.to_owned(),
            Self::Shell => SHELL.to_owned(),
            Self::Config => CONFIG.to_owned(),
            Self::Wmi(namespace) => {
                let namespace = namespace.replace('\\', "/");
                format!("http://schemas.microsoft.com/wbem/wsman/1/wmi/{namespace}/*")
            }
        }
    }
}

fn event_options(xml: &mut Writer, subscription: &Subscription) {
    let format = match subscription.format {
        ContentFormat::Raw => "Raw",
        ContentFormat::RenderedText => "RenderedText",
    };
    let ignore = subscription.ignore_channel_errors.then_some(("IgnoreChannelError", None));
    let named = [("SubscriptionName", Some(subscription.name.as_str())), ("ContentFormat", Some(format))];
    xml.open("w:OptionSet", &[]);
    named.into_iter().chain(ignore).for_each(|(name, value)| option(xml, name, value));
    xml.close("w:OptionSet");
}

fn shell_options(xml: &mut Writer, options: &[(&str, &str)]) {
    xml.open("w:OptionSet", &[("s:mustUnderstand", "true")]);
    options.iter().for_each(|(name, value)| option(xml, name, Some(value)));
    xml.close("w:OptionSet");
}

/// Options without a value are `xsi:nil`.
fn option(xml: &mut Writer, name: &str, value: Option<&str>) {
    match value {
        Some(value) => xml.leaf("w:Option", &[("Name", name)], value),
        None => xml.empty("w:Option", &[("Name", name), ("xsi:nil", "true")]),
    }
}

fn selector(xml: &mut Writer, shell_id: &str) {
    xml.open("w:SelectorSet", &[]);
    xml.leaf("w:Selector", &[("Name", "ShellId")], shell_id);
    xml.close("w:SelectorSet");
}

fn pull(xml: &mut Writer, context: &str) {
    xml.open("n:Pull", &[]);
    xml.leaf("n:EnumerationContext", &[], context);
    xml.leaf("n:MaxElements", &[], MAX_ITEMS);
    xml.close("n:Pull");
}

fn body(xml: &mut Writer) {
    xml.close("s:Header");
    xml.open("s:Body", &[]);
}

fn end(mut xml: Writer) -> String {
    xml.close("s:Body");
    xml.close("s:Envelope");
    xml.finish()
}
