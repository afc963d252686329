//! Places for requests whose session is being read. Cookies that were good before have places of their own: whoever makes cookies up takes
//! none of them.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::secret::Digest;
use identity::session_cookie::SessionCookie;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Sessions of cookies that were good before that are read at a time; one more is answered 503.
const GOOD_MAX: usize = 512;
/// The same of cookies that nobody has shown yet since the start.
const NEW_MAX: usize = 128;
/// Cookies that are remembered as good; then those that were shown longest ago are forgotten.
const REMEMBERED_MAX: usize = 16_384;

/// The places.
pub(super) struct LookupPlaces {
    good: Semaphore,
    new: Semaphore,
    remembered: Mutex<RememberedCookies>,
}

/// Cookies that were good: those that were shown since the last change of generations, and those of the generation before.
#[derive(Default)]
struct RememberedCookies {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
}

impl LookupPlaces {
    pub fn new() -> Self {
        Self { good: Semaphore::new(GOOD_MAX), new: Semaphore::new(NEW_MAX), remembered: Mutex::default() }
    }

    /// A place for the time of a lookup; none if all are taken.
    pub fn take(&self, cookie: &SessionCookie) -> Option<SemaphorePermit<'_>> {
        let places = if self.lock().knows(cookie.digest) { &self.good } else { &self.new };
        places.try_acquire().ok()
    }

    /// There is a session of that cookie.
    pub fn remember(&self, cookie: &SessionCookie) {
        self.lock().remember(cookie.digest);
    }

    fn lock(&self) -> MutexGuard<'_, RememberedCookies> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RememberedCookies {
    fn knows(&self, cookie: Digest) -> bool {
        self.young.contains(&cookie) || self.old.contains(&cookie)
    }

    fn remember(&mut self, cookie: Digest) {
        if self.young.len() >= REMEMBERED_MAX / 2 && !self.young.contains(&cookie) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(cookie);
    }
}

#[cfg(test)]
mod tests {
    use model::TenantId;

    use super::*;

    fn cookie(secret: &str) -> SessionCookie {
        SessionCookie { tenant: TenantId::parse("acme").unwrap(), digest: Digest::of(secret) }
    }

    #[test]
    fn cookies_that_are_made_up_take_no_place_of_good_ones() {
        let places = LookupPlaces::new();
        places.remember(&cookie("ann"));
        let made_up: Vec<_> = (0..NEW_MAX + 5).filter_map(|n| places.take(&cookie(&n.to_string()))).collect();
        assert_eq!(made_up.len(), NEW_MAX);
        assert!(places.take(&cookie("ann")).is_some());
        drop(made_up);
        assert!(places.take(&cookie("bob")).is_some(), "somebody new");
    }

    #[test]
    fn the_cookies_shown_lately_are_remembered() {
        let mut remembered = RememberedCookies::default();
        remembered.remember(Digest::of("ann"));
        for n in 0..2 * REMEMBERED_MAX {
            remembered.remember(Digest::of(&n.to_string()));
            if n % 1_000 == 0 {
                remembered.remember(Digest::of("bob"));
            }
        }
        assert!(!remembered.knows(Digest::of("ann")) && remembered.knows(Digest::of("bob")));
        assert!(remembered.young.len() + remembered.old.len() <= REMEMBERED_MAX);
    }
}
