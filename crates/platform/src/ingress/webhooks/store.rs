//! Where webhooks are kept (own-23). A write states what its writer has read, so that none undoes another's.

use std::sync::Arc;

use contracts::v1;
use infra::{KeptView, KnownLife, StoreError, ViewStore, known_life};
use model::TenantId;
use prost::Message;
use runtime::installation_key::InstallationKey;

use super::definition::{Webhook, from_record, has_clear_secret, to_record};

/// The webhooks of a tenant.
const WEBHOOKS: &str = "webhooks";
/// How often a change is tried when others write at the same time.
const TRIES_MAX: usize = 5;

/// A record and how often it was written; 0 if it was never.
pub(super) struct StoredRecord<T> {
    pub record: T,
    pub version: u64,
}

/// The webhooks of a tenant as they are kept.
pub(super) struct KeptWebhooks {
    pub webhooks: Vec<Webhook>,
    /// Those of a tenant before it with its id: they serve nobody, and go with the next change.
    pub former: Vec<Webhook>,
    /// Whether a secret stands in the store in clear, as a release before has left it. The next change seals all.
    pub is_in_clear: bool,
    /// How often they were written; 0 if they never were.
    version: u64,
}

/// The kept webhooks. Cheap to clone.
#[derive(Clone)]
pub(super) struct WebhookStore {
    views: Arc<dyn ViewStore>,
    /// Which tenant of its id each is.
    lives: Arc<dyn ViewStore>,
    /// Seals secrets.
    key: InstallationKey,
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
    pub fn new(views: Arc<dyn ViewStore>, lives: Arc<dyn ViewStore>, key: InstallationKey) -> Self {
        Self { views, lives, key }
    }

    /// Which tenant of its id a tenant is.
    pub async fn life(&self, tenant: &TenantId) -> Result<KnownLife, StoreError> {
        known_life(&*self.lives, tenant).await
    }

    /// The webhooks of a tenant.
    pub async fn webhooks(&self, tenant: &TenantId) -> Result<KeptWebhooks, StoreError> {
        let held = self.load::<v1::WebhooksRecord>(tenant, WEBHOOKS).await?;
        let is_in_clear = has_clear_secret(&held.record);
        let mut webhooks = from_record(&self.key, tenant, held.record);
        let mut former = Vec::new();
        if !webhooks.is_empty() {
            let life = self.life(tenant).await?;
            (former, webhooks) = webhooks.into_iter().partition(|webhook| life.has_passed(webhook.life));
        }
        Ok(KeptWebhooks { webhooks, former, is_in_clear, version: held.version })
    }

    /// Changes the webhooks of a tenant; `change` is called again when another writer was faster. Those of a tenant before it go, with
    /// their messages.
    pub async fn change<T, E: From<StoreError>>(
        &self,
        tenant: &TenantId,
        mut change: impl FnMut(&mut Vec<Webhook>) -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 0..TRIES_MAX {
            let mut held = self.webhooks(tenant).await?;
            // First: as long as the list has them, the next look finds them again.
            for former in &held.former {
                self.wipe(tenant, former).await?;
            }
            let outcome = change(&mut held.webhooks)?;
            let record = to_record(&self.key, tenant, &held.webhooks)?;
            if self.replace(tenant, WEBHOOKS, held.version, &record).await? {
                return Ok(outcome);
            }
        }
        Err(StoreError::Unavailable { reason: "others change the webhooks all the time".to_owned() }.into())
    }

    /// Seals the secrets of a tenant's webhooks that a release before has left in clear, and removes the webhooks of a tenant before it.
    pub async fn tidy(&self, tenant: &TenantId) -> Result<(), StoreError> {
        self.change(tenant, |_| Ok(())).await
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
        let of = |record: &v1::WebhookDeliveriesRecord| record.webhook == removed.id;
        self.wipe_part(tenant, RecordPart::Deliveries, removed.place, of).await?;
        let of = |record: &v1::WebhookDeadLettersRecord| record.webhook == removed.id;
        self.wipe_part(tenant, RecordPart::DeadLetters, removed.place, of).await
    }

