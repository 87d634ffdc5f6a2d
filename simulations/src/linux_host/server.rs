//! The SSH side of a simulated host.

use super::faults::Faults;
use super::files::Files;
use super::settings::Settings;
use super::shell::Shell;
use super::words::{Unreadable, parse};
use parking_lot::Mutex;
use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server::{self, Auth, ChannelOpenHandle, Handle, Msg, Response, Session};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A simulated host. It is gone when this is dropped.
pub struct LinuxHost {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    settings: Settings,
    files: Files,
    faults: Faults,
    key: PrivateKey,
    sign_ins: AtomicU64,
    commands: AtomicU64,
    /// Open sockets, to be cut.
    sockets: Mutex<Vec<std::net::TcpStream>>,
}

impl LinuxHost {
    /// A host at a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        Self::start_on(settings, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// A host at this address.
    ///
    /// # Errors
    /// When it can't be bound.
    pub async fn start_on(settings: Settings, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(io::Error::other)?;
        let (files, faults) = (Files::default(), Faults::default());
        let (sign_ins, commands, sockets) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::default());
        let shared = Arc::new(Shared { settings, files, faults, key, sign_ins, commands, sockets });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `SHA256:…` of its key.
    pub fn fingerprint(&self) -> String {
        self.shared.key.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    /// Its files and its journal.
    pub fn files(&self) -> &Files {
        &self.shared.files
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Sign-ins that were tried with a password.
    pub fn sign_ins(&self) -> u64 {
        self.shared.sign_ins.load(Relaxed)
    }

    /// Commands that its shells ran.
    pub fn commands(&self) -> u64 {
        self.shared.commands.load(Relaxed)
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for socket in self.shared.sockets.lock().drain(..) {
            // One that is closed already is cut enough.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for LinuxHost {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let methods: &[MethodKind] = match shared.settings.interactive_only {
        true => &[MethodKind::KeyboardInteractive],
        false => &[MethodKind::Password, MethodKind::KeyboardInteractive],
    };
    let config = Arc::new(server::Config {
        methods: MethodSet::from(methods),
        auth_rejection_time: Duration::from_millis(50),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![shared.key.clone()],
        nodelay: true,
        ..server::Config::default()
    });
    while let Ok((socket, _)) = listener.accept().await {
        let Ok((socket, to_cut)) = twice(socket) else { continue };
        let Ok(to_end) = to_cut.try_clone() else { continue };
        shared.sockets.lock().push(to_cut);
        let (shared, config) = (Arc::clone(&shared), Arc::clone(&config));
        tokio::spawn(async move {
            if shared.faults.silent.load(Relaxed) {
                // The socket stays open, and nothing is ever said.
                let _socket = socket;
                return std::future::pending().await;
            }
            let connection = Connection { shared, shells: HashMap::new(), followers: Vec::new() };
            // A connection that fails is over; the other side notices.
            if let Ok(session) = server::run_stream(config, socket, connection).await {
                let _ = session.await;
            }
            // Other handles of the socket would keep it open.
            let _ = to_end.shutdown(Shutdown::Both);
        });
    }
}

/// A socket, and another handle of it.
fn twice(socket: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    let socket = socket.into_std()?;
    let other = socket.try_clone()?;
    Ok((TcpStream::from_std(socket)?, other))
}

struct Connection {
    shared: Arc<Shared>,
    /// Shells that wait for input, with what of it is not complete.
    shells: HashMap<ChannelId, String>,
    followers: Vec<JoinHandle<()>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.followers.iter().for_each(JoinHandle::abort);
    }
}

impl Connection {
    fn judge(&self, user: &str, password: &str) -> Auth {
        let Shared { settings, faults, sign_ins, .. } = &*self.shared;
        sign_ins.fetch_add(1, Relaxed);
        let right = user == settings.user && password == settings.password;
        if right && !faults.refuse.load(Relaxed) { Auth::Accept } else { Auth::reject() }
    }

    /// Runs commands, if they are complete. Returns what they write and their status.
    fn run(&self, text: &str) -> Result<(Vec<u8>, i32), Unreadable> {
        let Shared { settings, files, faults, commands, .. } = &*self.shared;
        let command = parse(text)?;
        commands.fetch_add(1, Relaxed);
        let mut shell = Shell { files, faults, settings, status: 0 };
        let output = shell.run(&command, b"");
        Ok((output, shell.status))
    }

    /// Answers, or does what the faults say.
    async fn answer(
        &self,
        channel: ChannelId,
        output: Vec<u8>,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let faults = &self.shared.faults;
        tokio::time::sleep(faults.delay()).await;
        if faults.hang.load(Relaxed) {
            return Ok(());
        }
        let output = if faults.nonsense.load(Relaxed) { vec![b'?'; output.len() + 1] } else { output };
        if let Some(len) = faults.cut(output.len() as u64) {
            session.data(channel, output[..len as usize].to_vec())?;
            session.flush()?;
            return Err(russh::Error::Disconnect);
        }
        session.data(channel, output)
    }

    /// `journalctl -f`
    fn follow(&mut self, channel: ChannelId, command: &str, handle: Handle) {
        let after = command
            .split_once("--after-cursor=")
            .and_then(|(_, rest)| rest.split_whitespace().next()?.trim_matches('\'').parse::<usize>().ok());
        let shared = Arc::clone(&self.shared);
        self.followers.push(tokio::spawn(async move {
            let (mut next, mut logged) = (after.unwrap_or(0), shared.files.logged());
            loop {
                let mut lines = String::new();
                for message in shared.files.entries(next) {
                    next += 1;
                    let message = message.replace('\\', "\\\\").replace('"', "\\\"");
                    lines.push_str(&format!("{{\"__CURSOR\":\"{next}\",\"MESSAGE\":\"{message}\"}}\n"));
                }
                if !lines.is_empty() && handle.data(channel, lines).await.is_err() {
                    return;
                }
                if logged.changed().await.is_err() {
                    return;
                }
            }
        }));
    }
}

impl server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(self.judge(user, password))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(mut response) = response else {
            let prompts = vec![(Cow::Borrowed("Password: "), false)].into();
            return Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts });
        };
        let answer = response.next().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(self.judge(user, &answer.unwrap_or_default()))
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        match self.shared.faults.no_sessions.load(Relaxed) {
            true => reply.reject(russh::ChannelOpenFailure::ResourceShortage).await,
            false => reply.accept().await,
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)?;
        let command = String::from_utf8_lossy(command);
        if command.ends_with("exec sh") || command.ends_with("sudo -n sh") {
            self.shells.insert(channel, String::new());
            return Ok(());
        }
        if command.contains("journalctl ") {
            self.follow(channel, &command, session.handle());
            return Ok(());
        }
        let script = command.strip_prefix("exec sh -c '").and_then(|rest| rest.strip_suffix('\''));
        let (output, status) = self.run(script.unwrap_or(&command)).unwrap_or((Vec::new(), 2));
        self.answer(channel, output, session).await?;
        session.exit_status_request(channel, status as u32)?;
        session.eof(channel)?;
        session.close(channel)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some(input) = self.shells.get_mut(&channel) else { return Ok(()) };
        input.push_str(&String::from_utf8_lossy(data));
        if !input.ends_with('\n') {
            return Ok(());
        }
        let text = std::mem::take(input);
        match self.run(&text) {
            Ok((output, _)) => self.answer(channel, output, session).await,
            Err(Unreadable::Incomplete) => {
                self.shells.insert(channel, text);
                Ok(())
            }
            Err(Unreadable::Wrong) => {
                session.exit_status_request(channel, 2)?;
                session.close(channel)
            }
        }
    }
}
