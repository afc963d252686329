//! The sessions that a replica has in memory. One that it does not have is taken over by one request, for which the others of that session
//! wait, and nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::session_cookie::SessionCookie;
use model::TenantId;
use tokio::sync::watch;

use super::record::SessionRecord;

/// A session in memory.
pub(crate) trait HeldSession: Send + Sync + 'static {
    /// What is kept of it.
    type Record: SessionRecord;

    /// Whether nothing of it is to be done here any more: another replica has it, or it has ended with its record. One that has ended and
    /// whose record has not stays here, so that nobody takes it over by the record.
    fn is_gone(&self) -> bool;
    /// Whether it is this replica's still, perhaps as one that has ended. Where the store does not answer, it is.
    fn is_still_held(&self) -> impl Future<Output = bool> + Send;
    /// Writes it once more, and lets go of it: another replica takes it over.
    fn hand_over(self: Arc<Self>) -> impl Future<Output = ()> + Send;
}

/// How many sessions a replica has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldLimits {
    /// The most of all tenants.
    pub sessions_max: usize,
    /// The share of a tenant, as a multiple of the places left: with 1 it alone has half of them, with 3 three quarters, and whoever comes
    /// new finds some.
    pub tenants_share: usize,
}

/// The sessions by their cookies.
pub(crate) struct HeldSessions<S> {
    limits: HeldLimits,
    places: Mutex<HeldPlaces<S>>,
}

struct HeldPlaces<S> {
    of: HashMap<SessionCookie, HeldPlace<S>>,
    of_tenants: HashMap<TenantId, usize>,
}

enum HeldPlace<S> {
    Held(Arc<S>),
    /// It is being taken over, until the sender is gone.
    UnderWay(watch::Receiver<()>),
}

/// What is found of a cookie.
pub(crate) enum FoundPlace<S: HeldSession> {
    /// The session.
    Held(Arc<S>),
    /// It is being taken over; that has ended when the sender is gone.
    UnderWay(watch::Receiver<()>),
    /// It is not here, and whoever has asked takes it over.
    Own(AdoptionTurn<S>),
    /// There is no place for one more.
    Full,
}

/// The turn to take a session over. It ends by being dropped.
pub(crate) struct AdoptionTurn<S: HeldSession> {
    held: Arc<HeldSessions<S>>,
    cookie: SessionCookie,
    _under_way: watch::Sender<()>,
}

impl<S> HeldPlaces<S> {
    fn has_room(&self, limits: HeldLimits, tenant: &TenantId) -> bool {
        let left = limits.sessions_max.saturating_sub(self.of.len());
        self.of_tenants.get(tenant).copied().unwrap_or_default() < limits.tenants_share * left
    }

    fn insert(&mut self, cookie: &SessionCookie, place: HeldPlace<S>) {
        if self.of.insert(cookie.clone(), place).is_none() {
            *self.of_tenants.entry(cookie.tenant.clone()).or_default() += 1;
        }
    }

    fn remove(&mut self, cookie: &SessionCookie) {
        if self.of.remove(cookie).is_none() {
            return;
        }
        if let Some(count) = self.of_tenants.get_mut(&cookie.tenant) {
            *count -= 1;
            if *count == 0 {
                self.of_tenants.remove(&cookie.tenant);
            }
        }
    }
}

impl<S: HeldSession> HeldSessions<S> {
    /// None yet.
    pub(crate) fn new(limits: HeldLimits) -> Arc<Self> {
        let places = HeldPlaces { of: HashMap::new(), of_tenants: HashMap::new() };
        Arc::new(Self { limits, places: Mutex::new(places) })
    }

    fn lock(&self) -> MutexGuard<'_, HeldPlaces<S>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a cookie up, and takes the turn where nobody has the session.
    pub(crate) fn seek(self: &Arc<Self>, cookie: &SessionCookie) -> FoundPlace<S> {
        let mut places = self.lock();
        match places.of.get(cookie) {
            Some(HeldPlace::Held(session)) if !session.is_gone() => return FoundPlace::Held(session.clone()),
            Some(HeldPlace::UnderWay(ends)) => return FoundPlace::UnderWay(ends.clone()),
            Some(HeldPlace::Held(_)) => {}
            None if !places.has_room(self.limits, &cookie.tenant) => return FoundPlace::Full,
            None => {}
        }
        let (under_way, ends) = watch::channel(());
        places.insert(cookie, HeldPlace::UnderWay(ends));
        FoundPlace::Own(AdoptionTurn { held: self.clone(), cookie: cookie.clone(), _under_way: under_way })
    }

    /// A session that is here.
    pub(crate) fn find(&self, cookie: &SessionCookie) -> Option<Arc<S>> {
        match self.lock().of.get(cookie) {
            Some(HeldPlace::Held(session)) if !session.is_gone() => Some(session.clone()),
            _ => None,
        }
    }

