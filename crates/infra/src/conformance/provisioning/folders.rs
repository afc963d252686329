//! Groups, roles and folders, and what objects have besides the fields of their kinds.

use std::collections::BTreeMap;

use contracts::provisioning::{
    AccessGroup, AgentGroup, Folder, FolderPermission, FolderRight, Object, ObjectAnnex, ObjectKey, ObjectKind,
    ObjectPermission, PlaceGroup, Privilege, PrivilegeRole, Skill, TenantObjects,
};

use super::{note, objects, put_all, tenant};
use crate::{
    ArchivedPart, HistoryPage, HistoryPoint, ObjectChange, ProvisioningStore, Revision, TenantArchive, ToldChange,
};

/// Adds groups of every kind, roles and folders.
pub(super) fn add(objects: &mut TenantObjects) {
    objects.place_groups = vec![PlaceGroup { name: "floor".into(), places: vec!["P2".into(), "P1".into()] }];
    objects.agent_groups = vec![
        AgentGroup { name: "team".into(), agents: vec!["ann".into()], expression: None, managers: vec!["ann".into()] },
        AgentGroup {
            name: "all".into(),
            expression: Some("Sales >= 1 | English >= 1".into()),
            ..AgentGroup::default()
        },
    ];
    objects.access_groups = vec![
        AccessGroup { name: "Berlin".into(), people: vec!["ann".into()], groups: Vec::new() },
        AccessGroup { name: "Germany".into(), people: Vec::new(), groups: vec!["Berlin".into()] },
    ];
    objects.roles = vec![PrivilegeRole {
        name: "lead".into(),
        people: vec!["ann".into()],
        groups: vec!["Berlin".into()],
        privileges: vec![Privilege::FolderAdministrator, Privilege::Supervisor, Privilege::ManageTemplates],
    }];
    let permission = FolderPermission {
        group: Some("Germany".into()),
        person: None,
        rights: vec![FolderRight::Read, FolderRight::Permissions],
        no_access: false,
        propagate: true,
    };
    let folder =
        |path: &str, permissions| Folder { path: path.into(), description: Some("\"ß\"".into()), permissions };
    objects.folders = vec![folder("/", Vec::new()), folder("Berlin/Sales", vec![permission])];
}

fn key(kind: ObjectKind, id: &str) -> ObjectKey {
    ObjectKey { kind, id: id.to_owned() }
}

fn annex(folder: Option<&str>, value: Option<&str>) -> ObjectAnnex {
    let section = |value: &str| {
        let values = BTreeMap::from([("wrap-up-time".to_owned(), value.to_owned())]);
        BTreeMap::from([("TServer".to_owned(), values)])
    };
    // Whoever has properties here has entries, too.
    let entry = |_: &str| ObjectPermission {
        group: Some("Germany".to_owned()),
        rights: vec![FolderRight::Read],
        ..ObjectPermission::default()
    };
    ObjectAnnex {
        folder: folder.map(str::to_owned),
        user_properties: value.map(section).unwrap_or_default(),
        own_permissions: value.map(entry).into_iter().collect(),
    }
}

pub(super) async fn run(store: &dyn TenantArchive) {
    what_objects_have_besides_comes_and_goes_with_them(store).await;
    it_is_in_the_history_and_told_to_followers(store).await;
    it_is_archived(store).await;
}

async fn annexes(store: &dyn ProvisioningStore, name: &str) -> BTreeMap<ObjectKey, ObjectAnnex> {
    store.load(&tenant(name)).await.unwrap().unwrap().1.annexes
}

