//! What people have open (gws-24): a record of each in Redis, so that any replica goes on with it. Key
//! `auth:{tenant}:interactions:<digest of the user name>`, sealed: with whom somebody has to do is nobody's business.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use identity::secret::Digest;
use infra::{Clock, SignInKey, SignInKind, SignIns, StoreError};
use model::TenantId;
use runtime::installation_key::InstallationKey;
use runtime::{RoleContext, sealed};
use tokio::time::timeout;

use crate::interaction_api::{InteractionList, OPEN_MAX, OpenInteraction};

/// How long it is kept after the last change: a working day.
const KEPT_FOR: Duration = Duration::from_secs(12 * 3_600);
/// Time for Redis: somebody waits for it.
const WITHIN: Duration = Duration::from_secs(1);
/// How often a record is read again that others change at the same time.
const TRIES_MAX: usize = 4;

/// The store. Cheap to clone.
#[derive(Clone)]
pub(super) struct OpenInteractions {
    records: Arc<dyn SignIns>,
    key: InstallationKey,
    clock: Arc<dyn Clock>,
}

/// Why an interaction is not among those that a person has open.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoteFault {
    /// There are as many as there may be.
    #[error("{OPEN_MAX} interactions are open, as many as there may be")]
    TooMany,
    /// Redis does not answer, or refuses it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A record as it was read.
struct ReadRecord {
    /// Its value; none if there is no record.
    seen: Option<Bytes>,
    open: Vec<OpenInteraction>,
}

fn key_of(person: &Digest) -> SignInKey {
    SignInKey::new(SignInKind::Interactions, person.text())
}

/// One tenant's value is of no use as another's, nor under another key.
fn bound_to(tenant: &TenantId, person: &Digest) -> Vec<u8> {
    format!("interactions of tenant {tenant} {}", person.text()).into_bytes()
}

async fn in_time<T>(done: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Unavailable { reason: "no answer in time".to_owned() });
    timeout(WITHIN, done).await.unwrap_or_else(late)
}

impl OpenInteractions {
    /// By the role's connection to Redis.
    pub fn new(ctx: &RoleContext) -> Self {
        Self { records: ctx.stores.sign_ins.clone(), key: ctx.installation_key.clone(), clock: ctx.clock.clone() }
    }

