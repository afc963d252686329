//! What objects have besides the columns of their kinds, in a table beside theirs: most have nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use contracts::provisioning::{ObjectAnnex, ObjectKey, TenantObjects};
use infra::{ObjectChange, Result, StoreError, ToldChange};
use model::TenantId;

use super::{FOUND_EACH_MAX, Row, Turn, by_names, key_of, query};

/// Those of all objects of a tenant. Those of kinds that a later release has are passed over.
pub(super) async fn all(db: &mut dyn Turn, tenant: &TenantId) -> Result<BTreeMap<ObjectKey, ObjectAnnex>> {
    let sql = "SELECT kind, id, document FROM object_annex WHERE tenant = ?";
    let mut annexes = BTreeMap::new();
    for row in db.rows(query(sql).bind(tenant.as_str())).await? {
        if let Some(key) = key_of(&row)? {
            let annex = annex(&key, &row)?;
            annexes.insert(key, annex);
        }
    }
    Ok(annexes)
}

/// Adds those of a tenant's objects. The release before removes objects alone: what is left of them is passed over.
pub(super) async fn read(db: &mut dyn Turn, tenant: &TenantId, objects: &mut TenantObjects) -> Result<()> {
    let mut annexes = all(db, tenant).await?;
    if annexes.is_empty() {
        return Ok(());
    }
    let present: HashSet<ObjectKey> =
        objects.objects().map(|object| object.key()).filter(|key| annexes.contains_key(key)).collect();
    annexes.retain(|key, _| present.contains(key));
    objects.annexes = annexes;
    Ok(())
}

/// That of an object, by exactly its key.
pub(super) async fn find(db: &mut dyn Turn, tenant: &TenantId, key: &ObjectKey) -> Result<Option<ObjectAnnex>> {
    Ok(of(db, tenant, std::slice::from_ref(key)).await?.remove(key))
}

/// Those of some objects, which are found by their names; of many, all of the tenant are read.
pub(super) async fn of(
    db: &mut dyn Turn,
    tenant: &TenantId,
    keys: &[ObjectKey],
) -> Result<HashMap<ObjectKey, ObjectAnnex>> {
    if keys.len() > FOUND_EACH_MAX {
        return Ok(all(db, tenant).await?.into_iter().collect());
    }
    let mut found = HashMap::new();
    let sql = "SELECT document FROM object_annex WHERE tenant = ? AND kind = ? AND id = ?";
    for (kind, names) in by_names::by_kind(keys.iter()) {
        let one = query(sql).bind(tenant.as_str()).bind(kind.as_str());
        for (id, row) in by_names::rows(db, one, &names).await? {
            let key = ObjectKey { kind, id };
            let annex = annex(&key, &row)?;
            found.insert(key, annex);
        }
    }
    Ok(found)
}

/// Those of the objects that changes put.
pub(super) async fn of_put(
    db: &mut dyn Turn,
    tenant: &TenantId,
    changes: &[ToldChange],
) -> Result<Vec<(ObjectKey, ObjectAnnex)>> {
    let put = changes.iter().filter(|change| matches!(change, ToldChange::Put(_)));
    let keys: Vec<ObjectKey> = put.map(ToldChange::key).collect();
    let mut found = of(db, tenant, &keys).await?;
    Ok(keys.into_iter().filter_map(|key| found.remove_entry(&key)).collect())
}

/// Sets those that changes give apart from the other changes: the last one of each object.
pub(super) fn apart(changes: Vec<ObjectChange>) -> (BTreeMap<ObjectKey, ObjectAnnex>, Vec<ObjectChange>) {
    let (mut annexed, mut others) = (BTreeMap::new(), Vec::with_capacity(changes.len()));
    for change in changes {
        match change {
            ObjectChange::Annex(key, annex) => {
                annexed.insert(key, annex);
            }
            other => others.push(other),
        }
    }
    (annexed, others)
}

