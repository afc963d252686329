//! What is confidential in records of calls and legs: encrypted before it reaches a store.

use infra::RecordKey;
use model::TenantId;
use runtime::installation_key::InstallationKey;
use sip::derived_key::{DerivedKey, KeyUse, NONCE_BYTES};

/// The same for each record: a call that is read from its record so encodes to the same record.
const NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// The record that an encrypted part is in.
#[derive(Debug)]
pub struct RecordName<'a, K> {
    /// What the record is of.
    pub kind: &'static str,
    /// The tenant whose it is.
    pub tenant: &'a TenantId,
    /// Its key within the tenant.
    pub key: &'a K,
}

impl<K: RecordKey> RecordName<'_, K> {
    /// Kind, tenant and key. Neither kind nor tenant has a control character, so no two records have the same bytes.
    fn bytes(&self) -> Vec<u8> {
        [self.kind, self.tenant.as_str(), &self.key.text()].join("\0").into_bytes()
    }
}

/// Encrypts parts of records with a key that is made of the installation's. Who reads the store without that key learns of a part how long it
/// is, and when it changes; who writes there cannot change it, nor put it into another record.
#[derive(Clone, Debug)]
pub struct RecordCipher(DerivedKey);

impl RecordCipher {
    /// That of an installation.
    pub fn of(installation: &InstallationKey) -> Self {
        Self(DerivedKey::new(installation.bytes(), KeyUse::Records))
    }

    /// Encrypts a part of that record.
    pub fn encrypt<K: RecordKey>(&self, record: &RecordName<'_, K>, plain: Vec<u8>) -> Vec<u8> {
        self.0.encrypt(NONCE, &record.bytes(), plain)
    }

    /// What was encrypted; `None` if it was with another key, for another record, or was changed.
    pub fn decrypt<K: RecordKey>(&self, record: &RecordName<'_, K>, encrypted: &[u8]) -> Option<Vec<u8>> {
        // The build before has bound a part to the kind alone. This may go, and with it the last way to put a part of such a record into
        // another one, once no call can be in progress that was last stored by that build: one release later.
        let former = || self.0.decrypt(NONCE, record.kind.as_bytes(), encrypted.to_vec());
        self.0.decrypt(NONCE, &record.bytes(), encrypted.to_vec()).or_else(former)
    }
}

#[cfg(test)]
mod tests {
    use infra::MediaSessionId;
    use model::ConnId;

    use super::*;

    const PLAIN: &[u8] = b"the key of a call";

    fn of(key: u8) -> RecordCipher {
        RecordCipher::of(&InstallationKey::from_bytes([key; 32]))
    }

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    #[test]
    fn what_is_encrypted_is_read_with_the_same_key_in_the_same_record_alone() {
        let (acme, bolt) = (tenant("acme"), tenant("bolt"));
        let (key, other) = (MediaSessionId("tag-1".to_owned()), MediaSessionId("tag-2".to_owned()));
        let record = RecordName { kind: "media", tenant: &acme, key: &key };
        let encrypted = of(1).encrypt(&record, PLAIN.to_vec());
        assert_eq!(of(1).decrypt(&record, &encrypted).as_deref(), Some(PLAIN));
        assert_eq!(of(2).decrypt(&record, &encrypted), None);
        assert_eq!(of(1).decrypt(&RecordName { key: &other, ..record }, &encrypted), None);
        assert_eq!(of(1).decrypt(&RecordName { tenant: &bolt, ..record }, &encrypted), None);
        assert_eq!(of(1).decrypt(&RecordName { kind: "call", ..record }, &encrypted), None);
        for at in 0..encrypted.len() {
            let mut changed = encrypted.clone();
            changed[at] ^= 1;
            assert_eq!(of(1).decrypt(&record, &changed), None, "{at}");
        }
        assert_eq!(of(1).decrypt(&record, b"short"), None);
    }

    #[test]
    fn equal_parts_are_equal_in_one_record_and_show_nothing_in_two() {
        let acme = tenant("acme");
        let record = RecordName { kind: "call", tenant: &acme, key: &ConnId(1) };
        let encrypted = of(1).encrypt(&record, PLAIN.to_vec());
        assert_eq!(encrypted, of(1).encrypt(&record, PLAIN.to_vec()));
        let elsewhere = of(1).encrypt(&RecordName { key: &ConnId(2), ..record }, PLAIN.to_vec());
        for other in [PLAIN, elsewhere.as_slice()] {
            assert!(!encrypted.windows(3).any(|bytes| other.windows(3).any(|same| same == bytes)));
        }
    }

    #[test]
    fn records_are_read_as_every_build_has_written_them() {
        let (acme, key) = (tenant("acme"), MediaSessionId("tag-1".to_owned()));
        let record = RecordName { kind: "media", tenant: &acme, key: &key };
        // By OpenSSL. Only add to this list: such records exist.
        for written in [
            // Bound to the kind alone.
            "6d8d4bc7cdc7894f9cc563be737ee1c99d0a62f46ff300dfdb42d2c4ffe0facd10",
            "d4760792eede54bf4ce9ac48cce9e53f86233d6d234751d82a31d25dcce6efca45",
        ] {
            let bytes = (0..written.len()).step_by(2).map(|at| u8::from_str_radix(&written[at..at + 2], 16).unwrap());
            assert_eq!(of(7).decrypt(&record, &bytes.collect::<Vec<_>>()).as_deref(), Some(PLAIN), "{written}");
        }
    }

    #[test]
    fn no_key_shows() {
        assert!(!format!("{:?} {:?}", of(1), InstallationKey::from_bytes([1; 32])).contains('1'));
    }
}
