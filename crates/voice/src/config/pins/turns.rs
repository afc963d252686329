//! Turns to compare PINs: on half of the processors, so that calls have the others. Those of one phone, or of one agent's logins, come one
//! after the other, so that of many at a time no more are looked at than one by one. A burst waits, as long as it is of use to who asks;
//! tenants take turns, so that one in which everybody logs in at once, or one program never stops, keeps no other waiting.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use model::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::guessers::GuesserKey;

/// The most PINs that are compared or wait for it. They cost only memory. One tenant may have as many as are left, so half of them at most,
/// and the fewer the more others have.
const WAITING_MAX: usize = 1_024;
/// The longest wait. Who asks about a login gives up after 1.5 s (`CHECK_TIME` of sip-cluster): comparison and answer take the rest.
const TURN_WITHIN: Duration = Duration::from_millis(1_400);

/// Places to compare PINs.
pub(super) struct ComparingTurns {
    waiting: Arc<Mutex<WaitingCounts>>,
    processors: Arc<Semaphore>,
    /// A tenant may use all of them, and no more of its own wait in front of those of others.
    of_tenant_max: usize,
    /// Of those, and of the next, the ones of whom a turn is taken or waited for.
    of_tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
    of_guessers: Mutex<HashMap<GuesserKey, Arc<Semaphore>>>,
}

/// A turn; dropping it gives it back. It belongs to the work, which goes on where nobody waits for it any more.
///
/// The processor is given back last: who gets it finds all else free.
pub(super) struct ComparingTurn {
    _of_guesser: OwnedSemaphorePermit,
    _of_tenant: OwnedSemaphorePermit,
    _place: WaitingPlace,
    _processor: OwnedSemaphorePermit,
}

impl ComparingTurns {
    pub fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::on((processors / 2).max(1))
    }

    pub(super) fn on(processors: usize) -> Self {
        Self {
            waiting: Arc::default(),
            processors: Arc::new(Semaphore::new(processors)),
            of_tenant_max: processors,
            of_tenants: Mutex::default(),
            of_guessers: Mutex::default(),
        }
    }

    /// Waits until nothing is compared, and keeps it so.
    #[cfg(test)]
    pub(super) async fn all(&self) -> Option<OwnedSemaphorePermit> {
        let all = u32::try_from(self.of_tenant_max).ok()?;
        self.processors.clone().acquire_many_owned(all).await.ok()
    }

    /// Waits for a turn; none if too many wait, or if none comes in time.
    pub async fn take(&self, key: &GuesserKey) -> Option<ComparingTurn> {
        let place = self.place(&key.0)?;
        // What is waited for first takes nothing from others. The semaphores are never closed, so that none of them fails.
        let waited = timeout(TURN_WITHIN, async {
            let of_guesser = places_of(&self.of_guessers, key, 1).acquire_owned().await.ok()?;
            let of_tenant = places_of(&self.of_tenants, &key.0, self.of_tenant_max).acquire_owned().await.ok()?;
            let processor = self.processors.clone().acquire_owned().await.ok()?;
            Some((processor, of_tenant, of_guesser))
        });
        let (processor, of_tenant, of_guesser) = waited.await.ok()??;
        Some(ComparingTurn { _processor: processor, _of_tenant: of_tenant, _of_guesser: of_guesser, _place: place })
    }

    fn place(&self, tenant: &TenantId) -> Option<WaitingPlace> {
        let mut waiting = counts(&self.waiting);
        let left = WAITING_MAX.saturating_sub(waiting.all);
        let of_tenant = waiting.of_tenants.get(tenant).copied().unwrap_or_default();
        if of_tenant >= left {
            return None;
        }
        waiting.all += 1;
        waiting.of_tenants.insert(tenant.clone(), of_tenant + 1);
        Some(WaitingPlace { waiting: self.waiting.clone(), tenant: tenant.clone() })
    }
}

