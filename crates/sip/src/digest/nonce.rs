//! Nonces without stored state: time of issue, random number, issuer, and an HMAC over these, the realm and the client's
//! address.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::{Entropy, Timestamp};
use sha2::Sha256;

const TIME_LEN: usize = 8;
const RANDOM_LEN: usize = 8;
const LIFE_LEN: usize = 8;
const SIGNED_LEN: usize = TIME_LEN + RANDOM_LEN + LIFE_LEN;
/// The HMAC is cut to 128 bits, which cannot be guessed and keep the header short.
const MAC_LEN: usize = 16;
const LEN: usize = SIGNED_LEN + MAC_LEN;

/// The verdict on a nonce that came back. A nonce that is not fresh gets a new challenge with `stale=true` (RFC 7616 §3.3). The
/// password sent with it is not checked, so that its sender does not learn whether it was right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonceVerdict {
    /// Ours and recent. [`super::NonceUses`] knows whether it was used already.
    Fresh(Issued),
    /// Of this installation and for this peer, but too old, or issued by another element or run. Only the issuer knows how
    /// often it was used.
    Stale,
    /// Not of this installation, or not for this realm and peer.
    Foreign,
}

/// A nonce of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Issued {
    /// The time of issue.
    pub at: Timestamp,
    /// The random number in it, which identifies it.
    pub number: u64,
}

/// Makes and checks nonces without storing them. A nonce may be reused within its lifetime: to refuse replays, the caller must
/// remember the counts seen.
#[derive(Clone)]
pub struct NonceSource {
    keyed: Hmac<Sha256>,
    life: u64,
    lifetime: Duration,
}

impl NonceSource {
    /// A source. Every element of an installation that has the key recognises the others' nonces. The random number `life`
    /// distinguishes its own nonces from theirs and from those of its previous runs.
    pub fn new(key: [u8; 32], life: u64, lifetime: Duration) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let keyed = Hmac::new_from_slice(&key).expect("HMAC takes keys of any length");
        Self { keyed, life, lifetime }
    }

    /// A new nonce for `realm` that only `peer` can use: messages that another host sends in its name, as by UDP, prove nothing
    /// and count for nothing.
    pub fn issue(&self, realm: &str, peer: IpAddr, now: Timestamp, entropy: &mut dyn Entropy) -> String {
        let mut bytes = [0; LEN];
        let (signed, mac) = bytes.split_at_mut(SIGNED_LEN);
        let (time, rest) = signed.split_at_mut(TIME_LEN);
        let (random, life) = rest.split_at_mut(RANDOM_LEN);
        time.copy_from_slice(&now.as_micros().to_be_bytes());
        random.copy_from_slice(&entropy.next_u64().to_be_bytes());
        life.copy_from_slice(&self.life.to_be_bytes());
        mac.copy_from_slice(&self.mac(signed, realm, peer).finalize().into_bytes()[..MAC_LEN]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks a nonce that came back from `peer`.
    pub fn check(&self, nonce: &str, realm: &str, peer: IpAddr, now: Timestamp) -> NonceVerdict {
        // Base64 is decoded in groups of three bytes.
        let mut bytes = [0; LEN + 3];
        let Ok(LEN) = URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes) else { return NonceVerdict::Foreign };
        let (signed, mac) = bytes[..LEN].split_at(SIGNED_LEN);
        if self.mac(signed, realm, peer).verify_truncated_left(mac).is_err() {
            return NonceVerdict::Foreign;
        }
        let (Some(time), Some(number), Some(life)) = (
            signed.first_chunk::<TIME_LEN>(),
            signed.get(TIME_LEN..).and_then(|rest| rest.first_chunk::<RANDOM_LEN>()),
            signed.last_chunk::<LIFE_LEN>(),
        ) else {
            return NonceVerdict::Foreign;
        };
        let at = Timestamp::from_micros(u64::from_be_bytes(*time));
        if u64::from_be_bytes(*life) != self.life || now.since(at).max(at.since(now)) > self.lifetime {
            return NonceVerdict::Stale;
        }
        NonceVerdict::Fresh(Issued { at, number: u64::from_be_bytes(*number) })
    }

    fn mac(&self, signed: &[u8], realm: &str, peer: IpAddr) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(signed);
        let peer = match peer {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        mac.update(&peer.octets());
        mac.update(realm.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests;
