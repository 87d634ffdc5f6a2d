//! One file as a stream: from its bytes to batches.
//!
//! A line that is not complete is not kept: it is read again with what follows, so a file at rest holds no budget (R4).
//! Each read begins with the bytes before the present place and compares them ([`Position`]): a file that was truncated
//! and written anew is noticed even when it is longer than before.

mod intake;

pub use intake::Scratch;

use super::content::{Inode, PRINT_BYTES, Position, Stat};
use super::following::{Following, Newcomer, Standing};
use super::registry::FileKey;
use super::source::{Source, Window};
use crate::child::Me;
use crate::data::device::Device;
use crate::data::lane::{Berth, Lane};
use event::slab::SLAB_BYTES;
use event::{Hold, Ledger};
use protocol::framing::{Counters, Delimiter, Framer, Framing, Limits};
use protocol::multiline::Joiner;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How soon a file that can't be read is tried again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// A file that is followed.
pub struct FileStream {
    key: FileKey,
    inode: Inode,
    path: PathBuf,
    source: Source,
    following: Arc<Following>,
    lane: Arc<Lane>,
    ledger: Ledger,
    tenure: u64,
    next_seq: u64,
    framer: Framer,
    counted: Counters,
    /// The first byte that the framer has not consumed.
    read: Position,
    /// How much is read at once: more than a slab only for a message that is longer.
    room: usize,
    /// As it was when nothing was left to read.
    rested: Option<Stat>,
    /// As it was at the last look.
    last: Option<Stat>,
    changed_at: Instant,
    standing: Standing,
    /// The file that had this name before is read first.
    pub(super) after: Option<FileKey>,
    joined: Option<Joined>,
    in_trouble: bool,
    _berth: Berth,
}

/// Lines on their way to be an event.
struct Joined {
    joiner: Joiner,
    timeout: Duration,
    /// Where the event begins whose lines are held.
    from: Position,
    last_line: Instant,
    /// What the held lines take of the budget (R4).
    hold: Hold,
}

/// What a look at a file gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// There may be more.
    More,
    /// Nothing left for now; to be looked at again at this time, whatever happens.
    Rests(Option<Instant>),
    /// Nothing left, for ever.
    Finished,
    /// The reader is asked to stop.
    Stopped,
}

/// What a look at a file asks for.
pub enum Look {
    /// Nothing is to be read.
    Served(Served),
    /// There is something to read, once there is budget for it.
    Read(Reading),
}

/// What is to be read; whoever waits in the middle of it holds nothing of the stream.
pub struct Reading {
    stat: Stat,
    now: Instant,
    /// An incomplete line at the end is taken as it is.
    finish: bool,
    room: u32,
    holds_some: bool,
    /// What it holds is beyond the budget.
    overdraws: bool,
}

/// How a read went.
pub enum Filled {
    /// So many bytes are in the window.
    Now(Window, usize),
    /// The disk has to be waited for.
    Later(Source, Window, u64),
}

impl Reading {
    /// Waits for the budget it takes.
    pub async fn budget(&self, device: &Device) -> Hold {
        match self.holds_some {
            true => device.share.take_for_incomplete(self.room, self.overdraws).await,
            false => device.share.take(self.room).await,
        }
    }
}

impl FileStream {
    /// Begins to read a file where its registry says; none if the registry does not know it any more.
    pub fn open(new: Newcomer, following: Arc<Following>, lane: Arc<Lane>, now: Instant) -> Option<Self> {
        let device = &following.device;
        let ledger = lane.open_stream(Arc::clone(&device.flow));
        let (read, tenure) = following.registry.board(new.key, ledger.acknowledged())?;
        let settings = &following.settings;
        let joined = settings.multiline.as_ref().map(|multiline| Joined {
            joiner: Joiner::new(multiline.rules.clone()),
            timeout: multiline.timeout,
            from: read,
            last_line: now,
            hold: device.share.nothing(),
        });
        device.meters.open.up();
        device.meters.opened.add(1);
        Some(Self {
            key: new.key,
            inode: new.inode,
            path: new.path,
            source: Source::new(new.file),
            framer: framer(settings.max_message_bytes),
            _berth: lane.berth(),
            following,
            lane,
            ledger,
            tenure,
            next_seq: 0,
            counted: Counters::default(),
            read,
            room: SLAB_BYTES,
            rested: None,
            last: None,
            changed_at: now,
            standing: new.standing,
            after: new.after,
            joined,
            in_trouble: false,
        })
    }

