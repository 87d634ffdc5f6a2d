//! Whether the host is the right one.
//!
//! A fingerprint that was written down decides alone; else a file in the format of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT":
//! names with `*`, `?`, `!` and hashes, `[host]:port`, `@revoked`. A host that is not in it is refused with the key it
//! showed, unless the configuration says in so many words that new hosts are to be trusted. A host that
//! shows *another* key than the known one is refused always, whatever kind of key it is. Lines with
//! `@cert-authority` are passed over: host certificates are not asked for.

use super::settings::{HostKeys, LinuxSettings};
use super::trouble::Trouble;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use russh::keys::{Algorithm, HashAlg, PublicKey, parse_public_key_base64};
use sha1::Sha1;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What the known keys say about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the right one.
    Right,
    /// The host is new, and new hosts are trusted: to be remembered.
    New,
    /// It is not, or nobody knows.
    Wrong(Trouble),
}

/// The keys that are known of a host.
#[derive(Clone, Debug, Default)]
pub struct Known {
    keys: Vec<KnownKey>,
}

#[derive(Clone, Debug)]
struct KnownKey {
    line: usize,
    revoked: bool,
    key: PublicKey,
}

impl Known {
    /// Reads the file; one that is not there knows nobody. Blocks.
    ///
    /// # Errors
    /// When it is there and can't be read: it may know the host.
    pub fn load(settings: &LinuxSettings) -> Result<Self, Trouble> {
        let path = &settings.host_keys.known_hosts;
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => {
                let text =
                    format!("cannot read the known hosts in {}: {e}; correct its mode", path.display());
                return Err(Trouble::lasting(text));
            }
        };
        Ok(Self::of(&text, &settings.host, settings.port))
    }

    /// The keys of a host in a file's text. Lines that can't be understood are passed over, as OpenSSH does.
    pub fn of(text: &str, host: &str, port: u16) -> Self {
        let name = name_in_file(host, port);
        let keys = text.lines().enumerate().filter_map(|(index, line)| known_key(line, &name, index + 1));
        Self { keys: keys.collect() }
    }

    /// Kinds of keys in the order in which they are asked for: those that are known first, so that a host with
    /// several keys shows the known one.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut order = russh::Preferred::DEFAULT.key.to_vec();
        // RSA with SHA-1 signatures is broken (RFC 8332).
        order.retain(|algorithm| !matches!(algorithm, Algorithm::Rsa { hash: None }));
        let known = |algorithm: &Algorithm| {
            let same = |k: &KnownKey| !k.revoked && is_same_kind(&k.key.algorithm(), algorithm);
            self.keys.iter().any(same)
        };
        order.sort_by_key(|algorithm| !known(algorithm));
        order
    }

    /// Whether a key is the right one.
    pub fn judge(&self, settings: &LinuxSettings, shown: &PublicKey) -> Verdict {
        let HostKeys { pinned, known_hosts, accept_new } = &settings.host_keys;
        let (place, fingerprint) = (settings.place(), fingerprint(shown));
        let kind = kind(shown);
        if !pinned.is_empty() {
            if pinned.contains(&fingerprint) {
                return Verdict::Right;
            }
            return Verdict::Wrong(Trouble::lasting(format!(
                "the host key of {place} is another: expected {}, it showed {kind} {fingerprint}; if the host was \
                 replaced, compare with what \"ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub\" prints on its console, \
                 then correct host_key; else somebody may be in between",
                pinned.join(" or ")
            )));
        }
        if let Some(revoked) =
            self.keys.iter().find(|known| known.revoked && known.key.key_data() == shown.key_data())
        {
            return Verdict::Wrong(Trouble::lasting(format!(
                "the host key of {place} ({fingerprint}) is revoked in {}, line {}",
                known_hosts.display(),
                revoked.line
            )));
        }
        let mut valid = self.keys.iter().filter(|known| !known.revoked).peekable();
        if valid.peek().is_none() {
            return match accept_new {
                true => Verdict::New,
                false => Verdict::Wrong(Trouble::lasting(unknown(settings, &kind, &fingerprint))),
            };
        }
        let expected: Vec<&KnownKey> = valid.collect();
        if expected.iter().any(|known| known.key.key_data() == shown.key_data()) {
            return Verdict::Right;
        }
        let all: Vec<String> = expected.iter().map(|known| self::fingerprint(&known.key)).collect();
        let name = name_in_file(&settings.host, settings.port);
        Verdict::Wrong(Trouble::lasting(format!(
            "the host key of {place} has changed: expected {} ({}, line {}), it showed {kind} {fingerprint}; if the host \
             was replaced, compare with what \"ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub\" prints on its console, \
             then: ssh-keygen -f {} -R '{name}'; else somebody may be in between",
            all.join(" or "),
            known_hosts.display(),
            expected[0].line,
            known_hosts.display(),
        )))
    }
}

