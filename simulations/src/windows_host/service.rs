//! What the host does with a message, whoever carries it.

use super::eventing::Eventing;
use super::faults::{Faults, Operation};
use super::logs::Logs;
use super::settings::Settings;
use super::shells::Shells;
use super::soap::{self, SoapFault};
use super::wmi::Wmi;
use parking_lot::Mutex;
use protocol::winrm::wsman::Envelope;
use seams::Rng;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;

/// A host without its listener.
#[derive(Debug)]
pub(super) struct Service {
    settings: Settings,
    logs: Logs,
    eventing: Eventing,
    shells: Shells,
    wmi: Wmi,
    faults: Faults,
    password: Mutex<String>,
    rng: Rng,
    /// Counts restarts; connections end with each.
    life: watch::Sender<u64>,
    counts: Counts,
}

/// Counted since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicU64,
    pub(super) logons: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) clear: AtomicU64,
    subscribes: AtomicU64,
    unsubscribes: AtomicU64,
    pulls: AtomicU64,
    shells: AtomicU64,
    commands: AtomicU64,
    queries: AtomicU64,
}

/// What clients did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections that were taken.
    pub connections: u64,
    /// Sign-ins that succeeded.
    pub logons: u64,
    /// Sign-ins that were refused.
    pub refused: u64,
    /// Messages in the clear that were refused.
    pub clear: u64,
    /// Subscribe requests.
    pub subscribes: u64,
    /// Unsubscribe requests.
    pub unsubscribes: u64,
    /// Pull requests of events.
    pub pulls: u64,
    /// Shells that were made.
    pub shells: u64,
    /// Commands that were started.
    pub commands: u64,
    /// WQL queries.
    pub queries: u64,
    /// Subscriptions that are open.
    pub open_subscriptions: usize,
    /// Shells that are open.
    pub open_shells: usize,
}

/// A message's answer: the HTTP status and the SOAP envelope.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) xml: String,
}

impl Service {
    pub(super) fn new(settings: Settings) -> Self {
        let computer = format!("{}.lab.example", settings.name.to_lowercase());
        Self {
            logs: Logs::new(&computer, &settings.channels),
            settings,
            eventing: Eventing::default(),
            shells: Shells::default(),
            wmi: Wmi::default(),
            faults: Faults::default(),
            password: Mutex::default(),
            rng: Rng::from_system(),
            life: watch::channel(0).0,
            counts: Counts::default(),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn rng(&self) -> &Rng {
        &self.rng
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn password(&self) -> String {
        self.password.lock().clone()
    }

    pub(super) fn set_password(&self, password: &str) {
        password.clone_into(&mut self.password.lock());
    }

    /// Changes when the host restarts.
    pub(super) fn life(&self) -> watch::Receiver<u64> {
        self.life.subscribe()
    }

    pub(super) fn reboot(&self) {
        self.eventing.clear();
        self.shells.clear();
        self.life.send_modify(|life| *life += 1);
    }

    pub(super) fn seen(&self) -> Seen {
        let counts = &self.counts;
        Seen {
            connections: counts.connections.load(Relaxed),
            logons: counts.logons.load(Relaxed),
            refused: counts.refused.load(Relaxed),
            clear: counts.clear.load(Relaxed),
            subscribes: counts.subscribes.load(Relaxed),
            unsubscribes: counts.unsubscribes.load(Relaxed),
            pulls: counts.pulls.load(Relaxed),
            shells: counts.shells.load(Relaxed),
            commands: counts.commands.load(Relaxed),
            queries: counts.queries.load(Relaxed),
            open_subscriptions: self.eventing.count(),
            open_shells: self.shells.count(),
        }
    }

    /// What a request asks for.
    pub(super) fn operation(request: &Envelope<'_>) -> Operation {
        let action = request.action().unwrap_or_default();
        let of_events = request.resource_uri().is_some_and(|uri| uri.ends_with("/windows/EventLog"));
        match action.rsplit('/').next().unwrap_or_default() {
            "Subscribe" => Operation::Subscribe,
            "Unsubscribe" => Operation::Unsubscribe,
            "Pull" if of_events => Operation::Pull,
            "Pull" | "Enumerate" => Operation::Query,
            "Create" => Operation::CreateShell,
            "Command" => Operation::Command,
            "Receive" => Operation::Receive,
            "Signal" | "Delete" => Operation::EndShell,
            _ => Operation::Any,
        }
    }

    /// Carries out a request of somebody who is signed in.
    pub(super) async fn answer(&self, request: &Envelope<'_>) -> Answer {
        let to = request.message_id();
        let action = request.action().unwrap_or_default();
        match self.carry_out(request, action).await {
            Ok((headers, body)) => {
                let xml = soap::answer(to, &format!("{action}Response"), &headers, &body);
                Answer { status: 200, xml }
            }
            Err(fault) => self.fault(to, &fault),
        }
    }

    pub(super) fn fault(&self, to: Option<&str>, fault: &SoapFault) -> Answer {
        Answer { status: 500, xml: soap::fault(to, &self.settings.name, fault) }
    }

    async fn carry_out(&self, request: &Envelope<'_>, action: &str) -> Result<(String, String), SoapFault> {
        let counts = &self.counts;
        let plain = |body: String| (String::new(), body);
        match Self::operation(request) {
            Operation::Subscribe => {
                counts.subscribes.fetch_add(1, Relaxed);
                self.eventing.subscribe(request, &self.logs).map(plain)
            }
            Operation::Pull => {
                counts.pulls.fetch_add(1, Relaxed);
                let (timeout, room) = (self.settings.enumeration_timeout, self.settings.max_envelope_bytes);
                self.eventing.pull(request, &self.logs, timeout, room).await
            }
            Operation::Unsubscribe => {
                counts.unsubscribes.fetch_add(1, Relaxed);
                self.eventing.unsubscribe(request).map(|()| plain("<e:UnsubscribeResponse/>".to_owned()))
            }
            Operation::Query => {
                if action.ends_with("/Enumerate") {
                    counts.queries.fetch_add(1, Relaxed);
                    return self.wmi.enumerate(request).map(plain);
                }
                self.wmi.pull(request).map(plain)
            }
            Operation::CreateShell => {
                counts.shells.fetch_add(1, Relaxed);
                self.shells.create(self.settings.shells_allowed, self.settings.max_shells).map(plain)
            }
            Operation::Command => {
                counts.commands.fetch_add(1, Relaxed);
                self.shells.command(request, &self.logs).map(plain)
            }
            Operation::Receive => {
                let timeout = Duration::from_millis(soap::operation_timeout_ms(request));
                self.shells.receive(request, timeout).await.map(plain)
            }
            Operation::EndShell if action.ends_with("/Signal") => self.shells.signal(request).map(plain),
            Operation::EndShell => self.shells.delete(request).map(plain),
            _ => Err(SoapFault::of(2_150_858_752)),
        }
    }
}
