//! What is known of the DNs of tenants, as it is kept in Redis (gws-25): a replica that begins goes on from it, so that it tells each event
//! that came while no replica was there, and does not ask tenant for each DN anew. Key `view:{tenant}:desktops`, sealed.
//!
//! It lives as long as it is of use: it goes by itself a while after it was written last, and what is of no use any more when that is seen,
//! as that of a tenant which has ended.
//!
//! What is kept is older than what readers have had, so that what they lack comes after it: it is taken a while before it is written.

use std::sync::Arc;
use std::time::Duration;

use contracts::v1;
use infra::{Clock, KeptView, KnownLife, Position, StoreError, TenantLife, ViewStore, known_life};
use model::TenantId;
use prost::Message as _;
use runtime::installation_key::InstallationKey;
use runtime::{RoleContext, sealed};
use tokio::time::timeout;

use super::position_record::position_of;
use super::tenant_voice::StoredVoice;

/// The view.
const VIEW: &str = "desktops";
/// The form of the record that is written.
const VERSION: u32 = 1;
/// What is older is of no use: the tenant's readers have gone, or have begun anew. It goes by itself then, counted from when it was written.
const AGE_MAX: Duration = Duration::from_secs(300);
/// Time for the store to give one: a tenant begins with a snapshot instead.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// Time for the store to take one: that of a large tenant has some MiB.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// The store. Cheap to clone.
#[derive(Clone)]
pub(super) struct KeptVoices {
    views: Arc<dyn ViewStore>,
    key: InstallationKey,
    clock: Arc<dyn Clock>,
}

impl KeptVoices {
    /// By the role's connection to Redis.
    pub fn new(ctx: &RoleContext) -> Self {
        Self { views: ctx.stores.desktops.clone(), key: ctx.installation_key.clone(), clock: ctx.clock.clone() }
    }

    /// What was kept of a tenant; none if there is nothing that is of use now, or the store does not answer.
    pub async fn load(&self, tenant: &TenantId) -> Option<StoredVoice> {
        match in_time(READ_WITHIN, self.loaded(tenant)).await {
            Ok(kept) => kept,
            Err(error) => {
                tracing::debug!(%error, %tenant, "what was kept of a tenant's DNs cannot be read");
                None
            }
        }
    }

    async fn loaded(&self, tenant: &TenantId) -> Result<Option<StoredVoice>, StoreError> {
        let Some(kept) = self.views.load(tenant, VIEW).await? else { return Ok(None) };
        let voice = match self.opened(tenant, &kept.state) {
            Some(record) if !self.is_of_another(tenant, &record).await? => StoredVoice::of_record(record),
            _ => None,
        };
        if voice.is_none() {
            // One of another form, of a tenant that has ended, or too old: nobody goes on from it.
            self.views.remove(tenant, VIEW).await?;
        }
        Ok(voice)
    }

    /// The record, if it is one of this form that is not too old.
    fn opened(&self, tenant: &TenantId, state: &[u8]) -> Option<v1::VoicePictureRecord> {
        let plain = sealed::open(&self.key, &bound_to(tenant), state)?;
        let record = v1::VoicePictureRecord::decode(plain.as_slice()).ok()?;
        let age = self.clock.now().as_micros().saturating_sub(record.kept_at_us);
        (record.version == VERSION && Duration::from_micros(age) <= AGE_MAX).then_some(record)
    }

    /// Whether it is of a tenant that had the id before, or which nobody knows.
    async fn is_of_another(&self, tenant: &TenantId, record: &v1::VoicePictureRecord) -> Result<bool, StoreError> {
        let Some(life) = record.life else { return Ok(true) };
        Ok(known_life(&*self.views, tenant).await?.has_passed(TenantLife(life)))
    }

    /// What is to be kept of a tenant, as it is now. It is written later.
    pub fn taken(&self, record: v1::VoicePictureRecord) -> TakenVoice {
        let record = v1::VoicePictureRecord { version: VERSION, kept_at_us: self.clock.now().as_micros(), ..record };
        TakenVoice { position: position_of(record.position), record }
    }

    /// Keeps it in place of what was kept before.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keep(&self, tenant: &TenantId, taken: TakenVoice) -> Result<(), StoreError> {
        let TakenVoice { position, mut record } = taken;
        let kept = async {
            let life = match known_life(&*self.views, tenant).await? {
                KnownLife::Present(TenantLife(life)) => life,
                // Of a tenant of which nobody knows which it is, nothing can be told apart from a later one's.
                KnownLife::Unknown => return Ok(()),
                KnownLife::Over => return self.views.remove(tenant, VIEW).await,
            };
            record.life = Some(life);
            let unsealed = || StoreError::Unavailable { reason: "it cannot be sealed".to_owned() };
            let state = sealed::seal(&self.key, &bound_to(tenant), record.encode_to_vec()).ok_or_else(unsealed)?;
            let kept = KeptView { position: position.to_string(), state: state.into() };
            self.views.keep_for(tenant, VIEW, kept, AGE_MAX).await
        };
        in_time(WRITTEN_WITHIN, kept).await
    }

    /// Removes what was kept of a tenant that nobody reads.
    pub async fn forget(&self, tenant: &TenantId) {
        if let Err(error) = in_time(WRITTEN_WITHIN, self.views.remove(tenant, VIEW)).await {
            tracing::debug!(%error, %tenant, "what was kept of a tenant's DNs stays, and goes by itself soon");
        }
    }

    /// Removes what was kept of a tenant that has ended.
    pub async fn forget_if_over(&self, tenant: &TenantId) {
        let life = in_time(READ_WITHIN, known_life(&*self.views, tenant)).await;
        if matches!(life, Ok(KnownLife::Over)) {
            self.forget(tenant).await;
        }
    }
}

