//! What a later release has stored in JSON and this one does not know: who goes back to this one and forward again has it still.

use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value};

/// The text that is to be stored, with the fields of the stored one that are not among those which this release has read of it, written
/// again. Fields within fields count, too, and those of list elements that stay as they are. A known field that was not written again says
/// what its absence says. Without any such field the text stays as it is.
pub(super) fn kept(text: Option<String>, stored: &str, read_again: &str) -> Option<String> {
    let fields = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let before = text.as_deref().map(fields).unwrap_or_default();
    let mut all = before.clone();
    keep_fields(&mut all, fields(stored), &fields(read_again));
    if all == before { text } else { Some(Value::Object(all).to_string()) }
}

fn keep_fields(new: &mut Map<String, Value>, stored: Map<String, Value>, read_again: &Map<String, Value>) {
    for (name, value) in stored {
        match (read_again.get(&name), value) {
            (None, value) => {
                new.entry(name).or_insert(value);
            }
            (Some(Value::Object(read_again)), Value::Object(stored)) => {
                if let Some(Value::Object(new)) = new.get_mut(&name) {
                    keep_fields(new, stored, read_again);
                }
            }
            (Some(Value::Array(read_again)), Value::Array(stored)) => {
                if let Some(Value::Array(new)) = new.get_mut(&name) {
                    keep_elements(new, stored, read_again);
                }
            }
            _ => {}
        }
    }
}

