//! An authenticator app of our own (RFC 6238), written out from the RFCs: the server's codes are not checked by its own code.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

/// How long a code is shown, in seconds.
const STEP_S: u64 = 30;
/// Bytes that SHA-1 takes at a time.
const BLOCK: usize = 64;

/// An app with one account, which shows each code once.
pub struct Authenticator {
    secret: Vec<u8>,
    shown: HashSet<u64>,
}

impl Authenticator {
    /// An app that has taken over a key in Base32.
    pub fn new(key: &str) -> Result<Self> {
        Ok(Self { secret: base32(key)?, shown: HashSet::new() })
    }

    /// A code that is good now and has not been shown before: at most three within half a minute, the last of which may be over soon.
    pub fn code(&mut self) -> Result<String> {
        let now = seconds()? / STEP_S;
        let step =
            [now, now + 1, now - 1].into_iter().find(|step| !self.shown.contains(step)).context("no code is left")?;
        self.shown.insert(step);
        Ok(self.code_of(step))
    }

    /// A code that is not good for many minutes.
    pub fn wrong_code(&self) -> Result<String> {
        let now = seconds()? / STEP_S;
        let good: Vec<String> = (now - 20..now + 20).map(|step| self.code_of(step)).collect();
        (0..100).map(|n| format!("{n:06}")).find(|code| !good.contains(code)).context("all codes are good")
    }

    /// RFC 4226 section 5.3.
    fn code_of(&self, step: u64) -> String {
        let tag = hmac_sha1(&self.secret, &step.to_be_bytes());
        let at = usize::from(tag[19] & 0x0f);
        let word = u32::from_be_bytes([tag[at], tag[at + 1], tag[at + 2], tag[at + 3]]);
        format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
    }
}

#[allow(clippy::disallowed_methods, reason = "the server goes by the machine's clock")]
fn seconds() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// RFC 4648 section 6.
fn base32(text: &str) -> Result<Vec<u8>> {
    let mut bits = String::new();
    for c in text.chars() {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).with_context(|| format!("{c:?} is not Base32"))?;
        bits.push_str(&format!("{value:05b}"));
    }
    ensure!(!bits.is_empty(), "the key is empty");
    let whole = bits.as_bytes().chunks_exact(8);
    whole.map(|byte| Ok(u8::from_str_radix(std::str::from_utf8(byte)?, 2)?)).collect()
}

/// RFC 2104, for a key that is no longer than a block.
fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let pad = |with: u8| -> Vec<u8> { (0..BLOCK).map(|at| key.get(at).copied().unwrap_or_default() ^ with).collect() };
    let inner = sha1(&[pad(0x36), message.to_vec()].concat());
    sha1(&[pad(0x5c), inner.to_vec()].concat())
}

/// FIPS 180-4 section 6.1.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % BLOCK != BLOCK - 8 {
        padded.push(0);
    }
    padded.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    let mut hash: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.chunks_exact(BLOCK) {
        let mut words: Vec<u32> =
            block.chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]])).collect();
        for at in 16..80 {
            words.push((words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = hash;
        for (at, word) in words.iter().enumerate() {
            let (mixed, constant) = match at / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999_u32),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in hash.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut bytes = [0; 20];
    for (four, word) in bytes.chunks_exact_mut(4).zip(hash) {
        four.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let mut app = Authenticator::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(app.secret, b"12345678901234567890");
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(app.code_of(seconds / STEP_S), code);
        }
        assert_ne!(app.code().unwrap(), app.wrong_code().unwrap());
    }

    #[test]
    fn the_digests_are_those_of_the_standard() {
        let hex = |bytes: [u8; 20]| bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(sha1(&[b'a'; 64])), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
    }
}
