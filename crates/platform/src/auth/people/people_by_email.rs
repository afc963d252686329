//! Whose address for mail is which: read of all people of a tenant, which takes a while, and kept for a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{TenantId, Timestamp};

use super::super::answers::Trouble;

/// How long what was read is used before it is read again; meanwhile it is used on.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// How often an address that is not among them makes us read them again.
const SOUGHT_EACH: Duration = Duration::from_secs(30);
/// How long somebody who signs in waits for the reading, which goes on behind.
const READ_WITHIN: Duration = Duration::from_secs(3);

/// User names by address, in lower case; none for an address that several have.
pub(super) type UsersByEmail = HashMap<String, Option<String>>;

/// Those of the tenants whose people come by their addresses.
#[derive(Default)]
pub(super) struct PeopleByEmail {
    read: Mutex<HashMap<TenantId, Arc<ReadUsers>>>,
}

/// Those of one tenant.
#[derive(Default)]
struct ReadUsers {
    known: Mutex<KnownUsers>,
    /// Held by who reads them.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct KnownUsers {
    /// As they were last read, and when that began.
    users: Option<(Arc<UsersByEmail>, Timestamp)>,
    /// How often they were read, or were not to be read.
    readings: u64,
    /// Whether they could not be read the last time.
    has_failed: bool,
}

/// Adds a person.
pub(super) fn add(users: &mut UsersByEmail, email: &str, user: String) {
    let of_several = users.contains_key(&email.to_ascii_lowercase());
    users.insert(email.to_ascii_lowercase(), (!of_several).then_some(user));
}

impl ReadUsers {
    fn lock(&self) -> MutexGuard<'_, KnownUsers> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads them, unless somebody else has tried that since there were so many readings.
    async fn read(
        self: Arc<Self>,
        readings: u64,
        now: Timestamp,
        reading: impl Future<Output = Result<UsersByEmail, Trouble>> + Send,
    ) -> Result<Arc<UsersByEmail>, Trouble> {
        let _turn = self.turn.lock().await;
        {
            let known = self.lock();
            if known.readings != readings {
                let fresh = known.users.as_ref().filter(|_| !known.has_failed);
                let failed = || Trouble::away("tenant", &"its people could not be read just now");
                return fresh.map(|(users, _)| users.clone()).ok_or_else(failed);
            }
        }
        let read = reading.await.map(Arc::new);
        let mut known = self.lock();
        known.readings += 1;
        known.has_failed = read.is_err();
        if let Ok(users) = &read {
            known.users = Some((users.clone(), now));
        }
        drop(known);
        read
    }
}

impl PeopleByEmail {
    /// The user name of who has that address, as it was when people were last read; as it was half a minute ago at most if somebody looks
    /// again. Nobody but who looks again, or is the first, waits for a reading.
    pub async fn user_of(
        &self,
        tenant: &TenantId,
        email: &str,
        looks_again: bool,
        now: Timestamp,
        reading: impl Future<Output = Result<UsersByEmail, Trouble>> + Send + 'static,
    ) -> Result<Option<String>, Trouble> {
        let slot = self.read.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant.clone()).or_default().clone();
        let (held, readings) = {
            let known = slot.lock();
            (known.users.clone(), known.readings)
        };
        let is_within = |time: Duration| held.as_ref().is_some_and(|(_, at)| now.since(*at) < time);
        let (is_fresh, is_awaited) = match looks_again {
            true => (is_within(SOUGHT_EACH), true),
            false => (is_within(FRESH_FOR), held.is_none()),
        };
        let is_begun = !is_fresh && (is_awaited || slot.turn.try_lock().is_ok());
        let begun = is_begun.then(|| tokio::spawn(slot.read(readings, now, reading)));
        let users = match (held, begun) {
            (_, Some(begun)) if is_awaited => match tokio::time::timeout(READ_WITHIN, begun).await {
                Ok(Ok(read)) => read?,
                Ok(Err(error)) => return Err(Trouble::away("tenant", &error)),
                Err(late) => return Err(Trouble::away("tenant", &late)),
            },
            (Some((users, _)), _) => users,
            // Whoever has nothing has waited.
            (None, _) => return Ok(None),
        };
        Ok(users.get(&email.to_ascii_lowercase()).cloned().flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn an_address_leads_to_one_person_and_people_are_read_seldom() {
        let (people, acme) = (PeopleByEmail::default(), TenantId::parse("acme").unwrap());
        let readings = Arc::new(AtomicUsize::new(0));
        let look = async |email: &str, looks_again: bool, second: u64| {
            let readings = readings.clone();
            let reading = async move {
                readings.fetch_add(1, Ordering::Relaxed);
                let mut users = UsersByEmail::new();
                add(&mut users, "Ann@Acme.example", "ann".to_owned());
                for user in ["bob", "bea", "ben"] {
                    add(&mut users, "b@acme.example", user.to_owned());
                }
                Ok(users)
            };
            let now = Timestamp::from_millis(1_000_000 + second * 1_000);
            people.user_of(&acme, email, looks_again, now, reading).await.unwrap()
        };
        assert_eq!(look("ann@acme.EXAMPLE", false, 0).await.as_deref(), Some("ann"));
        assert_eq!(look("b@acme.example", false, 1).await, None, "several have it");
        assert_eq!(look("x@acme.example", true, 29).await, None);
        assert_eq!(readings.load(Ordering::Relaxed), 1);
        look("x@acme.example", true, 30).await;
        look("ann@acme.example", false, 629).await;
        assert_eq!(readings.load(Ordering::Relaxed), 2);
        assert_eq!(look("ann@acme.example", false, 630).await.as_deref(), Some("ann"), "of before, at once");
        assert_eq!(readings.load(Ordering::Relaxed), 2);
        while readings.load(Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn nobody_who_is_known_waits_for_a_reading() {
        let (people, acme) = (PeopleByEmail::default(), TenantId::parse("acme").unwrap());
        let at = |second: u64| Timestamp::from_millis(1_000_000 + second * 1_000);
        let users = || UsersByEmail::from([("ann@acme.example".to_owned(), Some("ann".to_owned()))]);
        people.user_of(&acme, "x", false, at(0), async move { Ok(users()) }).await.unwrap();
        for second in [600, 601] {
            let found = people.user_of(&acme, "ann@acme.example", false, at(second), std::future::pending()).await;
            assert_eq!(found.unwrap().as_deref(), Some("ann"));
        }
    }

    #[tokio::test]
    async fn a_reading_that_has_failed_is_not_repeated_by_those_who_waited_for_it() {
        let (people, acme) = (PeopleByEmail::default(), TenantId::parse("acme").unwrap());
        let readings = Arc::new(AtomicUsize::new(0));
        let look = async || {
            let readings = readings.clone();
            let reading = async move {
                readings.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err(Trouble::Away)
            };
            people.user_of(&acme, "ann@acme.example", false, Timestamp::ZERO, reading).await
        };
        let (first, second, third) = tokio::join!(look(), look(), look());
        assert!(first.is_err() && second.is_err() && third.is_err());
        assert_eq!(readings.load(Ordering::Relaxed), 1);
        assert!(look().await.is_err());
        assert_eq!(readings.load(Ordering::Relaxed), 2, "it is tried again");
    }
}
