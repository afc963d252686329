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

fn login(named: &str) -> Request {
    Request {
        tenant: TenantId::parse("t1").unwrap(),
        requester: "desk".to_owned(),
        reference: model::ReferenceId(1),
        this_dn: Dn::parse("7101").unwrap(),
        kind: RequestKind::AgentLogin(
            Some(AgentId::parse(named).unwrap()),
            model::WorkMode::ManualIn,
            model::request::LoginPassword::Absent,
        ),
        reasons: model::UserData::new(),
        extensions: model::UserData::new(),
    }
}

/// Whom a login names once it is admitted, and the wrap-up time beside it.
fn admitted(people: &People, mut request: Request) -> Result<(String, Option<i64>), ErrorCode> {
    people.admit(&mut request).map_err(|(code, _)| code)?;
    let RequestKind::AgentLogin(Some(agent), ..) = &request.kind else { panic!("{request:?}") };
    let wrap_up = request.extensions.get(call::agent::WRAP_UP_TIME).map(|value| match value {
        model::Value::Int(seconds) => *seconds,
        other => panic!("{other:?}"),
    });
    Ok((agent.to_string(), wrap_up))
}

#[test]
fn an_agent_logs_in_with_each_of_its_codes_and_is_named_by_its_id() {
    let agent = |id: &str, code: &str| json!({"id": id, "login_code": code, "skills": []});
    let person = |name: &str, agent: serde_json::Value| {
        listed(
            ObjectKind::Person,
            name,
            json!({"user_name": name, "first_name": "A", "last_name": "B", "agent": agent}),
        )
    };
    let code = |code: &str, more: serde_json::Value| {
        let mut object = json!({"code": code});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        listed(ObjectKind::AgentLogin, code, object)
    };
    let phone = json!({"number": "7101", "type": "extension", "password": "", "no_answer_s": null});
    let mut people = People::default();
    people.take(changes(
        "1-1",
        true,
        vec![
            listed(ObjectKind::Dn, "7101", phone),
            person("anna", agent("a1", "77")),
            person("bert", agent("a2", "a1")),
            code("5001", json!({"person": "anna", "wrap_up_s": 20})),
            code("5002", json!({"person": "anna", "disabled": true})),
            code("5003", json!({})),
            code("5004", json!({"person": "eve"})),
        ],
    ));
    let told = |people: &People, named: &str| admitted(people, login(named));
    assert_eq!(told(&people, "77"), Ok(("a1".to_owned(), None)));
    assert_eq!(told(&people, "a1"), Ok(("a1".to_owned(), None)), "an id goes before a code");
    assert_eq!(told(&people, "5001"), Ok(("a1".to_owned(), Some(20))));
    let mut own = login("5001");
    own.extensions.push(call::agent::WRAP_UP_TIME, 5_i64);
    assert_eq!(admitted(&people, own), Ok(("a1".to_owned(), Some(5))), "what the login says itself counts");
    assert_eq!(told(&people, "5002"), Err(ErrorCode::INVALID_ATTRIBUTE));
    for nobody in ["5003", "5004", "x"] {
        assert_eq!(told(&people, nobody), Ok((nobody.to_owned(), None)), "it is told as no agent's");
    }
    let moved = vec![code("5001", json!({"person": "bert"}))];
    let gone = vec![listed(ObjectKind::AgentLogin, "5002", serde_json::Value::Null)];
    people.take(Changes { gone, ..changes("1-2", false, moved) });
    assert_eq!(told(&people, "5001"), Ok(("a2".to_owned(), None)));
    assert_eq!(told(&people, "5002"), Ok(("5002".to_owned(), None)));
}
