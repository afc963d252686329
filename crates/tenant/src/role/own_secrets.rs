//! A person's own new password or second factor: what of a tenant's objects people change by themselves.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Person, Secret};
use infra::{ChangeNote, ChangeOrigin, ChangeWay, ObjectChange, ProvisioningStore, StoreError};
use model::{TenantId, Timestamp};

/// The most attempts while others change the tenant too.
const ATTEMPTS_MAX: usize = 8;

/// Which secret of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnSecret {
    /// The hash of the password.
    Password,
    /// The second factor, sealed.
    SecondFactor,
}

impl OwnSecret {
    fn of(self, person: &mut Person) -> &mut Option<Secret> {
        match self {
            Self::Password => &mut person.password,
            Self::SecondFactor => &mut person.second_factor,
        }
    }
}

/// Another value for a secret.
pub(super) struct SecretReplacement<'a> {
    pub secret: OwnSecret,
    /// What the person has had, if anything.
    pub seen: Option<&'a str>,
    /// What stands in its place, if anything.
    pub next: Option<&'a str>,
}

/// Replaces a person's secret where it still is what was seen; `false` if it is another by now, or there is no such person.
///
/// # Errors
/// Errors of the store.
pub(super) async fn replace(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    user: &str,
    replacement: &SecretReplacement<'_>,
    now: Timestamp,
) -> infra::Result<bool> {
    let SecretReplacement { secret, seen, next } = *replacement;
    let key = ObjectKey { kind: ObjectKind::Person, id: user.to_owned() };
    // Where it came from stands in what auth has noted of it: it alone knows the person's session.
    let (by, origin) = (format!("person/{user}"), ChangeOrigin::default());
    let note = ChangeNote { by, way: ChangeWay::Grpc, origin, at: now, request: None };
    for _ in 0..ATTEMPTS_MAX {
        // First the revision, so that whatever is changed after it is a conflict.
        let Some(revision) = store.revision(tenant).await? else { return Ok(false) };
        let Some(Object::Person(mut person)) = store.find(tenant, &key).await? else { return Ok(false) };
        let held = secret.of(&mut person);
        match held.as_ref().map(Secret::reveal) {
            // An attempt of before was done, whose answer was lost.
            held if held == next => return Ok(true),
            held if held == seen => {}
            _ => return Ok(false),
        }
        *held = next.map(|next| Secret(next.to_owned()));
        // Who has chosen a password has done what was asked for.
        person.change_password &= secret != OwnSecret::Password;
        match store.update(tenant, revision, vec![ObjectChange::Put(Object::Person(person))], &note).await {
            Err(StoreError::Conflict { .. }) => {}
            done => return done.map(|_| true),
        }
    }
    Err(StoreError::Unavailable { reason: "others change the tenant all the time".to_owned() })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use contracts::provisioning::TenantObjects;
    use infra::{Answer, HistoryEntry, HistoryPage, HistoryPoint, ObjectChanges, Revision, VersionedObjects};

    use super::*;

    /// One tenant with one person; so many updates meet the change of somebody else.
    struct OnePerson(Mutex<(Revision, Person, usize)>);

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn with(password: Option<&str>, conflicts: usize) -> OnePerson {
        let password = password.map(|hash| Secret(hash.to_owned()));
        let person = Person { user_name: "ann".to_owned(), password, change_password: true, ..Person::default() };
        OnePerson(Mutex::new((Revision(1), person, conflicts)))
    }

    fn nobody_asks<T: Send + 'static>() -> Answer<'static, T> {
        Box::pin(async { Err(StoreError::Invalid("nobody asks".to_owned())) })
    }

    impl OnePerson {
        fn must_change(&self) -> bool {
            self.0.lock().unwrap().1.change_password
        }

        fn password(&self) -> Option<String> {
            self.0.lock().unwrap().1.password.as_ref().map(|hash| hash.reveal().to_owned())
        }
    }

    impl ProvisioningStore for OnePerson {
        fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
            nobody_asks()
        }

        fn revision<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<Revision>> {
            Box::pin(async move { Ok((*tenant == acme()).then(|| self.0.lock().unwrap().0)) })
        }

        fn load<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<(Revision, TenantObjects)>> {
            Box::pin(async {
                let held = self.0.lock().unwrap();
                let mut objects = infra::conformance::provisioning::objects("acme");
                objects.people = vec![held.1.clone()];
                Ok(Some((held.0, objects)))
            })
        }

        fn update<'a>(
            &'a self,
            _: &'a TenantId,
            at: Revision,
            changes: Vec<ObjectChange>,
            _: &'a ChangeNote,
        ) -> Answer<'a, Revision> {
            Box::pin(async move {
                let mut held = self.0.lock().unwrap();
                if held.2 > 0 {
                    held.2 -= 1;
                    held.0 = Revision(held.0.0 + 1);
                }
                if held.0 != at {
                    let (key, expected, actual) = ("acme".to_owned(), at.0, held.0.0);
                    return Err(StoreError::Conflict { key, expected, actual });
                }
                let [ObjectChange::Put(Object::Person(person))] = changes.as_slice() else { panic!("{changes:?}") };
                held.1 = (**person).clone();
                held.0 = Revision(at.0 + 1);
                Ok(held.0)
            })
        }

        fn next_generation<'a>(&'a self, _: &'a TenantId, at_least: u64) -> Answer<'a, u64> {
            Box::pin(async move { Ok(at_least) })
        }

        fn generation<'a>(&'a self, _: &'a TenantId) -> Answer<'a, u64> {
            nobody_asks()
        }

        fn changes<'a>(&'a self, _: &'a TenantId, _: HistoryPoint) -> Answer<'a, ObjectChanges> {
            nobody_asks()
        }

        fn versioned<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<VersionedObjects>> {
            nobody_asks()
        }

        fn find_versioned<'a>(&'a self, _: &'a TenantId, _: &'a ObjectKey) -> Answer<'a, Option<(Revision, Object)>> {
            nobody_asks()
        }

        fn history<'a>(&'a self, _: &'a TenantId, _: &'a HistoryPage) -> Answer<'a, Vec<HistoryEntry>> {
            nobody_asks()
        }

        fn entry_at<'a>(&'a self, _: &'a TenantId, _: &'a ObjectKey, _: Revision) -> Answer<'a, Option<HistoryEntry>> {
            nobody_asks()
        }

        fn request<'a>(
            &'a self,
            _: &'a TenantId,
            _: &'a str,
            _: &'a str,
            _: Timestamp,
        ) -> Answer<'a, Vec<HistoryEntry>> {
            nobody_asks()
        }
    }

    async fn password(store: &OnePerson, user: &str, seen: &str, next: &str) -> infra::Result<bool> {
        let replacement = SecretReplacement { secret: OwnSecret::Password, seen: Some(seen), next: Some(next) };
        replace(store, &acme(), user, &replacement, Timestamp::default()).await
    }

    #[tokio::test]
    async fn a_password_is_replaced_while_others_change_the_tenant() {
        let store = with(Some("old"), 3);
        assert!(password(&store, "Ann", "old", "new").await.unwrap());
        assert_eq!(store.password().as_deref(), Some("new"));
        assert!(!store.must_change(), "it is done");
        assert!(password(&store, "ann", "old", "new").await.unwrap(), "the answer was lost");
        assert!(!password(&store, "ann", "old", "another").await.unwrap());
        assert!(!password(&store, "bob", "new", "another").await.unwrap());
        assert!(!password(&with(None, 0), "ann", "", "new").await.unwrap());
        assert!(password(&with(Some("old"), usize::MAX), "ann", "old", "new").await.is_err());
    }

    #[tokio::test]
    async fn a_second_factor_comes_changes_and_goes_and_each_is_seen_before() {
        let store = with(Some("old"), 0);
        for (seen, next, is_replaced) in [
            (Some("a"), Some("b"), false),
            (None, Some("a"), true),
            (None, Some("b"), false),
            (Some("a"), Some("b"), true),
            (Some("a"), None, false),
            (Some("b"), None, true),
        ] {
            let replacement = SecretReplacement { secret: OwnSecret::SecondFactor, seen, next };
            let replaced = replace(&store, &acme(), "ann", &replacement, Timestamp::default()).await.unwrap();
            assert_eq!(replaced, is_replaced, "{seen:?} {next:?}");
        }
        assert_eq!(store.password().as_deref(), Some("old"));
        assert!(store.must_change(), "a second factor is no password");
    }
}
