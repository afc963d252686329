//! Nonces that need no memory: time of issue, random number, HMAC over both and the realm.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::{Entropy, Timestamp};
use sha2::Sha256;

const TIME_LEN: usize = 8;
const RANDOM_LEN: usize = 8;
const SIGNED_LEN: usize = TIME_LEN + RANDOM_LEN;
/// The HMAC is cut to 128 bits, which nobody guesses and which keeps the header short.
const MAC_LEN: usize = 16;
const LEN: usize = SIGNED_LEN + MAC_LEN;

/// What is to be thought of a nonce that came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonceVerdict {
    /// Ours and young enough. Whether it was used already, [`super::NonceUses`] knows.
    Fresh(Issued),
    /// Ours, but too old: challenge again with `stale=true`.
    Stale,
    /// Not ours.
    Foreign,
}

/// A nonce of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Issued {
    /// When.
    pub at: Timestamp,
    /// The random number in it, by which it is told from all others.
    pub number: u64,
}

/// Makes and checks nonces without remembering them. Within its lifetime a nonce may be used again: who wants to
/// refuse replays has to remember the counts that it has seen.
#[derive(Clone)]
pub struct NonceSource {
    keyed: Hmac<Sha256>,
    lifetime: Duration,
}

impl NonceSource {
    /// A source; every element of an installation that has the key accepts the others' nonces.
    pub fn new(key: [u8; 32], lifetime: Duration) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let keyed = Hmac::new_from_slice(&key).expect("HMAC takes keys of any length");
        Self { keyed, lifetime }
    }

    /// A new nonce for `realm`.
    pub fn issue(&self, realm: &str, now: Timestamp, entropy: &mut dyn Entropy) -> String {
        let mut bytes = [0; LEN];
        let (signed, mac) = bytes.split_at_mut(SIGNED_LEN);
        let (time, random) = signed.split_at_mut(TIME_LEN);
        time.copy_from_slice(&now.as_micros().to_be_bytes());
        random.copy_from_slice(&entropy.next_u64().to_be_bytes());
        mac.copy_from_slice(&self.mac(signed, realm).finalize().into_bytes()[..MAC_LEN]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks a nonce that came back. One from the future (a neighbour's clock is ahead) is fresh within the lifetime.
    pub fn check(&self, nonce: &str, realm: &str, now: Timestamp) -> NonceVerdict {
        // Base64 is decoded in threes.
        let mut bytes = [0; LEN + 3];
        let Ok(LEN) = URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes) else { return NonceVerdict::Foreign };
        let (signed, mac) = bytes[..LEN].split_at(SIGNED_LEN);
        if self.mac(signed, realm).verify_truncated_left(mac).is_err() {
            return NonceVerdict::Foreign;
        }
        let (Some(time), Some(number)) = (signed.first_chunk::<TIME_LEN>(), signed.last_chunk::<RANDOM_LEN>()) else {
            return NonceVerdict::Foreign;
        };
        let at = Timestamp::from_micros(u64::from_be_bytes(*time));
        if now.since(at).max(at.since(now)) > self.lifetime {
            return NonceVerdict::Stale;
        }
        NonceVerdict::Fresh(Issued { at, number: u64::from_be_bytes(*number) })
    }

    fn mac(&self, signed: &[u8], realm: &str) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(signed);
        mac.update(realm.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::entropy::Seeded;

    #[test]
    fn nonce_is_fresh_then_stale_and_only_ours() {
        let source = NonceSource::new([7; 32], Duration::from_secs(60));
        let start = Timestamp::from_millis(1_000_000);
        let nonce = source.issue("a.example", start, &mut Seeded::new(1));
        let late = source.check(&nonce, "a.example", start + Duration::from_secs(60));
        assert!(matches!(late, NonceVerdict::Fresh(Issued { at, .. }) if at == start));
        assert_eq!(source.check(&nonce, "a.example", start + Duration::from_secs(61)), NonceVerdict::Stale);
        assert_eq!(source.check(&nonce, "b.example", start), NonceVerdict::Foreign);
        let other = NonceSource::new([8; 32], Duration::from_secs(60));
        assert_eq!(other.check(&nonce, "a.example", start), NonceVerdict::Foreign);
        for broken in ["", "x", &nonce[1..], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(source.check(broken, "a.example", start), NonceVerdict::Foreign);
        }
    }
}
