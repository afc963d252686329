//! The last administrator of a tenant stays one, and may sign in.

use contracts::provisioning::{FaultCode, Object};
use infra::ObjectChange;

use super::*;

fn put(person: &Person) -> ObjectChange {
    ObjectChange::Put(Object::Person(Box::new(person.clone())))
}

fn disabled(user: &str) -> ObjectChange {
    put(&Person { disabled: true, ..person(user, &[Privilege::Administrator]) })
}

fn gone(kind: ObjectKind, id: &str) -> ObjectChange {
    ObjectChange::Delete(ObjectKey { kind, id: id.to_owned() })
}

/// The names and fields of the changes that are refused.
fn refused(all: &TenantObjects, changes: &[ObjectChange]) -> Vec<(String, String)> {
    match keeps_administrator(&indexed(all), changes) {
        Ok(()) => Vec::new(),
        Err(ChangeRefusal::Faults(faults)) => {
            assert!(faults.iter().all(|fault| fault.rule.code == FaultCode::LastAdministrator), "{faults:?}");
            faults.into_iter().map(|fault| (fault.key.id, fault.field)).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(id, field)| ((*id).to_owned(), (*field).to_owned())).collect()
}

#[test]
fn an_administrator_goes_while_another_one_stays() {
    let all = cities();
    let none = person("root", &[]);
    for change in [disabled("root"), put(&none), gone(ObjectKind::Person, "root")] {
        assert_eq!(refused(&all, std::slice::from_ref(&change)), named(&[]));
        let both = [change, disabled("lea")];
        assert_eq!(refused(&all, &both).len(), 2);
    }
    assert_eq!(refused(&all, &[put(&none), disabled("lea")]), named(&[("root", "privileges"), ("lea", "disabled")]));
    assert_eq!(refused(&all, &[gone(ObjectKind::Person, "lea"), put(&none)])[0].1, "");
    // Somebody who becomes one by the same batch will do, and somebody who is disabled will not.
    let sue = person("sue", &[Privilege::Administrator]);
    assert_eq!(refused(&all, &[put(&none), disabled("lea"), put(&sue)]), named(&[]));
    assert_eq!(refused(&all, &[put(&none), disabled("lea"), disabled("sue")]).len(), 2);
    // Where nobody is one, nothing is lost.
    let without = TenantObjects { people: vec![person("bob", &[Privilege::Agent])], ..cities() };
    assert_eq!(refused(&without, &[gone(ObjectKind::Person, "bob")]), named(&[]));
}

#[test]
fn who_is_an_administrator_by_a_role_counts() {
    let mut all = cities();
    all.people = vec![person("sue", &[]), person("bob", &[Privilege::Agent])];
    let role = |groups: &[&str], people: &[&str]| PrivilegeRole {
        name: "Bosses".to_owned(),
        people: people.iter().map(|name| (*name).to_owned()).collect(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
        privileges: vec![Privilege::Administrator],
    };
    let group = |name: &str, people: &[&str], groups: &[&str]| AccessGroup {
        name: name.to_owned(),
        people: people.iter().map(|name| (*name).to_owned()).collect(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
    };
    let put_role = |role: PrivilegeRole| ObjectChange::Put(Object::Role(Box::new(role)));
    let put_group = |group: AccessGroup| ObjectChange::Put(Object::AccessGroup(Box::new(group)));
    all.roles = vec![role(&["house"], &[])];
    all.access_groups = vec![group("House", &[], &["Board"]), group("Board", &["sue"], &[]), group("Other", &[], &[])];
    let sue = ObjectKind::Person;
    assert_eq!(refused(&all, &[gone(sue, "sue")]), named(&[("sue", "")]));
    assert_eq!(refused(&all, &[put(&Person { disabled: true, ..person("sue", &[]) })]), named(&[("sue", "disabled")]));
    assert_eq!(refused(&all, &[put_group(group("Board", &["nobody"], &[]))]), named(&[("Board", "people")]));
    assert_eq!(refused(&all, &[put_group(group("House", &[], &[]))]), named(&[("House", "groups")]));
    assert_eq!(refused(&all, &[gone(ObjectKind::AccessGroup, "Board")]), named(&[("Board", "")]));
    assert_eq!(refused(&all, &[put_role(role(&[], &[]))]), named(&[("Bosses", "groups")]));
    let lesser = PrivilegeRole { privileges: vec![Privilege::Supervisor], ..role(&["house"], &[]) };
    assert_eq!(refused(&all, &[put_role(lesser)]), named(&[("Bosses", "privileges")]));
    assert_eq!(refused(&all, &[put_role(role(&[], &["bob"]))]), named(&[]));
    assert_eq!(refused(&all, &[put_group(group("Other", &["bob"], &[])), put(&person("bob", &[]))]), named(&[]));
    // A role of everybody makes everybody one who may sign in.
    all.roles = vec![role(&[AccessGroup::EVERYONE], &[])];
    assert_eq!(refused(&all, &[gone(sue, "sue")]), named(&[]));
    assert_eq!(refused(&all, &[gone(sue, "sue"), gone(sue, "bob")]).len(), 2);
}