    /// Empties a record that is meant; again when the webhook's deliveries, which do not know yet that they end, were written meanwhile.
    async fn wipe_part<T: Message + Default>(
        &self,
        tenant: &TenantId,
        part: RecordPart,
        place: u32,
        is_meant: impl Fn(&T) -> bool,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            let held = self.read::<T>(tenant, part, place).await?;
            if !is_meant(&held.record) || self.write(tenant, part, place, held.version, &T::default()).await?.is_some()
            {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable { reason: "the record is written all the time".to_owned() })
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use infra::embedded::Embedded;
    use infra::{Answer, SystemClock, TenantLife, note_life};
    use model::Timestamp;

    use super::super::kept_key::KeptSigningKey;
    use super::super::signature::SigningKey;
    use super::*;

    /// A store in which so many writes find that another one was faster.
    struct Overtaken {
        inner: Embedded,
        times: AtomicUsize,
    }

    impl ViewStore for Overtaken {
        fn load<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, Option<KeptView>> {
            self.inner.load(tenant, view)
        }

        fn keep<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView) -> Answer<'a, ()> {
            self.inner.keep(tenant, view, kept)
        }

        fn keep_for<'a>(
            &'a self,
            tenant: &'a TenantId,
            view: &'a str,
            kept: KeptView,
            within: Duration,
        ) -> Answer<'a, ()> {
            self.inner.keep_for(tenant, view, kept, within)
        }

        fn remove<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, ()> {
            self.inner.remove(tenant, view)
        }

        fn replace<'a>(
            &'a self,
            tenant: &'a TenantId,
            view: &'a str,
            seen: Option<&'a str>,
            kept: KeptView,
        ) -> Answer<'a, bool> {
            Box::pin(async move {
                let left = self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                if let (Ok(_), Some(before)) = (left, self.inner.load(tenant, view).await?) {
                    let faster = KeptView { position: kept.position.clone(), state: before.state };
                    assert!(self.inner.replace(tenant, view, seen, faster).await?);
                }
                self.inner.replace(tenant, view, seen, kept).await
            })
        }

        fn time<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Timestamp> {
            self.inner.time(tenant)
        }
    }

    fn webhook(id: &str) -> Webhook {
        Webhook {
            id: id.to_owned(),
            place: 1,
            url: "https://a.example".to_owned(),
            secret: KeptSigningKey::Opened(SigningKey::new(vec![7; 32]).unwrap()),
            description: String::new(),
            enabled: true,
            filter: v1::SubscribeRequest::default(),
            created_at: Timestamp::from_millis(7),
            created_by: "operator/ann".to_owned(),
            again: Vec::new(),
            begins_after: String::new(),
            life: TenantLife(0),
        }
    }

    /// Webhooks in a store that knows lives, too.
    fn kept_in(views: &Arc<Embedded>, key: InstallationKey) -> WebhookStore {
        WebhookStore::new(views.clone(), views.clone(), key)
    }

    fn key() -> InstallationKey {
        InstallationKey::from_bytes([3; 32])
    }

    #[tokio::test]
    async fn secrets_that_a_release_before_has_left_in_clear_are_read_and_sealed() {
        let views = Arc::new(Embedded::in_memory(Arc::new(SystemClock::start())));
        let (store, tenant) = (kept_in(&views, key()), TenantId::parse("acme").unwrap());
        let mut record = to_record(&key(), &tenant, &[webhook("wh_1")]).unwrap();
        record.webhooks[0].sealed_secret.clear();
        record.webhooks[0].secret = vec![7; 32].into();
        assert!(store.replace(&tenant, WEBHOOKS, 0, &record).await.unwrap());
        let held = store.webhooks(&tenant).await.unwrap();
        assert!(held.is_in_clear && held.webhooks == [webhook("wh_1")]);
        store.tidy(&tenant).await.unwrap();
        let held = store.webhooks(&tenant).await.unwrap();
        assert!(!held.is_in_clear && held.webhooks == [webhook("wh_1")]);
        let stored = views.load(&tenant, WEBHOOKS).await.unwrap().unwrap().state;
        assert!(!stored.windows(8).any(|part| part == [7; 8]), "it stands there in clear");
    }

    #[tokio::test]
    async fn webhooks_of_a_tenant_before_serve_no_later_one_of_its_id_and_go_with_their_messages() {
        let views = Arc::new(Embedded::in_memory(Arc::new(SystemClock::start())));
        let (store, tenant) = (kept_in(&views, key()), TenantId::parse("acme").unwrap());
        let added = async |of: Webhook| {
            let change = |webhooks: &mut Vec<Webhook>| {
                webhooks.push(of.clone());
                Ok::<_, StoreError>(())
            };
            store.change(&tenant, change).await.unwrap();
        };
        let ids = |webhooks: Vec<Webhook>| webhooks.into_iter().map(|webhook| webhook.id).collect::<Vec<_>>();
        added(webhook("wh_1")).await;
        let letters = v1::WebhookDeadLettersRecord { webhook: "wh_1".to_owned(), dropped: 7, ..Default::default() };
        let part = RecordPart::DeadLetters;
        assert_eq!(store.write(&tenant, part, 1, 0, &letters).await.unwrap(), Some(1));
        assert_eq!(ids(store.webhooks(&tenant).await.unwrap().webhooks), ["wh_1"], "nothing is known of its life");
        note_life(&*views, &tenant, Some(TenantLife(0))).await.unwrap();
        assert_eq!(ids(store.webhooks(&tenant).await.unwrap().webhooks), ["wh_1"]);
        // Also where nobody has seen that there was none in between.
        for life in [None, Some(TenantLife(5))] {
            note_life(&*views, &tenant, life).await.unwrap();
            let held = store.webhooks(&tenant).await.unwrap();
            assert_eq!((held.webhooks.len(), ids(held.former)), (0, vec!["wh_1".to_owned()]), "{life:?}");
        }
        added(Webhook { life: TenantLife(5), ..webhook("wh_2") }).await;
        let held = store.webhooks(&tenant).await.unwrap();
        assert_eq!((ids(held.webhooks), held.former.len()), (vec!["wh_2".to_owned()], 0));
        let left = store.read::<v1::WebhookDeadLettersRecord>(&tenant, part, 1).await.unwrap().record;
        assert_eq!(left, v1::WebhookDeadLettersRecord::default());
    }

    #[tokio::test]
    async fn a_webhook_whose_secret_nobody_can_open_stays_and_delivers_again_with_another_one() {
        let views = Arc::new(Embedded::in_memory(Arc::new(SystemClock::start())));
        let tenant = TenantId::parse("acme").unwrap();
        let before = kept_in(&views, InstallationKey::from_bytes([4; 32]));
        let added = async |store: &WebhookStore, id: &str| {
            let change = |webhooks: &mut Vec<Webhook>| {
                webhooks.push(webhook(id));
                Ok::<_, StoreError>(())
            };
            store.change(&tenant, change).await.unwrap();
        };
        added(&before, "wh_1").await;
        let store = kept_in(&views, key());
        // Also after a change of something else.
        added(&store, "wh_2").await;
        let delivered = async |store: &WebhookStore| -> Vec<bool> {
            store.webhooks(&tenant).await.unwrap().webhooks.iter().map(Webhook::is_delivered).collect()
        };
        assert_eq!(delivered(&store).await, [false, true]);
        assert_eq!(delivered(&before).await, [true, false], "with the key of before it is there again");
        let given = |webhooks: &mut Vec<Webhook>| {
            webhooks[0].secret = webhook("wh_1").secret;
            Ok::<_, StoreError>(())
        };
        store.change(&tenant, given).await.unwrap();
        assert_eq!(delivered(&store).await, [true, true]);
    }

    #[tokio::test]
    async fn what_waits_for_a_removed_webhook_goes_also_if_its_deliveries_are_written_meanwhile() {
        let inner = Embedded::in_memory(Arc::new(SystemClock::start()));
        let views = Arc::new(Overtaken { inner, times: AtomicUsize::new(0) });
        let store = WebhookStore::new(views.clone(), views.clone(), key());
        let tenant = TenantId::parse("acme").unwrap();
        let record = v1::WebhookDeliveriesRecord { webhook: "wh_1".to_owned(), delivered: 7, ..Default::default() };
        let part = RecordPart::Deliveries;
        assert_eq!(store.write(&tenant, part, 1, 0, &record).await.unwrap(), Some(1));
        let left = async || store.read::<v1::WebhookDeliveriesRecord>(&tenant, part, 1).await.unwrap().record;
        store.wipe(&tenant, &webhook("wh_2")).await.unwrap();
        assert_eq!(left().await, record, "another webhook has the place by now");
        views.times.store(2, Ordering::Relaxed);
        store.wipe(&tenant, &webhook("wh_1")).await.unwrap();
        assert_eq!(left().await, v1::WebhookDeliveriesRecord::default());
    }
}