/// Writes that of an object, in the place of the one that it has; an empty one is none. An object that is new has none yet.
pub(super) async fn put(
    db: &mut dyn Turn,
    tenant: &TenantId,
    key: &ObjectKey,
    annex: &ObjectAnnex,
    is_new: bool,
) -> Result<()> {
    if annex.is_empty() {
        return if is_new { Ok(()) } else { delete(db, tenant, key).await };
    }
    let document = String::from_utf8(annex.to_json()).unwrap_or_default();
    let sql = "INSERT INTO object_annex (tenant, kind, id, document) VALUES (?, ?, ?, ?)
         ON CONFLICT (tenant, kind, id) DO UPDATE SET document = excluded.document";
    db.run(query(sql).bind(tenant.as_str()).bind(key.kind.as_str()).bind(&key.id).bind(document)).await.map(drop)
}

/// Removes what is left in the names of objects that come: the release before deletes objects and leaves that, and a new object does not
/// have what another one of its name had. Most tenants have none of any object: then nothing else is asked.
pub(super) async fn delete_left(db: &mut dyn Turn, tenant: &TenantId, new: &HashSet<ObjectKey>) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let sql = "SELECT kind FROM object_annex WHERE tenant = ? LIMIT 1";
    if db.rows(query(sql).bind(tenant.as_str())).await?.is_empty() {
        return Ok(());
    }
    let keys: Vec<ObjectKey> = new.iter().cloned().collect();
    for left in of(db, tenant, &keys).await?.into_keys().filter(|key| new.contains(key)) {
        delete(db, tenant, &left).await?;
    }
    Ok(())
}

/// Removes that of an object.
pub(super) async fn delete(db: &mut dyn Turn, tenant: &TenantId, key: &ObjectKey) -> Result<()> {
    let sql = "DELETE FROM object_annex WHERE tenant = ? AND kind = ? AND id = ?";
    db.run(query(sql).bind(tenant.as_str()).bind(key.kind.as_str()).bind(&key.id)).await.map(drop)
}

fn annex(key: &ObjectKey, row: &Row) -> Result<ObjectAnnex> {
    ObjectAnnex::from_json(row.text("document")?.as_bytes()).map_err(|_| StoreError::Corrupt {
        what: "table object_annex".to_owned(),
        reason: format!("that of {} {} is not one as JSON", key.kind.as_str(), key.id),
    })
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{Object, ObjectKind, Skill};
    use infra::conformance::provisioning::{note, objects};
    use infra::{ProvisioningStore as _, Revision};

    use super::*;
    use crate::provisioning::Dialect as _;
    use crate::sqlite::SqliteProvisioning;

    fn named(id: &str) -> ObjectKey {
        ObjectKey { kind: ObjectKind::Skill, id: id.to_owned() }
    }

    fn skill(name: &str) -> ObjectChange {
        ObjectChange::Put(Object::Skill(Skill { name: name.to_owned() }))
    }

    #[tokio::test]
    async fn a_new_object_has_nothing_that_the_release_before_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let all = objects("acme").objects().map(ObjectChange::Put).collect();
        store.update(&acme, Revision(0), all, note()).await.unwrap();
        let berlin = ObjectAnnex { folder: Some("Berlin/Sales".to_owned()), ..ObjectAnnex::default() };
        let kept = vec![ObjectChange::Annex(named("Sales"), berlin.clone())];
        store.update(&acme, Revision(1), kept, note()).await.unwrap();
        let many: Vec<String> = (0..=FOUND_EACH_MAX).map(|number| format!("many{number}")).collect();
        let mut turn = store.0.writes(&acme).await.unwrap();
        for left in ["one", "many7"] {
            put(&mut *turn, &acme, &named(left), &berlin, true).await.unwrap();
        }
        turn.commit().await.unwrap();
        store.update(&acme, Revision(2), vec![skill("one")], note()).await.unwrap();
        let more = many.iter().map(|name| skill(name)).collect();
        store.update(&acme, Revision(3), more, note()).await.unwrap();
        let annexes = store.load(&acme).await.unwrap().unwrap().1.annexes;
        assert_eq!(annexes, BTreeMap::from([(named("Sales"), berlin)]), "what an object has it keeps");
    }
}
