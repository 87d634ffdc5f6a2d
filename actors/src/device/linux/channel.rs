//! What one command on the host writes, as it comes.

use super::connect::Peer;
use super::settings::LinuxSettings;
use super::trouble::Trouble;
use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use russh::ChannelMsg;
use russh::client::{Handle, Msg};
use russh::{ChannelReadHalf, ChannelWriteHalf};
use std::sync::Arc;
use tokio::time::timeout;

/// What is kept of what a command writes to its standard error.
const MOST_ERROR_BYTES: usize = 4096;

/// A connection that commands are run over.
#[derive(Clone)]
pub struct Line {
    handle: Arc<Handle<Peer>>,
    settings: Arc<LinuxSettings>,
}

/// A running command.
pub struct Running {
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    pending: Bytes,
    errors: Vec<u8>,
    status: Option<u32>,
    ended: bool,
}

impl Line {
    /// A line over a connection that is signed in.
    pub fn new(handle: Handle<Peer>, settings: Arc<LinuxSettings>) -> Self {
        Self { handle: Arc::new(handle), settings }
    }

    /// What the device does.
    pub fn settings(&self) -> &Arc<LinuxSettings> {
        &self.settings
    }

    /// Starts a command.
    pub async fn run(&self, command: &str) -> Result<Running, Trouble> {
        match timeout(self.settings.timeout, self.start(command)).await {
            Ok(started) => started,
            Err(_) => Err(Trouble::silent(&self.settings, "starting a command")),
        }
    }

    async fn start(&self, command: &str) -> Result<Running, Trouble> {
        let place = self.settings.place();
        let broken = |e: russh::Error| match e {
            russh::Error::ChannelOpenFailure(why) => Trouble::lasting(format!(
                "{place} opens no session ({why:?}); MaxSessions in its sshd_config must be 10 or more"
            )),
            e => Trouble::protocol(&self.settings, &e),
        };
        let channel = self.handle.channel_open_session().await.map_err(broken)?;
        let (mut read, write) = channel.split();
        write.exec(true, command).await.map_err(broken)?;
        loop {
            match read.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure) => {
                    let text = format!("{place} runs no commands for {}", self.settings.user.name);
                    return Err(Trouble::lasting(text));
                }
                Some(_) => {}
                None => return Err(Trouble::ended(&self.settings)),
            }
        }
        let (pending, errors) = (Bytes::new(), Vec::new());
        Ok(Running { read, write, pending, errors, status: None, ended: false })
    }

    /// Says goodbye. The host notices a connection that just ends, too.
    pub async fn close(&self) {
        let _ = self.handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
    }
}

impl Running {
    /// Waits until there is something to read; no more ever comes after `false`. Nothing is lost when it is given up.
    pub async fn readable(&mut self) -> bool {
        while self.pending.is_empty() && !self.ended {
            let message = self.read.wait().await;
            self.sort(message);
        }
        !self.pending.is_empty()
    }

    /// Reads what is there.
    pub fn read_now(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.pending.is_empty() {
                match self.read.wait().now_or_never() {
                    Some(message) => self.sort(message),
                    None => break,
                }
                if self.ended {
                    break;
                }
                continue;
            }
            let len = self.pending.len().min(buffer.len() - filled);
            buffer[filled..filled + len].copy_from_slice(&self.pending[..len]);
            self.pending.advance(len);
            filled += len;
        }
        filled
    }

    fn sort(&mut self, message: Option<ChannelMsg>) {
        match message {
            Some(ChannelMsg::Data { data }) => self.pending = data,
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                let room = MOST_ERROR_BYTES - self.errors.len();
                self.errors.extend_from_slice(&data[..data.len().min(room)]);
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => self.status = Some(exit_status),
            Some(ChannelMsg::Close) | None => self.ended = true,
            Some(_) => {}
        }
    }

    /// Writes to the command.
    pub async fn write(&self, text: String) -> Result<(), russh::Error> {
        self.write.data_bytes(text).await
    }

    /// How it ended, once it has.
    pub fn status(&self) -> Option<u32> {
        self.status
    }

    /// What it complained about, in one line.
    pub fn errors(&self) -> String {
        let text = String::from_utf8_lossy(&self.errors);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join("; ")
    }

    /// Reads all that comes until the end, at most so much.
    pub async fn read_to_end(&mut self, most: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = vec![0; 16 << 10];
        while all.len() < most && self.readable().await {
            let len = self.read_now(&mut buffer);
            all.extend_from_slice(&buffer[..len.min(most - all.len())]);
        }
        all
    }

    /// Waits for the end, without what is written until then.
    pub async fn finish(&mut self) {
        while self.readable().await {
            self.pending.clear();
        }
    }

    /// Lets go of it: the host ends what reads its standard input or writes.
    pub async fn close(&self) {
        let _ = self.write.close().await;
    }
}
