//! Output of commands, each at its interval, and what the host is.
//!
//! Each run has a shell of its own, so that one that hangs holds up nobody; it is given up after its time. A run is
//! one event: the output as `message`, and beside it the command's name, status and duration.

use super::channel::{Line, Running};
use super::facts;
use super::lines::{Events, Intake};
use super::settings::{Command, Inputs};
use super::status::Status;
use super::trouble::Trouble;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, timeout};

/// Longest output that is kept.
const MOST_OUTPUT: usize = 1 << 20;

/// The loop of one command, or of the facts.
pub struct CommandLoop {
    line: Line,
    intake: Intake,
    status: Status,
    task: Task,
}

/// What is done again and again.
pub enum Task {
    /// A command is run.
    Run(Command),
    /// The host is asked what it is.
    Facts(Duration),
}

impl Task {
    /// What a device's settings ask for.
    pub fn all(inputs: &Inputs) -> Vec<Self> {
        let commands = inputs.commands.iter().cloned().map(Self::Run);
        commands.chain(inputs.facts_interval.map(Self::Facts)).collect()
    }
}

/// How a run ended.
struct Ran {
    output: Vec<u8>,
    status: Option<u32>,
    errors: String,
    took: Duration,
    in_time: bool,
}

impl CommandLoop {
    /// The loop over a connection.
    pub fn new(line: Line, intake: Intake, status: Status, task: Task) -> Self {
        Self { line, intake, status, task }
    }

    /// Runs for ever.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn run(mut self) -> Result<(), Trouble> {
        let mut every = tokio::time::interval(match &self.task {
            Task::Run(command) => command.interval,
            Task::Facts(interval) => *interval,
        });
        // What was missed is not made up for.
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            match &self.task {
                Task::Run(command) => self.run_command(&command.clone()).await?,
                Task::Facts(_) => self.ask_facts().await?,
            }
        }
    }

    async fn run_command(&mut self, command: &Command) -> Result<(), Trouble> {
        let ran = self.run_once(&command.run, command.timeout).await?;
        let part = format!("command {}", command.name);
        let place = self.line.settings().place();
        match (ran.in_time, ran.status) {
            (false, _) => self.status.trouble(
                &part,
                format!(
                    "command {:?} on {place} was given up after {} s",
                    command.name,
                    command.timeout.as_secs()
                ),
            ),
            (true, Some(127)) => self.status.trouble(
                &part,
                format!(
                    "command {:?} is not there on {place}: {}; install it, or correct its path",
                    command.name, ran.errors
                ),
            ),
            _ => self.status.silent(&part),
        }
        let event = json!({
            "message": String::from_utf8_lossy(&ran.output),
            "command": {
                "name": command.name,
                "status": ran.status,
                "errors": ran.errors,
                "duration_ms": ran.took.as_millis() as u64,
                "in_time": ran.in_time,
            },
        });
        self.submit(&event).await;
        Ok(())
    }

    async fn ask_facts(&mut self) -> Result<(), Trouble> {
        let ran = self.run_once(facts::SCRIPT, self.line.settings().timeout).await?;
        self.submit(&facts::event(&String::from_utf8_lossy(&ran.output))).await;
        Ok(())
    }

    async fn run_once(&self, command: &str, limit: Duration) -> Result<Ran, Trouble> {
        let began = Instant::now();
        let sudo = if self.line.settings().sudo { "sudo -n " } else { "" };
        let command = format!("exec {sudo}sh -c {}", super::quote::word(&format!("{command}\n")));
        let mut running: Running = self.line.run(&command).await?;
        let read = async {
            let output = running.read_to_end(MOST_OUTPUT).await;
            running.finish().await;
            output
        };
        let (output, in_time) = match timeout(limit, read).await {
            Ok(output) => (output, true),
            Err(_) => {
                running.close().await;
                (Vec::new(), false)
            }
        };
        let took = began.elapsed();
        Ok(Ran { output, status: running.status(), errors: running.errors(), took, in_time })
    }

    async fn submit(&mut self, event: &Value) {
        let mut events = Events::default();
        events.push(event);
        // Its output is there already; what it takes is small and known.
        let hold = self.intake.device.share.take(0).await;
        self.intake.events(events, hold, |_| {});
    }
}
