use contracts::provisioning::TenantObjects;
use infra::Revision;

use super::*;

/// All objects of the example tenant, with changes.
pub(in super::super) fn whole(change: impl FnOnce(&mut TenantObjects)) -> ObjectChanges {
    let text = include_str!("../../../../../../data/example-tenant.yaml");
    let mut objects = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
    change(&mut objects);
    let changes = objects.objects().map(ToldChange::Put).collect();
    let point = HistoryPoint::unstamped(Revision(1));
    ObjectChanges { point, is_whole: true, changes, annexes: Vec::new() }
}

/// What is known of them.
pub(in super::super) fn example(change: impl FnOnce(&mut TenantObjects)) -> Catalogue {
    let mut catalogue = Catalogue::default();
    catalogue.change(whole(change));
    catalogue
}

fn changes(changes: Vec<ToldChange>) -> ObjectChanges {
    let point = HistoryPoint::unstamped(Revision(2));
    ObjectChanges { point, is_whole: false, changes, annexes: Vec::new() }
}

fn person(user: &str) -> Person {
    let whole = whole(|_| {});
    let mut people = whole.changes.into_iter().filter_map(|change| match change {
        ToldChange::Put(Object::Person(person)) => Some(*person),
        _ => None,
    });
    people.find(|person| person.user_name == user).expect("somebody of the example")
}

fn found(catalogue: &Catalogue, of: ObjectType, name: &str) -> Option<String> {
    catalogue.find(of, name).map(|object| object.name)
}

#[test]
fn an_agent_is_found_by_employee_id_login_codes_and_user_name() {
    let catalogue = example(|objects| {
        let first = objects.people.iter_mut().find(|person| person.user_name == "ada.adler").unwrap();
        first.agent.as_mut().unwrap().login_code = "88001".to_owned();
        objects.agent_logins[0].person = Some("ada.adler".to_owned());
    });
    for name in ["1001", "88001", "77001", "ada.adler"] {
        assert_eq!(found(&catalogue, ObjectType::Agent, name).as_deref(), Some("1001"), "{name}");
    }
    assert_eq!(found(&catalogue, ObjectType::Agent, "nobody"), None);
}

#[test]
fn two_agents_exchange_their_ids_in_one_change() {
    let mut catalogue = example(|_| {});
    let (mut ada, mut ben) = (person("ada.adler"), person("ben.brook"));
    std::mem::swap(&mut ada.agent, &mut ben.agent);
    let swapped = [ada, ben].map(|person| ToldChange::Put(Object::Person(Box::new(person))));
    assert_eq!(catalogue.change(changes(swapped.into())), ChangedParts { any: true, definitions: false });
    assert_eq!(found(&catalogue, ObjectType::Agent, "ada.adler").as_deref(), Some("1002"));
    assert_eq!(found(&catalogue, ObjectType::Agent, "ben.brook").as_deref(), Some("1001"));
    assert!(catalogue.is_agent("1001") && catalogue.is_agent("1002"));
    let gone = ToldChange::Delete(ObjectKey { kind: ObjectKind::Person, id: "ada.adler".to_owned() });
    catalogue.change(changes(vec![gone]));
    assert!(catalogue.is_agent("1001") && !catalogue.is_agent("1002"));
}

#[test]
fn queues_route_points_dns_and_groups_are_found_as_what_they_are() {
    let catalogue = example(|_| {});
    for (of, name, is_there) in [
        (ObjectType::Queue, "sales", true),
        (ObjectType::Queue, "9000", false),
        (ObjectType::RoutePoint, "9000", true),
        (ObjectType::RoutePoint, "sales", false),
        (ObjectType::RegDN, "7101", true),
        (ObjectType::RegDN, "7999", false),
        (ObjectType::GroupAgents, "Robots", true),
        (ObjectType::GroupAgents, "robots of others", false),
        (ObjectType::Place, "P7101", false),
    ] {
        assert_eq!(catalogue.find(of, name).is_some(), is_there, "{of} {name}");
    }
    let levels = catalogue.levels("9000");
    assert_eq!((levels.in_time_s, levels.short_abandon_s), (20, 5));
}

#[test]
fn a_group_has_those_whom_it_names_and_those_who_fit_its_expression() {
    let mut catalogue = example(|_| {});
    assert_eq!(catalogue.members("Robots").len(), 4);
    let support = catalogue.members("Support team").len();
    assert!(support > 0 && support < catalogue.agents.len(), "{support}");
    assert_eq!(catalogue.members("nobody"), []);
    let mut ada = person("ada.adler");
    let agent = ada.agent.as_mut().unwrap();
    for (skill, of) in [("Support", 3), ("English", 1)] {
        agent.skills.push(contracts::provisioning::SkillLevel { skill: skill.to_owned(), level: of });
    }
    catalogue.change(changes(vec![ToldChange::Put(Object::Person(Box::new(ada)))]));
    assert_eq!(catalogue.members("Support team").len(), support + 1);
}

#[test]
fn what_statistics_do_not_need_is_no_change() {
    let mut catalogue = example(|_| {});
    let skill = Object::Skill(contracts::provisioning::Skill { name: "Patience".to_owned() });
    assert_eq!(catalogue.change(changes(vec![ToldChange::Put(skill)])), ChangedParts::default());
    assert_eq!(catalogue.point, HistoryPoint::unstamped(Revision(2)));
}
