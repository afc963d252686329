use std::collections::BTreeMap;

use contracts::provisioning::{Agent, AgentGroup, CapacityMedia, CapacityRule, Person, Place, SkillLevel, Tenant};
use proptest::prelude::*;

use super::*;

fn tenant(wrap_up_s: u32) -> Object {
    let tenant = serde_json::json!({
        "id": "acme", "name": "Acme", "realm": "acme.example", "codecs": [], "hold_music": "m", "no_answer_s": 20, "wrap_up_s": wrap_up_s
    });
    let tenant: Tenant = serde_json::from_value(tenant).unwrap();
    Object::Tenant(Box::new(tenant))
}

fn person(name: &str, agent: Option<(&str, &str, u16)>) -> Object {
    let agent = agent.map(|(id, place, level)| Agent {
        id: id.to_owned(),
        login_code: id.to_owned(),
        pin: None,
        default_place: Some(place.to_owned()),
        wrap_up_s: level.is_multiple_of(2).then_some(7),
        legal_guard_s: None,
        no_answer_action: None,
        skills: vec![SkillLevel { skill: "sales".to_owned(), level }],
        capacity_rule: (level == 3).then(|| "0".to_owned()),
    });
    Object::Person(Box::new(Person { user_name: name.to_owned(), agent, ..Person::default() }))
}

fn place(name: &str, dns: &[String]) -> Object {
    let (name, dns) = (name.to_owned(), dns.to_vec());
    // Of the places of a random tenant one has a rule.
    let capacity_rule = (name == "2").then(|| "1".to_owned());
    Object::Place(Box::new(Place { name, dns, location: None, capacity_rule }))
}

fn rule(name: &str, voice: Option<u32>) -> Object {
    let media = CapacityMedia { voice, chat: Some(2), ..CapacityMedia::default() };
    Object::CapacityRule(CapacityRule { name: name.to_owned(), media })
}

fn group(name: &str, agents: &[&str], expression: Option<&str>) -> Object {
    let agents = agents.iter().map(|agent| (*agent).to_owned()).collect();
    let (name, expression) = (name.to_owned(), expression.map(str::to_owned));
    Object::AgentGroup(Box::new(AgentGroup { name, agents, expression, managers: Vec::new() }))
}

/// What rq knows.
#[derive(Default, PartialEq, Debug)]
struct Told(BTreeMap<String, v1::AgentProfile>);

