//! Entries of a single object count with those of its folder.

use super::*;

fn own(group: &str, rights: &[FolderRight]) -> ObjectPermission {
    ObjectPermission { group: Some(group.to_owned()), rights: rights.to_vec(), ..ObjectPermission::default() }
}

fn shut(group: &str) -> ObjectPermission {
    ObjectPermission { no_access: true, ..own(group, &[]) }
}

/// The cities, where that person has an entry of their own.
fn with_entry(user: &str, entry: ObjectPermission) -> TenantObjects {
    let mut all = cities();
    let key = ObjectKey { kind: ObjectKind::Person, id: user.to_owned() };
    all.annexes.entry(key).or_default().own_permissions.push(entry);
    all
}

fn renamed() -> EditAction {
    merge(r#"{"first_name":"New"}"#, "first_name")
}

fn without_entries() -> EditAction {
    merge(r#"{"own_permissions":[]}"#, "own_permissions")
}

#[test]
fn an_entry_gives_one_object_of_a_folder_and_no_other() {
    let held = indexed(&with_entry("hal", own("Berlin", &[FolderRight::Read, FolderRight::Change])));
    assert_eq!(sees(&held, "ann"), ["bob", "hal", "lea"]);
    assert!(plan(&held, "ann", ObjectKind::Person, "hal", renamed()).is_ok());
    let deleted = denied(plan(&held, "ann", ObjectKind::Person, "hal", EditAction::Delete));
    assert_eq!(deleted.1, "it needs the right delete in folder Hamburg");
    let away = merge(r#"{"folder":"Berlin"}"#, "folder");
    assert_eq!(denied(plan(&held, "ann", ObjectKind::Person, "hal", away)).0, "folder");
}

#[test]
fn an_entry_hides_one_object_of_a_folder_as_if_it_were_not_there() {
    let held = indexed(&with_entry("bob", shut("Berlin")));
    assert_eq!((sees(&held, "ann"), sees(&held, "root").len()), (vec!["lea".to_owned()], 6));
    let Err(ChangeRefusal::Faults(missing)) = plan(&held, "ann", ObjectKind::Person, "bob", renamed()) else {
        panic!("it is seen")
    };
    assert_eq!(missing[0].rule.code, contracts::provisioning::FaultCode::NoObject);
    // Who reads by scopes what no entry is about does not read what one is about.
    let held = indexed(&with_entry("sue", own("Berlin", &[FolderRight::Read])));
    assert_eq!(
        (sees(&held, "sue"), sees(&held, "ann")),
        (vec!["ann".to_owned(), "root".to_owned()], named(&["bob", "lea", "sue"]))
    );
    assert!(!CallerRights::of(&held, "sue").sees_everything());
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_administrator_whom_an_object_shuts_out_takes_the_entry_away() {
    let held = indexed(&with_entry("bob", shut("Administrators")));
    let rights = CallerRights::of(&held, "root");
    assert!(!rights.is_unlimited() && sees(&held, "root").contains(&"bob".to_owned()));
    let refused = denied(plan(&held, "root", ObjectKind::Person, "bob", renamed()));
    assert_eq!(refused.1, "it needs the right change in folder Berlin/Sales");
    assert_eq!(plan(&held, "root", ObjectKind::Person, "bob", without_entries()).unwrap(), 1);
}

#[test]
fn entries_are_changed_by_who_has_the_right_to_that() {
    let mut all = with_entry("bob", own("Berlin", &[FolderRight::Delete]));
    let held = indexed(&all);
    let refused = denied(plan(&held, "ann", ObjectKind::Person, "bob", without_entries()));
    assert_eq!(refused.1, "it needs the right permissions in folder Berlin/Sales");
    let new = r#"{"user_name":"new","first_name":"N","last_name":"N","folder":"Berlin","own_permissions":[{"person":"ann","rights":["delete"]}]}"#;
    let new = || EditAction::Put(new.to_owned());
    assert_eq!(denied(plan(&held, "ann", ObjectKind::Person, "new", new())).0, "own_permissions");
    // The entry that is there gives her the right to delete, which the folder does not.
    assert!(plan(&held, "ann", ObjectKind::Person, "bob", EditAction::Delete).is_ok());

    all.folders[0].permissions[0].rights.push(FolderRight::Permissions);
    let held = indexed(&all);
    assert!(plan(&held, "ann", ObjectKind::Person, "bob", without_entries()).is_ok());
    assert!(plan(&held, "ann", ObjectKind::Person, "new", new()).is_ok());
    // Whom she does not see is nobody to her, in an entry too.
    let names = |user: &str| {
        let document = format!(r#"{{"own_permissions":[{{"person":"{user}","rights":["read"]}}]}}"#);
        faults(plan(&held, "ann", ObjectKind::Person, "bob", merge(&document, "own_permissions")))
    };
    let (of_hidden, of_nobody) = (names("hal"), names("nil"));
    assert_eq!((of_hidden.len(), of_hidden[0].field.as_str()), (1, "own_permissions[0].person"));
    assert_eq!(of_hidden[0].rule.words.replace("hal", "nil"), of_nobody[0].rule.words);
}

#[test]
fn who_is_named_in_an_entry_of_an_object_is_taken_over_by_no_folder_administrator() {
    let mut all = cities();
    all.folders.push(folder("/", vec![entry("Berlin", &FolderRight::ALL)]));
    let key = ObjectKey { kind: ObjectKind::Skill, id: "Sales".to_owned() };
    let password = || merge(r#"{"password":"slow brown teapot"}"#, "password");
    assert!(plan(&indexed(&all), "ann", ObjectKind::Person, "hal", password()).is_ok());
    let of_hal = ObjectPermission { person: Some("hal".to_owned()), group: None, ..own("", &[FolderRight::Change]) };
    all.annexes.entry(key).or_default().own_permissions.push(of_hal);
    assert_eq!(denied(plan(&indexed(&all), "ann", ObjectKind::Person, "hal", password())).0, "password");
}

#[test]
fn the_tenant_and_folders_have_no_entries_of_their_own() {
    let held = indexed(&cities());
    let entries = || merge(r#"{"own_permissions":[{"group":"Everyone","rights":["read"]}]}"#, "own_permissions");
    for (kind, id) in [(ObjectKind::Folder, "Berlin"), (ObjectKind::Tenant, "")] {
        let told = faults(plan(&held, "root", kind, id, entries()));
        assert!(told.iter().any(|fault| fault.field == "own_permissions"), "{kind:?}: {told:?}");
    }
    let made_in = merge(r#"{"own_permissions":[{"group":"Everyone","rights":["create"]}]}"#, "own_permissions");
    let told = faults(plan(&held, "root", ObjectKind::Person, "bob", made_in));
    assert!(told.iter().any(|fault| fault.field == "own_permissions[0].rights[0]"), "{told:?}");
}
