//! `encrypt` and `decrypt`: AES-256 of a field's text.
//!
//! The key schedule is computed once. An initialization vector is not drawn by chance: it is the HMAC of time, a count and the
//! text under a key derived from the encryption key. So it can't be foretold, does not repeat, and a run can be
//! repeated in a simulation.

use crate::compile::spec::{FIELD, IGNORE_MISSING, optional, required};
use crate::compile::{Example, OptionDoc, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use aes::Aes256;
use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cfb_mode::cipher::{AsyncStreamCipher, KeyIvInit};
use event::model::{MAX_ARENA_BYTES, Path, Slot};
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

const KEY_BYTES: usize = 32;
/// NIST SP 800-38D: 96 bits.
const GCM_NONCE_BYTES: usize = 12;
const CFB_IV_BYTES: usize = 16;

const ALGORITHM: OptionDoc =
    optional("algorithm", "AES-256-GCM", "`AES-256-GCM`, or `AES-256-CFB`, which notices no change.");
const KEY: OptionDoc =
    required("encryption_key", "The key, 32 bytes; take it from the environment, `${NAME}`.");
const COMPRESSION: OptionDoc = optional(
    "with_compression",
    "false",
    "Compress with gzip before encrypting, decompress after decrypting.",
);

pub(super) static ENCRYPT: Spec = Spec {
    name: "encrypt",
    family: "security",
    summary: "Encrypts a text with AES-256; the result is Base64.",
    details: "The initialization vector is new for each event. The key never appears in logs or errors.",
    options: &[
        FIELD,
        required("iv_field", "Where the initialization vector goes, Base64."),
        KEY,
        ALGORITHM,
        COMPRESSION,
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "there and back",
        event: r#"{"secret": "bar"}"#,
        processors: "- encrypt: {field: secret, iv_field: iv, encryption_key: 6B58703273357638792F423F4528482B}\n- decrypt: {field: secret, iv_field: iv, encryption_key: 6B58703273357638792F423F4528482B, algorithm: AES-256-GCM}\n- remove: {field: iv}",
        outcome: Outcome::Event(r#"{"secret": "bar"}"#),
    }],
    compile: compile_encrypt,
};

pub(super) static DECRYPT: Spec = Spec {
    name: "decrypt",
    family: "security",
    summary: "Decrypts a text that was encrypted with AES-256.",
    details: "A text that was changed on its way, or encrypted with another key, fails under AES-256-GCM.",
    options: &[
        FIELD,
        required("iv_field", "The field with the initialization vector, Base64."),
        KEY,
        ALGORITHM,
        COMPRESSION,
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "CFB",
            event: r#"{"v": "vFza", "iv": "FmXUb0OPOWm1A2kw6diKYw=="}"#,
            processors: "- decrypt: {field: v, iv_field: iv, encryption_key: 6B58703273357638792F423F4528482B, algorithm: AES-256-CFB}",
            outcome: Outcome::Event(r#"{"v": "bar", "iv": "FmXUb0OPOWm1A2kw6diKYw=="}"#),
        },
        Example {
            title: "a text that was changed",
            event: r#"{"v": "KZh/JR2baS2MkZpseKZYoBN2tQ==", "iv": "F+e8YorshrvFiFTC"}"#,
            processors: "- decrypt: {field: v, iv_field: iv, encryption_key: 6B58703273357638792F423F4528482A, algorithm: AES-256-GCM}",
            outcome: Outcome::Fails("can't be decrypted"),
        },
    ],
    compile: compile_decrypt,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Gcm,
    Cfb,
}

/// The cipher with its key.
enum Keyed {
    Gcm(Box<Aes256Gcm>),
    /// Of CFB each text sets up its own, from key and vector.
    Cfb(Box<[u8; KEY_BYTES]>),
}

/// What both processors have.
struct Settings {
    field: Path,
    iv_field: Path,
    cipher: Keyed,
    compresses: bool,
    ignore_missing: bool,
}

impl Settings {
    /// The settings, and the key for initialization vectors.
    fn read(options: &mut Options<'_, '_>) -> Result<(Self, Hmac<Sha256>), Reported> {
        let at = options.required("encryption_key")?.at.clone();
        let key = options.required_text("encryption_key")?;
        let Ok(key) = <[u8; KEY_BYTES]>::try_from(key.as_bytes()) else {
            let what = format!("`encryption_key` has {} bytes; AES-256 takes {KEY_BYTES}", key.len());
            return Err(options.error(
                &at,
                what,
                "put a key of 32 characters into the environment, `${NAME}`",
            ));
        };
        let algorithms = [("AES-256-GCM", Algorithm::Gcm), ("AES-256-CFB", Algorithm::Cfb)];
        let cipher = match options.choice("algorithm", &algorithms)? {
            Algorithm::Gcm => Keyed::Gcm(Box::new(Aes256Gcm::new(&key.into()))),
            Algorithm::Cfb => Keyed::Cfb(Box::new(key)),
        };
        let vector_key = keyed(&key).chain_update(b"initialization vectors").finalize().into_bytes().into();
        let settings = Self {
            field: options.field("field")?,
            iv_field: options.field("iv_field")?,
            cipher,
            compresses: options.flag("with_compression", false)?,
            ignore_missing: options.flag("ignore_missing", false)?,
        };
        Ok((settings, keyed(&vector_key)))
    }

    /// The field's text; none if it is missing and that is to be ignored.
    fn text<'c>(&self, cx: &'c Context<'_>) -> Result<Option<&'c [u8]>, Failure> {
        match cx.value(&self.field) {
            None if self.ignore_missing => Ok(None),
            None => Err(Failure::missing(&self.field)),
            Some(Slot::Text(span)) => Ok(Some(cx.event.bytes(span))),
            Some(other) => Err(not_a_text(other).at(&self.field)),
        }
    }
}

fn keyed(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    // RFC 2104: a key shorter than a block is filled up with zeros.
    let mut block = [0; 64];
    block[..KEY_BYTES].copy_from_slice(key);
    <Hmac<Sha256> as Mac>::new(&block.into())
}

struct Encrypt {
    settings: Settings,
    vectors: Hmac<Sha256>,
    count: AtomicU64,
}

fn compile_encrypt(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let (settings, vectors) = Settings::read(options)?;
    Ok(Box::new(Encrypt { settings, vectors, count: AtomicU64::new(0) }))
}

impl Processor for Encrypt {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let settings = &self.settings;
        let Some(text) = settings.text(cx)? else { return Ok(Flow::Next) };
        let vector = self.vector(cx.now, text);
        let packed = if settings.compresses { compressed(text)? } else { text.to_vec() };
        let (hidden, vector) = match &settings.cipher {
            Keyed::Gcm(cipher) => {
                let vector = &vector[..GCM_NONCE_BYTES];
                let hidden = cipher.encrypt(Nonce::from_slice(vector), &packed[..]);
                (
                    hidden.map_err(|_| Failure::fixed("is too large to be encrypted").at(&settings.field))?,
                    vector,
                )
            }
            Keyed::Cfb(key) => {
                let vector = &vector[..CFB_IV_BYTES];
                let mut hidden = packed;
                let cipher = cfb_mode::Encryptor::<Aes256>::new_from_slices(&key[..], vector);
                cipher.map_err(|_| Failure::fixed("the key does not fit"))?.encrypt(&mut hidden);
                (hidden, vector)
            }
        };
        let vector = cx.event.text(STANDARD.encode(vector).as_bytes())?;
        let hidden = cx.event.text(STANDARD.encode(hidden).as_bytes())?;
        cx.set(&settings.field, hidden)?;
        cx.set(&settings.iv_field, vector)?;
        Ok(Flow::Next)
    }
}