/// The places of one.
fn places_of<K: Clone + Eq + Hash>(all: &Mutex<HashMap<K, Arc<Semaphore>>>, key: &K, places: usize) -> Arc<Semaphore> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, own| Arc::strong_count(own) > 1);
    all.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(places))).clone()
}

/// How many PINs are compared or wait for it.
#[derive(Default)]
struct WaitingCounts {
    all: usize,
    of_tenants: HashMap<TenantId, usize>,
}

fn counts(of: &Mutex<WaitingCounts>) -> MutexGuard<'_, WaitingCounts> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place among those; dropping it gives it back.
struct WaitingPlace {
    waiting: Arc<Mutex<WaitingCounts>>,
    tenant: TenantId,
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        let mut waiting = counts(&self.waiting);
        waiting.all = waiting.all.saturating_sub(1);
        let of_tenant = waiting.of_tenants.get(&self.tenant).copied().unwrap_or_default();
        if of_tenant > 1 {
            waiting.of_tenants.insert(self.tenant.clone(), of_tenant - 1);
        } else {
            waiting.of_tenants.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::config::pins::guessers::Guesser;

    fn logins_of(tenant: &str, agent: usize) -> GuesserKey {
        (TenantId::parse(tenant).unwrap(), Guesser::LoginsOf(agent.to_string()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_whose_agents_all_wait_comes_after_the_first_of_another_one() {
        let turns = ComparingTurns::on(1);
        let [first, second, third] = [0, 1, 2].map(|agent| logins_of("acme", agent));
        let running = turns.take(&first).now_or_never().flatten();
        assert!(running.is_some());
        let mut acme = [&second, &third].map(|key| Box::pin(turns.take(key)));
        for waiting in &mut acme {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        let other = logins_of("globex", 0);
        let mut globex = Box::pin(turns.take(&other));
        assert!(globex.as_mut().now_or_never().is_none());
        drop(running);
        for waiting in &mut acme {
            assert!(waiting.as_mut().now_or_never().is_none(), "though they came before it");
        }
        assert!(globex.as_mut().now_or_never().flatten().is_some());
        assert!(acme[0].as_mut().now_or_never().flatten().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn those_of_one_guesser_come_one_after_the_other_and_leave_the_tenants_other_places() {
        let turns = ComparingTurns::on(2);
        let (own, other) = (logins_of("acme", 0), logins_of("acme", 1));
        let first = turns.take(&own).now_or_never().flatten();
        let mut second = Box::pin(turns.take(&own));
        assert!(first.is_some() && second.as_mut().now_or_never().is_none());
        let beside = turns.take(&other).now_or_never().flatten();
        assert!(beside.is_some());
        drop(first);
        assert!(second.as_mut().now_or_never().flatten().is_some());
        drop((second, beside));
        assert!(turns.take(&other).now_or_never().flatten().is_some());
        assert_eq!(turns.of_guessers.lock().unwrap().len(), 1, "who has no turn is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_waits_for_all_it_may_leaves_places_and_who_waits_too_long_gives_its_own_back() {
        let turns = ComparingTurns::on(1);
        let busy = turns.all().await;
        let keys: Vec<GuesserKey> = (0..WAITING_MAX).map(|agent| logins_of("acme", agent)).collect();
        let mut acme: Vec<_> = keys.iter().map(|key| Box::pin(turns.take(key))).collect();
        // Those beyond the share are refused at once.
        let refused = acme.iter_mut().filter_map(|waiting| waiting.as_mut().now_or_never()).count();
        assert_eq!(refused, WAITING_MAX / 2);
        let other = logins_of("globex", 0);
        let mut globex = Box::pin(turns.take(&other));
        assert!(globex.as_mut().now_or_never().is_none(), "it has a place");
        assert!(globex.await.is_none(), "nothing comes in time");
        drop(acme);
        drop(busy);
        assert_eq!(counts(&turns.waiting).all, 0);
        assert!(turns.take(&other).now_or_never().flatten().is_some());
    }
}
