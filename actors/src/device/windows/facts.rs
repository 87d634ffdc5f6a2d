//! What a host is: system, machine, disks, services by WQL, at an interval, on a connection of its own.
//!
//! Asked only while events are read, and after them: a host that can't be signed in to is not asked twice.

use super::collector::Seat;
use super::connection::Connection;
use super::intake::{Events, Intake};
use super::place::Place;
use super::subscription::{fresh_id, read, request, unexpected};
use super::trouble::{Doing, Trouble};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::device::positions::Positions;
use protocol::winrm::wsman::wmi::Instance;
use protocol::winrm::wsman::{Content, Reply};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The first time is so long after events begin to be read.
const AFTER_EVENTS: Duration = Duration::from_secs(2);
/// How long the host may take for a query.
const OPERATION: Duration = Duration::from_secs(30);
/// Instances of a class at most.
const MAX_INSTANCES: usize = 2000;

/// What is asked: the name of the field, whether there are several, the query.
const QUERIES: [(&str, bool, &str); 4] = [
    (
        "os",
        false,
        "SELECT Caption,Version,BuildNumber,OSArchitecture,LastBootUpTime,InstallDate,FreePhysicalMemory,\
         TotalVisibleMemorySize FROM Win32_OperatingSystem",
    ),
    (
        "computer",
        false,
        "SELECT Name,DNSHostName,Domain,PartOfDomain,Manufacturer,Model,TotalPhysicalMemory,\
         NumberOfLogicalProcessors FROM Win32_ComputerSystem",
    ),
    (
        "disks",
        true,
        "SELECT DeviceID,VolumeName,FileSystem,Size,FreeSpace FROM Win32_LogicalDisk WHERE DriveType=3",
    ),
    ("services", true, "SELECT Name,DisplayName,State,StartMode,StartName,ExitCode FROM Win32_Service"),
];

/// The actor.
pub struct Facts {
    seat: Arc<Seat>,
    every: Duration,
    told: Option<String>,
}

impl Facts {
    /// Asks the host of a seat so often.
    pub fn new(seat: Arc<Seat>, every: Duration) -> Self {
        Self { seat, every, told: None }
    }

    /// Asks everything once.
    async fn ask(&self, me: &Me<()>) -> Result<Value, Trouble> {
        let mut connection = me.waiting(Connection::open(&self.seat.settings)).await?;
        let mut facts = Map::new();
        for (name, several, query) in QUERIES {
            let mut rows = self.query(me, &mut connection, query).await?;
            let value = match several {
                true => Value::Array(rows),
                false => {
                    if rows.is_empty() {
                        Value::Null
                    } else {
                        rows.swap_remove(0)
                    }
                }
            };
            facts.insert(name.to_owned(), value);
        }
        Ok(Value::Object(facts))
    }

    async fn query(
        &self,
        me: &Me<()>,
        connection: &mut Connection,
        query: &str,
    ) -> Result<Vec<Value>, Trouble> {
        const NAMESPACE: &str = "root/cimv2";
        let Seat { settings, device, .. } = &*self.seat;
        let request = request(settings);
        let mut rows = Vec::new();
        let mut context: Option<String> = None;
        loop {
            let id = fresh_id(&me.context.common.rng);
            let message = match &context {
                None => request.enumerate(&id, NAMESPACE, query),
                Some(context) => request.pull(&id, NAMESPACE, context),
            };
            let answer = me.waiting(connection.ask(&message, OPERATION, Some(&device.share))).await?;
            let Reply { content, .. } = read(settings, &answer, &id)?;
            let items = match content {
                Content::Items(items) => items,
                Content::Fault(fault) => return Err(Trouble::fault(settings, &fault, Doing::Query)),
                other => return Err(unexpected(settings, "a query", &other)),
            };
            for item in &items.items {
                rows.extend(Instance::read(item).ok().map(|instance| row(&instance)));
            }
            match items.context.filter(|_| !items.end && rows.len() < MAX_INSTANCES) {
                Some(next) => context = Some(next),
                None => return Ok(rows),
            }
        }
    }

    fn submit(&self, me: &Me<()>, intake: &mut Intake, facts: &Value) {
        let clock = &me.context.common.clock;
        let now = clock.unix_nanos();
        let time = jiff::Timestamp::from_nanosecond(i128::from(now)).unwrap_or_default();
        let host = &self.seat.settings.host;
        let event = json!({
            "@timestamp": time.to_string(),
            "message": format!("facts of {host}"),
            "event": {"dataset": "windows.facts", "kind": "state", "provider": "vmetric-director"},
            "host": {"name": facts["computer"]["Name"].as_str().unwrap_or(host)},
            "windows": facts,
        });
        let mut events = Events::default();
        events.push_json(&event.to_string());
        intake.submit(events, &Place::default(), None, None, now);
    }

    /// Waits until events are read; says whether to go on.
    async fn reading(&self, me: &Me<()>) -> bool {
        let mut reading = self.seat.standing.reading();
        tokio::select! {
            biased;
            () = me.stopping() => false,
            reading = me.waiting(reading.wait_for(|reading| *reading)) => reading.is_ok(),
        }
    }

    async fn sleep(&self, me: &Me<()>, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = me.stopping() => false,
            () = me.waiting(tokio::time::sleep(time)) => true,
        }
    }

    fn tell(&mut self, me: &Me<()>, trouble: Option<&Trouble>) {
        let text = trouble.map(|trouble| trouble.text.clone());
        if let Some(text) = text.as_ref().filter(|text| self.told.as_ref() != Some(text)) {
            tracing::warn!(device = &*self.seat.device.name, "no facts: {text}");
        }
        me.report(match &text {
            None => Condition::Well,
            Some(text) => Condition::Trouble(text.clone()),
        });
        self.told = text;
    }
}

/// An instance as an object; a property that comes again is a list.
fn row(instance: &Instance<'_>) -> Value {
    let mut row = Map::new();
    for (name, value) in &instance.properties {
        let Some(value) = value else { continue };
        let value = Value::String(value.trim().to_owned());
        match row.get_mut(*name) {
            None => _ = row.insert((*name).to_owned(), value),
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(row)
}

impl Child for Facts {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let seat = Arc::clone(&self.seat);
        // Facts have no place to go on from.
        let ledger = seat.lane.open_stream(Arc::clone(&seat.device.flow));
        let mut intake =
            Intake::new(Arc::clone(&seat.device), Arc::new(Positions::default()), "facts", ledger);
        loop {
            if !self.reading(me).await || !self.sleep(me, AFTER_EVENTS).await {
                return Ok(Next::Done);
            }
            let asked = tokio::select! {
                biased;
                () = me.stopping() => return Ok(Next::Done),
                asked = self.ask(me) => asked,
            };
            match asked {
                Ok(facts) => {
                    self.submit(me, &mut intake, &facts);
                    self.tell(me, None);
                }
                Err(trouble) => self.tell(me, Some(&trouble)),
            }
            if !self.sleep(me, self.every).await {
                return Ok(Next::Done);
            }
        }
    }
}
