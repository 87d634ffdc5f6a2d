//! The actor of a Windows device: resolve, connect, sign in, read; and wait when that does not work.

use super::connection::Connection;
use super::intake::Intake;
use super::polling::Poller;
use super::settings::{Collection, WindowsSettings};
use super::standing::Standing;
use super::subscription::{Ended, Reading, Subscriber};
use super::trouble::{Again, Trouble};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::data::device::Device;
use crate::data::lane::{Berth, Lane};
use crate::device::file::Checkpoints;
use crate::device::positions::Positions;
use crate::device::spread::Spread;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep_until;

/// The name of the source in the checkpoints.
const SOURCE: &str = "events";

/// What of a device outlives its actors.
pub struct Seat {
    /// The device.
    pub device: Arc<Device>,
    /// Where its stream lives.
    pub lane: Arc<Lane>,
    /// What it does.
    pub settings: Arc<WindowsSettings>,
    /// How the host stands with us.
    pub standing: Standing,
    positions: Arc<Positions>,
    checkpoints: Checkpoints,
    spread: Spread,
    _berth: Berth,
}

/// The collector.
pub struct Collector {
    seat: Arc<Seat>,
    /// The trouble that was told last, so that it is logged once.
    told: Option<String>,
}

impl Seat {
    /// The seat of a device.
    pub fn new(
        device: Arc<Device>,
        lane: Arc<Lane>,
        settings: WindowsSettings,
        checkpoints: Checkpoints,
        spread: Spread,
    ) -> Arc<Self> {
        Arc::new(Self {
            positions: checkpoints.positions(device.id),
            _berth: lane.berth(),
            device,
            lane,
            settings: Arc::new(settings),
            standing: Standing::default(),
            checkpoints,
            spread,
        })
    }
}

impl Collector {
    /// The collector of a seat; one at a time.
    pub fn new(seat: Arc<Seat>) -> Self {
        Self { seat, told: None }
    }

    /// Takes over where an earlier process stopped, once.
    async fn load(&self, me: &Me<()>) -> anyhow::Result<()> {
        let seat = Arc::clone(&self.seat);
        let load = move || seat.positions.load_once(|| seat.checkpoints.load_positions(seat.device.id));
        me.waiting(tokio::task::spawn_blocking(load)).await?;
        Ok(())
    }

    /// Waits until this moment; says whether to go on.
    async fn wait_until(&self, me: &Me<()>, when: Instant) -> bool {
        tokio::select! {
            biased;
            () = me.stopping() => false,
            () = me.waiting(sleep_until(when.into())) => true,
        }
    }

    /// Connects and reads until something ends that.
    async fn read(&mut self, me: &Me<()>, intake: &mut Intake) -> Result<Ended, Trouble> {
        let Seat { device, settings, standing, .. } = &*self.seat;
        if self.told.is_none() {
            me.report(Condition::Note(format!("connecting to {}", settings.endpoint())));
        }
        let opening = tokio::select! {
            biased;
            () = me.stopping() => return Ok(Ended::Stopped),
            opened = me.waiting(Connection::open(settings)) => opened,
        };
        let connection = opening?;
        device.meters.opened.add(1);
        device.meters.open.up();
        let _open = Closing(device);
        let reading = Reading { me, device, settings, standing, intake };
        let reason = match settings.collection {
            Collection::Poll => None,
            Collection::Auto | Collection::Subscription => {
                let again = Reading { intake: &mut *reading.intake, ..reading };
                match Subscriber::new(again, connection).run().await? {
                    Ended::Stopped => return Ok(Ended::Stopped),
                    Ended::NoSubscriptions(reason) => {
                        let name = &*device.name;
                        tracing::warn!(
                            device = name,
                            "no subscriptions there, so events are polled: {reason}"
                        );
                        let connection = me.waiting(Connection::open(settings)).await?;
                        return Poller::new(reading, connection, Some(reason)).run().await;
                    }
                }
            }
        };
        Poller::new(reading, connection, reason).run().await
    }

    /// Says what is wrong and when it is tried again.
    fn tell(&mut self, me: &Me<()>, trouble: &Trouble, wait: Duration) {
        let Seat { device, settings, .. } = &*self.seat;
        let next = match trouble.again {
            Again::Late | Again::WhenMended => format!("; next try in {}", shown(wait)),
            Again::AtOnce | Again::Soon | Again::NextMinute => String::new(),
        };
        device.meters.ended.add(match trouble.again {
            Again::AtOnce => "broken_off",
            Again::Soon => "unreachable",
            Again::NextMinute => "quota",
            Again::Late => "refused",
            Again::WhenMended => "to_be_mended",
        });
        if self.told.as_ref() != Some(&trouble.text) {
            if trouble.again == Again::AtOnce {
                tracing::info!(device = &*device.name, "{}", trouble.text);
            } else {
                tracing::warn!(device = &*device.name, next_in = ?wait, "{}", trouble.text);
            }
            self.told = Some(trouble.text.clone());
        }
        if wait.is_zero() {
            me.report(Condition::Note(format!("connecting to {} again", settings.endpoint())));
        } else {
            me.report(Condition::Trouble(format!("{}{next}", trouble.text)));
        }
    }
}

/// A wait, for people.
fn shown(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

/// A connection that counts as open.
struct Closing<'d>(&'d Device);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.meters.open.down();
    }
}

impl Child for Collector {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        self.load(me).await?;
        let seat = Arc::clone(&self.seat);
        let common = &me.context.common;
        if seat.standing.begin() {
            let wait = seat.spread.arrive(&common.clock, &common.rng);
            if !wait.is_zero() {
                me.report(Condition::Note(format!("beginning in {}: many begin at present", shown(wait))));
                if !self.wait_until(me, common.clock.now() + wait).await {
                    return Ok(Next::Done);
                }
            }
        }
        let ledger = seat.lane.open_stream(Arc::clone(&seat.device.flow));
        let (device, positions) = (Arc::clone(&seat.device), Arc::clone(&seat.positions));
        let mut intake = Intake::new(device, positions, SOURCE, ledger);
        loop {
            if let Some(when) = seat.standing.not_before()
                && !self.wait_until(me, when).await
            {
                return Ok(Next::Done);
            }
            match self.read(me, &mut intake).await {
                Ok(_) => return Ok(Next::Done),
                Err(trouble) => {
                    if !seat.standing.is_failing() {
                        // It worked since, so the same trouble is news again.
                        self.told = None;
                    }
                    let wait =
                        seat.standing.fails(&trouble, &seat.settings.pace, common.clock.now(), &common.rng);
                    self.tell(me, &trouble, wait);
                }
            }
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seat({} at {})", self.device.name, self.settings.endpoint())
    }
}
