//! Hashes and checksums by name.

use crc::{CRC_32_ISO_HDLC, CRC_64_XZ, Crc, Digest as CrcDigest};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// An algorithm that makes a few bytes of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
    /// MurmurHash3, x64, 128 bits.
    Murmur3,
    Crc32,
    Crc64,
    Adler32,
    Fnv32,
    Fnv64,
    Fnv128,
}

/// A hash that is being computed.
pub(super) enum Hash {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    /// Of these the bytes are gathered: it reads blocks.
    Murmur3(Vec<u8>),
    Crc32(CrcDigest<'static, u32>),
    Crc64(CrcDigest<'static, u64>),
    Adler32(u32, u32),
    Fnv32(u32),
    Fnv64(u64),
    Fnv128(u128),
}

static CRC_32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
static CRC_64: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);
/// RFC 1950 §8.2.
const ADLER_MODULUS: u32 = 65_521;

impl Algorithm {
    pub(super) fn start(self) -> Hash {
        match self {
            Self::Md5 => Hash::Md5(Md5::new()),
            Self::Sha1 => Hash::Sha1(Sha1::new()),
            Self::Sha256 => Hash::Sha256(Sha256::new()),
            Self::Sha512 => Hash::Sha512(Sha512::new()),
            Self::Murmur3 => Hash::Murmur3(Vec::new()),
            Self::Crc32 => Hash::Crc32(CRC_32.digest()),
            Self::Crc64 => Hash::Crc64(CRC_64.digest()),
            Self::Adler32 => Hash::Adler32(1, 0),
            Self::Fnv32 => Hash::Fnv32(0x811c_9dc5),
            Self::Fnv64 => Hash::Fnv64(0xcbf2_9ce4_8422_2325),
            Self::Fnv128 => Hash::Fnv128(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d),
        }
    }

    pub(super) fn of(self, bytes: &[u8]) -> Vec<u8> {
        let mut hash = self.start();
        hash.add(bytes);
        hash.finish()
    }
}

impl Hash {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hash) => hash.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
            Self::Murmur3(gathered) => gathered.extend_from_slice(bytes),
            Self::Crc32(digest) => digest.update(bytes),
            Self::Crc64(digest) => digest.update(bytes),
            Self::Adler32(a, b) => {
                for byte in bytes {
                    *a = (*a + u32::from(*byte)) % ADLER_MODULUS;
                    *b = (*b + *a) % ADLER_MODULUS;
                }
            }
            // FNV-1: multiplied first, as hash/fnv of Go has it under these names.
            Self::Fnv32(hash) => {
                for byte in bytes {
                    *hash = hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte);
                }
            }
            Self::Fnv64(hash) => {
                for byte in bytes {
                    *hash = hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte);
                }
            }
            Self::Fnv128(hash) => {
                for byte in bytes {
                    *hash = hash.wrapping_mul((1 << 88) | 0x13b) ^ u128::from(*byte);
                }
            }
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(hash) => hash.finalize().to_vec(),
            Self::Sha1(hash) => hash.finalize().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
            Self::Sha512(hash) => hash.finalize().to_vec(),
            Self::Murmur3(gathered) => murmur3(&gathered).to_vec(),
            Self::Crc32(digest) => digest.finalize().to_be_bytes().to_vec(),
            Self::Crc64(digest) => digest.finalize().to_be_bytes().to_vec(),
            Self::Adler32(a, b) => (b << 16 | a).to_be_bytes().to_vec(),
            Self::Fnv32(hash) => hash.to_be_bytes().to_vec(),
            Self::Fnv64(hash) => hash.to_be_bytes().to_vec(),
            Self::Fnv128(hash) => hash.to_be_bytes().to_vec(),
        }
    }
}

/// MurmurHash3_x64_128 with the seed 0; both halves with the highest byte first.
fn murmur3(bytes: &[u8]) -> [u8; 16] {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let word = |part: &[u8]| part.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let mut blocks = bytes.chunks_exact(16);
    for block in &mut blocks {
        h1 = (h1 ^ mix1(word(&block[..8]))).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(word(&block[8..]))).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let tail = blocks.remainder();
    h1 ^= mix1(word(&tail[..tail.len().min(8)]));
    h2 ^= mix2(word(tail.get(8..).unwrap_or_default()));
    let len = bytes.len() as u64;
    (h1, h2) = (h1 ^ len, h2 ^ len);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2) = (finish_murmur3(h1), finish_murmur3(h2));
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    let mut out = [0; 16];
    out[..8].copy_from_slice(&h1.to_be_bytes());
    out[8..].copy_from_slice(&h2.to_be_bytes());
    out
}

fn finish_murmur3(k: u64) -> u64 {
    let k = (k ^ k >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let k = (k ^ k >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_published_check_values() {
        // The catalogue of parametrised CRCs; RFC 1950; draft-eastlake-fnv; RFC 1321.
        let cases = [
            (Algorithm::Crc32, "123456789", "cbf43926"),
            (Algorithm::Crc64, "123456789", "995dc9bbdf1939fa"),
            (Algorithm::Adler32, "Wikipedia", "11e60398"),
            (Algorithm::Fnv32, "foobar", "31f0b262"),
            (Algorithm::Fnv64, "foobar", "340d8765a4dda9c2"),
            (Algorithm::Fnv128, "", "6c62272e07bb014262b821756295c58d"),
            (Algorithm::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
        ];
        for (algorithm, text, expected) in cases {
            assert_eq!(hex(&algorithm.of(text.as_bytes())), expected, "{algorithm:?}");
        }
    }
}
