//! The public keys of an installation, each with whom it is for.

use std::collections::HashMap;

use jsonwebtoken::DecodingKey;
use model::Timestamp;

use super::key::PublicJwk;

/// Maximum of keys; those of the issuer are few, and each role has one.
const KEYS_MAX: usize = 256;

/// Whose tokens a key signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The issuer's: of people and programs, never of roles.
    Issuer,
    /// A role's own, and no others.
    Role(String),
}

/// A key of the set.
#[derive(Clone)]
pub(super) struct KnownKey {
    /// Verifies.
    pub decoding: DecodingKey,
    /// For whom.
    pub owner: KeyOwner,
    jwk: PublicJwk,
    until: Option<Timestamp>,
}

/// Public keys by `kid`.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: HashMap<String, KnownKey>,
}

impl KeySet {
    /// Adds a key that verifies until then. One that is there keeps its owner: whoever can add keys takes none from another.
    pub fn add(&mut self, jwk: &PublicJwk, owner: KeyOwner, until: Option<Timestamp>) {
        if let Some(point) = jwk.point()
            && self.keys.len() < KEYS_MAX
        {
            let known = KnownKey { decoding: DecodingKey::from_ec_der(&point), owner, jwk: jwk.clone(), until };
            self.keys.entry(jwk.kid.clone()).or_insert(known);
        }
    }

    /// All of them, each with whom it is for and until when it verifies.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&PublicJwk, &KeyOwner, Option<Timestamp>)> {
        self.keys.values().map(|key| (&key.jwk, &key.owner, key.until))
    }

    /// The key of that name, while it verifies.
    pub(super) fn find(&self, kid: &str, now: Timestamp) -> Option<&KnownKey> {
        self.keys.get(kid).filter(|key| key.until.is_none_or(|until| now < until))
    }
}

#[cfg(test)]
mod tests {
    use super::super::signing_key::SigningKey;
    use super::*;

    #[test]
    fn a_key_keeps_its_owner_and_ends_with_its_time() {
        let key = SigningKey::made().unwrap();
        let (kid, end) = (&key.jwk().kid, Timestamp::from_millis(5));
        let mut keys = KeySet::default();
        keys.add(key.jwk(), KeyOwner::Issuer, Some(end));
        keys.add(key.jwk(), KeyOwner::Role("ors".to_owned()), None);
        let owner = |now| keys.find(kid, now).map(|key| key.owner.clone());
        assert_eq!(owner(Timestamp::from_millis(4)), Some(KeyOwner::Issuer));
        assert_eq!((owner(end), keys.find("another", Timestamp::ZERO).is_none()), (None, true));
    }
}
