//! What a later release has stored in JSON and this one does not know: who goes back to this one and forward again has it still.

use serde_json::{Map, Value};

/// The fields of a stored text that are not among those which this release has read of it, written again.
pub(super) fn unknown(stored: &str, read_again: &str) -> Map<String, Value> {
    let fields = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let known = fields(read_again);
    let mut stored = fields(stored);
    // A known one that was not written again says what its absence says.
    stored.retain(|name, _| !known.contains_key(name));
    stored
}

/// The text with these fields as well; without any it stays as it is.
pub(super) fn with(text: Option<String>, unknown: Map<String, Value>) -> Option<String> {
    if unknown.is_empty() {
        return text;
    }
    let mut fields: Map<String, Value> =
        text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    for (name, value) in unknown {
        fields.entry(name).or_insert(value);
    }
    Some(Value::Object(fields).to_string())
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

    #[test]
    fn a_field_that_this_release_knows_is_never_brought_back() {
        let unknown =
            unknown(r#"{"name":"x","order":null,"enforced":true,"later":1}"#, r#"{"name":"x","enforced":true}"#);
        let text = with(Some(r#"{"enforced":false}"#.to_owned()), unknown).unwrap();
        let fields: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(fields, serde_json::json!({"enforced": false, "order": null, "later": 1}));
        assert_eq!(with(Some("{}".to_owned()), Map::new()).as_deref(), Some("{}"));
    }
}
