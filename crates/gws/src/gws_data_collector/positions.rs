//! Where searches of people go on (gws-12): what was searched for and the place of the last target that was told, kept in Redis for some
//! minutes, so that any replica goes on. Key `auth:{tenant}:search:<digest>`, sealed: who searches for whom is nobody's business.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use identity::secret::{self, Digest};
use infra::{Clock, FoundPlace, SearchTerm, SignInKey, SignInKind, SignIns, StoreError, TargetSearch};
use model::{Entropy, TenantId};
use runtime::installation_key::InstallationKey;
use runtime::{RoleContext, sealed};
use serde_json::{Value, json};
use tokio::time::timeout;

/// How long it is kept: for as long as somebody looks at what was found.
const KEPT_FOR: Duration = Duration::from_secs(300);
/// Time for Redis: whoever searches waits for it.
const WITHIN: Duration = Duration::from_secs(1);

/// The store. Cheap to clone.
#[derive(Clone)]
pub(super) struct SearchPositions {
    records: Arc<dyn SignIns>,
    key: InstallationKey,
    clock: Arc<dyn Clock>,
    entropy: Arc<Mutex<Box<dyn Entropy>>>,
}

/// A search, of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SearchPosition {
    /// The user name.
    pub person: String,
    /// What is searched for, with the place of the last that was told.
    pub asked: TargetSearch,
}

impl SearchPosition {
    fn written(&self) -> Value {
        let Self { person, asked } = self;
        let terms: Vec<Value> =
            asked.terms.iter().map(|term| json!({"whole": term.whole, "words": term.words})).collect();
        let after = asked.after.as_ref();
        json!({
            "person": person, "terms": terms, "isExact": asked.is_exact, "fields": asked.fields, "types": asked.types,
            "within": asked.within, "without": asked.without, "isDescending": asked.is_descending,
            "limit": asked.limit,
            "after": after.map(|place| json!({"rank": place.rank, "sortedBy": place.sorted_by, "key": place.key})),
        })
    }

    fn read(written: &Value) -> Option<Self> {
        let texts = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let some = |value: &Value| if value.is_null() { Some(None) } else { texts(value).map(Some) };
        let term = |value: &Value| {
            let words: Option<Vec<Vec<String>>> = value["words"].as_array()?.iter().map(texts).collect();
            Some(SearchTerm { whole: texts(&value["whole"])?, words: words? })
        };
        let terms: Option<Vec<SearchTerm>> = written["terms"].as_array()?.iter().map(term).collect();
        let place = |value: &Value| {
            Some(FoundPlace {
                rank: u8::try_from(value["rank"].as_u64()?).ok()?,
                sorted_by: value["sortedBy"].as_str()?.to_owned(),
                key: value["key"].as_str()?.to_owned(),
            })
        };
        let asked = TargetSearch {
            terms: terms?,
            is_exact: written["isExact"].as_bool()?,
            fields: texts(&written["fields"])?,
            types: some(&written["types"])?,
            within: some(&written["within"])?,
            without: texts(&written["without"])?,
            is_descending: written["isDescending"].as_bool()?,
            limit: usize::try_from(written["limit"].as_u64()?).ok()?,
            after: Some(place(&written["after"])?),
        };
        Some(Self { person: written["person"].as_str()?.to_owned(), asked })
    }
}

fn key_of(digest: &str) -> SignInKey {
    SignInKey::new(SignInKind::Search, digest)
}

/// One tenant's value is of no use as another's, nor under another key.
fn bound_to(tenant: &TenantId, digest: &str) -> Vec<u8> {
    format!("search of tenant {tenant} {digest}").into_bytes()
}

async fn in_time<T>(done: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Unavailable { reason: "no answer in time".to_owned() });
    timeout(WITHIN, done).await.unwrap_or_else(late)
}

