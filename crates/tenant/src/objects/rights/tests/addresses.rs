//! Addresses for mail, by which a company's provider names people: nobody gets one of somebody who is out of reach.

use super::*;

/// The cities, with addresses: Bob and Ben are agents of Berlin, whom Ann looks after.
fn addressed() -> TenantObjects {
    let mut all = cities();
    all.people.push(person("ben", &[Privilege::Agent]));
    let ben = ObjectKey { kind: ObjectKind::Person, id: "ben".to_owned() };
    all.annexes.insert(ben, ObjectAnnex { folder: Some("Berlin".to_owned()), ..ObjectAnnex::default() });
    for person in &mut all.people {
        person.email = Some(format!("{}@Acme.example", person.user_name));
    }
    all
}

#[test]
fn a_folder_administrator_gives_nobody_the_address_of_somebody_out_of_reach() {
    let held = indexed(&addressed());
    let address = |user: &str| merge(&format!(r#"{{"email":"{user}@ACME.example"}}"#), "email");
    // An administrator in no folder, one in Ann's own folder, whom she sees and may not take over, and an agent of another folder.
    for other in ["root", "lea", "hal"] {
        let refused = denied(plan(&held, "ann", ObjectKind::Person, "bob", address(other)));
        assert_eq!((refused.0.as_str(), refused.1.contains("another person has it")), ("email", true), "{other}");
        let new = format!(
            r#"{{"user_name":"new","first_name":"N","last_name":"N","folder":"Berlin","email":"{other}@acme.example"}}"#
        );
        assert_eq!(denied(plan(&held, "ann", ObjectKind::Person, "new", EditAction::Put(new))).0, "email", "{other}");
        assert!(plan(&held, "root", ObjectKind::Person, "bob", address(other)).is_ok(), "an administrator decides");
    }
    for free in ["ben", "bob", "nobody"] {
        assert!(plan(&held, "ann", ObjectKind::Person, "bob", address(free)).is_ok(), "{free}");
    }
    let renamed = merge(r#"{"last_name":"New"}"#, "last_name");
    assert!(plan(&held, "ann", ObjectKind::Person, "bob", renamed).is_ok(), "who has an address keeps it");
}
