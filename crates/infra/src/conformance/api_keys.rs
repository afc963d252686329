//! API keys. `store` has none of these tenants.

use std::time::Duration;

use contracts::provisioning::{Object, ObjectKey, ObjectKind};
use contracts::sign_in_audit::{SignInEvent, SignInRecord};
use model::{TenantId, Timestamp};

use super::fixtures::tenant;
use super::provisioning::{note, objects};
use crate::bounds::{API_KEYS_ENDED_MAX, API_KEYS_MAX};
use crate::{
    ApiKey, ApiKeys, AuditPage, ChangeNote, ChangeOrigin, NewApiKey, ObjectChange, ProvisioningStore, Revision,
    SignInAudit, StoreError,
};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const SECOND: Duration = Duration::from_secs(1);

fn new(id: &str) -> NewApiKey {
    let key = ApiKey {
        id: id.to_owned(),
        name: "Grüße".to_owned(),
        client: Some("app".to_owned()),
        scopes: vec!["calls:read".to_owned(), "webhooks".to_owned()],
        made_by: "person/ann".to_owned(),
        made_at: AT,
        ends_at: AT + YEAR,
        used_at: None,
        used_from: None,
        revoked_at: None,
    };
    let origin = ChangeOrigin { session: Some("s1".to_owned()), source: Some("192.0.2.1".to_owned()), client: None };
    NewApiKey { key, digest: format!("digest of {id}"), request: None, request_since: AT - SECOND, origin }
}

/// Who revokes, and when.
fn by(who: &str, at: Timestamp) -> ChangeNote {
    ChangeNote { by: who.to_owned(), at, origin: new("x").origin, ..note().clone() }
}

async fn noted(store: &dyn SignInAudit, tenant: &TenantId) -> Vec<SignInRecord> {
    let all = AuditPage { limit: 1_000, ..AuditPage::default() };
    store.noted(tenant, &all).await.unwrap().records.into_iter().map(|(_, record)| record).collect()
}

/// Runs the cases.
pub async fn run<S: ApiKeys + SignInAudit + ProvisioningStore>(store: &S) {
    keys_of_a_client_end_with_it_for_good(store).await;
    a_key_is_kept_and_found_by_its_id(store).await;
    the_same_request_makes_one_key(store).await;
    its_uses_are_noted_now_and_then(store).await;
    a_key_was_used_last_from_where_its_latest_use_is_noted(store).await;
    what_is_revoked_stays_so_and_is_told(store).await;
    a_tenant_has_so_many_that_are_good_and_shows_so_many_that_ended(store).await;
    what_ended_long_ago_is_forgotten(store).await;
}

async fn a_key_is_kept_and_found_by_its_id<S: ApiKeys + SignInAudit>(store: &S) {
    let (acme, other) = (tenant("keys-kept"), tenant("keys-other"));
    assert_eq!(store.find_api_key("kept1").await.unwrap(), None);
    let first = new("kept1");
    let mut second = new("kept2");
    second.key = ApiKey { client: None, scopes: Vec::new(), made_at: AT + SECOND, ..second.key };
    for key in [&first, &second] {
        assert_eq!(store.keep_api_key(&acme, key).await.unwrap(), None);
    }
    let found = store.find_api_key("kept1").await.unwrap().unwrap();
    assert_eq!((found.tenant, found.key, found.digest), (acme.clone(), first.key.clone(), first.digest.clone()));
    assert_eq!(store.find_api_key("KEPT1").await.unwrap(), None, "case is part of an id");
    assert_eq!(store.api_keys(&acme).await.unwrap(), [second.key, first.key.clone()]);
    assert!(store.api_keys(&other).await.unwrap().is_empty());
    assert!(store.keep_api_key(&other, &first).await.is_err(), "an id stands for one key");
    let made = &noted(store, &acme).await[1];
    assert_eq!((made.event, made.at), (SignInEvent::ApiKeyCreated, AT));
    assert_eq!((made.subject.as_deref(), made.by.as_deref()), (Some("api-key/kept1"), Some("person/ann")));
    assert_eq!(made.client.as_deref(), Some("app"));
}

async fn the_same_request_makes_one_key<S: ApiKeys + SignInAudit>(store: &S) {
    let acme = tenant("keys-once");
    let of_request = |id: &str| NewApiKey { request: Some("r1".to_owned()), ..new(id) };
    assert_eq!(store.keep_api_key(&acme, &of_request("once1")).await.unwrap(), None);
    let again = store.keep_api_key(&acme, &of_request("once2")).await.unwrap();
    assert_eq!(again.map(|key| key.id).as_deref(), Some("once1"));
    let mut of_other = of_request("once3");
    of_other.key.made_by = "person/bob".to_owned();
    let late = NewApiKey { request_since: AT + SECOND, ..of_request("once4") };
    for key in [of_other, late] {
        assert_eq!(store.keep_api_key(&acme, &key).await.unwrap(), None);
    }
    assert_eq!(store.api_keys(&acme).await.unwrap().len(), 3);
    assert_eq!(noted(store, &acme).await.len(), 3);
}

