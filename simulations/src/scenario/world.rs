//! The world of a rehearsal: the Director under test, its stand-ins, and the links between them.

use super::receiving::Receiving;
use super::rewrite::{self, FOLDER, File, Rewritten, Seat};
use super::{Scenario, WorldSource};
use crate::account::{Accounts, Deliveries, Origin, Promise};
use crate::endpoints::certificates::{Certificates, Like};
use crate::endpoints::datagram_sender;
use crate::endpoints::growing_file::GrowingFile;
use crate::endpoints::hosts::{self, LinuxLog, NextRecord};
use crate::endpoints::mood::Mood;
use crate::endpoints::poster::{Body, Poster};
use crate::endpoints::quota::Quota;
use crate::endpoints::requests;
use crate::endpoints::stream_sender::{Dial, Framing, StreamSender};
use crate::endpoints::texts::{Form, Texts};
use crate::endpoints::{datagram_receiver, stream_receiver, written_files};
use crate::links::{Link, Loopback, TcpLink, UdpLink, Way};
use crate::linux_host::{self, LinuxHost};
use crate::subject::{Defence, Setup, Subject};
use crate::windows_host::{self, WindowsHost};
use anyhow::{Context, bail};
use config::device::{DeviceAuthentication, HttpFormat, SyslogTransport};
use config::{Device, DeviceKind, Snapshot, Target};
use seams::Rng;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tempfile::TempDir;
use tokio::task::{AbortHandle, JoinHandle};

/// What a rehearsal needs to know beside the scenario.
#[derive(Clone, Debug)]
pub struct Means {
    /// The program under test.
    pub program: PathBuf,
    /// The configuration for `from_config: all`.
    pub given: config::Source,
    /// Where chance comes from.
    pub seed: u64,
    /// A Director without this defence, to learn whether a rehearsal notices.
    pub without: Option<Defence>,
}

/// A world.
#[derive(Debug)]
pub struct World {
    /// The Director under test.
    pub subject: Subject,
    /// All events.
    pub accounts: Arc<Accounts>,
    /// One for each device in use.
    pub sources: Vec<Source>,
    /// One for each target in use that keeps what it gets.
    pub sinks: Vec<Sink>,
    /// Links, by device or target.
    pub links: BTreeMap<String, Arc<Link>>,
    /// What is not as it was written.
    pub notes: Vec<String>,
    /// The rewritten configuration.
    pub snapshot: Snapshot,
    _folder: TempDir,
}

/// A source.
#[derive(Debug)]
pub struct Source {
    /// The device that it sends to.
    pub device: String,
    /// Its events.
    pub origin: Arc<Origin>,
    /// How many it sends.
    pub quota: Quota,
    /// The host that it is, if it is one.
    pub host: Host,
    /// Ends when the source has ended.
    pub task: JoinHandle<()>,
}

/// A host that is collected from afar.
#[derive(Clone)]
pub enum Host {
    /// It is none.
    None,
    /// Linux.
    Linux(Arc<LinuxHost>),
    /// Windows: the channel, and the number of its next record.
    Windows(Arc<WindowsHost>, String, NextRecord),
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Linux(_) => "Linux",
            Self::Windows(..) => "Windows",
        })
    }
}

/// A receiver.
#[derive(Debug)]
pub struct Sink {
    /// The target that it stands in for.
    pub target: String,
    /// What came.
    pub deliveries: Arc<Deliveries>,
    /// What may go wrong there.
    pub mood: Arc<Mood>,
    task: AbortHandle,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What building a world takes.
struct Building<'a> {
    scenario: &'a Scenario,
    loopback: Loopback,
    certificates: Certificates,
    accounts: Arc<Accounts>,
    links: BTreeMap<String, Arc<Link>>,
    rng: Rng,
}

