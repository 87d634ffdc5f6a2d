//! What can go wrong in and around the Director under test, as a scenario writes it.
//!
//! ```yaml
//! {what: actor_panics, where: "targets/*/sender-*", times: 3}
//! {what: disk_full, where: storage/journal, after_bytes: 1000000}
//! {what: clock_jumps, by: -1h}
//! ```
//!
//! A fault has a beginning and an end, which whoever plans them says ([`Subject::begin`](super::Subject::begin)
//! and [`end`](super::Subject::end)): the length is no part of it.

use super::span::{Shift, Span};
use serde::{Deserialize, Serialize};

/// A fault of the Director under test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Fault {
    /// Actors panic.
    ActorPanics(Actors),
    /// Actors end with an error.
    ActorErrors(Actors),
    /// Actors claim to work and never come back.
    ActorHangs(Actors),
    /// Nothing more fits on the disk.
    DiskFull(DiskFull),
    /// Each call to the disk takes longer.
    DiskSlow(DiskSlow),
    /// Writes fail.
    WritesFail(DiskFails),
    /// Syncs fail.
    SyncsFail(DiskFails),
    /// Reads fail.
    ReadsFail(DiskFails),
    /// The process is killed, and what was not synced is gone; it starts again at the end of the fault.
    PowerCut(Plain),
    /// SIGKILL; it starts again at the end of the fault.
    ProcessKilled(Plain),
    /// SIGSTOP; it goes on at the end of the fault.
    ProcessPaused(Plain),
    /// SIGTERM; it starts again at the end of the fault, when it has stopped.
    ProcessTerminated(Plain),
    /// The kernel gives the process little more memory than it has.
    MemoryLimited(MemoryLimited),
    /// A file with mistakes lies in the configuration.
    ConfigurationBroken(Plain),
    /// The configuration changes again and again.
    ReloadStorm(ReloadStorm),
    /// The wall clock jumps, and back at the end of the fault; monotonic time notices neither.
    ClockJumps(ClockJumps),
}

/// Which actors a fault means, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actors {
    /// The path in the tree, `*` stands for any text: `devices/in/connection-*`.
    #[serde(rename = "where")]
    pub path: String,
    /// How often in all, one after the other; once by default, without limit where there is a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How often a second on the average, each time another actor that matches, drawn from the seed; without it,
    /// the first that matches and does something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
}

/// A full disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskFull {
    /// Only in this folder of the installation, and below it; everywhere by default.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// So much still fits.
    #[serde(default)]
    pub after_bytes: u64,
}

/// A slow disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSlow {
    /// Only in this folder of the installation, and below it; everywhere by default.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// How much longer each call takes.
    pub each: Span,
}

/// A disk that fails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskFails {
    /// Only in this folder of the installation, and below it; everywhere by default.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// One call in so many fails, drawn from the seed; each by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_in: Option<u64>,
}

/// A limit of memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryLimited {
    /// So many bytes more than it has allocated when the fault begins.
    pub headroom_bytes: u64,
}

/// Configuration changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadStorm {
    /// How many a second.
    pub per_second: f64,
    /// What they touch, in turn.
    #[serde(default)]
    pub touching: Touching,
}

/// What a change of the configuration touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Touching {
    /// In turn a device and a target that were not there before, and each device and target that was.
    #[default]
    All,
    /// A device and a target that were not there before come, change and go; nothing else is touched.
    Unrelated,
    /// Each device and target of the configuration gets another description, in turn.
    Related,
}

/// A jump of the wall clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockJumps {
    /// By how much; negative: back.
    pub by: Shift,
}

/// A fault without settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

impl Fault {
    /// How it is called in a scenario.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ActorPanics(_) => "actor_panics",
            Self::ActorErrors(_) => "actor_errors",
            Self::ActorHangs(_) => "actor_hangs",
            Self::DiskFull(_) => "disk_full",
            Self::DiskSlow(_) => "disk_slow",
            Self::WritesFail(_) => "writes_fail",
            Self::SyncsFail(_) => "syncs_fail",
            Self::ReadsFail(_) => "reads_fail",
            Self::PowerCut(_) => "power_cut",
            Self::ProcessKilled(_) => "process_killed",
            Self::ProcessPaused(_) => "process_paused",
            Self::ProcessTerminated(_) => "process_terminated",
            Self::MemoryLimited(_) => "memory_limited",
            Self::ConfigurationBroken(_) => "configuration_broken",
            Self::ReloadStorm(_) => "reload_storm",
            Self::ClockJumps(_) => "clock_jumps",
        }
    }

    /// Whether it needs a Director whose unsynced writes are kept in memory
    /// ([`Setup::power_cuts`](super::Setup::power_cuts)).
    pub fn needs_power_cuts(&self) -> bool {
        matches!(self, Self::PowerCut(_))
    }

    /// Whether the process is down, or stands still, while it lasts.
    pub fn stops_the_process(&self) -> bool {
        matches!(
            self,
            Self::PowerCut(_) | Self::ProcessKilled(_) | Self::ProcessPaused(_) | Self::ProcessTerminated(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Fault, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn each_fault_is_read_as_it_is_written() {
        for json in [
            r#"{"what":"actor_panics","where":"targets/*","times":3}"#,
            r#"{"what":"actor_errors","where":"*","rate_per_second":0.5}"#,
            r#"{"what":"actor_hangs","where":"lanes/lane-0/router"}"#,
            r#"{"what":"disk_full","where":"storage/journal","after_bytes":1000}"#,
            r#"{"what":"disk_slow","each":"20ms"}"#,
            r#"{"what":"writes_fail","one_in":3}"#,
            r#"{"what":"syncs_fail"}"#,
            r#"{"what":"reads_fail","where":"storage/spool"}"#,
            r#"{"what":"power_cut"}"#,
            r#"{"what":"process_killed"}"#,
            r#"{"what":"process_paused"}"#,
            r#"{"what":"process_terminated"}"#,
            r#"{"what":"memory_limited","headroom_bytes":1000000}"#,
            r#"{"what":"configuration_broken"}"#,
            r#"{"what":"reload_storm","per_second":2.0,"touching":"unrelated"}"#,
            r#"{"what":"clock_jumps","by":"-1h"}"#,
        ] {
            let fault = read(json).expect(json);
            assert!(json.contains(&format!("\"{}\"", fault.name())));
            assert_eq!(serde_json::to_string(&fault).expect("written"), json);
        }
    }

    #[test]
    fn a_mistake_says_what_is_allowed() {
        let told = |json: &str| read(json).expect_err(json);
        assert!(told(r#"{"what":"disk_ful"}"#).contains("`disk_full`, `disk_slow`, `writes_fail`"));
        assert!(told(r#"{"what":"process_killed","down":2}"#).contains("unknown field `down`"));
        let where_ = told(r#"{"what":"disk_slow","each":"1s","folder":"a"}"#);
        assert!(where_.contains("unknown field `folder`, expected `where` or `each`"), "{where_}");
        assert!(
            told(r#"{"what":"disk_slow","each":"soon"}"#).contains("\"soon\" is no time; write a number")
        );
    }
}
