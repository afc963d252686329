//! The places of WebSockets at a replica, and of what was told by them and is not taken yet: so much of each session and of each tenant.

use std::collections::HashMap;
use std::ops::{AddAssign, SubAssign};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::session_cookie::SessionCookie;
use model::TenantId;
use runtime::server::CONNECTIONS_MAX;
use tokio::time::Instant;

use super::pace::MessagePace;

/// The most sockets of a session: one of each of its clients, and those that have broken without a word.
const OF_SESSION_MAX: usize = 16;
/// The most sockets of a replica: whoever brings no token of an own has so many of the listener's connections.
const OF_REPLICA_MAX: usize = CONNECTIONS_MAX / 4 * 3;
/// An answer of so many bytes has a place among those that are not taken yet.
const LARGE_FROM: usize = 64 << 10;
/// The most bytes of such answers of a session: what may wait for two of its clients.
const UNTAKEN_OF_SESSION_MAX: usize = 16 << 20;
/// The most bytes of those of a replica.
const UNTAKEN_OF_REPLICA_MAX: usize = 256 << 20;
/// The share of a tenant, as a multiple of what is left: it alone has three quarters.
const TENANTS_SHARE: usize = 3;

/// The places of a replica.
#[derive(Default)]
pub(super) struct SocketPlaces {
    taken: Arc<Mutex<TakenPlaces>>,
}

#[derive(Default)]
struct TakenPlaces {
    all: SocketUse,
    of_tenants: HashMap<TenantId, SocketUse>,
    of_sessions: HashMap<SessionCookie, SessionUse>,
}

/// Sockets, and the bytes that were told by them and are not taken yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SocketUse {
    sockets: usize,
    untaken: usize,
}

struct SessionUse {
    of: SocketUse,
    pace: Arc<Mutex<MessagePace>>,
}

/// The place of a socket among those of its tenant. It is free again when this is dropped.
pub(super) struct TenantPlace {
    taken: Arc<Mutex<TakenPlaces>>,
    tenant: TenantId,
}

/// That among those of its session, too.
pub(super) struct SessionPlace {
    of_tenant: TenantPlace,
    cookie: SessionCookie,
    pace: Arc<Mutex<MessagePace>>,
}

/// The place of an answer that is being told. It is free again when this is dropped.
pub(super) struct UntakenBytes<'p> {
    place: &'p SessionPlace,
    bytes: usize,
}

impl AddAssign for SocketUse {
    fn add_assign(&mut self, more: Self) {
        self.sockets += more.sockets;
        self.untaken += more.untaken;
    }
}

impl SubAssign for SocketUse {
    fn sub_assign(&mut self, less: Self) {
        self.sockets -= less.sockets;
        self.untaken -= less.untaken;
    }
}

const ONE: SocketUse = SocketUse { sockets: 1, untaken: 0 };

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SocketPlaces {
    /// A place for one more socket of a tenant, if that is within its share.
    pub fn of_tenant(&self, tenant: &TenantId) -> Option<TenantPlace> {
        let mut taken = locked(&self.taken);
        let left = OF_REPLICA_MAX.saturating_sub(taken.all.sockets);
        let of_tenant = taken.of_tenants.get(tenant).copied().unwrap_or_default();
        if of_tenant.sockets >= TENANTS_SHARE * left {
            return None;
        }
        taken.all += ONE;
        *taken.of_tenants.entry(tenant.clone()).or_default() += ONE;
        Some(TenantPlace { taken: self.taken.clone(), tenant: tenant.clone() })
    }
}

impl TenantPlace {
    /// The same for a session of the tenant; none if that has too many.
    pub fn of(self, cookie: &SessionCookie) -> Option<SessionPlace> {
        let mut taken = locked(&self.taken);
        let begun =
            || SessionUse { of: SocketUse::default(), pace: Arc::new(Mutex::new(MessagePace::begun(Instant::now()))) };
        let session = taken.of_sessions.entry(cookie.clone()).or_insert_with(begun);
        if session.of.sockets >= OF_SESSION_MAX {
            return None;
        }
        session.of += ONE;
        let pace = session.pace.clone();
        drop(taken);
        Some(SessionPlace { of_tenant: self, cookie: cookie.clone(), pace })
    }
}

impl SessionPlace {
    /// The session.
    pub fn cookie(&self) -> &SessionCookie {
        &self.cookie
    }

    /// From when on the next message of the session is taken.
    pub fn opens_at(&self) -> Instant {
        locked(&self.pace).opens_at()
    }

    /// Notes a message of the session.
    pub fn note(&self, now: Instant) {
        locked(&self.pace).note(now);
    }

    /// A place for an answer until its client has taken it; none if too much of the session, of its tenant or in all is not taken yet. One
    /// of the session has its place whatever else there is of that, and small ones need none.
    pub fn untaken(&self, bytes: usize) -> Option<UntakenBytes<'_>> {
        if bytes < LARGE_FROM {
            return Some(UntakenBytes { place: self, bytes: 0 });
        }
        let mut taken = locked(&self.of_tenant.taken);
        let left = UNTAKEN_OF_REPLICA_MAX.checked_sub(taken.all.untaken + bytes)?;
        let of_tenant = taken.of_tenants.get(&self.of_tenant.tenant).map_or(0, |of| of.untaken);
        let of_session = taken.of_sessions.get(&self.cookie).map_or(0, |session| session.of.untaken);
        let is_within = of_session == 0 || of_session + bytes <= UNTAKEN_OF_SESSION_MAX;
        if !is_within || of_tenant + bytes > TENANTS_SHARE * left {
            return None;
        }
        self.change(&mut taken, |of| of.untaken += bytes);
        Some(UntakenBytes { place: self, bytes })
    }

    fn change(&self, taken: &mut TakenPlaces, change: impl Fn(&mut SocketUse)) {
        change(&mut taken.all);
        if let Some(of) = taken.of_tenants.get_mut(&self.of_tenant.tenant) {
            change(of);
        }
        if let Some(session) = taken.of_sessions.get_mut(&self.cookie) {
            change(&mut session.of);
        }
    }
}