impl Encrypt {
    fn vector(&self, now: i64, text: &[u8]) -> [u8; 32] {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let vector = self.vectors.clone().chain_update(now.to_be_bytes()).chain_update(count.to_be_bytes());
        vector.chain_update(text).finalize().into_bytes().into()
    }
}

struct Decrypt(Settings);

fn compile_decrypt(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(Decrypt(Settings::read(options)?.0)))
}

impl Processor for Decrypt {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let settings = &self.0;
        let Some(text) = settings.text(cx)? else { return Ok(Flow::Next) };
        let no_base64 = |path: &Path| Failure::fixed("is no base64").at(path);
        let hidden = STANDARD.decode(text).map_err(|_| no_base64(&settings.field))?;
        let vector = cx.text(&settings.iv_field)?;
        let vector = STANDARD.decode(cx.event.bytes(vector)).map_err(|_| no_base64(&settings.iv_field))?;
        let wrong =
            || Failure::fixed("can't be decrypted: key, vector or text are not those it was encrypted with");
        let wrong_length =
            || Failure::fixed("has another length than the algorithm's vectors").at(&settings.iv_field);
        let packed = match &settings.cipher {
            Keyed::Gcm(_) if vector.len() != GCM_NONCE_BYTES => return Err(wrong_length()),
            Keyed::Gcm(cipher) => cipher
                .decrypt(Nonce::from_slice(&vector), &hidden[..])
                .map_err(|_| wrong().at(&settings.field))?,
            Keyed::Cfb(key) => {
                let mut text = hidden;
                let cipher = cfb_mode::Decryptor::<Aes256>::new_from_slices(&key[..], &vector);
                cipher.map_err(|_| wrong_length())?.decrypt(&mut text);
                text
            }
        };
        let text = if settings.compresses {
            decompressed(&packed).map_err(|why| why.at(&settings.field))?
        } else {
            packed
        };
        let text = cx.event.text(&text)?;
        cx.set(&settings.field, text)?;
        Ok(Flow::Next)
    }
}

fn compressed(text: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    let result = encoder.write_all(text).and_then(|()| encoder.finish());
    result.map_err(|_| Failure::fixed("can't be compressed"))
}

/// At most as much as an event may have: a small text can stand for gigabytes.
fn decompressed(packed: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let mut reader = MultiGzDecoder::new(packed).take(MAX_ARENA_BYTES as u64 + 1);
    reader.read_to_end(&mut text).map_err(|_| Failure::fixed("is not compressed with gzip"))?;
    match text.len() > MAX_ARENA_BYTES {
        true => Err(Failure::text(format!("has more than {MAX_ARENA_BYTES} bytes decompressed"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back_and_bombs_are_refused() {
        let packed = compressed(b"text").expect("small");
        assert_eq!(decompressed(&packed).as_deref(), Ok(&b"text"[..]));
        let bomb = compressed(&vec![0; MAX_ARENA_BYTES + 1]).expect("zeros");
        assert!(bomb.len() < 100_000 && decompressed(&bomb).is_err());
    }
}
