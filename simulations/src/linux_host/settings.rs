//! Who may sign in to a simulated Linux host, and how.

use std::fmt;

/// A simulated host's settings.
#[derive(Clone)]
pub struct Settings {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
    /// The password is asked for by `keyboard-interactive` only, as with PAM.
    pub interactive_only: bool,
    /// The name that `hostname` prints.
    pub hostname: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user: "collector".to_owned(),
            password: "secret".to_owned(),
            interactive_only: false,
            hostname: "simulated".to_owned(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({}@{})", self.user, self.hostname)
    }
}
