//! `credentials`: who to sign in as, written down once and named by devices (`credentials: NAME`).
//!
//! A secret comes from one of three places: the value itself (best as `${NAME}` from the environment), a file that only
//! its owner may read (`…_file`), or a credential of the service manager (`…_credential`, systemd's `LoadCredential=`).
//! It is read when the configuration is loaded, and nothing that shows a configuration shows it.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::fields::Fields;
use crate::readers::{FilePath, SecretText, Text};
use crate::suggest::did_you_mean;
use crate::{Position, Secret};

/// Longest secret: a private key of 16384 bits has some 13 000 bytes.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Who to sign in as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user; none where the device's type knows one.
    pub username: Option<String>,
    /// Its domain, on Windows.
    pub domain: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// A private key in any of OpenSSH's formats.
    pub private_key: Option<Secret>,
    /// What the private key is encrypted with.
    pub passphrase: Option<Secret>,
}

/// Credentials that can be named.
#[derive(Debug)]
pub(crate) struct Named {
    name: String,
    credentials: Credentials,
    at: Position,
}

/// Reads the list at the top of the configuration; two of one name are reported.
pub(crate) fn list(fields: &mut Fields) {
    let about = "who to sign in as, to be named by devices";
    let read = fields.items("credentials", "credentials", about, |item| {
        let name = item.required("name", Text, "a name that no other credentials have");
        let at = item.at().clone();
        Named { name, credentials: own(item), at }
    });
    let mut all: Vec<Named> = Vec::with_capacity(read.len());
    for named in read {
        match all.iter().find(|other| other.name == named.name && !named.name.is_empty()) {
            Some(first) => {
                let what = format!("credentials {:?} are there twice, first at {}", named.name, first.at);
                fields.report(named.at.error(what, "change one of the names"));
            }
            None => all.push(named),
        }
    }
    *fields.context.credentials.borrow_mut() = all;
}

/// Reads who a device signs in as: named credentials, and over them what the device's own properties say.
pub(crate) fn of_device(fields: &mut Fields) -> Credentials {
    let named = fields.optional("credentials", Text, "name of the credentials to sign in with");
    let own = own(fields);
    let Some(name) = named else { return own };
    let all = fields.context.credentials.borrow();
    let Some(named) = all.iter().find(|named| named.name == name) else {
        let what = format!("{} names credentials {name:?}, which do not exist", fields.subject());
        let fix = did_you_mean(&name, all.iter().map(|named| named.name.as_str()));
        fields.report(fields.at_key("credentials").error(what, fix));
        return own;
    };
    own.over(&named.credentials)
}

fn own(fields: &mut Fields) -> Credentials {
    let root = fields.context.root;
    Credentials {
        username: fields.optional("username", Text, "user to sign in as"),
        domain: fields.optional("domain", Text, "its domain, on Windows"),
        password: secret(fields, &PASSWORD),
        private_key: private_key(fields, root),
        passphrase: secret(fields, &PASSPHRASE),
    }
}

/// The keys of a secret.
struct Keys {
    value: &'static str,
    file: &'static str,
    credential: &'static str,
    about: &'static str,
}

const PASSWORD: Keys = Keys {
    value: "password",
    file: "password_file",
    credential: "password_credential",
    about: "its password",
};

const PASSPHRASE: Keys = Keys {
    value: "passphrase",
    file: "passphrase_file",
    credential: "passphrase_credential",
    about: "what the private key is encrypted with",
};

fn secret(fields: &mut Fields, keys: &Keys) -> Option<Secret> {
    let root = fields.context.root;
    let value = fields.optional(keys.value, SecretText, &format!("{}, best as ${{NAME}}", keys.about));
    let about = format!("a file with {}, mode 600", keys.about);
    let file = fields.optional(keys.file, FilePath(root), &about);
    let about = format!("name of a credential of the service manager with {}", keys.about);
    let credential = fields.optional(keys.credential, Text, &about);
    let given = [value.is_some(), file.is_some(), credential.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        let all = format!("{}, {} and {}", keys.value, keys.file, keys.credential);
        let what = format!("{} has more than one of {all}", fields.subject());
        fields.report(fields.at_key(keys.value).error(what, "keep one of them"));
    }
    if value.is_some() {
        return value;
    }
    if let Some(path) = file {
        return from_file(fields, keys.file, &path, Owner::Configured);
    }
    from_service_manager(fields, keys.credential, &credential?)
}

