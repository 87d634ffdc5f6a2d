//! Watches that lanes go on, and gives a stuck one a new thread.
//!
//! A task that never yields can't be killed. Its thread is abandoned, the lane gets another one, and supervisors
//! start the lane's children anew. When that has happened too often the process ends, so that its service manager
//! starts it afresh.

use actors::child::actor::Next;
use actors::child::{Child, Condition, Me};
use actors::data::Lanes;
use std::time::{Duration, Instant};

/// How often lanes are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A lane that runs no task for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// After so many abandoned threads the process ends.
const MOST_ABANDONED: u32 = 3;
/// The exit code then.
pub const EXIT_STUCK: i32 = 70;

/// The watcher.
pub struct LaneWatch {
    lanes: Lanes,
    stuck_after: Duration,
    seen: Vec<(u64, Instant)>,
    abandoned: u32,
}

impl LaneWatch {
    /// A watcher of these lanes.
    pub fn new(lanes: Lanes) -> Self {
        let now = Instant::now();
        let seen = lanes.all().iter().map(|lane| (lane.beats(), now)).collect();
        Self { lanes, stuck_after: STUCK_AFTER, seen, abandoned: 0 }
    }

    /// With another time after which a lane counts as stuck.
    pub fn stuck_after(mut self, limit: Duration) -> Self {
        self.stuck_after = limit;
        self
    }

    fn look(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        for (lane, (beats, since)) in self.lanes.all().iter().zip(&mut self.seen) {
            let now = Instant::now();
            let present = lane.beats();
            if present != *beats {
                (*beats, *since) = (present, now);
                continue;
            }
            if now.duration_since(*since) < self.stuck_after {
                continue;
            }
            self.abandoned += 1;
            tracing::error!(
                lane = lane.index,
                abandoned = self.abandoned,
                "lane is stuck; its thread is abandoned"
            );
            if self.abandoned > MOST_ABANDONED {
                tracing::error!("too many threads are stuck; the process ends, to be started afresh");
                std::process::exit(EXIT_STUCK);
            }
            lane.abandon()?;
            (*beats, *since) = (0, now);
            me.report(Condition::Trouble(format!(
                "{} stuck threads were abandoned; restart the Director at the next opportunity",
                self.abandoned
            )));
        }
        Ok(())
    }
}

impl Child for LaneWatch {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        self.look(me)?;
        me.note_in(EVERY, ());
        Ok(Next::Continue)
    }
}