    /// It is something else now.
    pub fn set_standing(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Whether everything in it was read at the last look.
    pub fn is_at_rest(&self) -> bool {
        self.rested.is_some()
    }

    /// Whether it could not be read at the last look.
    pub fn is_in_trouble(&self) -> bool {
        self.in_trouble
    }

    /// It could not be read; it is tried again soon.
    pub fn failed(&mut self, me: &Me<()>, e: &io::Error) -> Served {
        if !std::mem::replace(&mut self.in_trouble, true) {
            let (device, path) = (&*self.following.device.name, self.path.display());
            tracing::error!(device, %path, error = %e, "cannot read; retrying every {} s", READ_AGAIN.as_secs());
            self.following.device.meters.ended.add("read_error");
        }
        Served::Rests(Some(me.context.common.clock.now() + READ_AGAIN))
    }

    /// Looks at the file: whether there is something to read.
    pub fn look(&mut self, me: &Me<()>) -> io::Result<Look> {
        let look = self.examine(me)?;
        if matches!(look, Look::Served(_)) {
            self.in_trouble = false;
        }
        Ok(look)
    }

    fn examine(&mut self, me: &Me<()>) -> io::Result<Look> {
        let stat = Stat::of(&self.source.file().metadata()?);
        let now = me.context.common.clock.now();
        if self.last != Some(stat) {
            self.changed_at = now;
        }
        let shrunk = self.last.replace(stat).is_some_and(|last| stat.len < last.len);
        if stat.len < self.read.offset {
            self.begin_anew(me, "it is shorter than what was read");
            return Ok(Look::Served(Served::More));
        }
        if shrunk {
            // What the framer remembers of an incomplete line is no longer there.
            self.framer = self.fresh_framer();
        }
        if stat.len == self.read.offset {
            if self.rested != Some(stat) && !self.read.matches(self.source.file())? {
                self.begin_anew(me, "its content is another");
                return Ok(Look::Served(Served::More));
            }
            self.rested = Some(stat);
        }
        let mut finish = false;
        if self.rested == Some(stat) {
            match self.rest(me, stat, now) {
                Some(served) => return Ok(Look::Served(served)),
                None => finish = true,
            }
        }
        self.rested = None;
        // Only held lines hold some budget already (R4).
        let holds_some = self.joined.as_ref().is_some_and(|joined| joined.joiner.held_lines() > 0);
        let room = self.room as u32;
        let overdraws = self.joined.as_ref().is_some_and(|joined| joined.hold.overdraws());
        Ok(Look::Read(Reading { stat, now, finish, room, holds_some, overdraws }))
    }

    /// Reads what is in memory anyway, or says from where to read the rest.
    pub fn read_now(&mut self, reading: &Reading, scratch: &mut Scratch) -> io::Result<Filled> {
        let mut window = Window {
            tail: scratch.tail.take().unwrap_or_else(|| Box::new([0; PRINT_BYTES])),
            tail_len: usize::from(self.read.tail_len),
            slab: self.lane.slabs.take(reading.room as usize),
        };
        let at = self.read.tail_at();
        match self.source.read_now(&mut window, at) {
            Some(read) if !read.as_ref().is_ok_and(|read| *read < window.tail_len) => {
                Ok(Filled::Now(window, read?))
            }
            _ => Ok(Filled::Later(self.source.clone(), window, at)),
        }
    }

    /// Hands on what was read into a window.
    pub fn take_read(
        &mut self,
        me: &Me<()>,
        scratch: &mut Scratch,
        reading: &Reading,
        (window, read): (Window, usize),
        hold: Hold,
    ) -> Served {
        self.in_trouble = false;
        if !self.read.follows(&window.tail[..window.tail_len.min(read)]) {
            scratch.tail = Some(window.tail);
            self.begin_anew(me, "its content is another");
            return Served::More;
        }
        let filled = read - window.tail_len;
        let end = self.read.offset + filled as u64;
        self.take_in(me, scratch, window, filled, reading.finish, hold);
        if end != reading.stat.len {
            return Served::More;
        }
        self.rested = Some(reading.stat);
        self.rest(me, reading.stat, reading.now).unwrap_or(Served::More)
    }

    /// A file with nothing new in it: when to look again, whether it is finished; `None` when an incomplete line at its
    /// end is to be taken as it is.
    fn rest(&mut self, me: &Me<()>, stat: Stat, now: Instant) -> Option<Served> {
        let mut due = None;
        if let Some(joined) = self.joined.as_ref().filter(|joined| joined.joiner.held_lines() > 0) {
            let complete = joined.last_line + joined.timeout;
            match complete <= now {
                true => self.flush(me),
                false => due = Some(complete),
            }
        }
        let patience = &self.following.settings.patience;
        let limit = match self.standing {
            _ if !stat.named => patience.deleted,
            Standing::Current => return Some(Served::Rests(due)),
            Standing::Archived | Standing::Unlisted => patience.rotated,
        };
        let over = self.changed_at + limit;
        if now < over {
            return Some(Served::Rests(Some(due.map_or(over, |due| due.min(over)))));
        }
        if stat.len > self.read.offset {
            return None;
        }
        if stat.named && self.standing == Standing::Archived {
            return Some(Served::Rests(due));
        }
        self.flush(me);
        Some(Served::Finished)
    }

    /// The device lets go of a finished file.
    pub fn finish(self) {
        let named = self.last.is_none_or(|stat| stat.named);
        if !named {
            self.following.registry.leave(self.key);
        }
        let how = if named { "rotated" } else { "deleted" };
        self.following.device.meters.ended.add(how);
        self.following.let_go(self.inode);
        tracing::info!(device = &*self.following.device.name, path = %self.path.display(), "{how} file is finished");
    }

    /// The file was truncated: what is in it now is new.
    fn begin_anew(&mut self, me: &Me<()>, why: &str) {
        self.flush(me);
        let at = me.context.common.clock.unix_nanos();
        let (device, path) = (&*self.following.device.name, self.path.display());
        tracing::info!(device, %path, read = self.read.offset, "file was truncated: {why}");
        self.following.registry.end_epoch(self.key, at, Some(self.ledger.acknowledged()));
        self.read = Position::START;
        self.framer = self.fresh_framer();
        (self.rested, self.room) = (None, SLAB_BYTES);
        // Its old content may be in a copy that waits to be recognised.
        self.following.rescan.notify_one();
    }

    fn fresh_framer(&mut self) -> Framer {
        self.count_messages();
        self.counted = Counters::default();
        framer(self.following.settings.max_message_bytes)
    }
}

impl Drop for FileStream {
    fn drop(&mut self) {
        self.following.device.meters.open.down();
    }
}

fn framer(max_message_bytes: u32) -> Framer {
    Framer::new(Framing::Delimiter(Delimiter::line_feed()), Limits { max_message_bytes })
}
