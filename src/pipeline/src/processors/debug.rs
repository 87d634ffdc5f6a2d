//! `debug`: a line in the Director's log about the event.

use crate::compile::spec::optional;
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template};
use event::model::json_write;

pub(super) static SPEC: Spec = Spec {
    name: "debug",
    family: "analytics",
    summary: "Writes a message, or the whole event, to the Director's log; the event stays as it is.",
    details: "A line for each event: meant for looking at a few, with `if`. Lines of the level debug are written when the log \
              shows that level.",
    options: &[
        optional("level", "Debug", "`Debug`, `Info`, `Warning` or `Error`."),
        optional("message", "the event", "The text; may have templates in it."),
        optional("keyword", "", "A word to find the line by; may have templates in it."),
    ],
    examples: &[Example {
        title: "a message",
        event: r#"{"user": "ann"}"#,
        processors: "- debug: {level: Info, message: 'user {{user}}', keyword: users}",
        outcome: Outcome::Event(r#"{"user": "ann"}"#),
    }],
    compile,
};

#[derive(Clone, Copy)]
enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

struct Debug {
    level: Level,
    message: Option<Template>,
    keyword: Option<Template>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let levels = [
        ("Debug", Level::Debug),
        ("Info", Level::Info),
        ("Warning", Level::Warning),
        ("Error", Level::Error),
    ];
    Ok(Box::new(Debug {
        level: options.choice("level", &levels)?,
        message: options.template("message")?,
        keyword: options.template("keyword")?,
    }))
}

impl Level {
    fn is_shown(self) -> bool {
        match self {
            Self::Debug => tracing::enabled!(tracing::Level::DEBUG),
            Self::Info => tracing::enabled!(tracing::Level::INFO),
            Self::Warning => tracing::enabled!(tracing::Level::WARN),
            Self::Error => tracing::enabled!(tracing::Level::ERROR),
        }
    }
}

impl Processor for Debug {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        if !self.level.is_shown() {
            return Ok(Flow::Next);
        }
        let keyword = match &self.keyword {
            Some(keyword) => keyword.render(cx, Missing::IsEmpty)?,
            None => String::new(),
        };
        let message = match &self.message {
            Some(message) => message.render(cx, Missing::IsEmpty)?,
            None => {
                let mut json = Vec::new();
                json_write::write_event(&cx.event, &mut json)?;
                String::from_utf8_lossy(&json).into_owned()
            }
        };
        match self.level {
            Level::Debug => tracing::debug!(keyword, "{message}"),
            Level::Info => tracing::info!(keyword, "{message}"),
            Level::Warning => tracing::warn!(keyword, "{message}"),
            Level::Error => tracing::error!(keyword, "{message}"),
        }
        Ok(Flow::Next)
    }
}
