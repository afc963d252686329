//! What an object names has to be there, and stays as long as it is named.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, PrivilegeRole};
use serde_json::Value;

use super::{note, objects, put_all, tenant};
use crate::{ObjectChange, ProvisioningStore, Revision, StoreError};

/// Fields of objects of [`objects`] that name one of a kind.
const NAMES: [(ObjectKind, &str, &str, ObjectKind); 22] = [
    (ObjectKind::Dn, "7101", "/switch", ObjectKind::Switch),
    (ObjectKind::Place, "P2", "/capacity_rule", ObjectKind::CapacityRule),
    (ObjectKind::Person, "ann", "/agent/capacity_rule", ObjectKind::CapacityRule),
    (ObjectKind::Switch, "Berlin", "/access_codes/0/switch", ObjectKind::Switch),
    (ObjectKind::AgentLogin, "5001", "/person", ObjectKind::Person),
    (ObjectKind::AgentGroup, "team", "/agents/0", ObjectKind::Person),
    (ObjectKind::AgentGroup, "team", "/managers/0", ObjectKind::Person),
    (ObjectKind::PlaceGroup, "floor", "/places/0", ObjectKind::Place),
    (ObjectKind::PlaceGroup, "floor", "/places/1", ObjectKind::Place),
    (ObjectKind::DnGroup, "phones", "/members/1/dn", ObjectKind::Dn),
    (ObjectKind::TrunkGroup, "world", "/members/0/trunk", ObjectKind::Trunk),
    (ObjectKind::CallingList, "spring", "/schedule", ObjectKind::Schedule),
    (ObjectKind::Campaign, "spring", "/calling_lists/0/calling_list", ObjectKind::CallingList),
    (ObjectKind::CampaignGroup, "evening", "/campaign", ObjectKind::Campaign),
    (ObjectKind::CampaignGroup, "evening", "/agent_group", ObjectKind::AgentGroup),
    (ObjectKind::CampaignGroup, "evening", "/route_point", ObjectKind::Dn),
    (ObjectKind::IvrProfile, "menu", "/application", ObjectKind::Application),
    (ObjectKind::AccessGroup, "Berlin", "/people/0", ObjectKind::Person),
    (ObjectKind::AccessGroup, "Germany", "/groups/0", ObjectKind::AccessGroup),
    (ObjectKind::Role, "lead", "/people/0", ObjectKind::Person),
    (ObjectKind::Role, "lead", "/groups/0", ObjectKind::AccessGroup),
    (ObjectKind::Folder, "Berlin/Sales", "/permissions/0/group", ObjectKind::AccessGroup),
];

pub(super) async fn run(store: &dyn ProvisioningStore) {
    a_name_of_nothing_is_refused_and_so_is_the_end_of_what_is_named(store).await;
    built_in_groups_may_be_named(store).await;
    what_is_named_goes_with_what_names_it(store).await;
}

async fn refused(store: &dyn ProvisioningStore, change: ObjectChange, why: &str) {
    let answer = store.update(&tenant("named"), Revision(1), vec![change], note()).await;
    assert!(matches!(answer, Err(StoreError::Invalid(_))), "{why}: {answer:?}");
}

/// The object with another name in a field, and the name that stood there.
fn renaming(object: &Object, field: &str, name: &str) -> (Object, Option<String>) {
    let mut document: Value = serde_json::from_slice(&object.to_json()).unwrap();
    let at = document.pointer_mut(field).unwrap();
    let before = at.as_str().map(str::to_owned);
    *at = Value::String(name.to_owned());
    (Object::from_json(object.key().kind, document.to_string().as_bytes()).unwrap(), before)
}

async fn a_name_of_nothing_is_refused_and_so_is_the_end_of_what_is_named(store: &dyn ProvisioningStore) {
    let (acme, all) = (tenant("named"), objects("named"));
    store.update(&acme, Revision(0), put_all(&all), note()).await.unwrap();
    let found = |kind, id: &str| {
        let key = ObjectKey { kind, id: id.to_owned() };
        all.objects().find(|object| object.key() == key).unwrap()
    };
    for (kind, id, field, of) in NAMES {
        let (naming, named) = renaming(&found(kind, id), field, "nobody");
        refused(store, ObjectChange::Put(naming), &format!("{kind:?} {id} {field}")).await;
        let named = found(of, &named.unwrap());
        refused(store, ObjectChange::Delete(named.key()), &format!("{:?} of {kind:?} {id}", named.key())).await;
    }
    let (naming, none) = renaming(&found(ObjectKind::Folder, "Berlin/Sales"), "/permissions/0/person", "nobody");
    assert_eq!(none, None);
    refused(store, ObjectChange::Put(naming), "a person in the permissions of a folder").await;
    assert_eq!(store.load(&acme).await.unwrap(), Some((Revision(1), all)), "nothing has changed");
}

async fn built_in_groups_may_be_named(store: &dyn ProvisioningStore) {
    let acme = tenant("named-built-in");
    store.update(&acme, Revision(0), put_all(&objects("named-built-in")), note()).await.unwrap();
    let groups = vec!["Everyone".to_owned(), "Administrators".to_owned(), "everyone".to_owned()];
    let role = PrivilegeRole { name: "all".to_owned(), groups, ..PrivilegeRole::default() };
    let put = Object::Role(Box::new(role));
    store.update(&acme, Revision(1), vec![ObjectChange::Put(put.clone())], note()).await.unwrap();
    assert_eq!(store.find(&acme, &put.key()).await.unwrap(), Some(put));
}

async fn what_is_named_goes_with_what_names_it(store: &dyn ProvisioningStore) {
    let acme = tenant("named-together");
    let all = objects("named-together");
    store.update(&acme, Revision(0), put_all(&all), note()).await.unwrap();
    let (mut campaign, group) = (all.campaigns[0].clone(), all.campaign_groups[0].clone());
    let key = |kind, id: &str| ObjectKey { kind, id: id.to_owned() };
    let gone = [key(ObjectKind::CallingList, "spring"), key(ObjectKind::Campaign, &campaign.name)];
    // What is named comes back under another spelling in the same update.
    campaign.name = campaign.name.to_uppercase();
    campaign.calling_lists.clear();
    let mut changes = Vec::from(gone.map(ObjectChange::Delete));
    changes.push(ObjectChange::Put(Object::Campaign(campaign)));
    store.update(&acme, Revision(1), changes, note()).await.unwrap();
    assert_eq!(store.of_kind(&acme, ObjectKind::CallingList).await.unwrap(), []);
    let left = store.find(&acme, &key(ObjectKind::CampaignGroup, &group.name)).await.unwrap();
    assert_eq!(left, Some(Object::CampaignGroup(Box::new(group))), "it names the campaign as before");
}