async fn its_uses_are_noted_now_and_then<S: ApiKeys + SignInAudit>(store: &S) {
    let acme = tenant("keys-used");
    store.keep_api_key(&acme, &new("used1")).await.unwrap();
    let use_at = async |at: Timestamp| {
        store.note_api_key_use(&acme, "used1", at, at - Duration::from_secs(60)).await.unwrap();
        store.find_api_key("used1").await.unwrap().unwrap().key.used_at
    };
    assert_eq!(use_at(AT).await, Some(AT));
    assert_eq!(use_at(AT + SECOND).await, Some(AT));
    let later = AT + Duration::from_secs(61);
    assert_eq!(use_at(later).await, Some(later));
    let of_other = AT + YEAR;
    store.note_api_key_use(&tenant("keys-other"), "used1", of_other, of_other).await.unwrap();
    store.note_api_key_use(&acme, "nobody", of_other, of_other).await.unwrap();
    assert_eq!(store.find_api_key("used1").await.unwrap().unwrap().key.used_at, Some(later));
}

async fn a_key_was_used_last_from_where_its_latest_use_is_noted<S: ApiKeys + SignInAudit>(store: &S) {
    let (acme, other) = (tenant("keys-from"), tenant("keys-other"));
    for id in ["from1", "from2"] {
        store.keep_api_key(&acme, &new(id)).await.unwrap();
    }
    let used_from = async || {
        let listed = store.api_keys(&acme).await.unwrap().into_iter().find(|key| key.id == "from1");
        let found = store.find_api_key("from1").await.unwrap().map(|found| found.key);
        assert_eq!(listed, found);
        listed.and_then(|key| key.used_from)
    };
    assert_eq!(used_from().await, None);
    let of = |event, id: &str, after: u32, source: &str| {
        let record = SignInRecord { at: AT + SECOND * after, source: source.to_owned(), ..SignInRecord::of(event) };
        (acme.clone(), record.about_api_key(id))
    };
    let used = SignInEvent::ApiKeyUsed;
    let records = [
        of(used, "from1", 2, "192.0.2.2"),
        of(used, "from1", 1, "192.0.2.1"),
        of(SignInEvent::Refused, "from1", 3, "192.0.2.3"),
        of(used, "from2", 4, "192.0.2.4"),
        (other, of(used, "from1", 5, "192.0.2.5").1),
    ];
    store.note(&records).await.unwrap();
    assert_eq!(used_from().await.as_deref(), Some("192.0.2.2"), "the latest use of the key");
    store.note(&[of(used, "from1", 6, "")]).await.unwrap();
    assert_eq!(used_from().await, None, "it is not known from where");
}

async fn what_is_revoked_stays_so_and_is_told<S: ApiKeys + SignInAudit>(store: &S) {
    let acme = tenant("keys-revoked");
    let begin = AT + YEAR;
    for (n, id) in (0..).zip(["gone1", "gone2", "stays"]) {
        let mut key = new(id);
        key.key.made_at = AT + SECOND * n;
        store.keep_api_key(&acme, &key).await.unwrap();
    }
    assert!(!store.revoke_api_key(&tenant("keys-other"), "gone1", &by("person/bob", begin)).await.unwrap());
    assert!(!store.revoke_api_key(&acme, "nobody", &by("person/bob", begin)).await.unwrap());
    assert!(store.revoke_api_key(&acme, "gone1", &by("person/bob", begin)).await.unwrap());
    assert!(store.revoke_api_key(&acme, "gone1", &by("person/eve", begin + SECOND)).await.unwrap(), "it is, already");
    assert!(store.revoke_api_key(&acme, "gone2", &by("person/bob", begin + SECOND)).await.unwrap());
    let gone = store.find_api_key("gone1").await.unwrap().unwrap().key;
    assert_eq!(gone.revoked_at, Some(begin));
    assert!(!gone.is_good(begin) && store.find_api_key("stays").await.unwrap().unwrap().key.is_good(begin - SECOND));
    let both = [(acme.clone(), "gone2".to_owned()), (acme.clone(), "gone1".to_owned())];
    assert_eq!(store.revoked_api_keys(begin, 10).await.unwrap(), both);
    assert_eq!(store.revoked_api_keys(begin, 1).await.unwrap(), both[..1]);
    assert_eq!(store.revoked_api_keys(begin + SECOND, 10).await.unwrap(), both[..1]);
    let revoked: Vec<_> =
        noted(store, &acme).await.into_iter().filter(|record| record.event == SignInEvent::ApiKeyRevoked).collect();
    assert_eq!(revoked.len(), 2, "each once");
    assert_eq!((revoked[1].subject.as_deref(), revoked[1].by.as_deref()), (Some("api-key/gone1"), Some("person/bob")));
    assert_eq!((revoked[1].session.as_deref(), revoked[1].source.as_str()), (Some("s1"), "192.0.2.1"));
}

