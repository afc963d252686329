//! A person's own new password: what of a tenant's objects people change by themselves.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Secret};
use infra::{ChangeNote, ChangeWay, ObjectChange, ProvisioningStore, StoreError};
use model::{TenantId, Timestamp};

/// The most attempts while others change the tenant too.
const ATTEMPTS_MAX: usize = 8;

/// Replaces the hash of a person's password where it still is `seen`; `false` if it is another by now, or there is no such person.
///
/// # Errors
/// Errors of the store.
pub(super) async fn replace(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    user: &str,
    seen: &str,
    hash: &str,
    now: Timestamp,
) -> infra::Result<bool> {
    let key = ObjectKey { kind: ObjectKind::Person, id: user.to_owned() };
    let note = ChangeNote { by: format!("person/{user}"), way: ChangeWay::Grpc, at: now, request: None };
    for _ in 0..ATTEMPTS_MAX {
        // First the revision, so that whatever is changed after it is a conflict.
        let revision = store.tenants().await?.into_iter().find(|(id, _)| id == tenant).map(|(_, revision)| revision);
        let Some(revision) = revision else { return Ok(false) };
        let Some(Object::Person(mut person)) = store.find(tenant, &key).await? else { return Ok(false) };
        match person.password.as_ref().map(Secret::reveal) {
            // An attempt of before was done, whose answer was lost.
            Some(held) if held == hash => return Ok(true),
            Some(held) if held == seen => {}
            _ => return Ok(false),
        }
        person.password = Some(Secret(hash.to_owned()));
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

    use contracts::provisioning::{Person, TenantObjects};
    use infra::{Answer, HistoryEntry, HistoryPage, ObjectChanges, Revision, VersionedObjects};

    use super::*;

    /// One tenant with one person; so many updates meet the change of somebody else.
    struct OnePerson(Mutex<(Revision, Person, usize)>);

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn with(password: Option<&str>, conflicts: usize) -> OnePerson {
        let password = password.map(|hash| Secret(hash.to_owned()));
        let person = Person { user_name: "ann".to_owned(), password, ..Person::default() };
        OnePerson(Mutex::new((Revision(1), person, conflicts)))
    }

    fn nobody_asks<T: Send + 'static>() -> Answer<'static, T> {
        Box::pin(async { Err(StoreError::Invalid("nobody asks".to_owned())) })
    }

    impl OnePerson {
        fn password(&self) -> Option<String> {
            self.0.lock().unwrap().1.password.as_ref().map(|hash| hash.reveal().to_owned())
        }
    }

    impl ProvisioningStore for OnePerson {
        fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
            Box::pin(async { Ok(vec![(acme(), self.0.lock().unwrap().0)]) })
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

        fn changes<'a>(&'a self, _: &'a TenantId, _: Revision) -> Answer<'a, ObjectChanges> {
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

    #[tokio::test]
    async fn a_password_is_replaced_while_others_change_the_tenant() {
        let store = with(Some("old"), 3);
        assert!(replace(&store, &acme(), "Ann", "old", "new", Timestamp::default()).await.unwrap());
        assert_eq!(store.password().as_deref(), Some("new"));
        assert!(
            replace(&store, &acme(), "ann", "old", "new", Timestamp::default()).await.unwrap(),
            "the answer was lost"
        );
        assert!(!replace(&store, &acme(), "ann", "old", "another", Timestamp::default()).await.unwrap());
        assert!(!replace(&store, &acme(), "bob", "new", "another", Timestamp::default()).await.unwrap());
        assert!(!replace(&with(None, 0), &acme(), "ann", "", "new", Timestamp::default()).await.unwrap());
        assert!(
            replace(&with(Some("old"), usize::MAX), &acme(), "ann", "old", "new", Timestamp::default()).await.is_err()
        );
    }
}
