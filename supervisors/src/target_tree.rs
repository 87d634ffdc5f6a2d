//! The subtree of a target: one line in [`senders`] for each type.

mod http;

use crate::supervisor::{Announce, Charge, StopOrder, subtree};
use actors::child::spec::Common;
use actors::child::{Child, ChildSpec, Home};
use actors::data::delivery::ToSender;
use actors::data::{Address, Door, Lane, Lanes, Target};
use actors::target::discard::Discard;
use actors::target::http::HttpSender;
use actors::target::tcp_sender::{TcpSender, TcpSenderSettings};
use actors::target::wire::WireFraming;
use config::TargetKind;
use config::target::{Endpoint, TargetFraming, TcpTarget};
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
    let target = Arc::clone(target);
    let homes = Homes { lanes, places };
    Ok(match &config.kind {
        TargetKind::Discard => homes.each_lane(Discard::new),
        TargetKind::Tcp(tcp) => {
            let settings = tcp_settings(tcp);
            homes.each_lane(move |address| TcpSender::new(Arc::clone(&target), address, settings.clone()))
        }
        TargetKind::Http(_) | TargetKind::Elastic(_) | TargetKind::Splunk(_) => {
            let settings = Arc::new(http::settings(config, lanes.all().len(), common)?);
            homes.each_lane(move |address| {
                HttpSender::new(Arc::clone(&target), address, Arc::clone(&settings))
            })
        }
        _ => anyhow::bail!("target \"{}\": this type is not available in this version", target.name),
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
}

impl Homes<'_> {
    /// A sender on each lane: order is kept in a stream, which lives on one lane.
    fn each_lane<N: Send + 'static, C: Child<Message = ToSender<N>>>(
        &self,
        make: impl Fn(Arc<Address<ToSender<N>>>) -> C + Send + Sync + 'static,
    ) -> Senders {
        let make = Arc::new(make);
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
}

fn tcp_settings(tcp: &TcpTarget) -> TcpSenderSettings {
    let framing = match &tcp.framing {
        TargetFraming::Delimiter(delimiter) => WireFraming::Delimiter(delimiter.clone().into()),
        TargetFraming::Octet => WireFraming::Octet,
    };
    TcpSenderSettings {
        endpoints: tcp
            .endpoints
            .iter()
            .map(|Endpoint { address, port }| format!("{address}:{port}"))
            .collect(),
        framing,
        connect_timeout: tcp.timeout,
        stall_timeout: tcp.timeout,
        retry_first: Duration::from_millis(200),
        retry_at_most: Duration::from_secs(2),
    }
}
