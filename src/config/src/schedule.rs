//! `interval` and `cron`: when what waits on disk is delivered.

use std::time::Duration;

use croner::parser::{CronParser, Seconds as CronSeconds};

use crate::fields::Fields;
use crate::readers::{Seconds, Text};

/// When deliveries are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// At once.
    #[default]
    Always,
    /// Now, and then so long after the end of each run.
    Every(Duration),
    /// By a cron pattern of five fields, or six with seconds, in the system's time zone.
    Cron(String),
}

/// An interval up to this means at once.
const AT_ONCE: Duration = Duration::from_secs(1);

impl Schedule {
    /// Reads `interval` and `cron`; `cron` wins.
    pub(crate) fn decode(fields: &mut Fields) -> Self {
        let about = "what comes waits on disk and is delivered so often; 0 or 1: at once";
        let interval = fields.optional("interval", Seconds(0..=31 * 86_400), about);
        let about =
            "as interval, by minute, hour, day, month and weekday, such as */5 * * * *; wins over interval";
        let cron = fields.optional("cron", Text, about);
        if let Some(cron) = cron {
            let parser = CronParser::builder().seconds(CronSeconds::Optional).build();
            if let Err(error) = parser.parse(&cron) {
                let fix = format!("write five fields such as */5 * * * * ({error})");
                fields.wrong("cron", &fix);
            }
            return Self::Cron(cron);
        }
        match interval.filter(|interval| *interval > AT_ONCE) {
            Some(interval) => Self::Every(interval),
            None => Self::Always,
        }
    }
}
