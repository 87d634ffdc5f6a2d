//! The host of the world [`eventlog`](super): its logs, and what it answers, as text.

use crate::windows_host::soap::{self, SoapFault};
use protocol::winevent::bookmark::{self, Bookmark};
use protocol::winrm::wsman::{Envelope, Namespace};
use std::collections::VecDeque;

pub(super) const CHANNELS: [&str; 2] = ["Security", "System"];
/// Events of one answer at most.
const MOST_EVENTS: usize = 7;
/// What stands before an event's number.
pub(super) const MARK: &str = "number=";
const BOOKMARK_LOST: u32 = 2_150_858_808;
const CONTEXT_LOST: u32 = 2_150_858_779;

/// The host: its logs, and the one subscription.
#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) logs: [Log; 2],
    pub(super) subscription: Option<(String, [u64; 2])>,
    contexts: u64,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    /// Record numbers begin behind this.
    pub(super) gone: u64,
    pub(super) events: VecDeque<u64>,
}

impl Log {
    fn newest(&self) -> u64 {
        self.gone + self.events.len() as u64
    }

    /// Whether a bookmark means something: the record, or the one behind it, is there.
    pub(super) fn holds(&self, record: u64) -> bool {
        record <= self.newest() && record >= self.gone
    }
}

impl Host {
    /// Answers a message, as WinRM does.
    pub(super) fn answer(&mut self, request: &str) -> String {
        let Ok(envelope) = Envelope::read(request) else { return String::new() };
        let id = envelope.message_id();
        let answered = match envelope.body().first() {
            Some(body) if body.name == "Subscribe" => {
                self.subscribe(body.child(Namespace::Wsman, "Bookmark").map(|bookmark| {
                    match bookmark.trimmed().ends_with("/earliest") {
                        true => Vec::new(),
                        false => bookmark::parse(bookmark.inner).unwrap_or_default(),
                    }
                }))
            }
            Some(body) => {
                let context = body.child(Namespace::Enumeration, "EnumerationContext");
                self.pull(context.map(|context| context.trimmed()).unwrap_or_default())
            }
            None => Err(SoapFault::of(87)),
        };
        match answered {
            Ok((headers, body)) => soap::answer(id, "simulated", &headers, &body),
            Err(fault) => soap::fault(id, "host", &fault),
        }
    }

    fn subscribe(&mut self, behind: Option<Vec<Bookmark>>) -> Result<(String, String), SoapFault> {
        let mut after = [0, 1].map(|n| self.logs[n].newest());
        if let Some(bookmarks) = behind {
            for (n, after) in after.iter_mut().enumerate() {
                let at = bookmarks.iter().find(|at| at.channel == CHANNELS[n]).map(|at| at.record_id);
                if at.is_some_and(|at| !self.logs[n].holds(at)) {
                    return Err(SoapFault::of(BOOKMARK_LOST));
                }
                *after = at.unwrap_or(self.logs[n].gone);
            }
        }
        let context = self.context();
        self.subscription = Some((context.clone(), after));
        let body = format!(
            "<e:SubscribeResponse><e:SubscriptionManager><a:Address>http://host/wsman</a:Address>\
             <a:ReferenceProperties><e:Identifier>uuid:1</e:Identifier></a:ReferenceProperties>\
             </e:SubscriptionManager><n:EnumerationContext>{context}</n:EnumerationContext></e:SubscribeResponse>"
        );
        Ok((String::new(), body))
    }

    fn pull(&mut self, context: &str) -> Result<(String, String), SoapFault> {
        let known = self.subscription.take().filter(|(known, _)| known == context);
        let (_, mut after) = known.ok_or_else(|| SoapFault::of(CONTEXT_LOST))?;
        let (mut items, mut count) = (String::new(), 0);
        for (n, log) in self.logs.iter().enumerate() {
            after[n] = after[n].max(log.gone);
            while after[n] < log.newest() && count < MOST_EVENTS {
                let number = log.events[(after[n] - log.gone) as usize];
                after[n] += 1;
                count += 1;
                items += &format!(
                    "<w:Event><Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
                     <EventID>1</EventID><EventRecordID>{}</EventRecordID><Channel>{}</Channel></System>\
                     <EventData><Data>{MARK}{number};</Data></EventData></Event></w:Event>",
                    after[n], CHANNELS[n]
                );
            }
        }
        let bookmark =
            |n: usize| Bookmark { channel: CHANNELS[n].to_owned(), record_id: after[n], is_current: n == 0 };
        let read: Vec<Bookmark> = (0..2).filter(|n| after[*n] > 0).map(bookmark).collect();
        let header = match count {
            0 => String::new(),
            _ => format!("<w:Bookmark>{}</w:Bookmark>", bookmark::build(&read)),
        };
        let context = self.context();
        self.subscription = Some((context.clone(), after));
        let body = format!(
            "<n:PullResponse><n:EnumerationContext>{context}</n:EnumerationContext><n:Items>{items}</n:Items>\
             </n:PullResponse>"
        );
        Ok((header, body))
    }

    fn context(&mut self) -> String {
        self.contexts += 1;
        format!("uuid:5A3E9A43-0000-4000-8000-{:012X}", self.contexts)
    }
}
