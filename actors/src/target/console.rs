//! The target `console`: events on the standard output, one a line. One writer for all lanes.
//!
//! Settled when the system has taken the line. A reader that does not read (a pipe that is full) slows the sources
//! down; one that is gone is a condition, tried again.

use super::trouble::{Patience, trouble_name};
use super::wire::{Wire, WireFormat};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::data::address::{Address, Occupancy};
use crate::data::delivery::{Delivery, ToSender};
use crate::data::target::Target;
use anyhow::Context;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_AT_MOST: Duration = Duration::from_secs(5);

/// The console's note to itself: write what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteNow;

/// What the console is sent.
pub type ConsoleMessage = ToSender<WriteNow>;

/// Where the lines go; it outlives the actor.
#[derive(Clone)]
pub struct ConsoleSeat(Arc<Mutex<Output>>);

struct Output {
    to: Box<dyn Write + Send>,
    /// Part of a line was written.
    mid_line: bool,
}

/// File descriptor 1, past the buffer of the standard library.
struct StandardOutput;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a writer has in hand.
#[derive(Default)]
struct Queue {
    /// Being written, and how far.
    current: Option<(Wire, usize)>,
    waiting: VecDeque<Delivery>,
}

impl ConsoleSeat {
    /// The standard output, unbuffered: what is written is settled, so it must not wait in a buffer.
    pub fn standard_output() -> Self {
        Self::new(Box::new(StandardOutput))
    }

    /// A console that writes there.
    pub fn new(to: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(Output { to, mid_line: false })))
    }
}

/// The writer.
pub struct Console {
    target: Arc<Target>,
    address: Arc<Address<ConsoleMessage>>,
    format: WireFormat,
    seat: ConsoleSeat,
    occupancy: Option<Occupancy<ConsoleMessage>>,
    queue: Queue,
    patience: Patience,
    write_noted: bool,
}

impl Console {
    /// The writer of this target at this address.
    pub fn new(
        target: Arc<Target>,
        address: Arc<Address<ConsoleMessage>>,
        format: WireFormat,
        seat: ConsoleSeat,
    ) -> Self {
        let patience = Patience::new(RETRY_FIRST, RETRY_AT_MOST);
        let queue = Queue::default();
        Self { target, address, format, seat, occupancy: None, queue, patience, write_noted: false }
    }

    /// Writes what waits; says how long to wait before the rest is tried again.
    async fn write(&mut self, me: &Me<ConsoleMessage>) -> anyhow::Result<Option<Duration>> {
        let mut queue = std::mem::take(&mut self.queue);
        let (output, format) = (Arc::clone(&self.seat.0), self.format.clone());
        let target = Arc::clone(&self.target);
        let step = tokio::task::spawn_blocking(move || {
            let result = output.lock().write(&mut queue, &format, &target);
            (result, queue)
        });
        let (result, queue) = me.waiting(step).await.context("the writing thread failed")?;
        self.queue = queue;
        let Err(e) = result else {
            if self.patience.succeeded() {
                me.report(Condition::Well);
            }
            return Ok(None);
        };
        self.target.meters.troubles.add(trouble_name(&e));
        let first = !self.patience.is_tried();
        let wait = self.patience.failed();
        let text = format!(
            "cannot write to the standard output: {e}; is somebody reading it? trying again in {wait:?}"
        );
        if first {
            tracing::error!(target = &*self.target.name, "{text}");
        }
        me.report(Condition::Trouble(text));
        Ok(Some(wait))
    }
}

impl Output {
    fn write(&mut self, queue: &mut Queue, format: &WireFormat, target: &Target) -> io::Result<()> {
        if self.mid_line && queue.current.is_none() {
            // Of an earlier life; the event comes again.
            self.to.write_all(b"\n")?;
            self.mid_line = false;
        }
        while let Some((wire, from)) = queue.next(format) {
            let (written, result) = write_most(&mut self.to, &wire.bytes()[from..]);
            let to = from + written;
            self.mid_line = wire.end_of_event(to) != to;
            target.meters.requests.add(1);
            target.meters.bytes.add(written as u64);
            if let Err(e) = result {
                queue.current = Some((wire, to));
                return Err(e);
            }
            wire.delivered();
        }
        Ok(())
    }
}

