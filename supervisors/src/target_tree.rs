//! The subtree of a target: one line in [`senders`] for each type.

mod files;
mod http;
mod spools;
mod streams;

pub use spools::{Spools, relay};

use crate::supervisor::{Announce, Charge, StopOrder, subtree};
use actors::child::spec::Common;
use actors::child::{Child, ChildSpec, Home};
use actors::data::delivery::ToSender;
use actors::data::{Address, Door, Lane, Lanes, Target};
use actors::target::discard::Discard;
use actors::target::http::HttpSender;
use actors::target::shown::{Show, Shown};
use actors::target::tcp_sender::TcpSender;
use actors::target::udp_sender::UdpSender;
use config::TargetKind;
use config::target::{SyslogTargetTransport, TargetDebug};
use event::PlaceId;
use spools::Spooled;
use std::sync::Arc;
use std::time::Duration;

/// A target's senders may take so long to deliver what they hold when they are asked to stop.
const DRAIN_WITHIN: Duration = Duration::from_secs(25);

/// Where a target is reached from each lane, and how its senders are started.
pub struct Senders {
    /// For each lane, in their order.
    pub doors: Vec<Arc<dyn Door>>,
    children: Arc<dyn Fn() -> Vec<ChildSpec> + Send + Sync>,
    /// Gates stop before senders, senders before the spool.
    stop_order: StopOrder,
}

/// The senders of a target at these places, one for each lane. A changed target's new senders take the places of
/// the old ones, so that what is under way goes to them.
pub fn senders(
    target: &Arc<Target>,
    config: &config::Target,
    lanes: &Lanes,
    places: &[PlaceId],
    spool: Option<&Spooled>,
    common: &Arc<Common>,
) -> anyhow::Result<Senders> {
    let show = match config.debug {
        TargetDebug::Off => Show::Nothing,
        TargetDebug::Log => Show::Events,
        TargetDebug::LogOnly => Show::EventsOnly,
    };
    let homes = Homes { lanes, places, target, show, spool };
    let rendering = streams::rendering(config.format);
    let target = Arc::clone(target);
    Ok(match &config.kind {
        TargetKind::Discard => homes.each_lane(Discard::new),
        TargetKind::Console => files::console(&homes, rendering),
        TargetKind::File(file) => files::file(&homes, file, config.format, common)?,
        TargetKind::Tcp(tcp) => {
            let settings = streams::tcp(tcp, rendering, config.retry);
            homes.each_lane(move |address| TcpSender::new(Arc::clone(&target), address, settings.clone()))
        }
        TargetKind::Udp(udp) => {
            let settings = streams::udp(&udp.endpoints, rendering);
            homes.each_lane(move |address| UdpSender::new(Arc::clone(&target), address, settings.clone()))
        }
        TargetKind::Syslog(syslog) => {
            let rendering = streams::syslog_message(&target.name, syslog);
            match &syslog.transport {
                SyslogTargetTransport::Udp => {
                    let settings = streams::udp(std::slice::from_ref(&syslog.endpoint), rendering);
                    homes.each_lane(move |address| {
                        UdpSender::new(Arc::clone(&target), address, settings.clone())
                    })
                }
                SyslogTargetTransport::Tcp { framing, tls } => {
                    let settings = streams::syslog(syslog, framing, tls.as_ref(), rendering, config.retry);
                    homes.each_lane(move |address| {
                        TcpSender::new(Arc::clone(&target), address, settings.clone())
                    })
                }
            }
        }
        TargetKind::Http(_) | TargetKind::Elastic(_) | TargetKind::Splunk(_) => {
            let settings = Arc::new(http::settings(config, lanes.all().len(), common)?);
            homes.each_lane(move |address| {
                HttpSender::new(Arc::clone(&target), address, Arc::clone(&settings))
            })
        }
    })
}

/// The subtree of a target.
pub fn target_tree(name: &str, common: &Arc<Common>, senders: &Senders) -> ChildSpec {
    let (common, children) = (common.clone(), Arc::clone(&senders.children));
    let stop_order = senders.stop_order;
    subtree(name, "target", move |context| Charge {
        path: Arc::clone(&context.path),
        common: common.clone(),
        stop_order,
        children: children(),
        announce: Announce::default(),
    })
}

