//! Output of commands, each at its interval, and what the host is.
//!
//! Each run has a shell of its own, so that one that hangs holds up nobody; it is given up after its time. A run is
//! one event: the output as `message`, and beside it the command's name, status and duration.

use super::channel::{Line, Running};
use super::facts;
use super::lines::{Events, Intake};
use super::settings::Command;
use super::status::Status;
use super::trouble::Trouble;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Longest output that is kept.
const MOST_OUTPUT: usize = 1 << 20;

/// The loop.
pub struct CommandLoop {
    line: Line,
    intake: Intake,
    status: Status,
    due: Vec<(Instant, Task)>,
}

#[derive(Clone)]
enum Task {
    Run(Command),
    Facts(Duration),
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
    /// The loop over a connection; none without anything to run.
    pub fn new(line: Line, intake: Intake, status: Status) -> Option<Self> {
        let (now, inputs) = (Instant::now(), &line.settings().inputs);
        let mut due: Vec<(Instant, Task)> =
            inputs.commands.iter().map(|command| (now, Task::Run(command.clone()))).collect();
        due.extend(inputs.facts_interval.map(|interval| (now, Task::Facts(interval))));
        (!due.is_empty()).then_some(Self { line, intake, status, due })
    }

    /// Runs for ever.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn run(mut self) -> Result<(), Trouble> {
        loop {
            let first = (0..self.due.len()).min_by_key(|index| self.due[*index].0);
            let Some(index) = first else { return std::future::pending().await };
            let (at, task) = self.due[index].clone();
            sleep_until(at).await;
            let interval = match &task {
                Task::Run(command) => {
                    self.run_command(command).await?;
                    command.interval
                }
                Task::Facts(interval) => {
                    self.ask_facts().await?;
                    *interval
                }
            };
            // What was missed is not made up for.
            self.due[index].0 = (at + interval).max(Instant::now());
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
