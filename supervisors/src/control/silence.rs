//! Says when a device with `silent_after` is silent for longer than that, and when it speaks again.

use super::view::View;
use actors::child::actor::Next;
use actors::child::{Child, Condition, Me};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often devices are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The actor.
pub struct Silence {
    view: View,
    silent: BTreeSet<String>,
}

impl Silence {
    /// A watch over the devices of this Director.
    pub fn new(view: View) -> Self {
        Self { view, silent: BTreeSet::new() }
    }

    /// Devices that are silent for longer than they should be. One that never spoke is silent since the start.
    fn silent(&self) -> BTreeSet<String> {
        let now = self.view.clock().unix_nanos();
        let Some(snapshot) = self.view.snapshot() else { return BTreeSet::new() };
        let is_silent = |name: &str, limit: Duration| {
            let last =
                self.view.inventory().device(name).map_or(0, |device| device.meters.last_event.load(Relaxed));
            let silence = match last {
                0 => self.view.uptime(),
                last => Duration::from_nanos(now.saturating_sub(last)),
            };
            silence > limit
        };
        let devices = snapshot.devices.iter().filter(|device| device.status);
        let silent = devices.filter(|d| d.silent_after.is_some_and(|limit| is_silent(&d.name, limit)));
        silent.map(|device| device.name.clone()).collect()
    }

    fn look(&mut self, me: &Me<()>) {
        let silent = self.silent();
        if silent == self.silent {
            return;
        }
        for device in silent.difference(&self.silent) {
            tracing::warn!(device, "device is silent for longer than silent_after; check its sender");
        }
        for device in self.silent.difference(&silent) {
            tracing::info!(device, "device is no longer silent");
        }
        me.report(if silent.is_empty() {
            Condition::Well
        } else {
            let names: Vec<&str> = silent.iter().map(String::as_str).collect();
            Condition::Trouble(format!("nothing comes from {}; check the senders", names.join(", ")))
        });
        self.silent = silent;
    }
}

impl Child for Silence {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        self.look(me);
        me.note_in(EVERY, ());
        Ok(Next::Continue)
    }
}
