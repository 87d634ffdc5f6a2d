//! A POSIX shell on the host that waits in read(2) and does what it is told, one thing after the other.
//!
//! ```text
//!   { ls …; } </dev/null          ─▶  … what ls writes …
//!   printf '%s%s:%s\n' AB CD7 $?  ─▶  ABCD7:0⏎
//! ```
//!
//! What a command writes ends with a mark that nobody can foresee: half of it is drawn for the connection, its end
//! counts the requests, and it never stands in a request as a whole. So it is in no file that is read, even where the
//! host records everything that is typed and printed. Output is binary; nothing in it is special.

use super::channel::{Line, Running};
use super::settings::LinuxSettings;
use super::trouble::Trouble;
use memchr::memmem;
use seams::Rng;
use std::sync::Arc;
use tokio::time::timeout;

/// What a login may print (a greeting, a broken profile) before the shell answers.
const MOST_GREETING: usize = 64 << 10;
/// Longest exit status with its line end.
const MOST_STATUS: usize = 16;

/// Plain messages, and the folders where administrators' commands are; no history and no start-up file.
const PREPARE: &str =
    "unset ENV HISTFILE; LC_ALL=C; PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin; export LC_ALL PATH";

/// The shell.
pub struct Shell {
    running: Running,
    settings: Arc<LinuxSettings>,
    token: String,
    asked: u64,
    /// What was read too far.
    carry: Vec<u8>,
    /// All of that may be the beginning of a mark: it tells nothing before more has come.
    held_back: bool,
}

/// What a request gives.
pub struct Reply {
    mark: Vec<u8>,
    /// The status, as far as it has come, behind the mark.
    status: Option<Vec<u8>>,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes; there may be more.
    More(usize),
    /// So many bytes, the last ones; the command ended with this status.
    End(usize, i32),
}

