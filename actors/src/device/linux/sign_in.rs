//! Signing in: a key where there is one, a password where there is one, both where the host asks for both.
//!
//! A password is tried once in a connection: hosts that ask for it by `keyboard-interactive` only are answered
//! there, others are not asked twice for what they refused.

use super::connect::Peer;
use super::settings::LinuxSettings;
use super::trouble::{Again, Trouble};
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive, Prompt};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use russh::{MethodKind, MethodSet};
use std::sync::Arc;
use tokio::time::timeout;

/// Questions that a host may ask before it is given up.
const MOST_QUESTIONS: usize = 10;

/// What a method gave.
enum Step {
    Done,
    /// The host accepts this method, or not, and goes on with these.
    Left(MethodSet, Partial),
}

/// Whether what was shown was right, and more is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Partial {
    Accepted,
    Refused,
}

/// The private key, decrypted. Costs up to a second of computing where it has a passphrase.
pub async fn private_key(settings: &Arc<LinuxSettings>) -> Result<Option<Arc<PrivateKey>>, Trouble> {
    let Some((pem, passphrase)) = settings.user.key.clone() else { return Ok(None) };
    let decoded = tokio::task::spawn_blocking(move || decode_secret_key(&pem, passphrase.as_deref())).await;
    let why = match decoded {
        Ok(Ok(key)) => return Ok(Some(Arc::new(key))),
        Ok(Err(russh::keys::Error::KeyIsEncrypted)) => {
            "it is encrypted; give its passphrase (passphrase_file or passphrase_credential)".to_owned()
        }
        Ok(Err(_)) if settings.user.key.as_ref().is_some_and(|(_, passphrase)| passphrase.is_some()) => {
            "its passphrase is wrong, or it is damaged; check with: ssh-keygen -yf FILE".to_owned()
        }
        Ok(Err(e)) => format!("{e}; check with: ssh-keygen -yf FILE"),
        Err(e) => format!("reading it failed: {e}"),
    };
    Err(Trouble::lasting(format!("cannot use the private key for {}: {why}", settings.place())))
}

/// Signs in. Returns by which methods.
pub async fn sign_in(settings: &Arc<LinuxSettings>, handle: &mut Handle<Peer>) -> Result<String, Trouble> {
    let key = private_key(settings).await?;
    match timeout(settings.timeout, attempt(settings, handle, key)).await {
        Ok(done) => done,
        Err(_) => Err(Trouble::silent(settings, "signing in")),
    }
}

async fn attempt(
    settings: &LinuxSettings,
    handle: &mut Handle<Peer>,
    key: Option<Arc<PrivateKey>>,
) -> Result<String, Trouble> {
    let broken = |e: russh::Error| Trouble::protocol(settings, &e);
    let user = settings.user.name.as_str();
    let mut left = match step(handle.authenticate_none(user).await.map_err(broken)?) {
        Step::Done => return Ok("nothing: the host asks for no proof".to_owned()),
        Step::Left(left, _) => left,
    };
    let mut tried = Vec::new();
    if let Some(key) = key.filter(|_| left.contains(&MethodKind::PublicKey)) {
        let hash = match key.algorithm().is_rsa() {
            true => handle
                .best_supported_rsa_hash()
                .await
                .map_err(broken)?
                .unwrap_or(Some(russh::keys::HashAlg::Sha256)),
            false => None,
        };
        let key = PrivateKeyWithHashAlg::new(key, hash);
        tried.push("key");
        match step(handle.authenticate_publickey(user, key).await.map_err(broken)?) {
            Step::Done => return Ok(tried.join(" and ")),
            Step::Left(methods, partial) => {
                if partial == Partial::Refused {
                    tried.pop();
                }
                left = methods;
            }
        }
    }
    let Some(password) = &settings.user.password else {
        return Err(refused(settings, &left, settings.user.key.is_some(), false));
    };
    let by_password = left.contains(&MethodKind::Password);
    if !by_password && !left.contains(&MethodKind::KeyboardInteractive) {
        return Err(refused(settings, &left, settings.user.key.is_some(), false));
    }
    tried.push("password");
    let done = match by_password {
        true => step(handle.authenticate_password(user, password.as_str()).await.map_err(broken)?),
        false => answer(handle, user, password).await.map_err(broken)?,
    };
    match done {
        Step::Done => Ok(tried.join(" and ")),
        Step::Left(left, Partial::Accepted) => Err(Trouble::lasting(format!(
            "{} accepted the password of {user} and asks for more ({}), which is not configured",
            settings.place(),
            names(&left)
        ))),
        Step::Left(left, Partial::Refused) => {
            Err(refused(settings, &left, settings.user.key.is_some(), true))
        }
    }
}

fn step(result: AuthResult) -> Step {
    match result {
        AuthResult::Success => Step::Done,
        AuthResult::Failure { remaining_methods, partial_success } => {
            Step::Left(remaining_methods, partial(partial_success))
        }
    }
}

fn partial(accepted: bool) -> Partial {
    if accepted { Partial::Accepted } else { Partial::Refused }
}

/// Answers what is asked for without showing it with the password, and everything else with nothing.
async fn answer(handle: &mut Handle<Peer>, user: &str, password: &str) -> Result<Step, russh::Error> {
    let mut reply = handle.authenticate_keyboard_interactive_start(user, None).await?;
    let mut given = false;
    for _ in 0..MOST_QUESTIONS {
        let prompts = match reply {
            Interactive::Success => return Ok(Step::Done),
            Interactive::Failure { remaining_methods, partial_success } => {
                return Ok(Step::Left(remaining_methods, partial(partial_success)));
            }
            Interactive::InfoRequest { prompts, .. } => prompts,
        };
        if given && !prompts.is_empty() {
            // Asked again, or for a new one because it has expired.
            return Ok(Step::Left(MethodSet::from(&[MethodKind::KeyboardInteractive][..]), Partial::Refused));
        }
        given |= !prompts.is_empty();
        let answer = |prompt: &Prompt| if prompt.echo { String::new() } else { password.to_owned() };
        let answers = prompts.iter().map(answer).collect();
        reply = handle.authenticate_keyboard_interactive_respond(answers).await?;
    }
    Err(russh::Error::Inconsistent)
}

fn refused(settings: &LinuxSettings, left: &MethodSet, has_key: bool, password_tried: bool) -> Trouble {
    let (place, user) = (settings.place(), &settings.user.name);
    let left_names = names(left);
    let text = match (has_key, password_tried) {
        (true, false) => format!(
            "{place} refused the key of {user} (it accepts {left_names}); is the public key in ~{user}/.ssh/authorized_keys, \
             owned by {user} and writable by nobody else? on the host: journalctl -u ssh | tail"
        ),
        (true, true) => format!(
            "{place} refused the key and the password of {user}; check both; on the host: journalctl -u ssh | tail"
        ),
        (false, true) => format!(
            "{place} refused the password of {user}; it may be wrong, expired or locked; on the host: \
             passwd -S {user}; faillock --user {user}; journalctl -u ssh | tail"
        ),
        (false, false) => {
            let text = format!(
                "{place} does not accept passwords (it accepts {left_names}); use a private_key, or on the host set \
                 PasswordAuthentication yes"
            );
            return Trouble::lasting(text);
        }
    };
    Trouble { text, again: Again::Refused }
}

fn names(methods: &MethodSet) -> String {
    let names: Vec<&str> = methods.iter().map(<&str>::from).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