async fn what_objects_have_besides_comes_and_goes_with_them(store: &dyn ProvisioningStore) {
    let acme = tenant("annexes");
    let sales = key(ObjectKind::Skill, "Sales");
    let mut all = put_all(&objects("annexes"));
    all.push(ObjectChange::Annex(sales.clone(), annex(Some("Berlin/Sales"), None)));
    all.push(ObjectChange::Annex(key(ObjectKind::Person, "ann"), annex(None, Some("30"))));
    store.update(&acme, Revision(0), all, note()).await.unwrap();
    assert_eq!(annexes(store, "annexes").await.len(), 2);
    // An object that is put keeps what it has.
    let put = ObjectChange::Put(Object::Skill(Skill { name: "Sales".into() }));
    store.update(&acme, Revision(1), vec![put], note()).await.unwrap();
    let found = store.find_annexed(&acme, &sales).await.unwrap().unwrap();
    assert_eq!((found.revision, found.annex), (Revision(2), annex(Some("Berlin/Sales"), None)));
    let other = ObjectChange::Annex(sales.clone(), annex(None, Some("10")));
    store.update(&acme, Revision(2), vec![other], note()).await.unwrap();
    let found = store.find_annexed(&acme, &sales).await.unwrap().unwrap();
    assert_eq!((found.revision, found.annex), (Revision(3), annex(None, Some("10"))));
    store.update(&acme, Revision(3), vec![ObjectChange::Annex(sales, ObjectAnnex::default())], note()).await.unwrap();
    assert_eq!(annexes(store, "annexes").await.into_keys().collect::<Vec<_>>(), [key(ObjectKind::Person, "ann")]);
    let german = ObjectChange::Put(Object::Skill(Skill { name: "German".into() }));
    let german_key = key(ObjectKind::Skill, "German");
    let with_annex = vec![german.clone(), ObjectChange::Annex(german_key.clone(), annex(Some("Berlin/Sales"), None))];
    store.update(&acme, Revision(4), with_annex, note()).await.unwrap();
    store.update(&acme, Revision(5), vec![ObjectChange::Delete(german_key.clone())], note()).await.unwrap();
    store.update(&acme, Revision(6), vec![german], note()).await.unwrap();
    let again = store.find_annexed(&acme, &german_key).await.unwrap().unwrap();
    assert_eq!(again.annex, ObjectAnnex::default(), "it is another object of that name");
    let roles = store.of_kind(&acme, ObjectKind::Role).await.unwrap();
    assert_eq!(store.document_bytes(&acme, ObjectKind::Role).await.unwrap(), roles[0].to_json().len() as u64);
    assert_eq!(roles.into_iter().map(|role| role.key().id).collect::<Vec<_>>(), ["lead"]);
}

async fn it_is_in_the_history_and_told_to_followers(store: &dyn ProvisioningStore) {
    let acme = tenant("annex-history");
    store.update(&acme, Revision(0), put_all(&objects("annex-history")), note()).await.unwrap();
    let sales = key(ObjectKind::Skill, "Sales");
    let folder = annex(Some("Berlin/Sales"), None);
    store.update(&acme, Revision(1), vec![ObjectChange::Annex(sales.clone(), folder.clone())], note()).await.unwrap();
    // Nothing has happened then.
    store.update(&acme, Revision(2), vec![ObjectChange::Annex(sales.clone(), folder.clone())], note()).await.unwrap();
    let page = HistoryPage { kind: Some(ObjectKind::Skill), id: Some("Sales".into()), below: None, limit: 10 };
    let told = store.history(&acme, &page).await.unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    let documents = (told[0].before.as_deref(), told[0].after.as_deref());
    assert_eq!(documents, (Some(r#"{"name":"Sales"}"#), Some(r#"{"name":"Sales","folder":"Berlin/Sales"}"#)));
    let changes = store.changes(&acme, HistoryPoint::unstamped(Revision(1))).await.unwrap();
    assert_eq!(changes.changes, [ToldChange::Put(Object::Skill(Skill { name: "Sales".into() }))]);
    assert_eq!(changes.annexes, [(sales.clone(), folder.clone())]);
    let whole = store.changes(&acme, HistoryPoint::default()).await.unwrap();
    assert_eq!((whole.is_whole, whole.annexes), (true, vec![(sales, folder)]));
}

async fn it_is_archived(store: &dyn TenantArchive) {
    let acme = tenant("annex-archive");
    store.update(&acme, Revision(0), put_all(&objects("annex-archive")), note()).await.unwrap();
    let (ann, of_ann) = (key(ObjectKind::Person, "ann"), annex(Some("Berlin/Sales"), Some("30")));
    store.update(&acme, Revision(1), vec![ObjectChange::Annex(ann.clone(), of_ann.clone())], note()).await.unwrap();
    let mut parts = Vec::new();
    let mut take = |part| {
        parts.push(part);
        Ok(())
    };
    assert!(store.archive(&acme, &mut take).await.unwrap());
    let renamed = |part: ArchivedPart| match part {
        ArchivedPart::Object(Object::Tenant(mut own), revision) => {
            own.id = "annex-copy".into();
            own.sign_in.hosts.clear();
            ArchivedPart::Object(Object::Tenant(own), revision)
        }
        other => other,
    };
    let mut parts = parts.into_iter().map(renamed);
    let mut give = || Ok(parts.next());
    store.restore_archive(&tenant("annex-copy"), &mut give, note()).await.unwrap();
    assert_eq!(annexes(store, "annex-copy").await, BTreeMap::from([(ann, of_ann)]));
}
