//! What becomes of API keys after they were made: their uses are noted, those too of which the web edge tells, what was revoked is told to
//! every role, and what ended long ago is forgotten. Keys are revoked by role tenant and by the command line; both write it into the
//! database (own-08), which is looked at all the time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use futures::future::join_all;
use identity::grant::ACCESS_LIFE;
use infra::bounds::API_KEY_KEPT;
use infra::{ApiKey, KeptApiKey, StoreError};
use model::{TenantId, Timestamp};
use tokio::time::Instant;

use super::super::Auth;
use super::super::answers::{self, Trouble};
use super::super::people::first_party;
use super::super::request::source::RequestSource;
use super::super::store::SignInStore;
use crate::key_uses::{ADDRESSES_MAX, KEYS_MAX, ToldKeyUses, UsedKey};

/// How often it is looked which keys were revoked: with what it takes until every role reads it, less than two seconds.
const LOOKED_EACH: Duration = Duration::from_millis(500);
/// For how long a revoked key is looked at: a token of it may live as long, and clocks differ.
const LOOKED_AT_FOR: Duration = ACCESS_LIFE.saturating_add(Duration::from_secs(120));
/// The most keys that are revoked within that time and told: a quarter of what roles remember.
const REVOKED_MAX: u32 = 4_096;
/// A key that is used all the time is written at most so often.
const USE_NOTED_EACH: Duration = Duration::from_secs(60);
/// How often it is logged that the database does not answer.
const SAID_EACH: Duration = Duration::from_secs(60);

/// How often keys are forgotten that ended too long ago.
const FORGOTTEN_EACH: Duration = Duration::from_secs(600);
/// The most that are forgotten at once.
const FORGOTTEN_MAX: u32 = 1_000;

/// A key of a tenant.
type TenantKey = (TenantId, String);

/// Tells every role which keys were revoked, until the role ends.
pub(in crate::auth) async fn run(auth: Arc<Auth>) -> Result<()> {
    let mut told = HashSet::new();
    let (mut said_at, mut forget_at): (Option<Instant>, Instant) = (None, Instant::now());
    loop {
        if Instant::now() >= forget_at {
            forget_at = Instant::now() + FORGOTTEN_EACH;
            forget(&auth).await;
        }
        if let Err(error) = tell(&auth, &mut told).await
            && said_at.is_none_or(|at| at.elapsed() >= SAID_EACH)
        {
            said_at = Some(Instant::now());
            tracing::warn!(%error, "it cannot be seen now which API keys were revoked");
        }
        tokio::select! {
            () = auth.ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(LOOKED_EACH) => {}
        }
    }
}

/// Forgets what ended too long ago. What is left, the next time has.
async fn forget(auth: &Auth) {
    let before = auth.now() - API_KEY_KEPT;
    if let Err(error) = auth.ctx.stores.api_keys.forget_api_keys(before, FORGOTTEN_MAX).await {
        tracing::warn!(%error, "API keys that ended long ago cannot be forgotten now");
    }
}

/// Revokes the tokens of keys that were revoked since they were looked at last.
async fn tell(auth: &Auth, told: &mut HashSet<TenantKey>) -> Result<(), StoreError> {
    let now = auth.now();
    let revoked = auth.ctx.stores.api_keys.revoked_api_keys(now - LOOKED_AT_FOR, REVOKED_MAX).await?;
    tell_each(&auth.store, told, revoked, now).await
}

