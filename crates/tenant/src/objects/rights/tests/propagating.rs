//! Entries that propagate: whose right to change permissions ends with a folder reaches nothing below it.

use super::*;

/// Ulm, where Ann may do everything by an entry that propagates or not, beside one more entry.
fn ulm(propagate: bool, other: FolderPermission) -> IndexedTenant {
    let mut all = cities();
    let own = FolderPermission { propagate, ..entry("Berlin", &FolderRight::ALL) };
    all.folders = vec![folder("Ulm", vec![own, other]), folder("Ulm/Day", Vec::new())];
    all.annexes.clear();
    indexed(&all)
}

#[test]
fn an_entry_that_propagates_needs_a_right_that_propagates() {
    let of_sue = |propagate| FolderPermission {
        group: None,
        person: Some("sue".to_owned()),
        propagate,
        ..entry("", &[FolderRight::Read])
    };
    let put = |permissions: &str| {
        let own = r#"{"group":"Berlin","rights":["read","create","change","delete","permissions"],"propagate":"#;
        let permissions = permissions.replace("OWN", own);
        EditAction::Put(format!(r#"{{"path":"Ulm","permissions":[{permissions}]}}"#))
    };
    let sue = r#"{"person":"sue","rights":["read"]}"#;
    let sue_here = r#"{"person":"sue","rights":["read"],"propagate":false}"#;
    let change = |held: &IndexedTenant, permissions: String| {
        plan(held, "ann", ObjectKind::Folder, "Ulm", put(&permissions)).map(|changes| changes > 0)
    };
    let words = "it needs the right permissions in folder Ulm and in the folders within it";
    let refused = ("permissions".to_owned(), words.to_owned());
    let told = |outcome: Result<bool, ChangeRefusal>| denied(outcome.map(usize::from));

    let here = ulm(false, of_sue(false));
    assert_eq!(told(change(&here, format!("OWN true}}, {sue_here}"))), refused, "ann would have what is within");
    let shut = r#"{"group":"Everyone","no_access":true}"#;
    assert_eq!(told(change(&here, format!("OWN false}}, {sue_here}, {shut}"))), refused, "others would have nothing");
    assert_eq!(told(change(&here, format!("OWN false}}, {sue}"))), refused, "sue would have what is within");
    assert!(change(&here, "OWN false}".to_owned()).unwrap(), "what is of the folder alone, she changes");
    let above = ulm(false, of_sue(true));
    assert_eq!(told(change(&above, "OWN false}".to_owned())), refused, "sue would lose what is within");
    assert!(change(&above, format!("OWN false}}, {sue}, {sue_here}")).unwrap(), "what propagates stays");
    let delete = |held: &IndexedTenant| plan(held, "ann", ObjectKind::Folder, "Ulm", EditAction::Delete);
    assert_eq!(denied(delete(&above)), refused);
    assert!(delete(&here).is_ok());

    let within = ulm(true, of_sue(true));
    for permissions in [format!("OWN true}}, {sue_here}"), format!("OWN false}}, {sue}, {shut}")] {
        assert!(change(&within, permissions).unwrap(), "her right propagates");
    }
    assert!(delete(&within).is_ok());
    assert!(plan(&above, "root", ObjectKind::Folder, "Ulm", put("")).is_ok(), "administrators may");
}