/// What was taken of a tenant to be kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TakenVoice {
    position: Position,
    record: v1::VoicePictureRecord,
}

impl TakenVoice {
    /// As of which position.
    pub const fn position(&self) -> Position {
        self.position
    }
}

async fn in_time<T>(within: Duration, done: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Unavailable { reason: "no answer in time".to_owned() });
    timeout(within, done).await.unwrap_or_else(late)
}

/// One tenant's value is of no use as another's.
fn bound_to(tenant: &TenantId) -> Vec<u8> {
    format!("desktops of tenant {tenant}").into_bytes()
}

#[cfg(test)]
mod tests {
    use infra::conformance::SetClock;
    use infra::embedded::Embedded;
    use infra::note_life;
    use model::Timestamp;

    use super::*;
    use crate::gws_voice::picture::TenantPicture;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn voices(clock: &Arc<SetClock>) -> KeptVoices {
        let views = Arc::new(Embedded::in_memory(clock.clone()));
        KeptVoices { views, key: InstallationKey::from_bytes([7; 32]), clock: clock.clone() }
    }

    fn record() -> v1::VoicePictureRecord {
        let dns_in_service = vec!["7101".to_owned()];
        TenantPicture::begin(&v1::Snapshot { position: "1-7".to_owned(), dns_in_service, ..Default::default() })
            .record()
    }

    #[tokio::test]
    async fn what_was_kept_is_gone_on_from_for_some_minutes_and_is_sealed() {
        let clock = SetClock::at(NOW);
        let voices = voices(&clock);
        note_life(&*voices.views, &acme(), Some(TenantLife(3))).await.unwrap();
        assert!(voices.load(&acme()).await.is_none());
        let taken = voices.taken(record());
        voices.keep(&acme(), taken).await.unwrap();
        let stored = voices.views.load(&acme(), VIEW).await.unwrap().unwrap();
        assert!(!stored.state.windows(4).any(|part| part == b"7101"), "it is not sealed");
        assert_eq!(stored.position, "1-7");
        assert_eq!(voices.load(&acme()).await.unwrap().position(), Position { major: 1, minor: 7 });
        clock.advance(AGE_MAX + Duration::from_secs(1));
        assert!(voices.load(&acme()).await.is_none(), "it is too old");
    }

    async fn is_stored(voices: &KeptVoices) -> bool {
        voices.views.load(&acme(), VIEW).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn what_was_kept_of_a_tenant_before_this_one_is_of_no_use() {
        let clock = SetClock::at(NOW);
        let voices = voices(&clock);
        voices.keep(&acme(), voices.taken(record())).await.unwrap();
        assert!(!is_stored(&voices).await, "nobody knows which tenant it is");
        note_life(&*voices.views, &acme(), Some(TenantLife(3))).await.unwrap();
        voices.keep(&acme(), voices.taken(record())).await.unwrap();
        assert!(voices.load(&acme()).await.is_some());
        note_life(&*voices.views, &acme(), Some(TenantLife(4))).await.unwrap();
        assert!(voices.load(&acme()).await.is_none());
        assert!(!is_stored(&voices).await, "the record of a tenant before stays");
    }

    #[tokio::test]
    async fn a_record_goes_by_itself_unless_it_is_written_again() {
        let clock = SetClock::at(NOW);
        let voices = voices(&clock);
        note_life(&*voices.views, &acme(), Some(TenantLife(3))).await.unwrap();
        for _ in 0..3 {
            voices.keep(&acme(), voices.taken(record())).await.unwrap();
            clock.advance(AGE_MAX - Duration::from_secs(1));
            assert!(is_stored(&voices).await);
        }
        clock.advance(Duration::from_secs(1));
        assert!(!is_stored(&voices).await);
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_tenant_that_has_ended() {
        let clock = SetClock::at(NOW);
        let voices = voices(&clock);
        for is_over_seen_by in ["what keeps", "what has lost its stream", "what nobody reads"] {
            note_life(&*voices.views, &acme(), Some(TenantLife(3))).await.unwrap();
            voices.keep(&acme(), voices.taken(record())).await.unwrap();
            voices.forget_if_over(&acme()).await;
            assert!(is_stored(&voices).await, "it has not ended");
            note_life(&*voices.views, &acme(), None).await.unwrap();
            match is_over_seen_by {
                "what keeps" => voices.keep(&acme(), voices.taken(record())).await.unwrap(),
                "what has lost its stream" => voices.forget_if_over(&acme()).await,
                _ => voices.forget(&acme()).await,
            }
            assert!(!is_stored(&voices).await, "{is_over_seen_by}");
        }
    }

    #[tokio::test]
    async fn a_record_of_another_form_is_discarded() {
        let clock = SetClock::at(NOW);
        let voices = voices(&clock);
        note_life(&*voices.views, &acme(), Some(TenantLife(3))).await.unwrap();
        for version in [VERSION - 1, VERSION + 1] {
            let mut taken = voices.taken(record());
            taken.record.version = version;
            voices.keep(&acme(), taken).await.unwrap();
            assert!(voices.load(&acme()).await.is_none());
            assert!(!is_stored(&voices).await, "{version}");
        }
    }
}