    /// All that are here.
    pub(crate) fn all(&self) -> Vec<Arc<S>> {
        let places = self.lock();
        let held = places.of.values().filter_map(|place| match place {
            HeldPlace::Held(session) => Some(session.clone()),
            HeldPlace::UnderWay(_) => None,
        });
        held.collect()
    }

    /// Forgets those of which nothing is to be done here any more.
    pub(crate) fn forget_ended(&self) {
        let mut places = self.lock();
        let is_gone = |place: &HeldPlace<S>| matches!(place, HeldPlace::Held(session) if session.is_gone());
        let gone: Vec<SessionCookie> =
            places.of.iter().filter(|(_, place)| is_gone(place)).map(|(cookie, _)| cookie.clone()).collect();
        for cookie in gone {
            places.remove(&cookie);
        }
    }
}

impl<S: HeldSession> AdoptionTurn<S> {
    /// The session is here now.
    pub(crate) fn holds(self, session: Arc<S>) {
        self.held.lock().insert(&self.cookie, HeldPlace::Held(session));
    }
}

impl<S: HeldSession> Drop for AdoptionTurn<S> {
    fn drop(&mut self) {
        let mut places = self.held.lock();
        if matches!(places.of.get(&self.cookie), Some(HeldPlace::UnderWay(_))) {
            places.remove(&self.cookie);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use identity::secret::Digest;

    use super::super::test_sessions::PlainSession;
    use super::*;

    const LIMITS: HeldLimits = HeldLimits { sessions_max: 100, tenants_share: 1 };

    fn cookie(tenant: &str, secret: usize) -> SessionCookie {
        SessionCookie { tenant: TenantId::parse(tenant).unwrap(), digest: Digest::of(&secret.to_string()) }
    }

    fn turn(held: &Arc<HeldSessions<PlainSession>>, cookie: &SessionCookie) -> Option<AdoptionTurn<PlainSession>> {
        match held.seek(cookie) {
            FoundPlace::Own(turn) => Some(turn),
            _ => None,
        }
    }

    #[tokio::test]
    async fn one_request_takes_a_session_over_and_others_wait_for_it_alone() {
        let held = HeldSessions::<PlainSession>::new(LIMITS);
        let (one, two) = (cookie("acme", 1), cookie("acme", 2));
        let own = turn(&held, &one).unwrap();
        let FoundPlace::UnderWay(mut ends) = held.seek(&one) else { panic!("somebody takes it over") };
        let other = turn(&held, &two).unwrap();
        assert!(held.find(&one).is_none() && held.all().is_empty());
        drop(own);
        assert!(ends.changed().await.is_err(), "it has ended");
        assert!(turn(&held, &one).is_some(), "whoever waited takes the turn");
        drop(other);
        assert!(held.lock().of.is_empty() && held.lock().of_tenants.is_empty(), "no place is lost");
    }

    #[test]
    fn a_session_is_found_until_it_is_gone_and_its_place_is_taken_again() {
        let held = HeldSessions::<PlainSession>::new(LIMITS);
        let one = cookie("acme", 1);
        let session = Arc::new(PlainSession::default());
        turn(&held, &one).unwrap().holds(session.clone());
        assert!(matches!(held.seek(&one), FoundPlace::Held(found) if Arc::ptr_eq(&found, &session)));
        held.forget_ended();
        assert_eq!(held.all().len(), 1);
        session.is_gone.store(true, Ordering::Relaxed);
        assert!(held.find(&one).is_none());
        turn(&held, &one).unwrap().holds(Arc::default());
        assert_eq!(held.lock().of_tenants.values().copied().collect::<Vec<_>>(), [1]);
        held.find(&one).unwrap().is_gone.store(true, Ordering::Relaxed);
        held.forget_ended();
        assert!(held.lock().of.is_empty() && held.lock().of_tenants.is_empty());
    }

    #[test]
    fn a_tenant_takes_no_more_places_than_its_share() {
        let held = HeldSessions::<PlainSession>::new(LIMITS);
        let turns: Vec<_> = (0..50).map(|secret| turn(&held, &cookie("acme", secret))).collect();
        assert!(turns.iter().all(Option::is_some));
        assert!(matches!(held.seek(&cookie("acme", 50)), FoundPlace::Full));
        assert!(matches!(held.seek(&cookie("acme", 7)), FoundPlace::UnderWay(_)), "it is there already");
        assert!(turn(&held, &cookie("globex", 1)).is_some());
    }

    #[test]
    fn cookies_of_no_session_leave_no_place_behind() {
        let held = HeldSessions::<PlainSession>::new(LIMITS);
        for secret in 0..1_000 {
            assert!(turn(&held, &cookie("acme", secret)).is_some(), "{secret}");
        }
        assert!(held.lock().of.is_empty());
    }
}