impl Shell {
    /// Starts it.
    pub async fn open(line: &Line, rng: &Rng) -> Result<Self, Trouble> {
        let settings = Arc::clone(line.settings());
        let running = line.run(if settings.sudo { "exec sudo -n sh" } else { "exec sh" }).await?;
        let token = format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64());
        let mut shell = Self { running, settings, token, asked: 0, carry: Vec::new(), held_back: false };
        shell.ask_whole(PREPARE, MOST_GREETING).await?;
        Ok(shell)
    }

    /// Asks for something. Replies come in the order of the requests and are to be read in it.
    pub async fn ask(&mut self, command: &str) -> Result<Reply, Trouble> {
        self.asked += 1;
        let (first, second) = self.token.split_at(self.token.len() / 2);
        let number = self.asked;
        let text = format!("{{ {command}\n}} </dev/null\nprintf '%s%s:%s\\n' {first} {second}x{number} $?\n");
        self.running.write(text).await.map_err(|e| Trouble::protocol(&self.settings, &e))?;
        let mark = format!("{}x{number}:", self.token).into_bytes();
        Ok(Reply { mark, status: None })
    }

    /// Asks for something short and waits for it. Returns what it wrote, cut at `most`, and its status.
    pub async fn ask_whole(&mut self, command: &str, most: usize) -> Result<(Vec<u8>, i32), Trouble> {
        let mut reply = self.ask(command).await?;
        let mut all = Vec::new();
        let mut buffer = vec![0; 16 << 10];
        loop {
            self.readable().await?;
            let (len, status) = match self.read_now(&mut reply, &mut buffer) {
                Read::More(len) => (len, None),
                Read::End(len, status) => (len, Some(status)),
            };
            all.extend_from_slice(&buffer[..len.min(most - all.len())]);
            if let Some(status) = status {
                return Ok((all, status));
            }
        }
    }

    /// Waits until there is something new to read. A host that says nothing for too long is given up.
    pub async fn readable(&mut self) -> Result<(), Trouble> {
        if !self.carry.is_empty() && !self.held_back {
            return Ok(());
        }
        match timeout(self.settings.timeout, self.running.readable()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.ended()),
            Err(_) => Err(Trouble::silent(&self.settings, "waiting for the shell")),
        }
    }

    /// Reads what is there, up to the end of the reply.
    pub fn read_now(&mut self, reply: &mut Reply, buffer: &mut [u8]) -> Read {
        let mut filled = 0;
        loop {
            if let Some(status) = &mut reply.status {
                let mut byte = [0];
                while status.len() < MOST_STATUS && take(&mut self.carry, &mut self.running, &mut byte) == 1 {
                    if byte[0] == b'\n' {
                        let status = std::str::from_utf8(status).ok().and_then(|text| text.parse().ok());
                        return Read::End(filled, status.unwrap_or(-1));
                    }
                    status.push(byte[0]);
                }
                return Read::More(filled);
            }
            let before = filled;
            filled += take(&mut self.carry, &mut self.running, &mut buffer[filled..]);
            self.held_back = false;
            if filled == before {
                break;
            }
            let from = before.saturating_sub(reply.mark.len() - 1);
            if let Some(at) = memmem::find(&buffer[from..filled], &reply.mark) {
                let end = from + at;
                self.put_back(&buffer[end + reply.mark.len()..filled]);
                filled = end;
                reply.status = Some(Vec::new());
            }
        }
        let held = beginning_of(&reply.mark, &buffer[..filled]);
        if held > 0 {
            self.held_back = self.carry.is_empty();
            self.put_back(&buffer[filled - held..filled]);
            filled -= held;
        }
        Read::More(filled)
    }

    /// Reads a reply to its end without keeping it.
    pub async fn skip(&mut self, reply: &mut Reply) -> Result<(), Trouble> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            self.readable().await?;
            if let Read::End(..) = self.read_now(reply, &mut buffer) {
                return Ok(());
            }
        }
    }

    fn put_back(&mut self, bytes: &[u8]) {
        self.carry.splice(..0, bytes.iter().copied());
    }

    /// Why the shell is gone.
    fn ended(&self) -> Trouble {
        let (place, user, said) = (self.settings.place(), &self.settings.user.name, self.running.errors());
        if self.asked > 1 {
            return Trouble::ended(&self.settings);
        }
        if self.settings.sudo {
            return Trouble::lasting(format!(
                "{user} may not run sudo -n sh on {place} ({said}); on the host, in /etc/sudoers.d/director: \
                 {user} ALL=(root) NOPASSWD: /bin/sh; or leave sudo out and give {user} the group adm"
            ));
        }
        match self.running.status() {
            None if said.is_empty() => Trouble::ended(&self.settings),
            status => Trouble::lasting(format!(
                "the shell of {user} on {place} ended at once (status {}: {said}); is it a POSIX shell? on the host: \
                 getent passwd {user}; usermod -s /bin/sh {user}",
                status.map_or_else(|| "unknown".to_owned(), |status| status.to_string())
            )),
        }
    }
}

/// Reads what was put back, then what has come.
fn take(carry: &mut Vec<u8>, running: &mut Running, buffer: &mut [u8]) -> usize {
    let len = carry.len().min(buffer.len());
    buffer[..len].copy_from_slice(&carry[..len]);
    carry.drain(..len);
    len + running.read_now(&mut buffer[len..])
}

/// How many of the last bytes may be the beginning of a mark.
fn beginning_of(mark: &[u8], bytes: &[u8]) -> usize {
    let most = (mark.len() - 1).min(bytes.len());
    (1..=most).rev().find(|len| bytes[bytes.len() - len..] == mark[..*len]).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_the_beginning_of_a_mark_is_held_back() {
        for (bytes, held) in [("text\n", 0), ("text a", 1), ("text abc", 3), ("ab", 2), ("abca", 1), ("", 0)]
        {
            assert_eq!(beginning_of(b"abcd", bytes.as_bytes()), held, "{bytes}");
        }
    }
}
