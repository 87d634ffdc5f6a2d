//! Notices when nothing comes from a device any more, and when something does again.

use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::data::device::Device;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// While a device is silent it is looked at so often at least.
const LOOK: Duration = Duration::from_secs(1);

/// The watcher of a device.
pub struct Silence {
    device: Arc<Device>,
    after: Duration,
    /// When watching began, in nanoseconds since the Unix epoch: a device that never sent counts from there.
    began: Option<u64>,
    /// The last event there was when it was found silent.
    silent_since: Option<u64>,
}

impl Silence {
    /// A watcher that speaks up when nothing came for so long.
    pub fn new(device: Arc<Device>, after: Duration) -> Self {
        Self { device, after, began: None, silent_since: None }
    }

    /// Looks, and says how long to wait before the next look.
    fn look(&mut self, me: &Me<()>) -> Duration {
        let now = me.context.common.clock.unix_nanos();
        let began = *self.began.get_or_insert(now);
        let last = self.device.meters.last_event.load(Relaxed);
        if self.silent_since.is_some_and(|then| last == then) {
            return LOOK.min(self.after / 2);
        }
        if self.silent_since.take().is_some() {
            tracing::info!(device = &*self.device.name, "events come in again");
            me.report(Condition::Well);
        }
        let quiet = Duration::from_nanos(now.saturating_sub(last.max(began)));
        if quiet >= self.after {
            self.silent_since = Some(last);
            self.report(me, last);
            return LOOK.min(self.after / 2);
        }
        self.after - quiet
    }

    fn report(&self, me: &Me<()>, last: u64) {
        let what = if last == 0 { "no event yet" } else { "no event" };
        let text = format!("{what} for {:?}; check the senders and the way to this address", self.after);
        tracing::warn!(device = &*self.device.name, "{text}");
        me.report(Condition::Trouble(text));
    }
}

impl Child for Silence {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        loop {
            let wait = self.look(me);
            tokio::select! {
                () = me.stopping() => return Ok(Next::Done),
                () = me.waiting(tokio::time::sleep(wait)) => {}
            }
        }
    }
}