impl Drop for TenantPlace {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        taken.all -= ONE;
        if let Some(of) = taken.of_tenants.get_mut(&self.tenant) {
            *of -= ONE;
            if of.sockets == 0 {
                taken.of_tenants.remove(&self.tenant);
            }
        }
    }
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        let mut taken = locked(&self.of_tenant.taken);
        if let Some(session) = taken.of_sessions.get_mut(&self.cookie) {
            session.of -= ONE;
            if session.of.sockets == 0 {
                taken.of_sessions.remove(&self.cookie);
            }
        }
    }
}

impl Drop for UntakenBytes<'_> {
    fn drop(&mut self) {
        let mut taken = locked(&self.place.of_tenant.taken);
        self.place.change(&mut taken, |of| of.untaken -= self.bytes);
    }
}

#[cfg(test)]
impl SessionPlace {
    /// The place of another socket of the session.
    pub(super) fn beside(&self) -> Option<Self> {
        SocketPlaces { taken: self.of_tenant.taken.clone() }.of_tenant(&self.of_tenant.tenant)?.of(&self.cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(tenant: &str, secret: usize) -> SessionCookie {
        let tenant = TenantId::parse(tenant).unwrap();
        SessionCookie::read(&SessionCookie::write(&tenant, &secret.to_string())).unwrap()
    }

    fn place(places: &SocketPlaces, tenant: &str, secret: usize) -> Option<SessionPlace> {
        let cookie = cookie(tenant, secret);
        places.of_tenant(&cookie.tenant)?.of(&cookie)
    }

    fn is_empty(places: &SocketPlaces) -> bool {
        let taken = locked(&places.taken);
        taken.all == SocketUse::default() && taken.of_tenants.is_empty() && taken.of_sessions.is_empty()
    }

    #[test]
    fn a_session_has_so_many_sockets_and_leaves_nothing_behind() {
        let places = SocketPlaces::default();
        let mut of_one: Vec<SessionPlace> = (0..100).map_while(|_| place(&places, "acme", 1)).collect();
        assert_eq!(of_one.len(), OF_SESSION_MAX);
        assert!(place(&places, "acme", 2).is_some());
        of_one.pop();
        assert!(place(&places, "acme", 1).is_some());
        drop(of_one);
        assert!(is_empty(&places));
    }

    #[test]
    fn a_tenant_takes_no_more_sockets_than_its_share_whatever_addresses_they_come_from() {
        let places = SocketPlaces::default();
        let of_acme: Vec<SessionPlace> = (0..).map_while(|secret| place(&places, "acme", secret)).collect();
        assert_eq!(of_acme.len(), 2_304, "three quarters");
        let of_other: Vec<SessionPlace> = (0..).map_while(|secret| place(&places, "globex", secret)).collect();
        assert!(of_other.len() > 500, "{}", of_other.len());
        drop((of_acme, of_other));
        assert!(is_empty(&places));
    }

    #[test]
    fn what_is_not_taken_is_bounded_for_a_session_a_tenant_and_the_replica_but_for_what_is_small() {
        let (places, queue) = (SocketPlaces::default(), 8 << 20);
        let of_one: Vec<SessionPlace> = (0..4).map_while(|_| place(&places, "acme", 0)).collect();
        let told = [of_one[0].untaken(queue), of_one[1].untaken(queue)];
        assert!(told.iter().all(Option::is_some));
        assert!(of_one[2].untaken(LARGE_FROM).is_none() && of_one[2].untaken(LARGE_FROM - 1).is_some());
        drop(told);
        assert!(of_one[2].untaken(2 * UNTAKEN_OF_SESSION_MAX).is_some(), "one answer alone is told whatever its size");

        let of_others: Vec<SessionPlace> = (1..100).map_while(|secret| place(&places, "acme", secret)).collect();
        let told: Vec<UntakenBytes<'_>> = of_others.iter().map_while(|place| place.untaken(queue)).collect();
        assert_eq!(told.len() * queue, UNTAKEN_OF_REPLICA_MAX / 4 * 3);
        let of_globex = place(&places, "globex", 1).unwrap();
        assert!(of_globex.untaken(queue).is_some(), "another tenant finds room");
        drop(told);
        drop((of_one, of_others, of_globex));
        assert!(is_empty(&places));
    }

    #[test]
    fn sockets_of_a_session_have_one_pace_together() {
        let places = SocketPlaces::default();
        let (one, other) = (place(&places, "acme", 1).unwrap(), place(&places, "acme", 1).unwrap());
        let (of_another, now) = (place(&places, "acme", 2).unwrap(), Instant::now());
        (0..200).for_each(|_| one.note(now));
        assert!(other.opens_at() > now && of_another.opens_at() <= now);
    }
}