    /// What a person has open.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn of(&self, tenant: &TenantId, person: &str) -> Result<Vec<OpenInteraction>, StoreError> {
        Ok(self.read(tenant, &Digest::of(person)).await?.open)
    }

    /// A person has opened an interaction. One that is open already stays where it is, with what is told of it now.
    ///
    /// # Errors
    /// If it is one too many, or Redis does not take it.
    pub async fn note(&self, tenant: &TenantId, person: &str, opened: &OpenInteraction) -> Result<(), NoteFault> {
        let noted = |open: &mut Vec<OpenInteraction>| {
            match open.iter().position(|other| other.is(&opened.media_type, &opened.id)) {
                Some(at) if open[at] == *opened => return Ok(false),
                Some(at) => opened.clone_into(&mut open[at]),
                None if open.len() >= OPEN_MAX => return Err(NoteFault::TooMany),
                None => open.push(opened.clone()),
            }
            Ok(true)
        };
        self.change(tenant, person, noted).await
    }

    /// A person has closed an interaction, which may not have been open.
    ///
    /// # Errors
    /// If Redis does not take it.
    pub async fn forget(&self, tenant: &TenantId, person: &str, media_type: &str, id: &str) -> Result<(), NoteFault> {
        let forgotten = |open: &mut Vec<OpenInteraction>| {
            let before = open.len();
            open.retain(|other| !other.is(media_type, id));
            Ok(open.len() < before)
        };
        self.change(tenant, person, forgotten).await
    }

    /// Changes a record; `change` says whether it has.
    async fn change(
        &self,
        tenant: &TenantId,
        person: &str,
        change: impl Fn(&mut Vec<OpenInteraction>) -> Result<bool, NoteFault>,
    ) -> Result<(), NoteFault> {
        let person = Digest::of(person);
        let key = key_of(&person);
        for _ in 0..TRIES_MAX {
            let ReadRecord { seen, mut open } = self.read(tenant, &person).await?;
            if !change(&mut open)? {
                return Ok(());
            }
            let (value, until) = (self.sealed(tenant, &person, open)?, self.clock.now() + KEPT_FOR);
            let is_written = match &seen {
                Some(seen) => in_time(self.records.replace(tenant, &key, seen, value, until)).await?,
                None => in_time(self.records.claim(tenant, &key, value, until)).await?,
            };
            if is_written {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable { reason: "it changes again and again".to_owned() }.into())
    }

    /// What cannot be read is nobody's, and is written anew.
    async fn read(&self, tenant: &TenantId, person: &Digest) -> Result<ReadRecord, StoreError> {
        let seen = in_time(self.records.read(tenant, &key_of(person))).await?;
        let list = seen.as_ref().and_then(|value| {
            let plain = sealed::open(&self.key, &bound_to(tenant, person), value)?;
            serde_json::from_slice::<InteractionList>(&plain).ok()
        });
        Ok(ReadRecord { seen, open: list.unwrap_or_default().interactions })
    }

    fn sealed(&self, tenant: &TenantId, person: &Digest, open: Vec<OpenInteraction>) -> Result<Bytes, StoreError> {
        let unsealed = || StoreError::Unavailable { reason: "what is open cannot be sealed".to_owned() };
        let plain = serde_json::to_vec(&InteractionList { interactions: open }).map_err(|_| unsealed())?;
        sealed::seal(&self.key, &bound_to(tenant, person), plain).map(Bytes::from).ok_or_else(unsealed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;

    use infra::conformance::SetClock;
    use model::Timestamp;

    use super::*;
    use crate::test_records::TroubledRecords;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn chat(id: &str) -> OpenInteraction {
        OpenInteraction::about("chat", id, "an order of Mrs Miller", 7)
    }

    struct TwoReplicas {
        clock: Arc<SetClock>,
        records: Arc<TroubledRecords>,
        one: OpenInteractions,
        other: OpenInteractions,
    }

    fn replicas() -> TwoReplicas {
        let clock = SetClock::at(Timestamp::from_millis(1_800_000_000_000));
        let records = TroubledRecords::new(&clock);
        let replica = || OpenInteractions {
            records: records.clone(),
            key: InstallationKey::from_bytes([7; 32]),
            clock: clock.clone(),
        };
        let (one, other) = (replica(), replica());
        TwoReplicas { clock, records, one, other }
    }

    #[tokio::test]
    async fn another_replica_goes_on_with_what_a_person_has_open_and_nobody_else_has_it() {
        let TwoReplicas { clock, records, one, other } = replicas();
        let acme = tenant("acme");
        one.note(&acme, "ann", &chat("1")).await.unwrap();
        other.note(&acme, "ann", &chat("2")).await.unwrap();
        let later = OpenInteraction { subject: "returned".to_owned(), ..chat("1") };
        other.note(&acme, "ann", &later).await.unwrap();
        assert_eq!(one.of(&acme, "ann").await.unwrap(), [later.clone(), chat("2")]);
        let value = records.read(&acme, &key_of(&Digest::of("ann"))).await.unwrap().unwrap();
        assert!(!value.windows(6).any(|part| part == b"Miller"), "it is not sealed");
        assert!(one.of(&acme, "eve").await.unwrap().is_empty());
        assert!(one.of(&tenant("globex"), "ann").await.unwrap().is_empty());
        for _ in 0..2 {
            one.forget(&acme, "ann", "chat", "2").await.unwrap();
        }
        assert_eq!(other.of(&acme, "ann").await.unwrap(), [later]);
        clock.advance(KEPT_FOR + Duration::from_secs(1));
        assert!(other.of(&acme, "ann").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn no_change_is_lost_that_two_replicas_make_at_once_and_there_is_an_end_to_it() {
        let TwoReplicas { records, one, .. } = replicas();
        let acme = tenant("acme");
        one.note(&acme, "ann", &chat("1")).await.unwrap();
        records.overtaken.store(TRIES_MAX - 1, SeqCst);
        one.note(&acme, "ann", &chat("2")).await.unwrap();
        assert_eq!(one.of(&acme, "ann").await.unwrap().len(), 2);
        records.overtaken.store(TRIES_MAX, SeqCst);
        let failed = one.note(&acme, "ann", &chat("3")).await.unwrap_err();
        assert!(matches!(failed, NoteFault::Store(StoreError::Unavailable { .. })), "{failed}");
    }

    #[tokio::test]
    async fn one_too_many_is_refused_and_those_that_are_open_can_still_change() {
        let TwoReplicas { one, .. } = replicas();
        let acme = tenant("acme");
        for number in 0..OPEN_MAX {
            one.note(&acme, "ann", &chat(&number.to_string())).await.unwrap();
        }
        assert!(matches!(one.note(&acme, "ann", &chat("more")).await, Err(NoteFault::TooMany)));
        one.note(&acme, "ann", &OpenInteraction { subject: "new".to_owned(), ..chat("0") }).await.unwrap();
        one.forget(&acme, "ann", "chat", "1").await.unwrap();
        one.note(&acme, "ann", &chat("more")).await.unwrap();
        assert_eq!(one.of(&acme, "ann").await.unwrap().len(), OPEN_MAX);
    }
}