impl Told {
    fn take(&mut self, update: v1::AgentsUpdate) {
        if update.whole {
            self.0.clear();
        }
        for agent in &update.gone {
            self.0.remove(agent);
        }
        self.0.extend(update.agents.into_iter().map(|profile| (profile.agent.clone(), profile)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Person(u8, Option<(bool, u8, u16)>),
    Place(u8, Vec<u8>),
    /// A group with these people, or with whoever has that level.
    Group(u8, Result<Vec<u8>, u16>),
    Rule(u8, Option<u32>),
    Gone(ObjectKind, u8),
    Tenant(u32),
    /// Rq is told what has changed since it was told last.
    Tell,
}

fn step() -> impl Strategy<Value = Step> {
    let agent = prop::option::of((any::<bool>(), 0_u8..4, 1_u16..4));
    let kind = prop_oneof![
        Just(ObjectKind::Person),
        Just(ObjectKind::Place),
        Just(ObjectKind::AgentGroup),
        Just(ObjectKind::CapacityRule),
    ];
    let named = prop::collection::vec(0_u8..6, 0..4).prop_map(Ok);
    let members = prop_oneof![named, (1_u16..4).prop_map(Err)];
    prop_oneof![
        4 => (0_u8..6, agent).prop_map(|(person, agent)| Step::Person(person, agent)),
        2 => (0_u8..4, prop::collection::vec(0_u8..9, 0..3)).prop_map(|(place, dns)| Step::Place(place, dns)),
        2 => (0_u8..3, members).prop_map(|(group, members)| Step::Group(group, members)),
        2 => (0_u8..2, prop::option::of(0_u32..3)).prop_map(|(rule, voice)| Step::Rule(rule, voice)),
        2 => (kind, 0_u8..6).prop_map(|(kind, number)| Step::Gone(kind, number)),
        1 => (0_u32..3).prop_map(Step::Tenant),
        2 => Just(Step::Tell),
    ]
}

fn apply(step: Step, objects: &mut AgentObjects) {
    let put = |objects: &mut AgentObjects, object: Object| objects.change(&object.key(), Some(&object));
    match step {
        Step::Person(number, agent) => {
            let agent = agent.map(|(first, place, level)| {
                (format!("{}{number}", if first { "a" } else { "b" }), place.to_string(), level)
            });
            let agent = agent.as_ref().map(|(id, place, level)| (id.as_str(), place.as_str(), *level));
            put(objects, person(&number.to_string(), agent));
        }
        Step::Place(number, dns) => {
            let dns: Vec<String> = dns.iter().map(ToString::to_string).collect();
            put(objects, place(&number.to_string(), &dns));
        }
        Step::Group(number, Ok(people)) => {
            let people: Vec<String> = people.iter().map(ToString::to_string).collect();
            let people: Vec<&str> = people.iter().map(String::as_str).collect();
            put(objects, group(&number.to_string(), &people, None));
        }
        Step::Group(number, Err(level)) => {
            put(objects, group(&number.to_string(), &[], Some(&format!("sales >= {level}"))));
        }
        Step::Rule(number, voice) => put(objects, rule(&number.to_string(), voice)),
        Step::Gone(kind, number) => objects.change(&ObjectKey { kind, id: number.to_string() }, None),
        Step::Tenant(wrap_up_s) => put(objects, tenant(wrap_up_s)),
        Step::Tell => {}
    }
}

proptest! {
    #[test]
    fn who_is_told_changes_knows_what_who_is_told_everything_knows(steps in prop::collection::vec(step(), 1..60)) {
        let mut objects = AgentObjects::default();
        let mut told = Told::default();
        let mut before: Option<ToldAgents> = None;
        for step in steps.into_iter().chain([Step::Tell]) {
            let tells = matches!(step, Step::Tell);
            apply(step, &mut objects);
            if tells {
                let (update, now) = objects.update(Revision(1), before.as_ref());
                told.take(update);
                before = Some(now);
                let mut afresh = Told::default();
                afresh.take(objects.update(Revision(1), None).0);
                prop_assert_eq!(&told, &afresh);
            }
        }
    }
}

#[test]
fn a_changed_place_tells_of_who_is_there_and_of_nobody_else() {
    let mut objects = AgentObjects::default();
    for object in [
        tenant(5),
        place("p1", &["7101".to_owned()]),
        person("ann", Some(("1", "p1", 1))),
        person("bob", Some(("2", "p2", 1))),
        person("eve", None),
    ] {
        objects.change(&object.key(), Some(&object));
    }
    let before = told_all(&objects);
    let moved = place("p1", &["7109".to_owned()]);
    objects.change(&moved.key(), Some(&moved));
    let (update, _) = objects.update(Revision(2), Some(&before));
    assert_eq!((update.revision, update.whole, update.gone.len()), (2, false, 0));
    let agents: Vec<_> = update.agents.iter().map(|agent| (agent.agent.as_str(), agent.default_dns.clone())).collect();
    assert_eq!(agents, [("1", vec!["7109".to_owned()])]);
}

#[test]
fn the_rule_of_the_agent_goes_before_that_of_the_place() {
    let mut objects = AgentObjects::default();
    for object in [
        rule("0", Some(0)),
        rule("1", Some(4)),
        place("2", &[]),
        person("ann", Some(("1", "2", 3))),
        person("bob", Some(("2", "2", 1))),
        person("eve", Some(("3", "p1", 1))),
    ] {
        objects.change(&object.key(), Some(&object));
    }
    let of = |agent: &v1::AgentProfile| (agent.agent.clone(), agent.calls_max);
    let is = |agent: &str, calls_max: Option<u32>| (agent.to_owned(), calls_max);
    let (whole, before) = objects.update(Revision(1), None);
    assert_eq!(agents_of(&whole, of), [is("1", Some(0)), is("2", Some(4)), is("3", None)]);
    // It is about chats alone now.
    objects.change(&rule("1", None).key(), Some(&rule("1", None)));
    let (changed, before) = objects.update(Revision(2), Some(&before));
    assert_eq!(agents_of(&changed, of), [is("2", Some(0))]);
    objects.change(&rule("0", None).key(), None);
    let (changed, _) = objects.update(Revision(3), Some(&before));
    assert_eq!(agents_of(&changed, of), [is("1", None)], "a rule that is not there says nothing");
}

#[test]
fn an_id_that_goes_to_somebody_else_is_not_gone() {
    let mut objects = AgentObjects::default();
    for object in [person("ann", Some(("1", "p1", 1))), person("bob", Some(("2", "p2", 2)))] {
        objects.change(&object.key(), Some(&object));
    }
    let before = told_all(&objects);
    for object in [person("ann", None), person("bob", Some(("1", "p2", 2)))] {
        objects.change(&object.key(), Some(&object));
    }
    let (update, _) = objects.update(Revision(2), Some(&before));
    let agents: Vec<_> = update.agents.iter().map(|agent| agent.agent.as_str()).collect();
    assert_eq!((agents, update.gone), (vec!["1"], vec!["2".to_owned()]));
}

#[test]
fn who_is_in_a_group_has_it_as_a_skill_for_as_long() {
    let mut objects = AgentObjects::default();
    for object in [
        person("ann", Some(("1", "p1", 1))),
        person("bob", Some(("2", "p2", 3))),
        person("eve", None),
        group("day", &["ann", "eve"], None),
        group("seniors", &[], Some("sales >= 3 & !(\"night shift\" >= 1)")),
    ] {
        objects.change(&object.key(), Some(&object));
    }
    let skills = |update: &v1::AgentsUpdate| {
        let of = |agent: &v1::AgentProfile| {
            let skills = agent.skills.iter().map(|skill| format!("{}={}", skill.skill, skill.level));
            (agent.agent.clone(), skills.collect::<Vec<_>>().join(" "))
        };
        agents_of(update, of)
    };
    let of = |agent: &str, skills: &str| (agent.to_owned(), skills.to_owned());
    let (whole, before) = objects.update(Revision(1), None);
    assert_eq!(skills(&whole), [of("1", "sales=1 group:day=1"), of("2", "sales=3 group:seniors=1")]);
    for object in [group("day", &["bob"], None), group("seniors", &[], Some("sales >= 4"))] {
        objects.change(&object.key(), Some(&object));
    }
    let (changed, before) = objects.update(Revision(2), Some(&before));
    assert_eq!(skills(&changed), [of("1", "sales=1"), of("2", "sales=3 group:day=1")]);
    objects.change(&group("day", &[], None).key(), None);
    let (changed, _) = objects.update(Revision(3), Some(&before));
    assert_eq!(skills(&changed), [of("2", "sales=3")]);
}

#[test]
fn whoever_does_not_change_keeps_the_groups_of_expressions_as_they_were_found() {
    let mut objects = AgentObjects::default();
    let put = |objects: &mut AgentObjects, object: Object| objects.change(&object.key(), Some(&object));
    for object in [
        tenant(5),
        person("ann", Some(("1", "p1", 1))),
        person("bob", Some(("2", "p2", 3))),
        group("juniors", &[], Some("sales < 3")),
        group("seniors", &[], Some("sales >= 3")),
    ] {
        put(&mut objects, object);
    }
    let before = told_all(&objects);
    let groups = |told: &ToldAgents, person: &str| told.fitting.get(person).cloned();
    put(&mut objects, tenant(6));
    let (update, after) = objects.update(Revision(2), Some(&before));
    assert_eq!(agents_of(&update, |agent| agent.agent.clone()), ["1", "2"], "their after-call work has changed");
    assert!(after.fitting.differences(&before.fitting, Arc::ptr_eq).is_empty(), "no expression was looked at");
    put(&mut objects, group("seniors", &[], Some("sales >= 4")));
    let (update, last) = objects.update(Revision(3), Some(&after));
    assert_eq!(agents_of(&update, |agent| agent.agent.clone()), ["2"]);
    assert!(Arc::ptr_eq(&groups(&last, "ann").unwrap(), &groups(&after, "ann").unwrap()));
    assert!(groups(&last, "bob").is_none());
}

#[test]
fn another_change_of_the_tenant_tells_of_nobody() {
    let mut objects = AgentObjects::default();
    for object in [tenant(5), person("ann", Some(("1", "p1", 1)))] {
        objects.change(&object.key(), Some(&object));
    }
    let before = told_all(&objects);
    let Object::Tenant(mut renamed) = tenant(5) else { panic!("it is a tenant") };
    renamed.name = "Acme Ltd".to_owned();
    let renamed = Object::Tenant(renamed);
    objects.change(&renamed.key(), Some(&renamed));
    let (update, now) = objects.update(Revision(2), Some(&before));
    assert!(update.agents.is_empty() && now.differing(&before).is_empty());
}

#[test]
fn a_skill_with_the_name_of_a_membership_makes_nobody_a_member() {
    let mut objects = AgentObjects::default();
    let Object::Person(mut ann) = person("ann", Some(("1", "p1", 1))) else { panic!("it is a person") };
    let agent = ann.agent.as_mut().unwrap();
    agent.skills.push(SkillLevel { skill: "group:seniors".to_owned(), level: 9 });
    let ann = Object::Person(ann);
    for object in [ann, group("seniors", &[], Some("sales >= 2")), group("all", &[], Some("\"group:seniors\" < 9"))] {
        objects.change(&object.key(), Some(&object));
    }
    let (update, _) = objects.update(Revision(1), None);
    let skills: Vec<_> = update.agents[0].skills.iter().map(|skill| skill.skill.as_str()).collect();
    assert_eq!(skills, ["sales", "group:all"]);
}

/// What rq knows once it was told everything.
fn told_all(objects: &AgentObjects) -> ToldAgents {
    objects.update(Revision(1), None).1
}

/// What `of` finds at each agent of an update.
fn agents_of<T>(update: &v1::AgentsUpdate, of: impl Fn(&v1::AgentProfile) -> T) -> Vec<T> {
    update.agents.iter().map(of).collect()
}
