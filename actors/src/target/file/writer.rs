//! The writer of a `file` target: one for all lanes, so that a file has one writer.
//!
//! Files block, so every step runs on a thread where that is allowed; what comes meanwhile goes into the next step.
//! A disk that is full is a condition: nothing is settled, the budget fills up and the sources wait, until there
//! is room again.

use super::files::{FileSettings, FileTrouble, Files};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::data::address::{Address, Occupancy};
use crate::data::delivery::{Delivery, ToSender};
use crate::data::target::Target;
use crate::target::trouble::{Patience, trouble_name};
use anyhow::Context;
use parking_lot::Mutex;
use seams::{Clock, Disk};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_AT_MOST: Duration = Duration::from_secs(5);

/// The writer's note to itself: write what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteNow;

/// What the writer is sent.
pub type FileMessage = ToSender<WriteNow>;

/// What of a writer outlives its actor: the file that is open. The next life goes on in it.
#[derive(Clone)]
pub struct FileSeat(Arc<Mutex<Files>>);

impl FileSeat {
    /// The seat of a target's writer.
    pub fn new(target: Arc<Target>, settings: FileSettings, disk: Arc<dyn Disk>, clock: Clock) -> Self {
        Self(Arc::new(Mutex::new(Files::new(target, settings, disk, clock))))
    }
}

/// The writer.
pub struct FileWriter {
    target: Arc<Target>,
    address: Arc<Address<FileMessage>>,
    seat: FileSeat,
    occupancy: Option<Occupancy<FileMessage>>,
    waiting: VecDeque<Delivery>,
    patience: Patience,
    write_noted: bool,
}

impl FileWriter {
    /// The writer of this target at this address.
    pub fn new(target: Arc<Target>, address: Arc<Address<FileMessage>>, seat: FileSeat) -> Self {
        let patience = Patience::new(RETRY_FIRST, RETRY_AT_MOST);
        let waiting = VecDeque::new();
        Self { target, address, seat, occupancy: None, waiting, patience, write_noted: false }
    }

    /// Writes what waits; says how long to wait before the rest is tried again.
    async fn write(&mut self, me: &Me<FileMessage>) -> anyhow::Result<Option<Duration>> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let step = move |files: &mut Files| {
            let result = files.write(&mut waiting);
            (result, waiting)
        };
        let (result, waiting) = self.blocking(me, step).await?;
        self.waiting = waiting;
        Ok(self.judge(me, result))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        me: &Me<FileMessage>,
        step: impl FnOnce(&mut Files) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let files = Arc::clone(&self.seat.0);
        let step = tokio::task::spawn_blocking(move || step(&mut files.lock()));
        me.waiting(step).await.context("the writing thread failed")
    }

    fn judge(&mut self, me: &Me<FileMessage>, result: Result<(), FileTrouble>) -> Option<Duration> {
        let Err(trouble) = result else {
            if self.patience.succeeded() {
                tracing::info!(target = &*self.target.name, "writing again");
                me.report(Condition::Well);
            }
            return None;
        };
        self.target.meters.troubles.add(trouble_name(&trouble.source));
        let first = !self.patience.is_tried();
        let wait = self.patience.failed();
        let text = format!("{trouble}; trying again in {wait:?}");
        if first {
            tracing::error!(target = &*self.target.name, "{text}");
        }
        me.report(Condition::Trouble(text));
        Some(wait)
    }
}

impl Child for FileWriter {
    type Message = FileMessage;

    fn start(&mut self, me: &Me<FileMessage>) -> anyhow::Result<()> {
        self.occupancy = Some(self.address.occupy(me));
        Ok(())
    }

    async fn handle(&mut self, me: &Me<FileMessage>, message: FileMessage) -> anyhow::Result<Next> {
        if matches!(message, ToSender::Recall) {
            self.waiting.clear();
        }
        match message.open() {
            Ok(deliveries) => {
                self.waiting.extend(deliveries);
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

    async fn finish(&mut self, me: &Me<FileMessage>) -> anyhow::Result<()> {
        // Whoever waits for the end sets a limit to this.
        while let Some(wait) = self.write(me).await? {
            me.waiting(tokio::time::sleep(wait)).await;
        }
        let closed = self.blocking(me, Files::close).await?;
        self.judge(me, closed);
        Ok(())
    }
}