impl World {
    /// Builds a world; the Director is written down and does not run.
    ///
    /// # Errors
    /// When the configuration has mistakes, or something can't be bound.
    pub async fn build(scenario: &Scenario, means: &Means) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("rehearsal-").tempdir()?;
        let root = folder.path().canonicalize()?;
        let loopback = Loopback::default();
        let certificates = Certificates::new(loopback.ip())?;
        let files = match &scenario.world {
            WorldSource::Given => {
                beside(&means.given, &root);
                File::all(&means.given)?
            }
            WorldSource::File(path) => {
                let source = config::Source::File(path.clone());
                beside(&source, &root);
                File::all(&source)?
            }
            WorldSource::Inline(node) => File::inline(node),
        };
        let rewritten = Rewritten::new(files, &root, &loopback)?;
        let mut building = Building {
            scenario,
            loopback,
            certificates,
            accounts: Arc::default(),
            links: BTreeMap::new(),
            rng: Rng::seeded(means.seed).fork("links"),
        };
        let mut hosts = BTreeMap::new();
        for seat in &rewritten.devices {
            let host =
                building.host(seat).await.with_context(|| format!("cannot stand in for {}", seat.name))?;
            hosts.insert(seat.name.clone(), host);
        }
        let subject = Subject::new(building.setup(&rewritten, &hosts, &root, means)?)?;
        let snapshot = load(&root)?;
        let mut sinks = Vec::new();
        for target in snapshot.targets.iter().filter(|target| target.status) {
            let Some(seat) = rewritten.targets.iter().find(|seat| seat.name == target.name) else { continue };
            sinks.extend(building.sink(target, seat).await?);
        }
        let mut sources = Vec::new();
        for device in snapshot.devices.iter().filter(|device| device.status) {
            let Some(seat) = rewritten.devices.iter().find(|seat| seat.name == device.name) else { continue };
            let host = hosts.remove(&seat.name).unwrap_or(Host::None);
            sources.push(building.source(device, seat, host)?);
        }
        if sources.is_empty() {
            bail!("the configuration has no device in use; nothing can be sent to it");
        }
        let (accounts, links) = (building.accounts, building.links);
        let notes = rewritten.notes;
        Ok(Self { subject, accounts, sources, sinks, links, notes, snapshot, _folder: folder })
    }

    /// The source of a device.
    pub fn source(&self, device: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.device == device)
    }

    /// The receiver of a target.
    pub fn sink(&self, target: &str) -> Option<&Sink> {
        self.sinks.iter().find(|sink| sink.target == target)
    }

    /// The names of all devices and targets in use.
    pub fn endpoints(&self) -> Vec<&str> {
        let sources = self.sources.iter().map(|source| source.device.as_str());
        sources.chain(self.sinks.iter().map(|sink| sink.target.as_str())).collect()
    }
}

/// Tables and databases that pipelines read lie below `user`, beside the configuration.
fn beside(source: &config::Source, root: &Path) {
    let Ok(user) = source.root().join("user").canonicalize() else { return };
    // Where it can't be linked the configuration says which file it misses.
    let _ = std::os::unix::fs::symlink(user, root.join("user"));
}

fn load(root: &Path) -> anyhow::Result<Snapshot> {
    let loaded = config::load(&config::Source::Folder(root.to_owned()), &|name| std::env::var(name).ok());
    loaded.snapshot.with_context(|| {
        let shown: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        format!("the configuration, as it is rewritten for stand-ins, has mistakes:\n{}", shown.join("\n"))
    })
}

