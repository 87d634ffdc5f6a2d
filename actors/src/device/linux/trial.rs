//! `-test-device` for a Linux host: every step once, and what mends what is wrong.

use super::channel::Line;
use super::connect::{dial, greet, resolve};
use super::journal::{self, Access};
use super::listing;
use super::settings::LinuxSettings;
use super::shell::Shell;
use super::sign_in::sign_in;
use super::trouble::Trouble;
use crate::device::trial::{Finding, Outcome, Trial};
use futures_util::future::BoxFuture;
use seams::{Clock, Rng};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A clock that is wrong by more makes times of events misleading.
const MOST_SKEW: Duration = Duration::from_secs(60);
/// Longest answer.
const MOST_ANSWER: usize = 1 << 20;

/// A Linux host to be tried.
pub struct LinuxTrial {
    settings: Arc<LinuxSettings>,
    clock: Clock,
    rng: Rng,
}

/// Who is told, and since when the present step runs.
struct Telling<'t> {
    tell: &'t mut (dyn FnMut(Finding) + Send),
    since: Instant,
}

impl Telling<'_> {
    fn say(&mut self, step: &str, outcome: Outcome) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        (self.tell)(Finding { step: step.to_owned(), outcome, took });
    }

    /// Tells a trouble that nothing further can work with.
    fn check<T>(&mut self, step: &str, result: Result<T, Trouble>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(trouble) => {
                self.say(step, Outcome::Failed(trouble.text));
                None
            }
        }
    }
}

impl LinuxTrial {
    /// A trial with these settings.
    pub fn new(settings: LinuxSettings) -> Self {
        Self { settings: Arc::new(settings), clock: Clock::system(), rng: Rng::from_system() }
    }

    async fn steps(&self, telling: &mut Telling<'_>) -> Option<()> {
        let settings = &self.settings;
        let addresses = telling.check("address", resolve(settings).await)?;
        let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        telling.say("address", Outcome::Passed(shown.join(", ")));
        let socket = telling.check("port", dial(settings, &addresses).await)?;
        telling.say("port", Outcome::Passed(format!("{} answers", settings.place())));
        let mut greeted = telling.check("host key", greet(settings, socket).await)?;
        telling.say(
            "host key",
            match greeted.is_new {
                false => Outcome::Passed(greeted.fingerprint.clone()),
                true => Outcome::Noted(format!("{} is new and trusted from now on", greeted.fingerprint)),
            },
        );
        let by = telling.check("sign-in", sign_in(settings, &mut greeted.handle).await)?;
        telling.say("sign-in", Outcome::Passed(format!("{} by {by}", settings.user.name)));
        let line = Line::new(greeted.handle, Arc::clone(settings));
        let mut shell = telling.check("shell", Shell::open(&line, &self.rng).await)?;
        telling.say("shell", Outcome::Passed("a POSIX shell answers".to_owned()));
        self.clock(telling, &mut shell).await?;
        self.files(telling, &mut shell).await?;
        self.journal(telling, &mut shell).await?;
        line.close().await;
        Some(())
    }

    async fn clock(&self, telling: &mut Telling<'_>, shell: &mut Shell) -> Option<()> {
        let (text, _) = telling.check("clock", shell.ask_whole("date +%s", MOST_ANSWER).await)?;
        let theirs = String::from_utf8_lossy(&text).trim().parse::<i64>();
        let ours = (self.clock.unix_nanos() / 1_000_000_000) as i64;
        telling.say(
            "clock",
            match theirs {
                Ok(theirs) if theirs.abs_diff(ours) <= MOST_SKEW.as_secs() => {
                    Outcome::Passed(format!("{} s apart", theirs - ours))
                }
                Ok(theirs) => Outcome::Noted(format!(
                    "the host's clock is {} s apart; on the host: timedatectl set-ntp true",
                    theirs - ours
                )),
                Err(_) => Outcome::Noted("the host does not tell its time".to_owned()),
            },
        );
        Some(())
    }

    async fn files(&self, telling: &mut Telling<'_>, shell: &mut Shell) -> Option<()> {
        let Some(files) = &self.settings.inputs.files else { return Some(()) };
        let user = &self.settings.user.name;
        for pattern in &files.paths {
            let step = format!("file {pattern}");
            let command = listing::command(std::slice::from_ref(pattern));
            let (text, _) = telling.check(&step, shell.ask_whole(&command, MOST_ANSWER).await)?;
            let listing = listing::parse(&text);
            let meant = listing.files.iter().filter(|file| files.patterns.matches(Path::new(&file.path)));
            let (mut count, mut denied) = (0, listing.denied.clone());
            for file in meant {
                let path = super::quote::word(&file.path);
                let (_, status) =
                    telling.check(&step, shell.ask_whole(&format!("[ -r {path} ]"), 0).await)?;
                count += 1;
                if status != 0 {
                    denied.push(file.path.clone());
                }
            }
            denied.retain(|path| files.patterns.matches(Path::new(path)));
            telling.say(&step, match (denied.first(), count) {
                (Some(path), _) => Outcome::Failed(format!(
                    "{user} may not read {path}; on the host: usermod -aG adm {user} (Debian), or setfacl -m u:{user}:r {path}"
                )),
                (None, 0) => Outcome::Noted("no file matches yet".to_owned()),
                (None, count) => Outcome::Passed(format!("{count} files can be read")),
            });
        }
        Some(())
    }

    async fn journal(&self, telling: &mut Telling<'_>, shell: &mut Shell) -> Option<()> {
        let inputs = &self.settings.inputs;
        if inputs.journal.is_none() && !inputs.find {
            return Some(());
        }
        let access = telling.check("journal", journal::access(shell).await)?;
        let grant = journal::grant(&self.settings.user.name, &self.settings.place());
        telling.say(
            "journal",
            match access {
                Access::Whole => Outcome::Passed("all of it can be read".to_owned()),
                Access::Own => Outcome::Failed(grant),
                Access::None if inputs.find => {
                    Outcome::Noted("there is none; log files are read instead".to_owned())
                }
                Access::None => {
                    Outcome::Failed("there is none; remove journal, and name files by path".to_owned())
                }
            },
        );
        Some(())
    }
}

impl Trial for LinuxTrial {
    fn run<'a>(&'a mut self, tell: &'a mut (dyn FnMut(Finding) + Send)) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut telling = Telling { tell, since: Instant::now() };
            // Whatever step it ended at was told.
            let _ = self.steps(&mut telling).await;
        })
    }
}
