//! What is known of the DNs of tenants, as it is kept in Redis (gws-25): a replica that begins goes on from it, so that it tells each event
//! that came while no replica was there, and does not ask tenant for each DN anew. Key `view:{tenant}:desktops`, sealed.
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
/// What is older is of no use: the tenant's readers have gone, or have begun anew.
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
        let Some(kept) = self.views.load(tenant, VIEW).await?.filter(|kept| !kept.state.is_empty()) else {
            return Ok(None);
        };
        let record = sealed::open(&self.key, &bound_to(tenant), &kept.state)
            .and_then(|plain| v1::VoicePictureRecord::decode(plain.as_slice()).ok())
            .filter(|record| record.version == VERSION);
        let Some(record) = record else { return Ok(None) };
        let age = self.clock.now().as_micros().saturating_sub(record.kept_at_us);
        let is_of_another = match record.life {
            Some(life) => known_life(&*self.views, tenant).await?.has_passed(TenantLife(life)),
            None => true,
        };
        if Duration::from_micros(age) > AGE_MAX || is_of_another {
            return Ok(None);
        }
        Ok(StoredVoice::of_record(record))
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
            // Of a tenant of which nobody knows which it is, nothing can be told apart from a later one's.
            let KnownLife::Present(TenantLife(life)) = known_life(&*self.views, tenant).await? else { return Ok(()) };
            record.life = Some(life);
            let unsealed = || StoreError::Unavailable { reason: "it cannot be sealed".to_owned() };
            let state = sealed::seal(&self.key, &bound_to(tenant), record.encode_to_vec()).ok_or_else(unsealed)?;
            self.views.keep(tenant, VIEW, KeptView { position: position.to_string(), state: state.into() }).await
        };
        in_time(WRITTEN_WITHIN, kept).await
    }

    /// Removes what was kept of a tenant that nobody reads.
    pub async fn forget(&self, tenant: &TenantId) {
        let nothing = KeptView { position: Position::START.to_string(), state: bytes::Bytes::new() };
        if let Err(error) = in_time(WRITTEN_WITHIN, self.views.keep(tenant, VIEW, nothing)).await {
            tracing::debug!(%error, %tenant, "what was kept of a tenant's DNs stays, and is of no use soon");
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

    #[tokio::test]
    async fn what_was_kept_of_a_tenant_before_this_one_is_of_no_use() {
        let clock = SetClock::at(NOW);
        let voices = voices(&clock);
        voices.keep(&acme(), voices.taken(record())).await.unwrap();
        assert!(voices.views.load(&acme(), VIEW).await.unwrap().is_none(), "nobody knows which tenant it is");
        note_life(&*voices.views, &acme(), Some(TenantLife(3))).await.unwrap();
        voices.keep(&acme(), voices.taken(record())).await.unwrap();
        assert!(voices.load(&acme()).await.is_some());
        note_life(&*voices.views, &acme(), Some(TenantLife(4))).await.unwrap();
        assert!(voices.load(&acme()).await.is_none());
        note_life(&*voices.views, &acme(), Some(TenantLife(3))).await.unwrap();
        voices.forget(&acme()).await;
        assert!(voices.load(&acme()).await.is_none());
    }
}