fn private_key(fields: &mut Fields, root: &Path) -> Option<Secret> {
    let file = fields.optional("private_key", FilePath(root), "a file with a private key, mode 600");
    let about = "name of a credential of the service manager with a private key";
    let credential = fields.optional("private_key_credential", Text, about);
    match (file, credential) {
        (Some(path), None) => from_file(fields, "private_key", &path, Owner::Configured),
        (None, Some(name)) => from_service_manager(fields, "private_key_credential", &name),
        (None, None) => None,
        (Some(_), Some(_)) => {
            let what = format!("{} has both private_key and private_key_credential", fields.subject());
            fields.report(fields.at_key("private_key").error(what, "keep one of them"));
            None
        }
    }
}

/// Who sees to it that nobody else can read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Whoever wrote the configuration: it is checked.
    Configured,
    /// The service manager.
    ServiceManager,
}

fn from_service_manager(fields: &Fields, key: &'static str, name: &str) -> Option<Secret> {
    let Some(folder) = &fields.context.service_credentials else {
        let what = format!("{} is given, but the service manager gives no credentials", fields.property(key));
        let fix =
            format!("add LoadCredential={name}:/path/of/the/secret to the unit and start it by systemd");
        fields.report(fields.at_key(key).error(what, fix));
        return None;
    };
    if name.contains('/') || name.starts_with('.') {
        fields.wrong(key, "write the name that stands in LoadCredential=");
        return None;
    }
    from_file(fields, key, &folder.join(name), Owner::ServiceManager)
}

/// The text of a secret file without its last line end.
fn from_file(fields: &Fields, key: &'static str, path: &Path, owner: Owner) -> Option<Secret> {
    let shown = path.display();
    let refuse = |what: String, fix: String| {
        fields.report(fields.at_key(key).error(format!("{}: {what}", fields.property(key)), fix));
        None
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return refuse(format!("{shown} is no file"), "name a file".to_owned()),
        Err(e) => return refuse(format!("cannot read {shown}: {e}"), "create it with mode 600".to_owned()),
    };
    if owner == Owner::Configured
        && let Some(mode) = readable_by_others(&metadata)
    {
        return refuse(format!("others can read {shown} (mode {mode:03o})"), format!("chmod 600 {shown}"));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes));
    if let Err(e) = read {
        return refuse(format!("cannot read {shown}: {e}"), "check its owner and mode".to_owned());
    }
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return refuse(format!("{shown} is longer than {MAX_SECRET_BYTES} bytes"), "name another".to_owned());
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return refuse(format!("{shown} is not UTF-8 text"), "write it as text".to_owned());
    };
    let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return refuse(format!("{shown} is empty"), "write the secret into it".to_owned());
    }
    Some(Secret::new(text))
}

/// The mode, if it lets anybody but the owner read or write the file.
#[cfg(unix)]
fn readable_by_others(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let mode = metadata.mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Other systems have no modes.
#[cfg(not(unix))]
fn readable_by_others(_: &fs::Metadata) -> Option<u32> {
    None
}

// === impl Credentials ===

impl Credentials {
    /// What is said here, and else what `other` says. A user of its own has secrets of its own.
    fn over(self, other: &Self) -> Self {
        if self.username.as_ref().is_some_and(|user| Some(user) != other.username.as_ref()) {
            return self;
        }
        Self {
            username: self.username.or_else(|| other.username.clone()),
            domain: self.domain.or_else(|| other.domain.clone()),
            password: self.password.or_else(|| other.password.clone()),
            private_key: self.private_key.or_else(|| other.private_key.clone()),
            passphrase: self.passphrase.or_else(|| other.passphrase.clone()),
        }
    }
}

/// Where the service manager leaves credentials (systemd.exec(5), `CREDENTIALS_DIRECTORY`).
pub(crate) fn service_folder(environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    environment("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}
