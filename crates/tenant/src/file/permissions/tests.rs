use contracts::provisioning::FaultCode;

use crate::file::{Faults, read, write};

const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n\
    people: [{user: ann, first_name: A, last_name: A}, {user: bob, first_name: B, last_name: B}]\n";

#[test]
fn folders_groups_and_roles_come_back_from_an_export() {
    let text = format!(
        "{HEAD}access_groups:\n  - {{name: Berlin, people: [ann], groups: [Sales]}}\n  - {{name: Sales}}\n\
         roles:\n  - {{name: Leads, people: [bob], groups: [Berlin, Everyone], privileges: [supervisor, folder_administrator]}}\n\
         folders:\n  - path: /\n    permissions: [{{group: Everyone, rights: [read]}}]\n\
         \x20 - path: \"Berlin/Team 1\"\n    description: \"yes\"\n    permissions:\n\
         \x20     - {{group: Berlin, rights: [read, create, change, delete, permissions], propagate: false}}\n\
         \x20     - {{person: bob, no_access: true}}\n"
    );
    let objects = read(&text, |_| Ok(String::new())).expect("a tenant");
    let folder = &objects.folders[1];
    assert_eq!((folder.path.as_str(), folder.description.as_deref()), ("Berlin/Team 1", Some("yes")));
    assert_eq!((folder.permissions[0].rights.len(), folder.permissions[0].propagate), (5, false));
    assert!(folder.permissions[1].no_access && folder.permissions[1].propagate);
    assert_eq!(objects.roles[0].privileges.len(), 2);
    let exported = write(&objects).yaml;
    assert_eq!(read(&exported, |_| Ok(String::new())).expect("what was exported"), objects, "{exported}");
}

#[test]
fn every_fault_has_its_key_and_rule() {
    let text = format!(
        "{HEAD}access_groups:\n  - {{name: a, groups: [b], people: [eve]}}\n  - {{name: b, groups: [a, c]}}\n  - {{name: everyone}}\n  \
         - {{name: d, groups: [Administrators]}}\nroles:\n  - {{name: r, groups: [Administrators, Everyone]}}\n\
         folders:\n  - {{path: /a}}\n  - {{path: b, permissions: [{{rights: [read]}}, {{group: x, person: ann}}, {{person: eve, rights: [read]}}]}}\n  \
         - {{path: c, permissions: [{{group: Everyone, rights: [read], no_access: true}}, {{group: x, no_access: true}}]}}\n"
    );
    let Faults(faults) = read(&text, |_| Ok(String::new())).expect_err("faults");
    let told: Vec<(&str, &str)> = faults.iter().map(|fault| (&*fault.key, &*fault.rule.words)).collect();
    for expected in [
        ("access_groups.a.groups", "it leads in a circle: a to b to a"),
        ("access_groups.b.groups", "it leads in a circle: b to a to b"),
        ("access_groups.a.people", "there is no person eve"),
        ("access_groups.b.groups", "there is no access_group c"),
        ("folders.b.permissions[0].group", "it needs a group or a person"),
        ("folders.b.permissions[1].person", "it is of a group or of a person, not of both"),
        ("folders.b.permissions[1].rights", "it needs rights, or no_access"),
        ("folders.b.permissions[2].person", "there is no person eve"),
        ("folders.c.permissions[0].rights", "who has no access has no rights"),
        ("folders.c.permissions[1].group", "there is no access_group x"),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not in {told:?}");
    }
    for built_in in ["access_groups.everyone.name", "access_groups.d.groups", "roles.r.groups"] {
        assert_eq!(
            told.iter().filter(|(key, words)| *key == built_in && words.contains("is built in")).count(),
            1,
            "{told:?}"
        );
    }
    assert!(
        told.iter().any(|(key, words)| *key == "folders./a.path" && words.starts_with("it is no path")),
        "{told:?}"
    );
}

#[test]
fn a_privilege_that_needs_another_one_is_not_given_without_it() {
    let of = |person: &str, role: &str| {
        let people = format!("people: [{{user: eve, first_name: E, last_name: E, privileges: [{person}]}}]\n");
        let head = HEAD.split("people: ").next().expect("a head");
        let text = format!("{head}{people}roles:\n  - {{name: r, people: [eve], privileges: [{role}]}}\n");
        read(&text, |_| Ok(String::new()))
    };
    let objects = of("view_dashboard_restricted, manage_tabs", "supervisor, manage_templates").expect("a tenant");
    assert_eq!(read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported"), objects);
    // What the one has does not count for the other: it may go by itself.
    let Faults(faults) = of("view_dashboard, manage_widgets", "manage_tabs").expect_err("faults");
    let told: Vec<(&str, &str)> = faults.iter().map(|fault| (&*fault.key, &*fault.rule.words)).collect();
    let role = "manage_tabs needs view_dashboard or view_dashboard_restricted beside it";
    let expected =
        [("people.eve.privileges", "manage_widgets needs edit_widget_display beside it"), ("roles.r.privileges", role)];
    assert_eq!(told, expected);
    let values =
        [("privilege", "manage_tabs".to_owned()), ("needs", "view_dashboard, view_dashboard_restricted".to_owned())];
    assert_eq!((faults[1].rule.code, faults[1].rule.values.as_slice()), (FaultCode::PrivilegeNeeds, &values[..]));
}
