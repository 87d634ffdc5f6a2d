//! When a scheduled spool is emptied: one actor for each, which waits for its time and then for the run's end.
//!
//! Cron patterns are evaluated and fired by tokio-cron-scheduler. It wants six fields and takes the zone's offset once, when
//! a job is made: five fields get second 0 before them, and the job is made anew when the system's offset changes, so
//! that 03:00 stays 03:00 over a change to summer time.

use super::spool::Spool;
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use anyhow::Context;
use chrono::FixedOffset;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};

/// How often the system's offset from UTC is looked at.
const LOOK_AT_OFFSET: Duration = Duration::from_secs(30);

/// When deliveries are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At once.
    Always,
    /// At the start, and then so long after the end of each run.
    Every(Duration),
    /// By a pattern of five fields, or six with seconds, in the system's zone.
    Cron(Arc<str>),
}

/// The note to itself: begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin;

/// The actor.
pub struct SpoolSchedule {
    spool: Arc<Spool>,
    schedule: Schedule,
}

impl SpoolSchedule {
    /// Empties this spool by this schedule.
    pub fn new(spool: Arc<Spool>, schedule: Schedule) -> Self {
        Self { spool, schedule }
    }

    /// Runs once; false when it was asked to stop meanwhile.
    async fn run(&self, me: &Me<Begin>) -> bool {
        me.report(Condition::Note("delivering what has waited".to_owned()));
        let run = async {
            tokio::select! {
                () = self.spool.run() => true,
                () = me.stopping() => false,
            }
        };
        me.waiting(run).await
    }

    async fn by_interval(&self, me: &Me<Begin>, pause: Duration) {
        while self.run(me).await {
            me.report(Condition::Note(format!("delivering again in {pause:?}")));
            let wait = async {
                tokio::select! {
                    () = tokio::time::sleep(pause) => true,
                    () = me.stopping() => false,
                }
            };
            if !me.waiting(wait).await {
                return;
            }
        }
    }

    async fn by_cron(&self, me: &Me<Begin>, pattern: &str) -> anyhow::Result<()> {
        loop {
            let (fired, offset) = (Arc::new(Notify::new()), system_offset());
            let mut scheduler = fire(pattern, offset, Arc::clone(&fired)).await?;
            me.report(Condition::Note(format!("delivering by the clock: {pattern}")));
            let ended = self.until_offset_changes(me, offset, &fired, pattern).await;
            scheduler.shutdown().await.context("the schedule can't be ended")?;
            if ended {
                return Ok(());
            }
        }
    }

    /// Runs whenever it fires; true when it was asked to stop.
    async fn until_offset_changes(&self, me: &Me<Begin>, offset: i32, fired: &Notify, pattern: &str) -> bool {
        loop {
            let wait = async {
                tokio::select! {
                    () = fired.notified() => Some(true),
                    () = tokio::time::sleep(LOOK_AT_OFFSET) => Some(false),
                    () = me.stopping() => None,
                }
            };
            match me.waiting(wait).await {
                None => return true,
                Some(true) if !self.run(me).await => return true,
                Some(true) => me.report(Condition::Note(format!("delivering by the clock: {pattern}"))),
                Some(false) if system_offset() != offset => return false,
                Some(false) => {}
            }
        }
    }
}

/// Seconds east of UTC at present.
fn system_offset() -> i32 {
    TimeZone::system().to_offset(Timestamp::now()).seconds()
}

/// Starts a scheduler that tells when it is time.
async fn fire(pattern: &str, offset: i32, fired: Arc<Notify>) -> anyhow::Result<JobScheduler> {
    let pattern = match pattern.split_whitespace().count() {
        5 => format!("0 {pattern}"),
        _ => pattern.to_owned(),
    };
    let zone = FixedOffset::east_opt(offset).context("the system's time zone is more than a day from UTC")?;
    let job = Job::new_async_tz(pattern.as_str(), zone, move |_, _| {
        let fired = Arc::clone(&fired);
        Box::pin(async move { fired.notify_one() })
    });
    let scheduler = JobScheduler::new().await.context("the schedule can't be started")?;
    scheduler.add(job.with_context(|| format!("cron \"{pattern}\" is not understood"))?).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

impl Child for SpoolSchedule {
    type Message = Begin;

    fn start(&mut self, me: &Me<Begin>) -> anyhow::Result<()> {
        me.note(Begin);
        Ok(())
    }

    async fn handle(&mut self, me: &Me<Begin>, Begin: Begin) -> anyhow::Result<Next> {
        match self.schedule.clone() {
            Schedule::Always => {}
            Schedule::Every(pause) => self.by_interval(me, pause).await,
            Schedule::Cron(pattern) => self.by_cron(me, &pattern).await?,
        }
        Ok(Next::Continue)
    }
}
