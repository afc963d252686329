use std::collections::BTreeMap;

use contracts::provisioning::Agent;
use infra::Document;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn key(number: u8) -> ObjectKey {
    ObjectKey { kind: ObjectKind::Skill, id: number.to_string() }
}

/// The objects that a revision changes: whether each is there then.
fn revision() -> impl Strategy<Value = Vec<(u8, bool)>> {
    prop::collection::vec((0_u8..12, any::<bool>()), 0..5)
}

fn document(number: u8, revision: u64, is_there: bool) -> Document {
    let body = is_there.then(|| format!(r#"{{"name":"{number}"}}"#).into_bytes().into());
    Document { kind: "skill".to_owned(), id: number.to_string(), revision, body }
}

proptest! {
    #[test]
    fn what_changed_after_a_version_is_told_or_everything(
        history in prop::collection::vec(revision(), 1..20), whole_at in 0_u64..10,
    ) {
        let mut model: BTreeMap<u8, (u64, bool)> = BTreeMap::new();
        let mut copy: Option<TenantCopy> = None;
        for (number, changes) in (1_u64..).zip(history) {
            for (object, is_there) in changes {
                model.insert(object, (number, is_there));
            }
            if number < whole_at {
                continue;
            }
            let version = ConfigVersion { generation: 3, revision: number };
            let extent = if copy.is_some() { Extent::Changes } else { Extent::Whole };
            let is_read = |(_, (at, is_there)): &(&u8, &(u64, bool))| match extent {
                Extent::Whole => *is_there,
                Extent::Changes => *at == number,
            };
            let read = model.iter().filter(is_read).map(|(object, (at, is_there))| document(*object, *at, *is_there));
            copy = Some(TenantCopy::after(copy.as_ref(), Reading { version, extent, documents: read.collect() }));
            let Some(copy) = &copy else { continue };
            for after in 0..=number + 1 {
                let version = ConfigVersion { generation: 3, revision: after };
                let told = copy.changed_after(version);
                prop_assert_eq!(told.is_some(), after >= whole_at.max(1) && after <= number, "after {}", after);
                let Some(told) = told else { continue };
                let told: Vec<_> = told.into_iter().map(|(key, object)| (key.clone(), object.is_some())).collect();
                let later = model.iter().filter(|(_, (at, _))| *at > after);
                let mut expected: Vec<_> = later.map(|(object, (_, is_there))| (key(*object), *is_there)).collect();
                expected.sort();
                prop_assert_eq!(told, expected);
            }
            let mut there: Vec<_> = model.iter().filter(|(_, (_, is_there))| *is_there).map(|(o, _)| key(*o)).collect();
            there.sort();
            prop_assert!(copy.keys().eq(there.iter()));
        }
    }
}

/// An object as it becomes, by kind and name; none if it goes.
type ChangedObject = (ObjectKind, String, Option<serde_json::Value>);

/// A change of one of a few people and places. Ids, codes, places and DNs have the same few names.
fn of_agents() -> impl Strategy<Value = ChangedObject> {
    let agent = ("[0-2]", "[0-2]", prop::option::of("[0-2]")).prop_map(
        |(id, code, place)| json!({"id": id, "login_code": code, "pin": null, "default_place": place, "skills": []}),
    );
    let person = ("[a-d]", prop::option::of(prop::option::of(agent))).prop_map(|(user, changed)| {
        let person =
            changed.map(|agent| json!({"user_name": user, "first_name": "A", "last_name": "B", "agent": agent}));
        (ObjectKind::Person, user, person)
    });
    let dns = prop::collection::vec("[0-2]", 0..3);
    let place = ("[0-2]", prop::option::of(dns)).prop_map(|(name, changed)| {
        let place = changed.map(|dns| json!({"name": name, "dns": dns}));
        (ObjectKind::Place, name, place)
    });
    prop_oneof![person, place]
}

/// The agents of a copy, with their user names.
fn all_agents(copy: &TenantCopy) -> Vec<(&str, &Agent)> {
    let people = copy.of_kind(ObjectKind::Person).filter_map(|object| match object {
        Object::Person(person) => Some((person.user_name.as_str(), person.agent.as_ref()?)),
        _ => None,
    });
    people.collect()
}

fn has_dn(copy: &TenantCopy, place: &str, dn: &str) -> bool {
    matches!(copy.get(ObjectKind::Place, place), Some(Object::Place(place)) if place.dns.iter().any(|one| one == dn))
}

fn user_name(person: Option<&Object>) -> Option<&str> {
    match person? {
        Object::Person(person) => Some(&person.user_name),
        _ => None,
    }
}

proptest! {
    #[test]
    fn agents_are_found_as_a_look_at_all_of_them_finds_them(
        history in prop::collection::vec(prop::collection::vec(of_agents(), 0..5), 1..20),
    ) {
        let mut before: Option<TenantCopy> = None;
        for (revision, changes) in (1_u64..).zip(history) {
            let version = ConfigVersion { generation: 1, revision };
            let extent = if before.is_some() { Extent::Changes } else { Extent::Whole };
            let document = |(kind, id, object): ChangedObject| {
                let body = object.map(|object| object.to_string().into_bytes().into());
                Document { kind: kind.as_str().to_owned(), id, revision, body }
            };
            let documents = changes.into_iter().map(document).collect();
            let copy = TenantCopy::after(before.as_ref(), Reading { version, extent, documents });
            let agents = all_agents(&copy);
            let user = |found: Option<&(&str, &Agent)>| found.map(|(user, _)| (*user).to_owned());
            for name in ["0", "1", "2"] {
                let found = |person| user_name(person).map(ToOwned::to_owned);
                let of_id = agents.iter().find(|(_, agent)| agent.id == name);
                prop_assert_eq!(found(copy.person_with_agent_id(name)), user(of_id));
                let with_code = agents.iter().find(|(_, agent)| agent.login_code == name);
                prop_assert_eq!(found(copy.person_with_login_code(name)), user(with_code));
                let belongs = |agent: &Agent| agent.default_place.as_ref().is_some_and(|place| has_dn(&copy, place, name));
                let there = agents.iter().filter(|(_, agent)| belongs(agent));
                let at = there.min_by(|one, other| (&one.1.id, one.0).cmp(&(&other.1.id, other.0)));
                prop_assert_eq!(found(copy.person_at(name)), user(at));
            }
            before = Some(copy);
        }
    }
}

#[test]
fn of_another_generation_everything_is_told() {
    let reading = |generation| Reading {
        version: ConfigVersion { generation, revision: 4 },
        extent: Extent::Whole,
        documents: vec![document(1, 4, true)],
    };
    let first = TenantCopy::after(None, reading(1));
    assert!(first.changed_after(ConfigVersion { generation: 1, revision: 4 }).is_some_and(|told| told.is_empty()));
    let then = TenantCopy::after(Some(&first), reading(2));
    assert!(then.changed_after(ConfigVersion { generation: 1, revision: 4 }).is_none());
    assert!(then.changed_after(ConfigVersion { generation: 2, revision: 3 }).is_none(), "who knows what went before");
}