impl Queue {
    /// What is to be written next, and from where.
    fn next(&mut self, format: &WireFormat) -> Option<(Wire, usize)> {
        if let Some(current) = self.current.take() {
            return Some(current);
        }
        loop {
            let delivery = self.waiting.pop_front()?;
            // What was dispatched again elsewhere is theirs.
            if delivery.claim.is_current() {
                return Some((Wire::new(delivery, format), 0));
            }
        }
    }
}

/// Writes all bytes, or as many as possible; says how many.
fn write_most(to: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match to.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (written, Err(e)),
        }
    }
    (written, Ok(()))
}

impl Child for Console {
    type Message = ConsoleMessage;

    fn start(&mut self, me: &Me<ConsoleMessage>) -> anyhow::Result<()> {
        self.occupancy = Some(self.address.occupy(me));
        Ok(())
    }

    async fn handle(&mut self, me: &Me<ConsoleMessage>, message: ConsoleMessage) -> anyhow::Result<Next> {
        if matches!(message, ToSender::Recall) {
            self.queue.waiting.clear();
        }
        match message.open() {
            Ok(deliveries) => {
                self.queue.waiting.extend(deliveries);
                if !self.write_noted {
                    self.write_noted = true;
                    me.note(ToSender::Note(WriteNow));
                }
            }
            Err(WriteNow) => {
                self.write_noted = false;
                if let Some(wait) = self.write(me).await? {
                    self.write_noted = true;
                    me.note_in(wait, ToSender::Note(WriteNow));
                }
            }
        }
        Ok(Next::Continue)
    }

    async fn finish(&mut self, me: &Me<ConsoleMessage>) -> anyhow::Result<()> {
        // Whoever waits for the end sets a limit to this.
        while let Some(wait) = self.write(me).await? {
            me.waiting(tokio::time::sleep(wait)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::rig::Rig;

    /// Takes so many bytes, then fails once.
    #[derive(Clone, Default)]
    struct Flaky(Arc<Mutex<(Vec<u8>, Option<usize>)>>);

    impl Write for Flaky {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (taken, room) = &mut *self.0.lock();
            let part = bytes.len().min(room.unwrap_or(usize::MAX));
            if part == 0 {
                *room = None;
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            taken.extend_from_slice(&bytes[..part]);
            *room = room.map(|room| room - part);
            Ok(part)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_begun_is_finished_after_a_failure() {
        let (mut rig, flaky) = (Rig::new(), Flaky::default());
        flaky.0.lock().1 = Some(5);
        let seat = ConsoleSeat::new(Box::new(flaky.clone()));
        let mut queue = Queue::default();
        queue.waiting.push_back(rig.deliver(&[b"one", b"two"]));
        let target = Arc::clone(&rig.target);
        let write = |queue: &mut Queue| seat.0.lock().write(queue, &WireFormat::lines(), &target);
        assert!(write(&mut queue).is_err());
        write(&mut queue).unwrap();
        assert_eq!(flaky.0.lock().0, b"one\ntwo\n");
        assert_eq!(rig.delivered(), 2);
    }

    #[test]
    fn a_line_that_an_earlier_life_began_is_ended_before_the_event_comes_again() {
        let (mut rig, flaky) = (Rig::new(), Flaky::default());
        flaky.0.lock().1 = Some(2);
        let seat = ConsoleSeat::new(Box::new(flaky.clone()));
        let mut queue = Queue::default();
        queue.waiting.push_back(rig.deliver(&[b"one"]));
        let target = Arc::clone(&rig.target);
        assert!(seat.0.lock().write(&mut queue, &WireFormat::lines(), &target).is_err());
        rig.replace_sender();
        let mut queue = Queue::default();
        queue.waiting.extend(rig.dispatched());
        seat.0.lock().write(&mut queue, &WireFormat::lines(), &target).unwrap();
        assert_eq!(flaky.0.lock().0, b"on\none\n");
        assert_eq!(rig.delivered(), 1);
    }
}
