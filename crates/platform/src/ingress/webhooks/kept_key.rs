//! The key of a webhook's signatures as it is kept: sealed, since who has it can send deliveries that receivers take for ours.

use bytes::Bytes;
use contracts::v1;
use infra::StoreError;
use model::TenantId;
use runtime::installation_key::InstallationKey;
use runtime::sealed;

use super::signature::SigningKey;

/// What a record says of the key of a webhook's signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeptSigningKey {
    /// The key.
    Opened(SigningKey),
    /// It is damaged, or sealed with another installation's key, and stays so until somebody gives another one. Nothing is delivered
    /// meanwhile: receivers would refuse it.
    Unreadable(Bytes),
}

impl KeptSigningKey {
    /// Reads that of a webhook; one in clear is of a release before. `None` where the record has none.
    pub fn of_record(key: &InstallationKey, tenant: &TenantId, record: &v1::WebhookRecord) -> Option<Self> {
        if record.sealed_secret.is_empty() {
            return SigningKey::new(record.secret.to_vec()).map(Self::Opened);
        }
        let opened = sealed::open(key, &bound_to(tenant, &record.id), &record.sealed_secret);
        let unreadable = || Self::Unreadable(record.sealed_secret.clone());
        Some(opened.and_then(SigningKey::new).map_or_else(unreadable, Self::Opened))
    }

    /// Sealed for the record of that webhook.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the machine gives no randomness.
    pub fn sealed(&self, key: &InstallationKey, tenant: &TenantId, webhook: &str) -> Result<Bytes, StoreError> {
        match self {
            Self::Opened(secret) => {
                let sealed = sealed::seal(key, &bound_to(tenant, webhook), secret.bytes().to_vec());
                let reason = || StoreError::Unavailable { reason: "a webhook's secret cannot be sealed".to_owned() };
                sealed.map(Bytes::from).ok_or_else(reason)
            }
            Self::Unreadable(sealed) => Ok(sealed.clone()),
        }
    }

    /// The key, if it can be used.
    pub const fn opened(&self) -> Option<&SigningKey> {
        match self {
            Self::Opened(secret) => Some(secret),
            Self::Unreadable(_) => None,
        }
    }
}

/// One webhook's sealed key is of no use as another's, nor as another tenant's. Neither tenants nor ids have a control character.
fn bound_to(tenant: &TenantId, webhook: &str) -> Vec<u8> {
    ["webhook", tenant.as_str(), webhook].join("\0").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> InstallationKey {
        InstallationKey::from_bytes([byte; 32])
    }

    fn record(id: &str, secret: &[u8], sealed: &Bytes) -> v1::WebhookRecord {
        v1::WebhookRecord {
            id: id.to_owned(),
            secret: secret.to_vec().into(),
            sealed_secret: sealed.clone(),
            ..v1::WebhookRecord::default()
        }
    }

    #[test]
    fn a_key_is_opened_for_its_webhook_alone_and_what_cannot_be_opened_stays_as_it_is() {
        let (acme, bolt) = (TenantId::parse("acme").unwrap(), TenantId::parse("bolt").unwrap());
        let secret = b"hush-hush-hush-hush-hush-hush";
        let opened = KeptSigningKey::Opened(SigningKey::new(secret.to_vec()).unwrap());
        let sealed = opened.sealed(&key(1), &acme, "wh_1").unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"hush"), "it stands there in clear");
        let read = |by, tenant, id| KeptSigningKey::of_record(&key(by), tenant, &record(id, b"", &sealed));
        assert_eq!(read(1, &acme, "wh_1"), Some(opened));
        for unreadable in [read(2, &acme, "wh_1"), read(1, &bolt, "wh_1"), read(1, &acme, "wh_2")] {
            let unreadable = unreadable.unwrap();
            assert_eq!(unreadable.opened(), None);
            assert_eq!(unreadable.sealed(&key(2), &acme, "wh_1").unwrap(), sealed);
        }
    }

    #[test]
    fn a_key_in_clear_is_read_and_a_record_without_one_has_none() {
        let acme = TenantId::parse("acme").unwrap();
        let of = |secret: &[u8]| KeptSigningKey::of_record(&key(1), &acme, &record("wh_1", secret, &Bytes::new()));
        let secret = SigningKey::new(vec![7; 32]).unwrap();
        assert_eq!(of(&[7; 32]), Some(KeptSigningKey::Opened(secret)));
        assert_eq!(of(b"short"), None);
        assert_eq!(of(b""), None);
    }
}
