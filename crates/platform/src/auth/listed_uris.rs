//! The redirect URIs of all clients of a tenant, as they were read lately: anybody may make us look for one among them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{TenantId, Timestamp};
use tokio::sync::Mutex;

use super::answers::Trouble;

/// How long those of a tenant are used again.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// Time to wait for another request that reads them.
const READ_WITHIN: Duration = Duration::from_secs(5);

type Uris = Arc<Vec<String>>;

/// Those of the tenants that there are.
#[derive(Default)]
pub(super) struct ListedUris {
    read: Mutex<HashMap<TenantId, (Uris, Timestamp)>>,
}

impl ListedUris {
    /// Those of a tenant, read if they were not read lately: by one request at a time, for which the others wait.
    pub async fn of(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        reading: impl Future<Output = Result<Vec<String>, Trouble>>,
    ) -> Result<Uris, Trouble> {
        let read = tokio::time::timeout(READ_WITHIN, self.read.lock()).await;
        let mut read = read.map_err(|late| Trouble::away("tenant", &late))?;
        if let Some((uris, at)) = read.get(tenant)
            && now.since(*at) < FRESH_FOR
        {
            return Ok(uris.clone());
        }
        let uris = Arc::new(reading.await?);
        read.insert(tenant.clone(), (uris.clone(), now));
        Ok(uris)
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
    async fn what_could_not_be_read_is_read_again() {
        let (listed, acme) = (ListedUris::default(), TenantId::parse("acme").unwrap());
        assert!(listed.of(&acme, Timestamp::ZERO, async { Err(Trouble::Away) }).await.is_err());
        assert!(listed.of(&acme, Timestamp::ZERO, async { Ok(Vec::new()) }).await.is_ok());
    }
}