async fn a_tenant_has_so_many_that_are_good_and_shows_so_many_that_ended<S: ApiKeys + SignInAudit>(store: &S) {
    let acme = tenant("keys-many");
    let of_time = |id: &str, made_at: Timestamp| {
        let mut key = new(id);
        (key.key.made_at, key.key.ends_at) = (made_at, made_at + YEAR);
        key
    };
    for n in 0..API_KEYS_MAX {
        store.keep_api_key(&acme, &new(&format!("many{n}"))).await.unwrap();
    }
    let full = store.keep_api_key(&acme, &new("more")).await;
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    store.revoke_api_key(&acme, "many7", &by("person/ann", AT)).await.unwrap();
    store.keep_api_key(&acme, &new("more")).await.unwrap();
    assert!(store.find_api_key("many7").await.unwrap().is_some(), "it is shown for a while");
    assert!(store.keep_api_key(&acme, &new("again")).await.is_err());
    // By then the others have ended by themselves.
    for n in 0..=API_KEYS_ENDED_MAX - API_KEYS_MAX {
        let id = format!("next{n}");
        store.keep_api_key(&acme, &of_time(&id, AT + YEAR)).await.unwrap();
        store.revoke_api_key(&acme, &id, &by("person/ann", AT + YEAR + SECOND)).await.unwrap();
    }
    store.keep_api_key(&acme, &of_time("last", AT + YEAR + SECOND * 2)).await.unwrap();
    assert_eq!(store.find_api_key("many7").await.unwrap(), None, "it ended first");
    assert!(store.find_api_key("next0").await.unwrap().is_some());
    assert_eq!(store.api_keys(&acme).await.unwrap().len(), API_KEYS_ENDED_MAX + 1);
}

async fn what_ended_long_ago_is_forgotten<S: ApiKeys + SignInAudit>(store: &S) {
    let acme = tenant("keys-forgotten");
    for (id, ends_at) in [("old1", AT + SECOND), ("old2", AT + SECOND), ("later", AT + SECOND * 2), ("good", AT + YEAR)]
    {
        let mut key = new(id);
        // Before those of all other tenants.
        (key.key.made_at, key.key.ends_at) = (AT - YEAR, ends_at - YEAR);
        store.keep_api_key(&acme, &key).await.unwrap();
    }
    store.revoke_api_key(&acme, "good", &by("person/ann", AT + SECOND * 2 - YEAR)).await.unwrap();
    let before = AT + SECOND * 2 - YEAR;
    assert_eq!(store.forget_api_keys(before, 1).await.unwrap(), 1);
    assert_eq!(store.forget_api_keys(before, 10).await.unwrap(), 1);
    assert_eq!(store.forget_api_keys(before, 10).await.unwrap(), 0);
    assert_eq!(store.forget_api_keys(before + SECOND, 10).await.unwrap(), 2, "also what was revoked then");
    assert!(store.api_keys(&acme).await.unwrap().is_empty());
}

async fn keys_of_a_client_end_with_it_for_good<S: ApiKeys + SignInAudit + ProvisioningStore>(store: &S) {
    let acme = tenant("keys-clients");
    let objects = objects("keys-clients");
    let client = objects.clients[0].clone();
    store.update(&acme, Revision(0), objects.objects().map(ObjectChange::Put).collect(), note()).await.unwrap();
    // As it was spelled when the key was made.
    for (id, of) in [("own1", Some(client.id.to_uppercase())), ("own2", Some("app".to_owned())), ("own3", None)] {
        let mut key = new(id);
        key.key.client = of;
        store.keep_api_key(&acme, &key).await.unwrap();
    }
    let ended = async || {
        let keys = store.api_keys(&acme).await.unwrap();
        keys.into_iter().filter(|key| key.revoked_at.is_some()).map(|key| key.id).collect::<Vec<_>>()
    };
    let put = || ObjectChange::Put(Object::Client(client.clone()));
    store.update(&acme, Revision(1), vec![put()], note()).await.unwrap();
    assert!(ended().await.is_empty(), "it is still there");
    let gone = ObjectChange::Delete(ObjectKey { kind: ObjectKind::Client, id: client.id.clone() });
    store.update(&acme, Revision(2), vec![gone], note()).await.unwrap();
    assert_eq!(ended().await, ["own1"]);
    let revoked = noted(store, &acme).await.into_iter().find(|record| record.event == SignInEvent::ApiKeyRevoked);
    let revoked = revoked.unwrap();
    assert_eq!((revoked.by.as_deref(), revoked.subject.as_deref()), (Some("tester"), Some("api-key/own1")));
    store.update(&acme, Revision(3), vec![put()], note()).await.unwrap();
    assert_eq!(ended().await, ["own1"], "another client gets no keys of it");
}
