//! The formulas: response key, proof, session keys, integrity code (MS-NLMP 3.3.2, 3.4.4, 3.4.5).

use hmac::{Hmac, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use rc4::consts::U16;
use rc4::{Key, KeyInit, Rc4, StreamCipher};
use zeroize::{Zeroize, Zeroizing};

use super::message::{MIC_BYTES, MIC_OFFSET};
use super::utf16;
use crate::winrm::credentials::{Account, Secret};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// The keyed hash of everything here.
pub(super) fn hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> Hmac<Md5> {
    // Any length of key is accepted, so this can't fail.
    let mut mac =
        <Hmac<Md5> as Mac>::new_from_slice(key).unwrap_or_else(|_| unreachable!("hmac takes any key"));
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// `NTOWFv2`: what stands for the password.
pub(super) fn response_key(account: &Account, password: &str) -> Secret<16> {
    let password = Zeroizing::new(utf16(password));
    let mut hash: [u8; 16] = Md4::digest(&password).into();
    let user = utf16(&account.user.chars().map(upper).collect::<String>());
    let key = hmac_md5(&hash, &[&user, &utf16(&account.domain)]).finalize().into_bytes().into();
    hash.zeroize();
    Secret::new(key)
}

/// One character for one, as Windows does it: `ß` stays.
fn upper(character: char) -> char {
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => character,
    }
}

/// What a client proves: time, its challenge, the target information (2.2.2.7).
pub(super) fn client_blob(time: u64, client_challenge: &[u8; 8], target_info: &[u8]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(32 + target_info.len());
    blob.extend_from_slice(&[1, 1, 0, 0, 0, 0, 0, 0]);
    blob.extend_from_slice(&time.to_le_bytes());
    blob.extend_from_slice(client_challenge);
    blob.extend_from_slice(&[0; 4]);
    blob.extend_from_slice(target_info);
    blob.extend_from_slice(&[0; 4]);
    blob
}

/// `NTProofStr`, still to be finished or verified.
pub(super) fn proof(key: &Secret<16>, server_challenge: &[u8; 8], blob: &[u8]) -> Hmac<Md5> {
    hmac_md5(key.expose(), &[server_challenge, blob])
}

/// `SessionBaseKey`, which for NTLMv2 is the key exchange key, too.
pub(super) fn base_key(key: &Secret<16>, proof: &[u8]) -> Secret<16> {
    Secret::new(hmac_md5(key.expose(), &[proof]).finalize().into_bytes().into())
}

/// `RC4K`: encrypts the session key with the base key, or decrypts it.
pub(super) fn exchange(base: &Secret<16>, key: &[u8; 16]) -> [u8; 16] {
    let mut out = *key;
    cipher(base).apply_keystream(&mut out);
    out
}

/// RC4 with a 128 bit key.
pub(super) fn cipher(key: &Secret<16>) -> Rc4<U16> {
    Rc4::new(Key::<U16>::from_slice(key.expose()))
}

/// `MIC` over the three messages; what stands in the place of the code counts as zero.
pub(super) fn integrity(session_key: &Secret<16>, messages: [&[u8]; 3]) -> Hmac<Md5> {
    let [negotiate, challenge, authenticate] = messages;
    let (head, rest) = authenticate.split_at(MIC_OFFSET.min(authenticate.len()));
    let tail = rest.get(MIC_BYTES..).unwrap_or_default();
    hmac_md5(session_key.expose(), &[negotiate, challenge, head, &[0; MIC_BYTES], tail])
}

/// `SIGNKEY` (3.4.5.2).
pub(super) fn signing_key(session_key: &Secret<16>, direction: Direction) -> Secret<16> {
    derived(
        session_key,
        match direction {
            Direction::ToServer => b"session key to client-to-server signing key magic constant\0",
            Direction::ToClient => b"session key to server-to-client signing key magic constant\0",
        },
    )
}

/// `SEALKEY` with 128 bits (3.4.5.3).
pub(super) fn sealing_key(session_key: &Secret<16>, direction: Direction) -> Secret<16> {
    derived(
        session_key,
        match direction {
            Direction::ToServer => b"session key to client-to-server sealing key magic constant\0",
            Direction::ToClient => b"session key to server-to-client sealing key magic constant\0",
        },
    )
}

fn derived(session_key: &Secret<16>, purpose: &[u8]) -> Secret<16> {
    Secret::new(Md5::new_with_prefix(session_key.expose()).chain_update(purpose).finalize().into())
}
