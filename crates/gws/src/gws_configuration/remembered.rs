//! What was read a moment ago, by tenant: at the begin of a shift many desktops start within a minute, and somebody who types searches by
//! each letter. Who asks while it is being read waits for that reading.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use infra::Clock;
use model::{TenantId, Timestamp};
use net::http::Problem;

/// For how long what was read is answered again, where nothing else is said.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// The most tenants of which something is remembered, or being read; for others each reads by itself.
const REMEMBERED_MAX: usize = 1_000;

/// What a reading comes to.
pub(super) type ReadOutcome<T> = Result<Arc<T>, Problem>;

/// A reading under way. It goes on for as long as somebody waits for it.
type Reading<T> = Shared<BoxFuture<'static, ReadOutcome<T>>>;

/// What was read a moment ago, and what is being read.
pub(super) struct RememberedByTenant<T> {
    of: Mutex<HashMap<TenantId, TenantReading<T>>>,
    remembered_for: Duration,
}

/// The last reading of a tenant.
struct TenantReading<T> {
    under_way: Weak<Reading<T>>,
    /// What it came to, and when.
    found: Option<(Timestamp, Arc<T>)>,
}

impl<T> Default for RememberedByTenant<T> {
    fn default() -> Self {
        Self::remembered_for(REMEMBERED_FOR)
    }
}

impl<T> RememberedByTenant<T> {
    /// What is read is answered again for so long.
    pub fn remembered_for(remembered_for: Duration) -> Self {
        Self { of: Mutex::default(), remembered_for }
    }
}

impl<T> TenantReading<T> {
    fn fresh(&self, now: Timestamp, remembered_for: Duration) -> Option<&Arc<T>> {
        let (read_at, found) = self.found.as_ref()?;
        (now.since(*read_at) < remembered_for).then_some(found)
    }

    fn is_of_use(&self, now: Timestamp, remembered_for: Duration) -> bool {
        self.fresh(now, remembered_for).is_some() || self.under_way.strong_count() > 0
    }
}

impl<T: Send + Sync + 'static> RememberedByTenant<T> {
    /// The tenant's: what was read just now, what is being read, or else what `begin` reads.
    pub async fn of(
        &self,
        tenant: &TenantId,
        clock: &dyn Clock,
        begin: impl FnOnce() -> BoxFuture<'static, ReadOutcome<T>>,
    ) -> ReadOutcome<T> {
        let reading = match self.known(tenant, clock.now()) {
            Some(Ok(found)) => return Ok(found),
            Some(Err(under_way)) => under_way,
            None => self.begun(tenant, Arc::new(begin().shared()), clock.now()),
        };
        let outcome = (*reading).clone().await;
        if let Ok(found) = &outcome {
            self.keep(tenant, &reading, found, clock.now());
        }
        outcome
    }

    /// What was read a moment ago, or else the reading under way.
    fn known(&self, tenant: &TenantId, now: Timestamp) -> Option<Result<Arc<T>, Arc<Reading<T>>>> {
        let all = self.lock();
        let last = all.get(tenant)?;
        match last.fresh(now, self.remembered_for) {
            Some(found) => Some(Ok(found.clone())),
            None => last.under_way.upgrade().map(Err),
        }
    }

    /// Lets others find the reading, if there is room for it. Somebody may have begun one meanwhile: then that one counts.
    fn begun(&self, tenant: &TenantId, reading: Arc<Reading<T>>, now: Timestamp) -> Arc<Reading<T>> {
        let mut all = self.lock();
        all.retain(|_, last| last.is_of_use(now, self.remembered_for));
        if let Some(other) = all.get(tenant).and_then(|last| last.under_way.upgrade()) {
            return other;
        }
        if all.len() < REMEMBERED_MAX || all.contains_key(tenant) {
            all.insert(tenant.clone(), TenantReading { under_way: Arc::downgrade(&reading), found: None });
        }
        reading
    }

    /// The first of those who have waited for a reading keeps what it came to.
    fn keep(&self, tenant: &TenantId, reading: &Arc<Reading<T>>, found: &Arc<T>, now: Timestamp) {
        if let Some(last) = self.lock().get_mut(tenant)
            && std::ptr::eq(last.under_way.as_ptr(), Arc::as_ptr(reading))
            && last.found.is_none()
        {
            last.found = Some((now, found.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, TenantReading<T>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use infra::conformance::SetClock;
    use tokio::sync::Notify;

    use super::*;

    struct Site {
        remembered: RememberedByTenant<u32>,
        clock: Arc<SetClock>,
        readings: Arc<AtomicU32>,
        lets_go: Arc<Notify>,
        tenant: TenantId,
    }

    impl Site {
        fn new() -> Self {
            Self {
                remembered: RememberedByTenant::default(),
                clock: SetClock::at(Timestamp::from_millis(1_000)),
                readings: Arc::default(),
                lets_go: Arc::default(),
                tenant: TenantId::parse("acme").unwrap(),
            }
        }

        /// Asks for the number of the reading that it gets.
        async fn read(&self) -> ReadOutcome<u32> {
            self.remembered.of(&self.tenant, &*self.clock, || self.reading(true)).await
        }

        fn reading(&self, succeeds: bool) -> BoxFuture<'static, ReadOutcome<u32>> {
            let number = self.readings.fetch_add(1, Ordering::SeqCst) + 1;
            let lets_go = self.lets_go.clone();
            async move {
                lets_go.notified().await;
                if succeeds { Ok(Arc::new(number)) } else { Err(Problem::unavailable("away")) }
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn who_asks_while_it_is_being_read_waits_for_that_reading() {
        let site = Site::new();
        let (first, second, ()) = tokio::join!(site.read(), site.read(), async { site.lets_go.notify_one() });
        assert_eq!((*first.unwrap(), *second.unwrap()), (1, 1));
    }

    #[tokio::test]
    async fn what_was_read_is_remembered_for_a_moment() {
        let site = Site::new();
        site.lets_go.notify_one();
        assert_eq!(*site.read().await.unwrap(), 1);
        site.clock.advance(REMEMBERED_FOR / 2);
        assert_eq!(*site.read().await.unwrap(), 1);
        site.clock.advance(REMEMBERED_FOR / 2);
        site.lets_go.notify_one();
        assert_eq!(*site.read().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_reading_that_has_failed_is_not_remembered() {
        let site = Site::new();
        site.lets_go.notify_one();
        let failed = site.remembered.of(&site.tenant, &*site.clock, || site.reading(false)).await;
        assert_eq!(failed.unwrap_err().status, 503);
        site.lets_go.notify_one();
        assert_eq!(*site.read().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_reading_that_all_have_given_up_is_begun_anew() {
        let site = Site::new();
        assert!(site.read().now_or_never().is_none(), "nothing has come yet");
        site.lets_go.notify_one();
        assert_eq!(*site.read().await.unwrap(), 2);
    }
}
