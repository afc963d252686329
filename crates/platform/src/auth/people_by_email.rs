//! Whose address for mail is which: read of all people of a tenant, which takes a while, and kept for a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{TenantId, Timestamp};

use super::answers::Trouble;

/// How long what was read is used.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// How often an address that is not among them makes us read them again.
const SOUGHT_EACH: Duration = Duration::from_secs(30);
/// How long somebody who signs in waits for the reading, which goes on behind.
const READ_WITHIN: Duration = Duration::from_secs(3);

/// User names by address, in lower case; none for an address that several have.
pub(super) type UsersByEmail = HashMap<String, Option<String>>;

type ReadUsers = Arc<tokio::sync::Mutex<Option<(UsersByEmail, Timestamp)>>>;

/// Those of the tenants whose people come by their addresses.
#[derive(Default)]
pub(super) struct PeopleByEmail {
    read: Mutex<HashMap<TenantId, ReadUsers>>,
}

/// Adds a person.
pub(super) fn add(users: &mut UsersByEmail, email: &str, user: String) {
    let of_several = users.contains_key(&email.to_ascii_lowercase());
    users.insert(email.to_ascii_lowercase(), (!of_several).then_some(user));
}

impl PeopleByEmail {
    /// The user name of who has that address, as it was some minutes ago at most; as it was half a minute ago at most if somebody looks
    /// again.
    pub async fn user_of(
        &self,
        tenant: &TenantId,
        email: &str,
        looks_again: bool,
        now: Timestamp,
        reading: impl Future<Output = Result<UsersByEmail, Trouble>> + Send + 'static,
    ) -> Result<Option<String>, Trouble> {
        let slot = self.read.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant.clone()).or_default().clone();
        let (email, fresh_for) = (email.to_ascii_lowercase(), if looks_again { SOUGHT_EACH } else { FRESH_FOR });
        let looked_up = async move {
            let mut held = slot.lock().await;
            if held.as_ref().is_none_or(|(_, at)| now.since(*at) >= fresh_for) {
                *held = Some((reading.await?, now));
            }
            Ok::<_, Trouble>(held.as_ref().and_then(|(users, _)| users.get(&email).cloned().flatten()))
        };
        match tokio::time::timeout(READ_WITHIN, tokio::spawn(looked_up)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => Err(Trouble::away("tenant", &error)),
            Err(late) => Err(Trouble::away("tenant", &late)),
        }
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
        look("ann@acme.example", false, 630).await;
        assert_eq!(readings.load(Ordering::Relaxed), 3);
    }
}