/// Where a target's senders live.
struct Homes<'a> {
    lanes: &'a Lanes,
    places: &'a [PlaceId],
    target: &'a Arc<Target>,
    show: Show,
    spool: Option<&'a Spooled>,
}

impl Homes<'_> {
    /// A sender on each lane: order is kept in a stream, which lives on one lane.
    fn each_lane<N: Send + 'static, C: Child<Message = ToSender<N>>>(
        &self,
        make: impl Fn(Arc<Address<ToSender<N>>>) -> C + Send + Sync + 'static,
    ) -> Senders {
        let make = self.shown(make);
        let seat = |(lane, place): (&Arc<Lane>, &PlaceId)| {
            // Behind a gate a sender is known to the gate alone.
            let place = self.spool.is_none().then(|| (Arc::clone(&lane.book), *place));
            (Arc::clone(lane), Address::<ToSender<N>>::at(place.into_iter().collect()))
        };
        let seats: Vec<_> = self.lanes.all().iter().zip(self.places).map(seat).collect();
        let doors: Vec<_> = seats.iter().map(|(_, address)| Arc::clone(address) as Arc<dyn Door>).collect();
        let drain_within = self.drain_within();
        let children = move || {
            let mut children = Vec::new();
            for (lane, address) in &seats {
                let (make, address) = (Arc::clone(&make), Arc::clone(address));
                let (name, home) = (format!("sender-{}", lane.index), Home::Lane(Arc::clone(lane)));
                let sender = ChildSpec::new(name, "sender", home, move || Ok(make(Arc::clone(&address))));
                children.push(sender.stop_within(drain_within));
            }
            children
        };
        let senders = Senders { doors, children: Arc::new(children), stop_order: StopOrder::Together };
        match self.spool {
            None => senders,
            Some(spooled) => spooled.before(senders, &spools::gates_on_lanes(self.lanes, self.places)),
        }
    }

    /// One sender for all lanes, beside them: for what can have one writer only.
    fn shared<N: Send + 'static, C: Child<Message = ToSender<N>>>(
        &self,
        make: impl Fn(Arc<Address<ToSender<N>>>) -> C + Send + Sync + 'static,
    ) -> Senders {
        let make = self.shown(make);
        let seats: Vec<_> = self.lanes.all().iter().zip(self.places).collect();
        let seats: Vec<_> = seats.into_iter().map(|(lane, place)| (Arc::clone(&lane.book), *place)).collect();
        // Behind a gate a sender is known to the gate alone.
        let address = Address::at(if self.spool.is_none() { seats.clone() } else { Vec::new() });
        let door = Arc::clone(&address) as Arc<dyn Door>;
        let drain_within = self.drain_within();
        let children = move || {
            let (make, address) = (Arc::clone(&make), Arc::clone(&address));
            let writer =
                ChildSpec::new("writer", "sender", Home::Control, move || Ok(make(Arc::clone(&address))));
            vec![writer.stop_within(drain_within)]
        };
        let children = Arc::new(children);
        match self.spool {
            None => {
                let doors = self.lanes.all().iter().map(|_| Arc::clone(&door)).collect();
                Senders { doors, children, stop_order: StopOrder::Together }
            }
            Some(spooled) => {
                let senders = Senders { doors: vec![door], children, stop_order: StopOrder::Together };
                spooled.before(senders, &[(Home::Control, seats)]).for_all(self.lanes)
            }
        }
    }

    /// With a spool, what a sender can't deliver soon is safe.
    fn drain_within(&self) -> Duration {
        if self.spool.is_some() { spools::FINISH_WITHIN } else { DRAIN_WITHIN }
    }

    /// Senders whose events are shown where the configuration says so.
    fn shown<M: Send + 'static, C>(
        &self,
        make: impl Fn(Arc<Address<M>>) -> C + Send + Sync + 'static,
    ) -> Arc<impl Fn(Arc<Address<M>>) -> Shown<C> + Send + Sync + 'static> {
        let (target, show) = (Arc::clone(self.target), self.show);
        Arc::new(move |address| Shown::new(make(address), show, Arc::clone(&target)))
    }
}
