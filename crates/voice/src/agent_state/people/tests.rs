use super::*;
use serde_json::json;

fn listed(kind: ObjectKind, id: &str, object: serde_json::Value) -> Listed {
    Listed { kind, id: id.to_owned(), object }
}

fn person(name: &str, agent: &str, place: &str, wrap_up_s: Option<u32>) -> Listed {
    let agent = json!({"id": agent, "login_code": "1", "default_place": place, "wrap_up_s": wrap_up_s, "skills": []});
    let person = json!({"user_name": name, "first_name": "A", "last_name": "B", "agent": agent});
    listed(ObjectKind::Person, name, person)
}

fn place(name: &str, dns: &[&str]) -> Listed {
    listed(ObjectKind::Place, name, json!({"name": name, "dns": dns}))
}

fn changes(version: &str, whole: bool, objects: Vec<Listed>) -> Changes {
    Changes { version: version.to_owned(), whole, objects, gone: Vec::new(), next: None }
}

fn at(people: &People, dn: &str) -> Option<String> {
    people.by_dn.get(&Dn::parse(dn).unwrap()).map(ToString::to_string)
}

#[test]
fn the_agent_of_a_dn_is_the_one_whose_default_place_holds_it() {
    let mut people = People::default();
    let objects = vec![
        person("anna", "a1", "desk-1", Some(7)),
        person("bert", "a2", "desk-2", None),
        place("desk-1", &["7101", "7102"]),
        place("desk-2", &["7103"]),
    ];
    assert!(people.take(changes("1-1", true, objects)));
    assert_eq!(at(&people, "7102").as_deref(), Some("a1"));
    assert_eq!(at(&people, "7103").as_deref(), Some("a2"));
    assert_eq!(at(&people, "7104"), None);
    assert_eq!(people.profile(&AgentId::parse("a1").unwrap()).unwrap().wrap_up_ms, 7_000);
    assert_eq!(people.profile(&AgentId::parse("a2").unwrap()).unwrap().wrap_up_ms, 0);
    assert!(!people.take(changes("1-1", false, Vec::new())), "the same state is no change");
}

#[test]
fn changes_move_an_agent_and_take_one_away() {
    let mut people = People::default();
    people.take(changes("1-1", true, vec![person("anna", "a1", "desk-1", None), place("desk-1", &["7101"])]));
    people.take(changes("1-2", false, vec![place("desk-1", &["7109"])]));
    assert_eq!(at(&people, "7101"), None);
    assert_eq!(at(&people, "7109").as_deref(), Some("a1"));
    let gone = vec![listed(ObjectKind::Person, "anna", serde_json::Value::Null)];
    people.take(Changes { gone, ..changes("1-3", false, Vec::new()) });
    assert_eq!(at(&people, "7109"), None);
}