impl SearchPositions {
    /// By the role's connection to Redis.
    pub fn new(ctx: &RoleContext) -> Self {
        Self {
            records: ctx.stores.sign_ins.clone(),
            key: ctx.installation_key.clone(),
            clock: ctx.clock.clone(),
            entropy: Arc::new(Mutex::new(ctx.entropy())),
        }
    }

    /// Keeps where a search goes on. Returns what to show for that; none if it cannot be kept now: then it does not go on.
    pub async fn keep(&self, tenant: &TenantId, position: &SearchPosition) -> Option<String> {
        let token = {
            let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
            secret::drawn(&mut **entropy)
        };
        let digest = Digest::of(&token).text();
        let plain = position.written().to_string().into_bytes();
        let value = sealed::seal(&self.key, &bound_to(tenant, &digest), plain)?;
        let (key, until) = (key_of(&digest), self.clock.now() + KEPT_FOR);
        match in_time(self.records.put(tenant, &key, None, value.into(), until)).await {
            Ok(()) => Some(token),
            Err(error) => {
                tracing::debug!(%error, %tenant, "where a search goes on cannot be kept");
                None
            }
        }
    }

    /// Where a search of that person goes on; none if it is not known, or not any more.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn find(
        &self,
        tenant: &TenantId,
        person: &str,
        token: &str,
    ) -> Result<Option<SearchPosition>, StoreError> {
        let digest = Digest::of(token).text();
        let value = in_time(self.records.read(tenant, &key_of(&digest))).await?;
        let position = value.and_then(|value| {
            let plain = sealed::open(&self.key, &bound_to(tenant, &digest), &value)?;
            SearchPosition::read(&serde_json::from_slice(&plain).ok()?)
        });
        Ok(position.filter(|position| position.person == person))
    }
}

#[cfg(test)]
mod tests {
    use infra::conformance::SetClock;
    use infra::embedded::Embedded;
    use model::Timestamp;
    use model::entropy::Seeded;

    use super::*;

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn position() -> SearchPosition {
        let asked = TargetSearch {
            terms: TargetSearch::terms_of("müller, 7101").unwrap(),
            fields: vec!["name".to_owned()],
            types: Some(vec!["agent".to_owned()]),
            without: vec!["night".to_owned()],
            limit: 20,
            after: Some(FoundPlace { rank: 2, sorted_by: "muller jo".to_owned(), key: "agent/jo".to_owned() }),
            ..TargetSearch::default()
        };
        SearchPosition { person: "ann".to_owned(), asked }
    }

    #[tokio::test]
    async fn another_replica_goes_on_where_one_has_stopped_for_the_same_person_alone() {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let records = Arc::new(Embedded::in_memory(clock.clone()));
        let replica = |seed: u64| SearchPositions {
            records: records.clone(),
            key: InstallationKey::from_bytes([7; 32]),
            clock: clock.clone(),
            entropy: Arc::new(Mutex::new(Box::new(Seeded::new(seed)))),
        };
        let token = replica(1).keep(&acme(), &position()).await.unwrap();
        let key = key_of(&Digest::of(&token).text());
        let kept = records.read(&acme(), &key).await.unwrap().unwrap();
        assert!(!kept.windows(6).any(|part| part == b"muller"), "it is not sealed");
        let other = replica(2);
        assert_eq!(other.find(&acme(), "ann", &token).await.unwrap(), Some(position()));
        assert_eq!(other.find(&acme(), "ann", &token).await.unwrap(), Some(position()), "a second time, too");
        assert_eq!(other.find(&acme(), "eve", &token).await.unwrap(), None);
        assert_eq!(other.find(&acme(), "ann", "another").await.unwrap(), None);
        let globex = TenantId::parse("globex").unwrap();
        assert_eq!(other.find(&globex, "ann", &token).await.unwrap(), None);
        clock.advance(KEPT_FOR + Duration::from_secs(1));
        assert_eq!(other.find(&acme(), "ann", &token).await.unwrap(), None);
    }
}