impl Building<'_> {
    /// Whether a fault may come to this endpoint's link.
    fn is_linked(&self, name: &str) -> bool {
        let named = |pattern: &str| actors::child::faults::matches(pattern, name);
        self.scenario.random.is_some()
            || self.scenario.faults.iter().any(|planned| planned.fault.endpoints().is_some_and(named))
    }

    /// The far end of a link whose near end is the address in the configuration; without a link, that address.
    fn far(&mut self, name: &str, near: SocketAddr, way: Way, udp: bool) -> anyhow::Result<SocketAddr> {
        if !self.is_linked(name) {
            return Ok(near);
        }
        let far = self.loopback.port()?;
        let (from, to) = if way == Way::ToDirector { (far, near) } else { (near, far) };
        let rng = self.rng.fork(name);
        let link = match udp {
            true => Link::Udp(UdpLink::start(from, to, rng)?),
            false => Link::Tcp(TcpLink::start(way, from, to, rng)?),
        };
        self.links.insert(name.to_owned(), Arc::new(link));
        Ok(far)
    }

    async fn host(&mut self, seat: &Seat) -> anyhow::Result<Host> {
        let Some(near) = seat.address else { return Ok(Host::None) };
        match seat.kind.as_str() {
            "linux" => {
                let at = self.far(&seat.name, near, Way::Collected, false)?;
                let settings = linux_host::Settings { hostname: seat.name.clone(), ..Default::default() };
                Ok(Host::Linux(Arc::new(LinuxHost::start_on(settings, at).await?)))
            }
            "windows" => {
                let at = self.far(&seat.name, near, Way::Collected, false)?;
                let (channel, next) = ("Security".to_owned(), Arc::new(AtomicU64::new(1)));
                let host = WindowsHost::start_on(windows_host::Settings::default(), at).await?;
                Ok(Host::Windows(Arc::new(host), channel, next))
            }
            _ => Ok(Host::None),
        }
    }

    fn setup(
        &self,
        rewritten: &Rewritten,
        hosts: &BTreeMap<String, Host>,
        root: &Path,
        means: &Means,
    ) -> anyhow::Result<Setup> {
        let mut texts = rewritten.texts();
        for (name, host) in hosts {
            let Host::Linux(host) = host else { continue };
            for (_, text) in &mut texts {
                *text = text.replace(&rewrite::host_key(name), &host.fingerprint());
            }
        }
        let main = texts.iter().position(|(name, _)| name == Path::new("vmetric.yml"));
        let (_, main) = texts.remove(main.context("there is no vmetric.yml")?);
        let server = self.certificates.pem(Like::Good)?;
        let mut setup = Setup::new(&means.program, main)
            .root(root)
            .seed(means.seed)
            .file(format!("{FOLDER}/ca.pem"), self.certificates.authority())
            .file(format!("{FOLDER}/server.pem"), server.certificate)
            .file(format!("{FOLDER}/server.key.pem"), server.key);
        for (name, text) in texts {
            setup = setup.file(name, text);
        }
        if let Some(defence) = means.without {
            setup = setup.without(defence);
        }
        let cuts = |planned: &super::Planned| match &planned.fault {
            super::AnyFault::Director(fault) => fault.needs_power_cuts(),
            super::AnyFault::Link { .. } | super::AnyFault::Endpoint { .. } => false,
        };
        let drawn =
            |random: &super::Random| random.weights.get("power_cut").is_some_and(|weight| *weight > 0.0);
        if self.scenario.faults.iter().any(cuts) || self.scenario.random.as_ref().is_some_and(drawn) {
            setup = setup.power_cuts();
        }
        Ok(setup)
    }

    fn texts(&self, form: Form) -> anyhow::Result<Arc<Texts>> {
        let load = &self.scenario.load;
        Ok(Arc::new(match &load.recorded {
            Some(path) => Texts::recorded(path, load.size)?,
            None => Texts::mix(&load.mix, form, load.size)?,
        }))
    }

    fn dial(&mut self, name: &str, near: SocketAddr) -> anyhow::Result<Dial> {
        if !self.is_linked(name) {
            return Ok(Dial::Straight(near));
        }
        // The link itself tells when the Director has answered.
        self.far(name, near, Way::ToDirector, false)?;
        match self.links.get(name) {
            Some(link) => Ok(Dial::Link(Arc::clone(link))),
            None => Ok(Dial::Straight(near)),
        }
    }

    fn source(&mut self, device: &Device, seat: &Seat, host: Host) -> anyhow::Result<Source> {
        let quota = Quota::default();
        let share = quota.share();
        let name = &device.name;
        let near = seat.address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let promise = match &device.kind {
            DeviceKind::Tcp(_) => Promise::Stream,
            DeviceKind::Syslog(syslog) if syslog.transport != SyslogTransport::Udp => Promise::Stream,
            DeviceKind::Udp(_) | DeviceKind::Syslog(_) => Promise::Nothing,
            DeviceKind::Http(_) | DeviceKind::File(_) | DeviceKind::Linux(_) | DeviceKind::Windows(_) => {
                Promise::Confirmed
            }
        };
        let form = match &device.kind {
            DeviceKind::Syslog(_) => Form::Syslog,
            DeviceKind::Http(http) if http.format != HttpFormat::Lines => Form::Json,
            _ => Form::Plain,
        };
        let texts = self.texts(form)?;
        let origin = self.accounts.origin(name, promise, texts.count());
        let shared = Arc::clone(&origin);
        let task = match &device.kind {
            DeviceKind::Tcp(tcp) => {
                let sender = self.stream(name, near, &tcp.connections, texts)?;
                tokio::spawn(sender.run(shared, share))
            }
            DeviceKind::Syslog(syslog) => match &syslog.transport {
                SyslogTransport::Tcp(connections) => {
                    let sender = self.stream(name, near, connections, texts)?;
                    tokio::spawn(sender.run(shared, share))
                }
                SyslogTransport::Udp => {
                    let to = self.far(name, near, Way::ToDirector, true)?;
                    tokio::spawn(datagram_sender::run(to, texts, shared, share))
                }
            },
            DeviceKind::Udp(_) => {
                let to = self.far(name, near, Way::ToDirector, true)?;
                tokio::spawn(datagram_sender::run(to, texts, shared, share))
            }
            DeviceKind::Http(http) => {
                let poster = Poster {
                    dial: self.dial(name, near)?,
                    ip: near.ip(),
                    tls: http.tls.as_ref().map(|_| self.certificates.client()).transpose()?,
                    path: http.path.clone(),
                    headers: headers(http),
                    body: match http.format {
                        HttpFormat::Auto | HttpFormat::JsonArray => Body::Array,
                        HttpFormat::Event => Body::Event,
                        HttpFormat::Lines => Body::Lines,
                    },
                    texts,
                };
                tokio::spawn(poster.run(shared, share))
            }
            DeviceKind::File(_) => {
                let folder = seat.folder.clone().context("a file device has a folder")?;
                let file = GrowingFile { folder, rotate_bytes: 4 << 20, texts };
                // Where the folder can't be written to, nothing is sent, and the verdict says so.
                tokio::spawn(async move { _ = file.run(shared, share).await })
            }
            DeviceKind::Linux(linux) => {
                let Host::Linux(at) = &host else { bail!("{name} has no host") };
                let log = match linux.inputs.files.first() {
                    Some(pattern) => LinuxLog::File(file_of(pattern)),
                    None => LinuxLog::Journal,
                };
                tokio::spawn(hosts::linux(Arc::clone(at), log, texts, shared, share))
            }
            DeviceKind::Windows(_) => {
                let Host::Windows(at, channel, next) = &host else { bail!("{name} has no host") };
                let (at, channel, next) = (Arc::clone(at), channel.clone(), Arc::clone(next));
                tokio::spawn(hosts::windows(at, channel, texts, next, shared, share))
            }
        };
        Ok(Source { device: name.clone(), origin, quota, host, task })
    }

    fn stream(
        &mut self,
        name: &str,
        near: SocketAddr,
        connections: &config::device::Connections,
        texts: Arc<Texts>,
    ) -> anyhow::Result<StreamSender> {
        let framing = match &connections.framing {
            config::device::Framing::Auto { delimiter }
            | config::device::Framing::Delimiter { delimiter } => Framing::Delimiter(delimiter.clone()),
            config::device::Framing::Octet => Framing::Octet,
        };
        let tls = connections.tls.as_ref().map(|_| self.certificates.client()).transpose()?;
        Ok(StreamSender { dial: self.dial(name, near)?, framing, tls, texts })
    }

    async fn sink(&mut self, target: &Target, seat: &Seat) -> anyhow::Result<Option<Sink>> {
        let name = &target.name;
        let deliveries = || self.accounts.target(name);
        if let Some(folder) = seat.folder.clone() {
            let deliveries = deliveries();
            let task = tokio::spawn(written_files::run(folder, Arc::clone(&deliveries))).abort_handle();
            let mood = Arc::new(Mood::new(None)?);
            return Ok(Some(Sink { target: name.clone(), deliveries, mood, task }));
        }
        let Some(near) = seat.address else { return Ok(None) };
        let deliveries = deliveries();
        let way = Receiving::of(&target.kind);
        let Some(way) = way else { return Ok(None) };
        let at = self.far(name, near, Way::FromDirector, matches!(way, Receiving::Datagrams))?;
        let encrypted = match &way {
            Receiving::Stream(_, tls) | Receiving::Requests(_, tls) => *tls,
            Receiving::Datagrams => false,
        };
        let mood = Arc::new(Mood::new(encrypted.then_some(&self.certificates))?);
        let (came, shared) = (Arc::clone(&deliveries), Arc::clone(&mood));
        let task = tokio::spawn(async move {
            match way {
                Receiving::Stream(framing, _) => stream_receiver::run(at, framing, shared, came).await,
                Receiving::Requests(intake, _) => requests::run(at, intake, shared, came).await,
                Receiving::Datagrams => datagram_receiver::run(at, came).await,
            }
        });
        Ok(Some(Sink { target: name.clone(), deliveries, mood, task: task.abort_handle() }))
    }
}

fn headers(http: &config::device::HttpDevice) -> Vec<(String, String)> {
    let mut headers = vec![("content-type".to_owned(), http.content_type.clone())];
    match &http.authentication {
        DeviceAuthentication::Basic { username, password } => {
            use base64::Engine;
            let both = format!("{username}:{}", password.expose());
            let both = base64::engine::general_purpose::STANDARD.encode(both);
            headers.push(("authorization".to_owned(), format!("Basic {both}")));
        }
        DeviceAuthentication::Header { key, value } => {
            headers.push((key.clone(), value.expose().to_owned()));
        }
        DeviceAuthentication::None | DeviceAuthentication::Hmac { .. } => {}
    }
    headers
}

/// A file that a pattern matches.
fn file_of(pattern: &str) -> String {
    pattern.replace("**", "app").replace(['*', '?'], "a").replace(['[', ']'], "")
}