/// Revokes the tokens of those that were not told yet, all at a time: the roles hear of each of them at once, also where the store does not
/// answer, and none waits for another. Returns the first error.
async fn tell_each(
    store: &SignInStore,
    told: &mut HashSet<TenantKey>,
    revoked: Vec<TenantKey>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let one = |(tenant, id): TenantKey| async move { (store.revoke(&tenant, &id, now).await, (tenant, id)) };
    let mut outcome = Ok(());
    for (is_kept, key) in join_all(fresh(told, revoked).into_iter().map(one)).await {
        match is_kept {
            Ok(()) => {
                tracing::info!(tenant = %key.0, id = key.1, "an API key was revoked: its tokens are refused");
                told.insert(key);
            }
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}

/// Those that were not told yet. Of those that were, the others are forgotten: they are not looked at any more.
fn fresh(told: &mut HashSet<TenantKey>, revoked: Vec<TenantKey>) -> Vec<TenantKey> {
    let seen: HashSet<&TenantKey> = revoked.iter().collect();
    told.retain(|key| seen.contains(key));
    revoked.into_iter().filter(|key| !told.contains(key)).collect()
}

/// Notes when a key is used, if that was not noted lately. What cannot be noted refuses nobody.
pub(super) async fn note_use(auth: &Auth, tenant: &TenantId, key: &ApiKey, now: Timestamp) {
    let unless_since = now - USE_NOTED_EACH;
    if key.used_at.is_some_and(|at| at >= unless_since) {
        return;
    }
    if let Err(error) = auth.ctx.stores.api_keys.note_api_key_use(tenant, &key.id, now, unless_since).await {
        tracing::warn!(%error, %tenant, id = key.id, "it cannot be noted now that an API key is used");
    }
}

/// What has happened to a key.
pub(super) fn about(event: SignInEvent, key: &ApiKey) -> SignInRecord {
    let record = SignInRecord { client: key.client.clone(), ..SignInRecord::of(event) };
    record.by_way(SignInWay::ApiKey).about_api_key(&key.id)
}

/// `POST /api-keys/uses`: the web edge tells of uses of keys of which it had tokens. Nobody else is believed.
pub(in crate::auth) async fn take_uses(State(auth): State<Arc<Auth>>, headers: HeaderMap, body: Bytes) -> Response {
    if !first_party::has_proof(&auth, &headers) {
        return answers::no_token("the web edge alone tells of uses of API keys");
    }
    let told = match serde_json::from_slice::<ToldKeyUses>(&body) {
        Ok(told) if told.keys.len() <= KEYS_MAX => told,
        Ok(_) => return answers::refused(StatusCode::BAD_REQUEST, "keys: they are more than are taken at a time"),
        Err(_) => return answers::refused(StatusCode::BAD_REQUEST, "keys: they cannot be read"),
    };
    for used in &told.keys {
        if let Err(error) = note_told(&auth, used).await {
            return Trouble::from(error).into_response();
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn note_told(auth: &Auth, used: &UsedKey) -> Result<(), StoreError> {
    let found = auth.ctx.stores.api_keys.find_api_key(&used.id).await?;
    let Some(KeptApiKey { tenant, key, .. }) = found else { return Ok(()) };
    // Clocks differ, and nothing is used later than now.
    let at = |ms: u64| Timestamp::from_millis(ms).min(auth.now());
    note_use(auth, &tenant, &key, at(used.used_ms)).await;
    for from in used.from.iter().take(ADDRESSES_MAX) {
        let (source, record) =
            (RequestSource::told(from.address, &from.user_agent), about(SignInEvent::ApiKeyUsed, &key));
        auth.note_at(&tenant, &source, at(from.at_ms), SignInRecord { times: from.times, ..record });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use infra::conformance::SetClock;
    use infra::{Answer, SignInKey, SignIns};

    use runtime::key_files::Revoker;

    use super::*;
    use crate::auth::store::backchannel::EndedSignIns;

    /// A store that does not answer, and counts what it was to keep.
    struct AwayStore {
        revoker: Revoker,
        puts: AtomicUsize,
        /// Those of which the roles had not been told before.
        puts_untold: AtomicUsize,
    }

    fn away<T: Send + 'static>() -> Answer<'static, T> {
        Box::pin(async { Err(StoreError::Unavailable { reason: "it is away".to_owned() }) })
    }

    impl SignIns for AwayStore {
        fn put<'a>(
            &'a self,
            _: &'a TenantId,
            _: &'a SignInKey,
            _: Option<&'a str>,
            _: Bytes,
            _: Timestamp,
        ) -> Answer<'a, ()> {
            self.puts.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                // Nobody writes the file: it lacks what the roles were told.
                if self.revoker.is_written(Duration::ZERO).await {
                    self.puts_untold.fetch_add(1, Ordering::Relaxed);
                }
                away().await
            })
        }

        fn claim<'a>(&'a self, _: &'a TenantId, _: &'a SignInKey, _: Bytes, _: Timestamp) -> Answer<'a, bool> {
            away()
        }

        fn read<'a>(&'a self, _: &'a TenantId, _: &'a SignInKey) -> Answer<'a, Option<Bytes>> {
            away()
        }

        fn replace<'a>(
            &'a self,
            _: &'a TenantId,
            _: &'a SignInKey,
            _: &'a Bytes,
            _: Bytes,
            _: Timestamp,
        ) -> Answer<'a, bool> {
            away()
        }

        fn remove<'a>(&'a self, _: &'a TenantId, _: &'a SignInKey) -> Answer<'a, ()> {
            away()
        }

        fn owned<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Answer<'a, Vec<(SignInKey, Bytes)>> {
            away()
        }
    }

    #[tokio::test]
    async fn while_the_store_is_away_every_revoked_key_is_told_and_all_of_them_again() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let folder = tempfile::tempdir().unwrap();
        let (revoker, _unused) = runtime::key_files::revoker(folder.path(), SetClock::at(now)).unwrap();
        assert!(revoker.is_written(Duration::ZERO).await, "nothing is told yet");
        let (puts, puts_untold) = (AtomicUsize::default(), AtomicUsize::default());
        let records = Arc::new(AwayStore { revoker: revoker.clone(), puts, puts_untold });
        let store = SignInStore::new(records.clone(), revoker, EndedSignIns::untold());
        let revoked: Vec<_> = ["a", "b", "c"].map(|id| (TenantId::parse("acme").unwrap(), id.to_owned())).into();
        let mut told = HashSet::new();
        for passes in 1..=2 {
            assert!(tell_each(&store, &mut told, revoked.clone(), now).await.is_err());
            assert_eq!(records.puts.load(Ordering::Relaxed), passes * revoked.len());
            assert_eq!(records.puts_untold.load(Ordering::Relaxed), 0, "the roles are told before the store is asked");
        }
        assert!(told.is_empty());
    }

    #[test]
    fn a_revoked_key_is_told_once_while_it_is_looked_at() {
        let key = |id: &str| (TenantId::parse("acme").unwrap(), id.to_owned());
        let mut told = HashSet::new();
        assert_eq!(fresh(&mut told, vec![key("a"), key("b")]), [key("a"), key("b")]);
        // The store did not answer when b was told.
        told.insert(key("a"));
        assert_eq!(fresh(&mut told, vec![key("c"), key("a"), key("b")]), [key("c"), key("b")]);
        told.extend([key("b"), key("c")]);
        assert!(fresh(&mut told, vec![key("c")]).is_empty());
        assert_eq!(told.len(), 1, "what is not looked at any more is forgotten");
    }
}
