//! API keys: secrets of programs, `tlk_<id>_<secret>`. The beginning is ours alone, so that programs that look for secrets in files and
//! logs find one that was left there. The id is no secret: it stands in lists and in what is noted. Both are base62, without a sign at which
//! a double click would stop.
//!
//! What is kept of a key is its SHA-256. A slow hash, as of a password, would gain nothing: it makes each guess dearer where few guesses
//! are enough, and nobody guesses one of 2^256.

use std::time::Duration;

use model::{Entropy, Timestamp};

use crate::secret::{self, Digest};

/// What every key begins with.
pub const PREFIX: &str = "tlk_";
/// Its type where it is exchanged for a token (RFC 8693 section 3: a URI of our own).
pub const TOKEN_TYPE: &str = "urn:trunkline:params:oauth:token-type:api-key";
/// Characters of an id: 64 bits.
const ID_CHARACTERS: usize = 11;
/// Characters of a secret: 256 bits.
const SECRET_CHARACTERS: usize = 43;
/// The longest name of a key, in characters.
pub const NAME_CHARACTERS_MAX: usize = 100;
/// How long a key is good if nothing is said.
pub const LIFE_DEFAULT: Duration = Duration::from_secs(365 * 86_400);
/// The longest time for which a key may be good: one that nobody replaces is forgotten where it lies.
pub const LIFE_MAX: Duration = Duration::from_secs(2 * 365 * 86_400);
/// The kind of the subject of a key's tokens: `api-key/<id>`.
const SUBJECT: &str = "api-key/";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key that was just made. Its text is shown once and kept nowhere.
pub struct MintedApiKey {
    /// Its id.
    pub id: String,
    /// The whole key.
    pub text: String,
    /// What is kept of it.
    pub digest: Digest,
}

/// What of a key that was shown is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownApiKey<'a> {
    /// Its id.
    pub id: &'a str,
    /// To be compared with what is kept.
    pub digest: Digest,
}

impl MintedApiKey {
    /// A new key.
    pub fn mint(entropy: &mut dyn Entropy) -> Self {
        let id: String = base62::<ID_CHARACTERS>(&entropy.next_u64().to_be_bytes());
        let text = format!("{PREFIX}{id}_{}", base62::<SECRET_CHARACTERS>(&secret::random(entropy)));
        Self { digest: Digest::of(&text), id, text }
    }
}

impl<'a> ShownApiKey<'a> {
    /// Reads a key; none if it does not have the form of one.
    pub fn read(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_base62 = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| DIGITS.contains(&b));
        let is_key = is_base62(id, ID_CHARACTERS) && is_base62(secret, SECRET_CHARACTERS);
        is_key.then(|| Self { id, digest: Digest::of(text) })
    }
}

/// Whether somebody shows an API key where a token is shown, of whatever form it is.
pub fn is_meant(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The subject of the tokens of the key with that id.
pub fn subject(id: &str) -> String {
    format!("{SUBJECT}{id}")
}

/// Whether the bearer of a token with that subject is an API key.
pub fn is_subject(sub: &str) -> bool {
    sub.starts_with(SUBJECT)
}

/// When a key ends that is made now.
///
/// # Errors
/// The rule that the wanted end breaks.
pub fn end(wanted: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, String> {
    let ends_at = wanted.unwrap_or(now + LIFE_DEFAULT);
    if ends_at <= now {
        return Err("it is over already".to_owned());
    }
    if ends_at > now + LIFE_MAX {
        return Err(format!("it is more than {} days from now", LIFE_MAX.as_secs() / 86_400));
    }
    Ok(ends_at)
}

/// Bytes as a number of that many digits, the highest first.
fn base62<const LENGTH: usize>(bytes: &[u8]) -> String {
    let mut digits = [0_u8; LENGTH];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in digits.iter_mut().rev() {
            carry += u32::from(*digit) << 8;
            // Below 62.
            *digit = u8::try_from(carry % 62).unwrap_or_default();
            carry /= 62;
        }
    }
    digits.iter().filter_map(|digit| DIGITS.get(usize::from(*digit))).map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;
    use proptest::prelude::*;

    use super::*;
    use crate::secret::SECRET_BYTES;

    #[test]
    fn a_key_has_the_form_that_scanners_look_for_and_is_read_back() {
        let key = MintedApiKey::mint(&mut Seeded::new(7));
        assert_eq!(key.text.len(), PREFIX.len() + ID_CHARACTERS + 1 + SECRET_CHARACTERS);
        assert!(key.text.starts_with(&format!("tlk_{}_", key.id)), "{}", key.text);
        assert_eq!(ShownApiKey::read(&key.text), Some(ShownApiKey { id: &key.id, digest: key.digest }));
        let other = MintedApiKey::mint(&mut Seeded::new(8));
        assert!(other.id != key.id && other.digest != key.digest);
    }

    #[test]
    fn what_has_another_form_is_no_key() {
        let key = MintedApiKey::mint(&mut Seeded::new(7)).text;
        let cut = &key[..key.len() - 1];
        let (longer, spaced, other_sign) = (format!("{key}0"), format!("{key} "), format!("{cut}-"));
        let upper = key.replacen("tlk_", "TLK_", 1);
        for text in ["", "tlk_", "tlk_a_b", cut, &longer, &spaced, &other_sign, &upper, "eyJ0eXAi.x.y"] {
            assert_eq!(ShownApiKey::read(text), None, "{text}");
        }
        assert!(is_meant("tlk_a_b") && !is_meant("eyJ0eXAi.x.y"));
        assert!(is_subject(&subject("x")) && !is_subject("client/api-key"));
    }

    #[test]
    fn a_key_ends_after_a_year_or_when_it_is_said_within_two() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert_eq!(end(None, now), Ok(now + LIFE_DEFAULT));
        assert_eq!(end(Some(now + LIFE_MAX), now), Ok(now + LIFE_MAX));
        for wrong in [now, now - LIFE_DEFAULT, now + LIFE_MAX + Duration::from_secs(1)] {
            assert!(end(Some(wrong), now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_bits_have_room() {
        assert_eq!(base62::<ID_CHARACTERS>(&[0; 8]), "0".repeat(ID_CHARACTERS));
        // 2^64 - 1 and 2^256 - 1.
        assert_eq!(base62::<ID_CHARACTERS>(&[0xff; 8]), "LygHa16AHYF");
        let most = base62::<SECRET_CHARACTERS>(&[0xff; SECRET_BYTES]);
        assert_eq!(most, "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
    }

    proptest! {
        #[test]
        fn other_bytes_are_another_number(one in any::<[u8; 8]>(), other in any::<[u8; 8]>()) {
            let [a, b] = [one, other].map(|bytes| base62::<ID_CHARACTERS>(&bytes));
            prop_assert_eq!(a == b, one == other);
            prop_assert_eq!(a.len(), ID_CHARACTERS);
            // The digits are in the order of their bytes, and so are the numbers.
            prop_assert_eq!(a < b, one < other);
        }
    }
}