fn unknown(settings: &LinuxSettings, kind: &str, fingerprint: &str) -> String {
    let (place, host, port) = (settings.place(), &settings.host, settings.port);
    format!(
        "the host key of {place} is not known: it showed {kind} {fingerprint}; compare with what \"ssh-keygen -lf \
         /etc/ssh/ssh_host_{kind}_key.pub\" prints on its console, then write host_key: {fingerprint} into its properties, \
         or: ssh-keyscan -p {port} {host} >> {}; accept_new_host_key: true trusts every new host unseen",
        settings.host_keys.known_hosts.display()
    )
}

/// Remembers a new host. Blocks.
pub fn remember(path: &Path, host: &str, port: u16, key: &PublicKey) -> io::Result<()> {
    let key = key.to_openssh().map_err(io::Error::other)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // One write of a whole line: several collectors may append at once.
    let line = format!("{} {}\n", name_in_file(host, port), key.trim_end());
    let unfinished = fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
    let line = if unfinished { format!("\n{line}") } else { line };
    OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())
}

/// `SHA256:…`, as `ssh-keygen -lf` prints it.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// As in the names of host key files: `ed25519`, `ecdsa`, `rsa`.
fn kind(key: &PublicKey) -> String {
    match key.algorithm() {
        Algorithm::Ed25519 => "ed25519".to_owned(),
        Algorithm::Ecdsa { .. } => "ecdsa".to_owned(),
        Algorithm::Rsa { .. } => "rsa".to_owned(),
        other => other.as_str().to_owned(),
    }
}

fn is_same_kind(a: &Algorithm, b: &Algorithm) -> bool {
    matches!((a, b), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || a == b
}

fn name_in_file(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// The key of a line, if it is about this host.
fn known_key(line: &str, name: &str, number: usize) -> Option<KnownKey> {
    let mut words = line.split_ascii_whitespace();
    let mut names = words.next().filter(|word| !word.starts_with('#'))?;
    let revoked = match names {
        "@revoked" => {
            names = words.next()?;
            true
        }
        marker if marker.starts_with('@') => return None,
        _ => false,
    };
    if !is_meant(names, name) {
        return None;
    }
    let (_kind, key) = (words.next()?, words.next()?);
    let key = parse_public_key_base64(key).ok()?;
    Some(KnownKey { line: number, revoked, key })
}

/// Whether a list of patterns means a name; one with `!` rules it out.
fn is_meant(patterns: &str, name: &str) -> bool {
    let mut meant = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if is_match(pattern, name) => return false,
            Some(_) => {}
            None => meant |= is_match(pattern, name),
        }
    }
    meant
}

fn is_match(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("|1|") {
        Some(hashed) => is_hash_of(hashed, name),
        None => matches_glob(pattern.to_lowercase().as_bytes(), name.as_bytes()),
    }
}

/// `salt|HMAC-SHA1(salt, name)`, both in base64.
fn is_hash_of(hashed: &str, name: &str) -> bool {
    let parts = hashed
        .split_once('|')
        .and_then(|(salt, hash)| Some((STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?)));
    let Some((salt, hash)) = parts else { return false };
    let Ok(mac) = Hmac::<Sha1>::new_from_slice(&salt) else { return false };
    mac.chain_update(name).verify_slice(&hash).is_ok()
}

