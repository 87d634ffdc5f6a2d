//! All flags, in the order in which `-help` shows them.

/// A flag.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Without dashes.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: Takes,
    /// Where it stands in the help.
    pub(crate) group: Group,
    /// What it is for; empty: it stands on the line of the flag after it.
    pub(crate) help: &'static str,
}

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// A value; how it is called in the help.
    Value(&'static str),
    /// As many words as follow, up to the next flag; how they are called in the help.
    Words(&'static str),
}

/// Groups of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// How a Director is started.
    Run,
    /// What is asked of a running one.
    Look,
    /// What is on disk.
    Kept,
    /// The operating system's service.
    Service,
    /// What needs no Director.
    Tools,
    /// About the program.
    General,
    /// With `-pipeline`; in the help of that.
    Pipeline,
    /// With `-generator`; in the help of that.
    Generator,
    /// For programs that rehearse failures, not for people: in no help.
    Rehearsal,
}

impl Group {
    /// The groups of the help page, in its order.
    pub(crate) const ALL: [Self; 6] =
        [Self::Run, Self::Look, Self::Kept, Self::Service, Self::Tools, Self::General];

    /// Its title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Look => "ask a running Director (of the same -path)",
            Self::Kept => "what is on disk",
            Self::Service => "systemd service (as root)",
            Self::Tools => "tools (-help beside them lists their flags)",
            Self::General => "general",
            Self::Pipeline => "with -pipeline, and the -path or -config-path where it is",
            Self::Generator => "with -generator",
            Self::Rehearsal => "rehearsals (docs/simulation-subject.md)",
        }
    }
}

use Takes::{Nothing, Value, Words};

/// The table.
pub(crate) const FLAGS: &[Flag] = &[
    flag(
        "path",
        Value("DIR"),
        Group::Run,
        "installation root, with vmetric.yml, config/, storage/ (default: .)",
    ),
    flag("config-path", Value("FILE"), Group::Run, "one file with the whole configuration"),
    flag("validate", Nothing, Group::Run, "check the configuration, print all mistakes"),
    flag("example", Nothing, Group::Run, "print a configuration to start from"),
    flag("test-device", Value("NAME"), Group::Run, "try every step to an agentless device (name or address)"),
    flag("top", Nothing, Group::Look, "the tree with rates, redrawn every second"),
    flag("stats", Nothing, Group::Look, "counters of devices and targets"),
    flag("tap", Value("NAME"), Group::Look, "live events of a device, route, pipeline or target"),
    flag("console", Nothing, Group::Look, "follow the log (-filter TEXT, -debug-level 1-5)"),
    flag("filter", Value("TEXT"), Group::Look, "with -console, -tap: only lines with this text"),
    flag("debug-level", Value("LEVEL"), Group::Look, "with -console: 1 errors ... 5 everything (default: 3)"),
    flag("info", Nothing, Group::Look, "where it is installed, whether it runs and is well"),
    flag("reload", Nothing, Group::Look, "load the configuration again"),
    flag("stop", Nothing, Group::Look, "stop in an orderly way, and wait for it"),
    flag(
        "quarantine",
        Words("[WHAT]"),
        Group::Kept,
        "events that nobody could take: list, show ID, replay WHICH, purge WHICH",
    ),
    flag(
        "journal",
        Words("[WHAT]"),
        Group::Kept,
        "journals, spools, quarantine: list, cursors, verify, extract, [FOLDER]",
    ),
    flag("spools", Words("[WHAT]"), Group::Kept, "what waits on disk for targets: list, purge NAME"),
    flag("replay", Nothing, Group::Kept, "send a span of the kept journal to -target once more"),
    flag("from", Value("X"), Group::Kept, ""),
    flag("to", Value("X"), Group::Kept, ""),
    flag(
        "json",
        Nothing,
        Group::Kept,
        "a span: positions, or times such as 2026-05-01T12:00:00Z; print JSON lines",
    ),
    flag("target", Value("NAME"), Group::Kept, ""),
    flag("device", Value("NAME"), Group::Kept, "what is sent once more: to this target, of this device only"),
    flag("service", Value("ACTION"), Group::Service, "install, uninstall, start, stop or restart"),
    flag("service-name", Value("NAME"), Group::Service, "its name (default: vmetric-director)"),
    flag("pipeline", Nothing, Group::Tools, "run a pipeline on events of a file, to test it"),
    flag("generator", Nothing, Group::Tools, "send test messages"),
    flag("name", Value("NAME"), Group::Pipeline, "which pipeline; not needed where there is one only"),
    flag(
        "input",
        Value("INPUT"),
        Group::Pipeline,
        "JSON, JSON Lines or raw lines: a file, - for stdin, or the event itself",
    ),
    flag("output", Value("FILE"), Group::Pipeline, "write the result there"),
    flag(
        "expected",
        Value("FILE"),
        Group::Pipeline,
        "compare the result with these events; exit code 1 if it differs",
    ),
    flag("diff", Nothing, Group::Pipeline, "with -expected: show each difference"),
    flag("visualize", Nothing, Group::Pipeline, "JSON over several lines, with sorted keys"),
    flag("extended", Nothing, Group::Pipeline, "what became of each event, and what each processor did"),
    flag("protocol", Value("NAME"), Group::Generator, "syslog (UDP), tcp or http (default: syslog)"),
    flag("address", Value("ADDRESS"), Group::Generator, "to whom (default: 127.0.0.1:514)"),
    flag("severity", Value("NAME"), Group::Generator, "of the messages (default: Error)"),
    flag("message", Value("TEXT"), Group::Generator, "what they say"),
    flag(
        "file-path",
        Value("FILE"),
        Group::Generator,
        "send the lines of this file instead, in turn, as they are",
    ),
    flag("count", Value("N"), Group::Generator, ""),
    flag(
        "interval",
        Value("SECONDS"),
        Group::Generator,
        "messages in a round (1000), time between rounds (1)",
    ),
    flag("duration", Value("SECONDS"), Group::Generator, ""),
    flag("now", Nothing, Group::Generator, "time of all rounds (300), or one round only"),
    flag(
        "under-test",
        Value("TERMS"),
        Group::Rehearsal,
        "a Director that takes orders on its standard input",
    ),
    flag("version", Nothing, Group::General, "print the version"),
    flag(
        "compare-version",
        Value("VERSION"),
        Group::General,
        "say whether this one is older, equal or newer",
    ),
    flag("help", Nothing, Group::General, "this page"),
];

const fn flag(name: &'static str, takes: Takes, group: Group, help: &'static str) -> Flag {
    Flag { name, takes, group, help }
}
