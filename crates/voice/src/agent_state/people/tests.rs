use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

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
    people.index.agent_at(&Dn::parse(dn).unwrap()).map(ToString::to_string)
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

#[derive(Clone, Debug)]
enum Step {
    Person(u8, Option<(u8, u8)>),
    Place(u8, Vec<u8>),
    Dn(u8, u8),
    Rule(bool),
    Gone(ObjectKind, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let agent = prop::option::of((0_u8..4, 0_u8..3));
    let gone = prop_oneof![Just(ObjectKind::Person), Just(ObjectKind::Place), Just(ObjectKind::Dn)];
    prop_oneof![
        4 => (0_u8..5, agent).prop_map(|(name, agent)| Step::Person(name, agent)),
        3 => (0_u8..4, prop::collection::vec(0_u8..6, 0..3)).prop_map(|(name, dns)| Step::Place(name, dns)),
        3 => (0_u8..6, 0_u8..5).prop_map(|(name, form)| Step::Dn(name, form)),
        1 => any::<bool>().prop_map(Step::Rule),
        3 => (gone, 0_u8..6).prop_map(|(kind, name)| Step::Gone(kind, name)),
    ]
}

fn object(step: &Step) -> (ObjectKind, String, Option<serde_json::Value>) {
    match step {
        // Nobody else ever has the id.
        Step::Person(name, agent) => {
            let id = |other: u8| format!("{}{name}", if other > 1 { "a" } else { "b" });
            let agent = agent.map(|(place, other)| {
                json!({"id": id(other), "login_code": "1", "default_place": place.to_string(), "wrap_up_s": other, "skills": []})
            });
            let person = json!({"user_name": name.to_string(), "first_name": "A", "last_name": "B", "agent": agent});
            (ObjectKind::Person, name.to_string(), Some(person))
        }
        Step::Place(name, dns) => {
            let dns: Vec<String> = dns.iter().map(ToString::to_string).collect();
            (ObjectKind::Place, name.to_string(), Some(json!({"name": name.to_string(), "dns": dns})))
        }
        Step::Dn(name, form) => {
            let number = name.to_string();
            let dn = match form {
                0 => json!({"number": number, "type": "virtual_queue"}),
                1 => json!({"number": number, "type": "route_point", "application": "a", "default_dn": null}),
                2 => {
                    json!({"number": number, "type": "route_point", "application": "a", "default_dn": null, "wrap_up_s": 7})
                }
                form => {
                    json!({"number": number, "type": "extension", "password": "", "no_answer_s": null, "call_waiting": *form > 3})
                }
            };
            (ObjectKind::Dn, name.to_string(), Some(dn))
        }
        Step::Rule(limits) => {
            let action = match limits {
                true => DialAction::Limit { per: Spender::Agent, calls: Some(1), minutes: None },
                false => DialAction::Block { reason: "no".to_owned() },
            };
            let rule =
                contracts::provisioning::DialRule { name: "r".to_owned(), place: 1, pattern: "0.".to_owned(), action };
            (ObjectKind::DialRule, "r".to_owned(), Some(serde_json::to_value(rule).unwrap()))
        }
        Step::Gone(kind, name) => (*kind, name.to_string(), None),
    }
}

proptest! {
    #[test]
    fn who_follows_changes_knows_what_who_reads_everything_knows(
        history in prop::collection::vec(prop::collection::vec(step(), 1..5), 1..25),
    ) {
        let mut all = HashMap::new();
        let mut people = People::default();
        people.take(changes("1-0", true, Vec::new()));
        for (revision, steps) in history.iter().enumerate() {
            let last: HashMap<_, _> =
                steps.iter().map(object).map(|(kind, id, object)| ((kind, id), object)).collect();
            all.extend(last.clone());
            let of = |(key, object): (&(ObjectKind, String), &Option<serde_json::Value>)| {
                listed(key.0, &key.1, object.clone().unwrap_or_default())
            };
            let put = last.iter().filter(|(_, object)| object.is_some()).map(of).collect();
            let gone = last.iter().filter(|(_, object)| object.is_none()).map(of).collect();
            let version = format!("1-{}", revision + 1);
            let before = people.clone();
            people.take(Changes { gone, ..changes(&version, false, put) });
            let mut afresh = People::default();
            let whole = all.iter().filter(|(_, object)| object.is_some()).map(of).collect();
            afresh.take(changes(&version, true, whole));
            prop_assert_eq!(&people, &afresh);
            // An agent whose profile differs is named.
            let changed = people.changed_agents(&before).unwrap();
            for (id, _) in people.index.ids() {
                prop_assert!(people.profile(id) == before.profile(id) || changed.contains(id), "{}", id);
            }
            // So is one who is none any more.
            for (id, _) in before.index.ids() {
                prop_assert!(people.has_agent(id) || changed.contains(id), "{}", id);
            }
        }
    }
}

#[test]
fn an_agent_may_get_the_id_and_the_place_of_another_in_one_change() {
    let mut people = People::default();
    let both = vec![person("anna", "a1", "desk", None), person("bert", "a2", "else", None), place("desk", &["7101"])];
    people.take(changes("1-1", true, both));
    people.take(changes("1-2", false, vec![person("bert", "a1", "desk", None), person("anna", "a3", "else", None)]));
    assert_eq!(at(&people, "7101").as_deref(), Some("a1"));
    assert!(people.profile(&AgentId::parse("a1").unwrap()).is_some());
    assert!(people.profile(&AgentId::parse("a2").unwrap()).is_none());
}

#[test]
fn an_answer_without_objects_is_no_change_once_config_has_answered() {
    let mut people = People::default();
    assert!(people.take(changes("1-1", true, Vec::new())), "there is nobody");
    assert!(!people.take(changes("1-2", false, Vec::new())));
    assert!(people.is_up_to("1-2") && !people.is_up_to("1-3"));
}
