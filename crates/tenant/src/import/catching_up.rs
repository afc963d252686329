//! A plan that is brought up to what others have changed since it was made: a large tenant is read and compared once, however often people
//! change something of it meanwhile.

use std::collections::HashSet;

use contracts::provisioning::{ObjectAnnex, ObjectKey, ObjectKind, TenantObjects};
use infra::{HistoryPoint, ObjectChanges, ProvisioningStore, StoreError, ToldChange};
use model::TenantId;

use super::{ImportPlan, difference};
use crate::file::gathered;

/// What has changed of a tenant since; none if there is no such tenant any more.
pub(crate) async fn changes_since(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    since: HistoryPoint,
) -> Result<Option<ObjectChanges>, StoreError> {
    match store.changes(tenant, since).await {
        Ok(told) => Ok(Some(told)),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl ImportPlan {
    /// The plan for the tenant as it is after what `told` has of it. Of what others have changed alone it is made again, with what `fill`
    /// makes of the secrets in it; the rest stays, with its hashes. None if only the whole tenant tells what is to be done.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(crate) fn caught_up<E>(
        self,
        told: ObjectChanges,
        target: &TenantObjects,
        fill: impl FnOnce(&mut TenantObjects, &TenantObjects) -> Result<(), E>,
    ) -> Result<Option<Self>, E> {
        let Self { at, held, mut changes } = self;
        let ObjectChanges { point, is_whole, changes: told, annexes } = told;
        let Some(held) = held.filter(|_| !is_whole && point.revision >= at) else { return Ok(None) };
        let mut touched: HashSet<ObjectKey> = told.iter().map(|change| change.key().folded()).collect();
        // A part of a tenant has the tenant's own record, too.
        touched.insert(ObjectKey { kind: ObjectKind::Tenant, id: String::new() });
        let held = after(held, told, annexes);
        let mut given = part(target, &touched);
        fill(&mut given, &held)?;
        changes.retain(|change| !touched.contains(&change.key().folded()));
        changes.extend(difference(Some(&part(&held, &touched)), &given));
        Ok(Some(Self { at: point.revision, held: Some(held), changes }))
    }
}

/// The tenant after changes.
fn after(mut held: TenantObjects, changes: Vec<ToldChange>, annexes: Vec<(ObjectKey, ObjectAnnex)>) -> TenantObjects {
    let changed: HashSet<ObjectKey> = changes.iter().map(ToldChange::key).collect();
    let mut kept = std::mem::take(&mut held.annexes);
    kept.retain(|key, _| !changed.contains(key));
    kept.extend(annexes);
    let put = changes.into_iter().filter_map(|change| match change {
        ToldChange::Put(object) => Some(object),
        ToldChange::Delete(_) => None,
    });
    let stayed = held.objects().filter(|object| !changed.contains(&object.key()));
    let mut now = gathered(held.tenant.clone(), stayed.chain(put));
    now.annexes = kept;
    now
}

/// Those of the objects that have these folded names, with the tenant's own record.
fn part(of: &TenantObjects, names: &HashSet<ObjectKey>) -> TenantObjects {
    let is_named = |key: &ObjectKey| names.contains(&key.folded());
    let mut part = gathered(of.tenant.clone(), of.objects().filter(|object| is_named(&object.key())));
    let annexes = of.annexes.iter().filter(|(key, _)| is_named(key));
    part.annexes = annexes.map(|(key, annex)| (key.clone(), annex.clone())).collect();
    part
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use contracts::provisioning::{Object, Person, Secret, Skill};
    use infra::ObjectChange;
    use infra::conformance::provisioning::note;

    use super::super::import;
    use super::*;
    use crate::objects::test_one_tenant::OneTenant;

    /// The example as it is stored, whose generated secrets have values.
    async fn stored() -> (OneTenant, TenantObjects) {
        let store = OneTenant::example();
        let (_, mut objects) = store.load(&store.id()).await.unwrap().unwrap();
        crate::file::fill(&mut objects, None, &mut runtime::entropy::Strong::seeded_by_system()).unwrap();
        store.change(objects.objects().map(ObjectChange::Put).collect());
        (store, objects)
    }

    fn put(person: &Person, change: impl FnOnce(&mut Person)) -> Vec<ObjectChange> {
        let mut person = person.clone();
        change(&mut person);
        vec![ObjectChange::Put(Object::Person(Box::new(person)))]
    }

    fn by_key(objects: &TenantObjects) -> HashMap<ObjectKey, Object> {
        objects.objects().map(|object| (object.key(), object)).collect()
    }

    #[tokio::test]
    async fn an_import_reads_the_tenant_once_however_often_others_change_it_and_makes_it_equal_to_the_file() {
        let (store, before) = stored().await;
        let mut file = before.clone();
        "Another".clone_into(&mut file.people[0].last_name);
        file.skills.push(Skill { name: "Patience".to_owned() });
        let gone = file.people.pop().unwrap();
        let factor = Secret("sealed:of-somebody".to_owned());
        store.others_change_before_updates(vec![
            // What the import changes, too.
            put(&before.people[0], |person| "Changed".clone_into(&mut person.first_name)),
            // What it would have left.
            put(&before.people[1], |person| "Changed".clone_into(&mut person.first_name)),
            // What a file says nothing of.
            put(&before.people[2], |person| person.second_factor = Some(factor.clone())),
            // What the import has deleted is gone already, and something is there that it does not know.
            vec![
                ObjectChange::Delete(Object::Person(Box::new(gone.clone())).key()),
                ObjectChange::Put(Object::Skill(Skill { name: "Tact".to_owned() })),
            ],
            put(&before.people[3], |person| "Once more".clone_into(&mut person.first_name)),
            put(&before.people[3], |person| "And again".clone_into(&mut person.first_name)),
        ]);
        let reads = store.reads();
        let imported = import(&store, &file, note()).await.unwrap();
        assert_eq!(store.reads() - reads, 1);
        assert_eq!((imported.put, imported.deleted), (4, 1), "three people and a skill; a skill");
        file.people[2].second_factor = Some(factor);
        let (revision, now) = store.load(&store.id()).await.unwrap().unwrap();
        assert_eq!((by_key(&now), revision), (by_key(&file), imported.revision));
    }

    #[tokio::test]
    async fn a_tenant_whose_history_begins_again_is_read_as_a_whole() {
        let (store, before) = stored().await;
        let target = before.clone();
        let plan = ImportPlan { at: infra::Revision(2), held: Some(before), changes: Vec::new() };
        let since = store.point(&store.id()).await.unwrap().unwrap();
        store.begin_again();
        let told = changes_since(&store, &store.id(), since).await.unwrap().unwrap();
        let caught_up = plan.caught_up(told, &target, |_, _| Ok::<(), StoreError>(()));
        assert!(caught_up.unwrap().is_none());
    }
}