/// Nothing but its fields tells an element: one with other known fields is another one. Of elements that are equal each has what is its
/// own, in their order.
fn keep_elements(new: &mut [Value], stored: Vec<Value>, read_again: &[Value]) {
    if stored.len() != read_again.len() {
        return;
    }
    if read_again == stored {
        return;
    }
    let mut by_known = HashMap::<String, VecDeque<Value>>::new();
    for (read, stored) in read_again.iter().zip(stored) {
        by_known.entry(read.to_string()).or_default().push_back(stored);
    }
    for element in new {
        if let Some(stored) = by_known.get_mut(&element.to_string()).and_then(VecDeque::pop_front) {
            *element = stored;
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{Object, ObjectKey, ObjectKind};
    use infra::conformance::provisioning::{note, objects};
    use infra::{ObjectChange, ProvisioningStore as _, Revision};
    use model::TenantId;

    use super::*;
    use crate::provisioning::{Dialect as _, query};
    use crate::sqlite::SqliteProvisioning;

    async fn made(folder: &tempfile::TempDir) -> (SqliteProvisioning, TenantId) {
        let acme = TenantId::parse("acme").unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let all = objects("acme").objects().map(ObjectChange::Put).collect();
        store.update(&acme, Revision(0), all, note()).await.unwrap();
        (store, acme)
    }

    async fn ran(store: &SqliteProvisioning, sql: &'static str) {
        let mut turn = store.0.appends().await.unwrap();
        assert!(turn.run(query(sql)).await.unwrap() > 0, "{sql}");
        turn.commit().await.unwrap();
    }

    async fn read(store: &SqliteProvisioning, sql: &'static str) -> String {
        let mut turn = store.0.reads().await.unwrap();
        turn.rows(query(sql)).await.unwrap()[0].text("found").unwrap()
    }

    /// The tenant with another name, and the host names that it had before.
    async fn renamed(store: &SqliteProvisioning, acme: &TenantId) -> Vec<String> {
        let (revision, held) = store.load(acme).await.unwrap().unwrap();
        let (mut own, hosts) = (held.tenant.clone(), held.tenant.sign_in.hosts);
        "Renamed".clone_into(&mut own.name);
        store.update(acme, revision, vec![ObjectChange::Put(Object::Tenant(Box::new(own)))], note()).await.unwrap();
        hosts
    }

    #[tokio::test]
    async fn host_names_that_a_release_before_has_dropped_from_the_tenant_are_there_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (store, acme) = made(&folder).await;
        let before = store.hosts().await.unwrap();
        assert_eq!(before, [("acme.example".to_owned(), acme.clone())]);
        ran(&store, r#"UPDATE tenant SET sign_in = '{"upstream":null,"passkeys_need_password":true}'"#).await;
        assert_eq!(renamed(&store, &acme).await, ["acme.example"]);
        assert_eq!(store.hosts().await.unwrap(), before);
        ran(&store, "UPDATE tenant SET sign_in = NULL").await;
        assert_eq!(renamed(&store, &acme).await, ["acme.example"]);
        assert_eq!(store.hosts().await.unwrap(), before);
    }

    #[tokio::test]
    async fn what_a_later_release_has_stored_stays_over_an_edit_by_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, acme) = made(&folder).await;
        ran(&store, "UPDATE tenant SET sign_in = json_set(sign_in, '$.later', json('{\"a\":1}'))").await;
        renamed(&store, &acme).await;
        assert_eq!(read(&store, "SELECT json_extract(sign_in, '$.later') AS found FROM tenant").await, r#"{"a":1}"#);

        ran(&store, "UPDATE tenant SET sign_in = json_set(sign_in, '$.upstream.later', 'kept')").await;
        renamed(&store, &acme).await;
        let within = "SELECT json_extract(sign_in, '$.upstream.later') AS found FROM tenant";
        assert_eq!(read(&store, within).await, "kept");

        let held = store.load(&acme).await.unwrap().unwrap();
        let mut attribute = held.1.business_attributes[0].clone();
        ran(&store, "UPDATE object_document SET document = json_set(document, '$.later', 'kept')").await;
        attribute.enforced = !attribute.enforced;
        let key = ObjectKey { kind: ObjectKind::BusinessAttribute, id: attribute.name.clone() };
        let put = Object::BusinessAttribute(attribute);
        store.update(&acme, held.0, vec![ObjectChange::Put(put.clone())], note()).await.unwrap();
        assert_eq!(store.find(&acme, &key).await.unwrap(), Some(put));
        let later =
            "SELECT json_extract(document, '$.later') AS found FROM object_document WHERE kind = 'business_attribute'";
        assert_eq!(read(&store, later).await, "kept");
    }

    #[tokio::test]
    async fn what_a_later_release_has_stored_of_a_provider_is_not_said_of_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, acme) = made(&folder).await;
        ran(
            &store,
            "UPDATE tenant SET sign_in = json_set(sign_in, '$.upstream.later', 'of the one', '$.later', 'kept')",
        )
        .await;
        let (revision, held) = store.load(&acme).await.unwrap().unwrap();
        let mut own = held.tenant;
        "https://another.example".clone_into(&mut own.sign_in.upstream.as_mut().unwrap().issuer);
        store.update(&acme, revision, vec![ObjectChange::Put(Object::Tenant(Box::new(own)))], note()).await.unwrap();
        let both = "SELECT coalesce(json_extract(sign_in, '$.upstream.later'), 'none') || ' ' || json_extract(sign_in, '$.later')
            AS found FROM tenant";
        assert_eq!(read(&store, both).await, "none kept");
    }

    #[tokio::test]
    async fn what_a_later_release_has_stored_of_a_client_stays_over_an_edit_by_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, acme) = made(&folder).await;
        let (revision, held) = store.load(&acme).await.unwrap().unwrap();
        ran(&store, "UPDATE client SET extras = json_set(coalesce(extras, '{}'), '$.later', 'kept')").await;
        let mut client = held.clients[0].clone();
        "Renamed".clone_into(&mut client.name);
        let put = Object::Client(client);
        store.update(&acme, revision, vec![ObjectChange::Put(put.clone())], note()).await.unwrap();
        assert_eq!(store.find(&acme, &put.key()).await.unwrap(), Some(put.clone()));
        let Object::Client(client) = put else { unreachable!() };
        let mut turn = store.0.reads().await.unwrap();
        let sql = "SELECT json_extract(extras, '$.later') AS found FROM client WHERE id = ?";
        let rows = turn.rows(query(sql).bind(&client.id)).await.unwrap();
        assert_eq!(rows[0].text("found").unwrap(), "kept");
    }

    #[test]
    fn a_field_that_this_release_knows_is_never_brought_back() {
        let stored = r#"{"name":"x","order":null,"enforced":true,"later":1}"#;
        let again = r#"{"name":"x","enforced":true}"#;
        let text = kept(Some(r#"{"enforced":false}"#.to_owned()), stored, again).unwrap();
        let fields: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(fields, serde_json::json!({"enforced": false, "order": null, "later": 1}));
        assert_eq!(kept(Some("{ }".to_owned()), again, again).as_deref(), Some("{ }"));
        assert_eq!(kept(None, again, again), None);
    }

    #[test]
    fn elements_that_are_equal_keep_what_is_their_own() {
        let stored = r#"{"list":[{"n":1,"later":4},{"n":1},{"n":1,"later":5}]}"#;
        let again = r#"{"list":[{"n":1},{"n":1},{"n":1}]}"#;
        let edited = r#"{"list":[{"n":1},{"n":2},{"n":1},{"n":1},{"n":1}]}"#;
        let text = kept(Some(edited.to_owned()), stored, again).unwrap();
        let fields: Value = serde_json::from_str(&text).unwrap();
        let whole = r#"{"list":[{"n":1,"later":4},{"n":2},{"n":1},{"n":1,"later":5},{"n":1}]}"#;
        assert_eq!(fields, serde_json::from_str::<Value>(whole).unwrap());
    }

    #[test]
    fn later_fields_within_fields_and_within_elements_that_stay_are_kept() {
        let stored =
            r#"{"a":{"b":{"c":1,"later":2},"later":3},"list":[{"n":1,"later":4},{"n":2,"later":5}],"plain":[1]}"#;
        let again = r#"{"a":{"b":{"c":1}},"list":[{"n":1},{"n":2}],"plain":[1]}"#;
        let edited = r#"{"a":{"b":{"c":9}},"list":[{"n":2},{"n":3}],"plain":[1,2]}"#;
        let text = kept(Some(edited.to_owned()), stored, again).unwrap();
        let fields: Value = serde_json::from_str(&text).unwrap();
        let whole = r#"{"a":{"b":{"c":9,"later":2},"later":3},"list":[{"n":2,"later":5},{"n":3}],"plain":[1,2]}"#;
        assert_eq!(fields, serde_json::from_str::<Value>(whole).unwrap());
        // What is gone takes along what was in it: half of it would be no such field.
        let gone = r#"{"a":null,"list":[]}"#;
        assert_eq!(kept(Some(gone.to_owned()), stored, again).as_deref(), Some(gone));
    }
}
