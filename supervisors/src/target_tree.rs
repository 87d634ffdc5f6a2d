//! The subtree of a target: one line in [`senders`] for each type.

mod files;
mod http;
mod streams;

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
use std::sync::Arc;
use std::time::Duration;

/// A target's senders may take so long to deliver what they hold when they are asked to stop.
const DRAIN_WITHIN: Duration = Duration::from_secs(25);

/// Where a target is reached from each lane, and how its senders are started.
pub struct Senders {
    /// For each lane, in their order.
    pub doors: Vec<Arc<dyn Door>>,
    children: Arc<dyn Fn() -> Vec<ChildSpec> + Send + Sync>,
}

/// The senders of a target at these places, one for each lane. A changed target's new senders take the places of
/// the old ones, so that what is under way goes to them.
pub fn senders(
    target: &Arc<Target>,
    config: &config::Target,
    lanes: &Lanes,
    places: &[PlaceId],
    common: &Common,
) -> anyhow::Result<Senders> {
    let show = match config.debug {
        TargetDebug::Off => Show::Nothing,
        TargetDebug::Log => Show::Events,
        TargetDebug::LogOnly => Show::EventsOnly,
    };
    let homes = Homes { lanes, places, target, show };
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
pub fn target_tree(name: &str, common: &Common, senders: &Senders) -> ChildSpec {
    let (common, children) = (common.clone(), Arc::clone(&senders.children));
    subtree(name, "target", move |context| Charge {
        path: Arc::clone(&context.path),
        common: common.clone(),
        stop_order: StopOrder::Together,
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
}

impl Homes<'_> {
    /// A sender on each lane: order is kept in a stream, which lives on one lane.
    fn each_lane<N: Send + 'static, C: Child<Message = ToSender<N>>>(
        &self,
        make: impl Fn(Arc<Address<ToSender<N>>>) -> C + Send + Sync + 'static,
    ) -> Senders {
        let make = self.shown(make);
        let seat = |(lane, place): (&Arc<Lane>, &PlaceId)| {
            (Arc::clone(lane), Address::<ToSender<N>>::at(vec![(Arc::clone(&lane.book), *place)]))
        };
        let seats: Vec<_> = self.lanes.all().iter().zip(self.places).map(seat).collect();
        let doors = seats.iter().map(|(_, address)| Arc::clone(address) as Arc<dyn Door>).collect();
        let children = move || {
            let mut children = Vec::new();
            for (lane, address) in &seats {
                let (make, address) = (Arc::clone(&make), Arc::clone(address));
                let (name, home) = (format!("sender-{}", lane.index), Home::Lane(Arc::clone(lane)));
                let sender = ChildSpec::new(name, "sender", home, move || Ok(make(Arc::clone(&address))));
                children.push(sender.stop_within(DRAIN_WITHIN));
            }
            children
        };
        Senders { doors, children: Arc::new(children) }
    }

    /// One sender for all lanes, beside them: for what can have one writer only.
    fn shared<N: Send + 'static, C: Child<Message = ToSender<N>>>(
        &self,
        make: impl Fn(Arc<Address<ToSender<N>>>) -> C + Send + Sync + 'static,
    ) -> Senders {
        let make = self.shown(make);
        let seats = self.lanes.all().iter().zip(self.places);
        let address = Address::at(seats.map(|(lane, place)| (Arc::clone(&lane.book), *place)).collect());
        let door = Arc::clone(&address) as Arc<dyn Door>;
        let doors = self.lanes.all().iter().map(|_| Arc::clone(&door)).collect();
        let children = move || {
            let (make, address) = (Arc::clone(&make), Arc::clone(&address));
            let writer =
                ChildSpec::new("writer", "sender", Home::Control, move || Ok(make(Arc::clone(&address))));
            vec![writer.stop_within(DRAIN_WITHIN)]
        };
        Senders { doors, children: Arc::new(children) }
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
