//! A `windows` device: from its configuration to a collector of event logs, and one of facts.

use super::Collecting;
use actors::child::{ChildSpec, Home};
use actors::data::{Device, Lanes};
use actors::device::windows::settings::{Channel, Collection, Pace, Selection, SignIn, WindowsSettings};
use actors::device::windows::{Collector, Facts, Seat};
use config::device::{self as configured, EventLevel, EventStart, Trust, WindowsDevice};
use protocol::winevent::query::{self, ChannelQuery, EventFilter, Filter, IdRange, Level};
use protocol::winrm::credentials::Credentials;
use security::tls::{Authorities, ClientSettings, Identity, Verify, Versions};
use std::sync::Arc;

/// What the subtree of a Windows device starts with.
pub(super) fn entrance(
    device: &Arc<Device>,
    windows: &WindowsDevice,
    lanes: &Lanes,
    collecting: &Collecting,
) -> anyhow::Result<Vec<ChildSpec>> {
    let settings = settings(windows)?;
    let facts_interval = settings.facts_interval;
    let lane = lanes.least_loaded();
    let (checkpoints, spread) = (collecting.checkpoints.clone(), collecting.spread.clone());
    let seat = Seat::new(Arc::clone(device), Arc::clone(lane), settings, checkpoints, spread);
    let home = Home::Lane(Arc::clone(lane));
    let mut children = Vec::new();
    if let Some(every) = facts_interval {
        let seat = Arc::clone(&seat);
        let make = move || Ok(Facts::new(Arc::clone(&seat), every));
        children.push(ChildSpec::new("facts", "collector", home.clone(), make));
    }
    let make = move || Ok(Collector::new(Arc::clone(&seat)));
    children.push(ChildSpec::new("collector", "collector", home, make));
    Ok(children)
}

/// What such a device does.
///
/// # Errors
/// When its channels or its query can't be asked for.
pub(super) fn settings(windows: &WindowsDevice) -> anyhow::Result<WindowsSettings> {
    let selection = match &windows.selection {
        configured::Selection::Query(list) => {
            query::channels(list)?;
            Selection::Query(list.clone())
        }
        configured::Selection::Channels(channels) => {
            let channels: Vec<Channel> = channels.iter().map(channel).collect();
            let queries: Vec<ChannelQuery> = channels.iter().map(|c| c.query.clone()).collect();
            query::build(&queries)?;
            Selection::Channels(channels)
        }
    };
    Ok(WindowsSettings {
        host: windows.address.clone(),
        port: windows.port,
        sign_in: sign_in(&windows.sign_in),
        tls: windows.tls.as_ref().map(tls),
        timeout: windows.timeout,
        collection: match windows.collection {
            configured::Collection::Auto => Collection::Auto,
            configured::Collection::Subscription => Collection::Subscription,
            configured::Collection::Poll => Collection::Poll,
        },
        selection,
        from_oldest: windows.start == EventStart::Oldest,
        rendered: windows.rendered,
        facts_interval: windows.facts_interval,
        max_event_bytes: usize::try_from(windows.max_message_bytes).unwrap_or(usize::MAX),
        pace: Pace { poll: windows.poll_interval, ..Pace::default() },
    })
}

fn sign_in(configured: &configured::SignIn) -> SignIn {
    let credentials =
        |user: &configured::UserPassword| Credentials::new(&user.username, user.password.expose());
    match configured {
        configured::SignIn::Negotiate(user) => SignIn::Negotiate(credentials(user)),
        configured::SignIn::Basic(user) => SignIn::Basic(credentials(user)),
        configured::SignIn::Certificate => SignIn::Certificate,
    }
}

fn tls(configured: &configured::WindowsTls) -> ClientSettings {
    let verify = match &configured.trust {
        Trust::System => Verify::Against(Authorities::System),
        Trust::Authorities(path) => Verify::Against(Authorities::File(path.clone())),
        Trust::Fingerprint(digest) => Verify::Pinned(*digest),
        Trust::Nothing => Verify::Nothing,
    };
    let identity = configured.identity.clone().map(|(certificate, key)| Identity { certificate, key });
    ClientSettings { verify, identity, versions: Versions::ALL }
}

fn channel(configured: &configured::Channel) -> Channel {
    let ranges = |ids: &[configured::IdRange]| -> Vec<IdRange> {
        ids.iter().map(|ids| IdRange { first: ids.first, last: ids.last }).collect()
    };
    let filter = match &configured.xpath {
        Some(xpath) => Filter::XPath(xpath.clone()),
        None => Filter::Events(EventFilter {
            ids: ranges(&configured.ids),
            excluded_ids: ranges(&configured.excluded_ids),
            levels: configured.levels.iter().map(|level| level_of(*level)).collect(),
            newer_than: configured.newer_than,
            after_record: None,
        }),
    };
    let query = ChannelQuery { channel: configured.name.clone(), filter };
    Channel { query, optional: configured.optional }
}

fn level_of(level: EventLevel) -> Level {
    match level {
        EventLevel::Critical => Level::Critical,
        EventLevel::Error => Level::Error,
        EventLevel::Warning => Level::Warning,
        EventLevel::Information => Level::Information,
        EventLevel::Verbose => Level::Verbose,
    }
}
