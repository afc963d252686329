//! What a person sees of a tenant who reads or follows it: the objects of folders that let the person.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use contracts::provisioning::{Object, ObjectAnnex, ObjectKey, ObjectKind};
use infra::{HistoryPoint, ProvisioningStore, Revision, ToldChange};
use model::TenantId;
use tonic::Status;

use super::{no_tenant, status, unread};
use crate::objects::{CallerRights, HeldObject, HeldTenants, IndexedTenant, SharedTenant};
use crate::role::caller_rights::KeptRights;

/// A person whose rights limit what is shown.
#[derive(Clone)]
pub(super) struct PersonView {
    pub user: String,
    pub held: Arc<HeldTenants>,
    pub kept: Arc<KeptRights>,
}

impl PersonView {
    /// The objects of some kinds that the person sees, with that id if it is not empty.
    pub async fn seen(
        &self,
        store: &dyn ProvisioningStore,
        tenant: &TenantId,
        kinds: Vec<ObjectKind>,
        id: String,
    ) -> Result<(HistoryPoint, Vec<Arc<Object>>), Status> {
        let (kept, of, user) = (self.kept.clone(), tenant.clone(), self.user.clone());
        let seen = move |held: &IndexedTenant| {
            let rights = kept.of(&of, held, &user);
            let named = kinds.iter().flat_map(|kind| held.of_kind(*kind));
            let wanted = named.filter(|(name, _)| id.is_empty() || *name == id.as_str());
            let is_everything = rights.sees_everything();
            let sees =
                |object: &Object| is_everything || held.found(&object.key()).is_some_and(|found| rights.may_see(found));
            let seen = wanted.filter(|(_, object)| sees(object)).map(|(_, object)| object.clone());
            (held.point(), seen.collect())
        };
        self.readable(store, tenant).await?.look(seen).await.ok_or_else(unread)
    }

    async fn rights(&self, store: &dyn ProvisioningStore, tenant: &TenantId) -> Result<Arc<CallerRights>, Status> {
        let (kept, of, user) = (self.kept.clone(), tenant.clone(), self.user.clone());
        let rights = move |held: &IndexedTenant| kept.of(&of, held, &user);
        self.readable(store, tenant).await?.look(rights).await.ok_or_else(unread)
    }

    async fn readable(&self, store: &dyn ProvisioningStore, tenant: &TenantId) -> Result<SharedTenant, Status> {
        self.held.readable(store, tenant).await.map_err(status)?.ok_or_else(|| no_tenant(tenant))
    }
}

/// What a follower who is a person has been told: other rights are other objects.
#[derive(Default)]
pub(super) struct ToldToPerson {
    rights: Option<Arc<CallerRights>>,
    told: HashSet<ObjectKey>,
}

/// The rights of a follower, as far as they limit it.
pub(super) struct FollowRights(Option<Arc<CallerRights>>);

impl ToldToPerson {
    /// The rights by which changes are told now, and whether everything is told anew: at first, since nobody knows what the person has
    /// seen, and when the rights are others.
    pub async fn begin(
        &mut self,
        person: Option<&PersonView>,
        store: &dyn ProvisioningStore,
        tenant: &TenantId,
    ) -> Result<(FollowRights, bool), Status> {
        let Some(person) = person else { return Ok((FollowRights(None), false)) };
        let rights = person.rights(store, tenant).await?;
        if rights.sees_everything() {
            self.told.clear();
            return Ok((FollowRights(None), self.rights.take().is_some()));
        }
        let is_anew = self.rights.as_ref() != Some(&rights);
        self.rights = Some(rights.clone());
        if is_anew {
            self.told.clear();
        }
        Ok((FollowRights(Some(rights)), is_anew))
    }

    /// The change as the person is told it: what the person does not see goes, if the person has seen it, and is nothing otherwise.
    pub fn seen(
        &mut self,
        rights: &FollowRights,
        change: ToldChange,
        annexes: &HashMap<ObjectKey, ObjectAnnex>,
    ) -> Option<ToldChange> {
        let Some(rights) = &rights.0 else { return Some(change) };
        let key = change.key();
        let is_seen = match &change {
            ToldChange::Put(object) => {
                let (annex, revision) = (annexes.get(&key), Revision::default());
                rights.may_see(HeldObject { object, annex, revision })
            }
            ToldChange::Delete(_) => false,
        };
        if is_seen {
            self.told.insert(key);
            return Some(change);
        }
        self.told.remove(&key).then_some(ToldChange::Delete(key))
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::Skill;
    use infra::VersionedObjects;

    use super::*;

    #[test]
    fn what_is_not_seen_is_told_as_gone_to_who_has_seen_it_alone() {
        let text = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n\
            people: [{user: ann, first_name: A, last_name: A, privileges: [folder_administrator]}]\n\
            folders: [{path: Berlin, permissions: [{person: ann, rights: [read]}]}]\n";
        let objects = crate::file::read(text, |_| Ok(String::new())).expect("a tenant");
        let point = HistoryPoint::unstamped(Revision(1));
        let held = IndexedTenant::of(VersionedObjects { point, objects, revisions: HashMap::new() });
        let rights = FollowRights(Some(Arc::new(CallerRights::of(&held, "ann"))));
        let skill = || ToldChange::Put(Object::Skill(Skill { name: "Sales".to_owned() }));
        let (key, mut told) = (skill().key(), ToldToPerson::default());
        let berlin = ObjectAnnex { folder: Some("Berlin".to_owned()), ..ObjectAnnex::default() };
        let (in_none, in_berlin) = (HashMap::new(), HashMap::from([(key.clone(), berlin)]));
        assert_eq!(told.seen(&rights, skill(), &in_none), None);
        assert_eq!(told.seen(&rights, skill(), &in_berlin), Some(skill()));
        assert_eq!(told.seen(&rights, skill(), &in_none), Some(ToldChange::Delete(key.clone())));
        assert_eq!(told.seen(&rights, ToldChange::Delete(key), &in_none), None);
        assert_eq!(told.seen(&FollowRights(None), skill(), &in_none), Some(skill()), "a role sees everything");
    }
}
