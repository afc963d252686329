//! Where webhooks are kept (own-23). A write states what its writer has read, so that none undoes another's.

use std::sync::Arc;

use contracts::v1;
use infra::{KeptView, StoreError, ViewStore};
use model::TenantId;
use prost::Message;

use super::definition::{Webhook, from_record, to_record};

/// The webhooks of a tenant.
const WEBHOOKS: &str = "webhooks";
/// How often a change is tried when others write at the same time.
const TRIES_MAX: usize = 5;

/// A record and how often it was written; 0 if it was never.
pub(super) struct StoredRecord<T> {
    pub record: T,
    pub version: u64,
}

/// The kept webhooks. Cheap to clone.
#[derive(Clone)]
pub(super) struct WebhookStore {
    views: Arc<dyn ViewStore>,
}

/// Which record of a webhook.
#[derive(Clone, Copy, Debug)]
pub(super) enum RecordPart {
    Deliveries,
    DeadLetters,
}

impl RecordPart {
    fn view(self, place: u32) -> String {
        match self {
            Self::Deliveries => format!("webhook-{place}"),
            Self::DeadLetters => format!("webhook-{place}-dead"),
        }
    }
}

impl WebhookStore {
    pub fn new(views: Arc<dyn ViewStore>) -> Self {
        Self { views }
    }

    /// The webhooks of a tenant.
    pub async fn webhooks(&self, tenant: &TenantId) -> Result<StoredRecord<Vec<Webhook>>, StoreError> {
        let held = self.load::<v1::WebhooksRecord>(tenant, WEBHOOKS).await?;
        Ok(StoredRecord { record: from_record(held.record), version: held.version })
    }

    /// Changes the webhooks of a tenant; `change` is called again when another writer was faster.
    pub async fn change<T, E: From<StoreError>>(
        &self,
        tenant: &TenantId,
        mut change: impl FnMut(&mut Vec<Webhook>) -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 0..TRIES_MAX {
            let mut held = self.webhooks(tenant).await?;
            let outcome = change(&mut held.record)?;
            if self.replace(tenant, WEBHOOKS, held.version, &to_record(&held.record)).await? {
                return Ok(outcome);
            }
        }
        Err(StoreError::Unavailable { reason: "others change the webhooks all the time".to_owned() }.into())
    }

    /// A record of one webhook.
    pub async fn read<T: Message + Default>(
        &self,
        tenant: &TenantId,
        part: RecordPart,
        place: u32,
    ) -> Result<StoredRecord<T>, StoreError> {
        self.load(tenant, &part.view(place)).await
    }

    /// Writes a record of one webhook, if nobody has since it was read. A store that was emptied takes it as the first.
    pub async fn write<T: Message>(
        &self,
        tenant: &TenantId,
        part: RecordPart,
        place: u32,
        version: u64,
        record: &T,
    ) -> Result<Option<u64>, StoreError> {
        let view = part.view(place);
        if self.replace(tenant, &view, version, record).await? {
            return Ok(Some(version + 1));
        }
        let was_emptied = version > 0 && self.views.load(tenant, &view).await?.is_none();
        if was_emptied && self.replace(tenant, &view, 0, record).await? {
            return Ok(Some(1));
        }
        Ok(None)
    }

    /// Empties the records of a webhook that was removed: they have what its messages say. Records that another one has at its place by now
    /// stay.
    pub async fn wipe(&self, tenant: &TenantId, removed: &Webhook) -> Result<(), StoreError> {
        let place = removed.place;
        let waiting = self.read::<v1::WebhookDeliveriesRecord>(tenant, RecordPart::Deliveries, place).await?;
        if waiting.record.webhook == removed.id {
            let empty = v1::WebhookDeliveriesRecord::default();
            self.write(tenant, RecordPart::Deliveries, place, waiting.version, &empty).await?;
        }
        let dead = self.read::<v1::WebhookDeadLettersRecord>(tenant, RecordPart::DeadLetters, place).await?;
        if dead.record.webhook == removed.id {
            let empty = v1::WebhookDeadLettersRecord::default();
            self.write(tenant, RecordPart::DeadLetters, place, dead.version, &empty).await?;
        }
        Ok(())
    }

    async fn load<T: Message + Default>(&self, tenant: &TenantId, view: &str) -> Result<StoredRecord<T>, StoreError> {
        let Some(kept) = self.views.load(tenant, view).await? else {
            return Ok(StoredRecord { record: T::default(), version: 0 });
        };
        let unreadable = |what: &dyn std::fmt::Display| StoreError::Invalid(format!("{view}: {what}"));
        let version = kept.position.parse().map_err(|_| unreadable(&"its version is no number"))?;
        let record = T::decode(kept.state).map_err(|error| unreadable(&error))?;
        Ok(StoredRecord { record, version })
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        view: &str,
        version: u64,
        record: &impl Message,
    ) -> Result<bool, StoreError> {
        let seen = (version > 0).then(|| version.to_string());
        let kept = KeptView { position: (version + 1).to_string(), state: record.encode_to_vec().into() };
        self.views.replace(tenant, view, seen.as_deref(), kept).await
    }
}
