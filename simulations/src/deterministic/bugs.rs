//! Mistakes that are made on purpose, to see that the worlds catch them: a simulator that can't fail is worthless.
//!
//! Each is a wrapper around a real piece that breaks its rule, within the world; the product has no branch for any.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The policy is never told that a child has begun, so no quiet minute resets its delays.
    NeverResets,
    /// A child's failures count against its sibling, too.
    FaultClimbs,
    /// Six failures park a child, not five.
    ParksLate,
    /// A collector does not wait before it tries again.
    StormsTheHost,
    /// Bytes are given back when a batch is handed on, and once more when it is settled.
    GivesBackTwice,
    /// A waiter that could go on is not woken.
    LosesAWakeUp,
    /// A claim that its actor let go of is neither settled nor dispatched again.
    ForgetsALostClaim,
    /// A source takes the last batch that was settled for the watermark, whatever is missing before it.
    WatermarkJumpsAHole,
    /// A sender writes what was dispatched again since.
    SendsStaleClaims,
    /// Records count as durable when they are appended.
    AcknowledgesBeforeTheSync,
    /// Segments are given back when they were read, not when they were settled.
    FreesWhatIsOnlyRead,
    /// A reader goes on one record too far behind a damaged one.
    SkipsAfterATornRecord,
    /// Sources are acknowledged when a batch is written, although a power cut has to be survived.
    AcknowledgesTheWritten,
    /// A branch's settlement counts for all branches.
    SettlesForOthers,
    /// A sender settles what it takes, before it has sent it.
    SettlesWhenTaken,
    /// A collector's place is written down when it is read, not when it is acknowledged.
    PlaceBeforeAcknowledgement,
    /// A collector takes any answer for the one to its last request.
    TakesAnyAnswer,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 17] = [
        Bug::NeverResets,
        Bug::FaultClimbs,
        Bug::ParksLate,
        Bug::StormsTheHost,
        Bug::GivesBackTwice,
        Bug::LosesAWakeUp,
        Bug::ForgetsALostClaim,
        Bug::WatermarkJumpsAHole,
        Bug::SendsStaleClaims,
        Bug::AcknowledgesBeforeTheSync,
        Bug::FreesWhatIsOnlyRead,
        Bug::SkipsAfterATornRecord,
        Bug::AcknowledgesTheWritten,
        Bug::SettlesForOthers,
        Bug::SettlesWhenTaken,
        Bug::PlaceBeforeAcknowledgement,
        Bug::TakesAnyAnswer,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Bug::NeverResets => "never-resets",
            Bug::FaultClimbs => "fault-climbs",
            Bug::ParksLate => "parks-late",
            Bug::StormsTheHost => "storms-the-host",
            Bug::GivesBackTwice => "gives-back-twice",
            Bug::LosesAWakeUp => "loses-a-wake-up",
            Bug::ForgetsALostClaim => "forgets-a-lost-claim",
            Bug::WatermarkJumpsAHole => "watermark-jumps-a-hole",
            Bug::SendsStaleClaims => "sends-stale-claims",
            Bug::AcknowledgesBeforeTheSync => "acknowledges-before-the-sync",
            Bug::FreesWhatIsOnlyRead => "frees-what-is-only-read",
            Bug::SkipsAfterATornRecord => "skips-after-a-torn-record",
            Bug::AcknowledgesTheWritten => "acknowledges-the-written",
            Bug::SettlesForOthers => "settles-for-others",
            Bug::SettlesWhenTaken => "settles-when-taken",
            Bug::PlaceBeforeAcknowledgement => "place-before-acknowledgement",
            Bug::TakesAnyAnswer => "takes-any-answer",
        }
    }

    /// The world in which it is made.
    pub fn world(self) -> &'static str {
        match self {
            Bug::NeverResets | Bug::FaultClimbs | Bug::ParksLate => "policy",
            Bug::StormsTheHost => "pace",
            Bug::GivesBackTwice | Bug::LosesAWakeUp => "budget",
            Bug::ForgetsALostClaim | Bug::WatermarkJumpsAHole | Bug::SendsStaleClaims => "ledger",
            Bug::AcknowledgesBeforeTheSync | Bug::FreesWhatIsOnlyRead | Bug::SkipsAfterATornRecord => {
                "segments"
            }
            Bug::AcknowledgesTheWritten | Bug::SettlesForOthers => "custody",
            Bug::SettlesWhenTaken => "spool",
            Bug::PlaceBeforeAcknowledgement | Bug::TakesAnyAnswer => "eventlog",
        }
    }

    /// The mistake of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| bug.name() == name)
    }
}
