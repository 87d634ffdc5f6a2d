//! Who signs in, and the secrets of signing in: wiped when dropped, never shown.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// A key. Wiped when dropped; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<const N: usize>([u8; N]);

/// A user as NTLM knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// The NetBIOS or DNS name of the domain; empty for a local user and for `user@realm`.
    pub domain: String,
    /// The user's name; with the realm where it was typed as `user@realm`.
    pub user: String,
}

/// A user and a password.
#[derive(Clone)]
pub struct Credentials {
    /// The user.
    pub account: Account,
    password: Zeroizing<String>,
}

// === impl Secret ===

impl<const N: usize> Secret<N> {
    /// Takes the key.
    pub fn new(key: [u8; N]) -> Self {
        Self(key)
    }

    /// The key.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

// === impl Account ===

impl Account {
    /// Reads `DOMAIN\user`, `user@realm`, `.\user` (of the host itself) or `user`.
    ///
    /// ```
    /// use protocol::winrm::credentials::Account;
    /// assert_eq!(Account::parse(r"CORP\svc-collect").domain, "CORP");
    /// assert_eq!(Account::parse(r".\admin"), Account::parse("admin"));
    /// assert_eq!(Account::parse("svc@corp.example").user, "svc@corp.example");
    /// ```
    pub fn parse(name: &str) -> Self {
        let (domain, user) = name.split_once('\\').unwrap_or(("", name));
        let domain = if domain == "." { "" } else { domain };
        Self { domain: domain.to_owned(), user: user.to_owned() }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.domain.as_str() {
            "" => f.write_str(&self.user),
            domain => write!(f, "{domain}\\{}", self.user),
        }
    }
}

// === impl Credentials ===

impl Credentials {
    /// A user by [`Account::parse`]'s forms, and its password.
    pub fn new(name: &str, password: impl Into<String>) -> Self {
        Self { account: Account::parse(name), password: Zeroizing::new(password.into()) }
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials::new(r"LAB\svc", "hunter2");
        let shown = format!("{credentials:?} {:?}", Secret::new(*b"hunter2"));
        assert_eq!(shown, r"Credentials(LAB\svc) Secret(..)");
    }
}
