//! The redirect URIs of all clients of a tenant, as they were read lately: anybody may make us look for one among them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::provisioning::{Grant, OAuthClient};
use model::{TenantId, Timestamp};
use tokio::time::Instant;

use super::super::answers::Trouble;

/// How long those of a tenant are used again.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// How long after the beginning of a slow failed reading none begins: it is given up after 5 s.
const AWAY_FOR: Duration = Duration::from_secs(15);
/// A reading that fails within that has cost little: the next one may begin as long after it.
const QUICK: Duration = Duration::from_secs(1);
/// How long those that were read last are used while they cannot be read again.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// Time to wait for another request that reads them.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A redirect URI, with what its client may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) struct ListedUri {
    /// The URI.
    pub uri: String,
    /// Whether the client has codes sent there.
    pub takes_codes: bool,
    /// The scopes that the client lists: without any, it bounds nobody's.
    pub scopes: Arc<[String]>,
}

impl ListedUri {
    /// Those of a client.
    pub fn of(client: OAuthClient) -> impl Iterator<Item = Self> {
        let takes_codes = client.grants.contains(&Grant::AuthorizationCode);
        let scopes: Arc<[String]> = client.scopes.into();
        client.redirect_uris.into_iter().map(move |uri| Self { uri, takes_codes, scopes: scopes.clone() })
    }
}

type Uris = Arc<Vec<ListedUri>>;

/// Who has it reads those of the tenant; the others wait for that.
type Turn = Arc<tokio::sync::Mutex<LastReadings>>;

/// How the last readings of a tenant ended.
#[derive(Default)]
struct LastReadings {
    /// What the last good one has found, and when it began.
    good: Option<(Uris, Timestamp)>,
    /// None begins before that: the last one has failed.
    paused_until: Option<Timestamp>,
}

impl LastReadings {
    /// What was read so lately.
    fn since(&self, age: Duration, now: Timestamp) -> Option<Uris> {
        self.good.as_ref().filter(|(_, at)| now.since(*at) < age).map(|(uris, _)| uris.clone())
    }
}

/// Those of the tenants that there are.
#[derive(Default)]
pub(super) struct ListedUris {
    tenants: Mutex<HashMap<TenantId, Turn>>,
}

impl ListedUris {
    /// Those of a tenant, read if they were not read lately: by one request at a time, for which the others of the tenant wait. What could
    /// not be read just now is not asked for again; those of before are used meanwhile.
    pub async fn of(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        reading: impl Future<Output = Result<Vec<ListedUri>, Trouble>>,
    ) -> Result<Uris, Trouble> {
        let turn = self.turn(tenant);
        let last = tokio::time::timeout(READ_WITHIN, turn.lock()).await;
        let mut last = last.map_err(|late| Trouble::away("tenant", &late))?;
        if let Some(fresh) = last.since(FRESH_FOR, now) {
            return Ok(fresh);
        }
        if last.paused_until.is_some_and(|until| now < until) {
            return last.since(KEPT_FOR, now).ok_or(Trouble::Away);
        }
        let begun = Instant::now();
        match reading.await {
            Ok(uris) => {
                let uris = Arc::new(uris);
                *last = LastReadings { good: Some((uris.clone(), now)), paused_until: None };
                Ok(uris)
            }
            Err(trouble) => {
                let took = begun.elapsed();
                last.paused_until = Some(now + if took < QUICK { took + QUICK } else { AWAY_FOR });
                last.since(KEPT_FOR, now).ok_or(trouble)
            }
        }
    }

    fn turn(&self, tenant: &TenantId) -> Turn {
        // The map is consistent after every step.
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(tenant.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn listed_uri(uri: String) -> ListedUri {
        ListedUri { uri, takes_codes: true, scopes: Arc::default() }
    }

    #[tokio::test]
    async fn many_who_look_make_one_reading() {
        let (listed, readings) = (ListedUris::default(), Cell::new(0));
        let (acme, globex) = (TenantId::parse("acme").unwrap(), TenantId::parse("globex").unwrap());
        let look = async |tenant: &TenantId, second: u64| {
            let reading = async {
                readings.set(readings.get() + 1);
                Ok(vec![listed_uri(format!("https://{tenant}.example/"))])
            };
            let now = Timestamp::ZERO + Duration::from_secs(second);
            listed.of(tenant, now, reading).await.unwrap()[0].uri.clone()
        };
        for second in 100..110 {
            assert_eq!(look(&acme, second).await, "https://acme.example/");
        }
        assert_eq!(readings.get(), 1);
        assert_eq!(look(&globex, 105).await, "https://globex.example/");
        look(&acme, 110).await;
        assert_eq!(readings.get(), 3);
    }

    fn after(time: Duration) -> Timestamp {
        Timestamp::ZERO + time
    }

    /// A reading that fails after that time.
    async fn failing(time: Duration) -> Result<Vec<ListedUri>, Trouble> {
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        Err(Trouble::Away)
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_read_is_read_again_after_a_while_which_is_short_if_the_failure_was_quick() {
        let acme = TenantId::parse("acme").unwrap();
        for (took, pause) in [(Duration::ZERO, QUICK), (READ_WITHIN, AWAY_FOR)] {
            let listed = ListedUris::default();
            assert!(listed.of(&acme, Timestamp::ZERO, failing(took)).await.is_err());
            let early = after(pause - Duration::from_millis(1));
            assert!(listed.of(&acme, early, async { panic!("it is not read") }).await.is_err());
            assert!(listed.of(&acme, after(pause), async { Ok(Vec::new()) }).await.is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_were_read_last_are_used_while_tenant_is_away_but_not_for_ever() {
        let (listed, acme) = (ListedUris::default(), TenantId::parse("acme").unwrap());
        let uris = vec![listed_uri("https://acme.example/".to_owned())];
        listed.of(&acme, Timestamp::ZERO, async { Ok(uris.clone()) }).await.unwrap();
        assert_eq!(*listed.of(&acme, after(FRESH_FOR), failing(READ_WITHIN)).await.unwrap(), uris);
        let paused = listed.of(&acme, after(FRESH_FOR + QUICK), async { panic!("it is not read") });
        assert_eq!(*paused.await.unwrap(), uris);
        assert!(listed.of(&acme, after(KEPT_FOR), failing(READ_WITHIN)).await.is_err());
        assert!(listed.of(&acme, after(KEPT_FOR + AWAY_FOR), async { Ok(Vec::new()) }).await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_tenant_makes_no_other_one_wait() {
        let listed = ListedUris::default();
        let (acme, globex) = (TenantId::parse("acme").unwrap(), TenantId::parse("globex").unwrap());
        tokio::select! {
            biased;
            _ = listed.of(&acme, Timestamp::ZERO, std::future::pending()) => panic!("its reading has no end"),
            found = listed.of(&globex, Timestamp::ZERO, async { Ok(Vec::new()) }) => assert!(found.is_ok()),
        }
    }
}
