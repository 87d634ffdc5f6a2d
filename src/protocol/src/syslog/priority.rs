//! The priority of a message: facility and severity in one number (RFC 5424 §6.2.1).

use std::fmt;

/// Facility × 8 + severity, 0 to 191.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Priority(u8);

/// What kind of program wrote a message, 0 to 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facility(u8);

/// How grave a message is, 0 (system unusable) to 7 (debugging).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Severity(u8);

// === impl Priority ===

impl Priority {
    /// The highest value: facility 23, severity 7.
    pub const HIGHEST: u8 = 191;
    /// What a message without a priority counts as: user-level, notice (RFC 3164 §4.3.3).
    pub const DEFAULT: Self = Self(13);

    /// The priority of this value, or `None` beyond 191.
    pub const fn new(value: u8) -> Option<Self> {
        if value <= Self::HIGHEST { Some(Self(value)) } else { None }
    }

    /// The number between the angle brackets.
    pub const fn value(self) -> u8 {
        self.0
    }

    /// The upper part.
    pub const fn facility(self) -> Facility {
        Facility(self.0 >> 3)
    }

    /// The lower part.
    pub const fn severity(self) -> Severity {
        Severity(self.0 & 7)
    }
}

// === impl Facility ===

impl Facility {
    /// The product's names. "System" and "Local 7" are documented; the rest are the shortest form of RFC
    /// 5424's table 1.
    const NAMES: [&'static str; 24] = [
        "Kernel",
        "User",
        "Mail",
        "System",
        "Security",
        "Syslog",
        "Printer",
        "News",
        "UUCP",
        "Clock",
        "Authorization",
        "FTP",
        "NTP",
        "Audit",
        "Alert",
        "Scheduler",
        "Local 0",
        "Local 1",
        "Local 2",
        "Local 3",
        "Local 4",
        "Local 5",
        "Local 6",
        "Local 7",
    ];

    /// The number, 0 to 23.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// The name, such as `Local 7`.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.0 as usize]
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Severity ===

impl Severity {
    const NAMES: [&'static str; 8] =
        ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"];

    /// The number, 0 to 7; smaller is graver.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// The name, such as `Informational` (RFC 5424 table 2, first word).
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.0 as usize]
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_has_the_product_s_names() {
        let highest = Priority::new(191).unwrap();
        assert_eq!((highest.facility().name(), highest.severity().name()), ("Local 7", "Debug"));
        let system = Priority::new(30).unwrap();
        assert_eq!((system.facility().name(), system.severity().name()), ("System", "Informational"));
        assert_eq!(Priority::new(192), None);
    }
}