/// `*` and `?`; brackets are those of `[host]:port`.
fn matches_glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Inputs, User};
    use super::*;
    use std::time::Duration;

    // From the tests of the crate russh.
    const ONE: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

    fn key(text: &str) -> PublicKey {
        parse_public_key_base64(text).unwrap()
    }

    fn settings(host: &str, port: u16) -> LinuxSettings {
        let inputs =
            Inputs { files: None, journal: None, commands: Vec::new(), facts_interval: None, find: true };
        LinuxSettings {
            host: host.to_owned(),
            port,
            user: User { name: "u".to_owned(), key: None, password: None },
            host_keys: HostKeys { pinned: Vec::new(), known_hosts: "known_hosts".into(), accept_new: false },
            timeout: Duration::from_secs(1),
            poll_interval: Duration::from_secs(1),
            sudo: false,
            inputs,
            from_end: false,
            newest_first: false,
            max_message_bytes: 1000,
        }
    }

    fn judge(file: &str, host: &str, port: u16, shown: &str) -> Verdict {
        Known::of(file, host, port).judge(&settings(host, port), &key(shown))
    }

    fn text(verdict: Verdict) -> String {
        match verdict {
            Verdict::Wrong(trouble) => trouble.text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_host_is_found_by_name_pattern_hash_and_port() {
        // The hash is that of example.com, from the tests of russh.
        for (line, host, port) in [
            ("h.example.com", "H.example.com", 22),
            ("other,h.example.com", "h.example.com", 22),
            ("*.example.com", "h.example.com", 22),
            ("10.0.0.?", "10.0.0.7", 22),
            ("[h.example.com]:2222", "h.example.com", 2222),
            ("|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak=", "example.com", 22),
        ] {
            let file = format!("# comment\nnonsense\n{line} ssh-ed25519 {OTHER} comment\n");
            assert_eq!(judge(&file, host, port, OTHER), Verdict::Right, "{line}");
        }
        for (line, host, port) in [
            ("h.example.com", "h.example.com", 2222),
            ("*.example.com,!h.*", "h.example.com", 22),
            ("h", "hh", 22),
        ] {
            let file = format!("{line} ssh-ed25519 {OTHER}\n");
            assert!(text(judge(&file, host, port, OTHER)).contains("is not known"), "{line}");
        }
    }

    #[test]
    fn another_key_is_refused_with_both_fingerprints_whatever_is_accepted() {
        let known = Known::of(&format!("h ssh-ed25519 {ONE}\n"), "h", 22);
        let mut settings = settings("h", 22);
        settings.host_keys.accept_new = true;
        let text = text(known.judge(&settings, &key(OTHER)));
        for part in [fingerprint(&key(ONE)), fingerprint(&key(OTHER)), "line 1".into(), "-R 'h'".into()] {
            assert!(text.contains(&part), "{text}");
        }
    }

    #[test]
    fn a_revoked_key_is_refused_and_a_pinned_one_needs_no_file() {
        assert!(text(judge(&format!("@revoked * ssh-ed25519 {ONE}\n"), "h", 22, ONE)).contains("revoked"));
        let mut settings = settings("h", 22);
        settings.host_keys.pinned = vec![fingerprint(&key(ONE))];
        assert_eq!(Known::default().judge(&settings, &key(ONE)), Verdict::Right);
        assert!(text(Known::default().judge(&settings, &key(OTHER))).contains("expected SHA256:"));
    }

    #[test]
    fn a_new_host_is_remembered_once_it_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storage/known_hosts");
        remember(&path, "a", 22, &key(ONE)).unwrap();
        fs::write(&path, fs::read_to_string(&path).unwrap().trim_end()).unwrap();
        remember(&path, "b", 2222, &key(OTHER)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(judge(&text, "a", 22, ONE), Verdict::Right);
        assert_eq!(judge(&text, "b", 2222, OTHER), Verdict::Right);
    }

    #[test]
    fn known_kinds_of_keys_are_asked_for_first() {
        let first = |file: &str| Known::of(file, "h", 22).algorithms().remove(0);
        assert_eq!(first(""), Algorithm::Ed25519);
        let ecdsa = "h ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMxBTpMIGvo7CnordO7wP0QQRqpBwUjOLl4eMhfucfE1sjTYyK5wmTl1UqoSDS1PtRVTBdl+0+9pquFb46U7fwg=";
        assert!(matches!(first(ecdsa), Algorithm::Ecdsa { .. }));
    }
}
