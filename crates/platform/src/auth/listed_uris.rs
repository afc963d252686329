//! The redirect URIs of all clients of a tenant, as they were read lately: anybody may make us look for one among them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{TenantId, Timestamp};

use super::answers::Trouble;

/// How long those of a tenant are used again.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// How long after the beginning of a failed reading none begins: a slow one is given up after 5 s.
const AWAY_FOR: Duration = Duration::from_secs(15);
/// Time to wait for another request that reads them.
const READ_WITHIN: Duration = Duration::from_secs(5);

type Uris = Arc<Vec<String>>;

/// Who has it reads those of the tenant; the others wait for that.
type Turn = Arc<tokio::sync::Mutex<Option<LastReading>>>;

/// How the last reading ended, and when it began.
struct LastReading {
    /// None if it failed.
    uris: Option<Uris>,
    at: Timestamp,
}

/// Those of the tenants that there are.
#[derive(Default)]
pub(super) struct ListedUris {
    tenants: Mutex<HashMap<TenantId, Turn>>,
}

impl ListedUris {
    /// Those of a tenant, read if they were not read lately: by one request at a time, for which the others of the tenant wait. What could
    /// not be read just now is not asked for again.
    pub async fn of(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        reading: impl Future<Output = Result<Vec<String>, Trouble>>,
    ) -> Result<Uris, Trouble> {
        let turn = self.turn(tenant);
        let last = tokio::time::timeout(READ_WITHIN, turn.lock()).await;
        let mut last = last.map_err(|late| Trouble::away("tenant", &late))?;
        match &*last {
            Some(LastReading { uris: Some(uris), at }) if now.since(*at) < FRESH_FOR => return Ok(uris.clone()),
            Some(LastReading { uris: None, at }) if now.since(*at) < AWAY_FOR => return Err(Trouble::Away),
            _ => {}
        }
        let read = reading.await.map(Arc::new);
        *last = Some(LastReading { uris: read.as_ref().ok().cloned(), at: now });
        read
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

    #[tokio::test]
    async fn many_who_look_make_one_reading() {
        let (listed, readings) = (ListedUris::default(), Cell::new(0));
        let (acme, globex) = (TenantId::parse("acme").unwrap(), TenantId::parse("globex").unwrap());
        let look = async |tenant: &TenantId, second: u64| {
            let reading = async {
                readings.set(readings.get() + 1);
                Ok(vec![format!("https://{tenant}.example/")])
            };
            let now = Timestamp::ZERO + Duration::from_secs(second);
            listed.of(tenant, now, reading).await.unwrap()[0].clone()
        };
        for second in 100..110 {
            assert_eq!(look(&acme, second).await, "https://acme.example/");
        }
        assert_eq!(readings.get(), 1);
        assert_eq!(look(&globex, 105).await, "https://globex.example/");
        look(&acme, 110).await;
        assert_eq!(readings.get(), 3);
    }

    #[tokio::test]
    async fn what_could_not_be_read_is_read_again_after_a_while() {
        let (listed, acme) = (ListedUris::default(), TenantId::parse("acme").unwrap());
        let after = |time: Duration| Timestamp::ZERO + time;
        assert!(listed.of(&acme, Timestamp::ZERO, async { Err(Trouble::Away) }).await.is_err());
        let early = listed.of(&acme, after(AWAY_FOR - Duration::from_millis(1)), async { panic!("it is not read") });
        assert!(early.await.is_err());
        assert!(listed.of(&acme, after(AWAY_FOR), async { Ok(Vec::new()) }).await.is_ok());
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
