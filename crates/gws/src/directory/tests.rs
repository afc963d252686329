use proptest::prelude::*;

use super::*;

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn person(user: &str, first: &str, last: &str, agent: Option<&str>, sales: i64) -> (String, Value) {
    let agent =
        agent.map(|id| json!({"id": id, "default_place": "P1", "skills": [{"skill": "sales", "level": sales}]}));
    let document = json!({"user_name": user, "first_name": first, "last_name": last, "agent": agent});
    ("person".to_owned(), document)
}

fn objects() -> Vec<(String, Value)> {
    let of = |kind: &str, document: Value| (kind.to_owned(), document);
    vec![
        person("ann", "Ann", "Adams", Some("1001"), 5),
        person("bob", "Bob", "Annis", Some("1002"), 0),
        person("sue", "Sue", "Ander", None, 0),
        of("agent_group", json!({"name": "Day", "agents": ["Bob"], "expression": null, "managers": ["Sue"]})),
        of("agent_group", json!({"name": "Sellers", "agents": [], "expression": "sales >= 5", "managers": []})),
        of("skill", json!({"name": "sales"})),
        of("dn", json!({"number": "7101", "type": "extension"})),
        of("dn", json!({"number": "9000", "type": "route_point", "switch": "west"})),
        of("dn", json!({"number": "sales-queue", "type": "virtual_queue"})),
        of("place", json!({"name": "p1", "dns": ["9000", "7101"]})),
        of("number", json!({"name": "hotline", "number": "+1", "dn": "9000"})),
        of("switch", json!({"name": "main", "default": true})),
    ]
}

fn directory() -> Directory {
    Directory::of_documents(&acme(), objects().iter())
}

fn search(query: Value) -> FoundEntries {
    let query: DirectoryQuery = serde_json::from_value(query).unwrap();
    directory().search(&query.read().unwrap())
}

fn names(found: &FoundEntries) -> Vec<&str> {
    found.targets.iter().map(|target| target["name"].as_str().unwrap()).collect()
}

#[test]
fn targets_are_found_by_a_part_of_what_they_are_called_and_those_first_that_begin_so() {
    assert_eq!(names(&search(json!({"searchTerm": "ann"}))), ["Ann Adams", "Bob Annis"]);
    assert_eq!(names(&search(json!({"searchTerm": "nn an"}))), ["Ann Adams", "Bob Annis"]);
    assert_eq!(names(&search(json!({"searchTerm": "nn bob"}))), ["Bob Annis"]);
    assert_eq!(names(&search(json!({"searchTerm": "1002, HOTLINE"}))), ["Bob Annis", "hotline"]);
    assert_eq!(names(&search(json!({"searchTerm": "9000"}))), ["hotline"]);
    assert_eq!(names(&search(json!({"searchTerm": "sales", "matchType": "exact"}))), ["sales"]);
    assert_eq!(names(&search(json!({"searchTerm": "ann", "filterName": "lastName"}))), ["Bob Annis"]);
}

#[test]
fn of_all_targets_those_of_the_named_types_count_and_the_total_is_told() {
    let all = search(json!({"searchTerm": "*"}));
    assert_eq!(all.total, 7, "who is no agent, and what is a phone, is no target: {all:?}");
    let two = search(json!({"searchTerm": "*", "types": "agent,contact", "limit": 1, "sort": "desc"}));
    assert_eq!((names(&two), two.total), (vec!["Bob Annis"], 2));
    assert_eq!(search(json!({"types": "contact"})).total, 0);
    let unknown: DirectoryQuery = serde_json::from_value(json!({"types": "agent,robot"})).unwrap();
    assert!(unknown.read().unwrap_err().starts_with("types: "));
    let long: DirectoryQuery = serde_json::from_value(json!({"searchTerm": "x".repeat(257)})).unwrap();
    assert!(long.read().unwrap_err().starts_with("searchTerm: "));
}

#[test]
fn groups_restrict_and_exclude_agents() {
    assert_eq!(names(&search(json!({"restrictToGroup": "Sellers"}))), ["Ann Adams"]);
    assert_eq!(names(&search(json!({"restrictGroup": "day"}))), ["Bob Annis"]);
    let without = search(json!({"excludeFromGroup": "Day", "types": "agent"}));
    assert_eq!(names(&without), ["Ann Adams"]);
    assert_eq!(search(json!({"restrictToGroup": "Nobody"})).total, 0);
}

fn only(target_type: TargetType, id: &str) -> Option<Value> {
    let found = directory().targets(target_type, id);
    assert!(found.total <= 1 && found.total == found.targets.len(), "{found:?}");
    found.targets.into_iter().next()
}

#[test]
fn all_are_found_that_are_called_so() {
    let people = [person("ann", "Ann", "Adams", Some("1001"), 1), person("1001", "Bob", "Brown", Some("1002"), 1)];
    let directory = Directory::of_documents(&acme(), people.iter());
    assert_eq!(directory.targets(TargetType::Agent, "1001").total, 2, "it does not choose one of them");
    assert_eq!(directory.targets(TargetType::Agent, "ANN").total, 1);
    assert_eq!(directory.targets(TargetType::Agent, "nobody").total, 0);
}

#[test]
fn a_target_has_the_published_fields_and_no_null() {
    let ann = only(TargetType::Agent, "ann").unwrap();
    let wanted = json!({
        "DBID": crate::object_number::of("person", "ann"), "type": "agent", "name": "Ann Adams",
        "firstName": "Ann", "lastName": "Adams", "userName": "ann", "employeeId": "1001", "number": "7101",
    });
    assert_eq!(ann, wanted);
    let by_number = only(TargetType::Agent, &wanted["DBID"].to_string());
    assert_eq!(by_number.as_ref(), Some(&ann));
    assert_eq!(only(TargetType::Agent, "1001"), Some(ann));
    let point = only(TargetType::RoutePoint, "9000").unwrap();
    assert_eq!((&point["number"], &point["switchName"]), (&json!("9000"), &json!("west")));
    let queue = only(TargetType::AcdQueue, "SALES-queue").unwrap();
    assert_eq!((&queue["name"], &queue["switchName"]), (&json!("sales-queue"), &json!("main")));
    assert_eq!(only(TargetType::Skill, "9000"), None);
    assert!(!search(json!({})).targets.iter().any(|target| target.to_string().contains("null")));
}

#[test]
fn clients_write_types_in_two_ways() {
    assert_eq!(TargetType::parse("AGENT_GROUP"), Some(TargetType::AgentGroup));
    assert_eq!(TargetType::parse("acd-queue"), Some(TargetType::AcdQueue));
    assert_eq!(TargetType::parse("contact"), None);
}

#[test]
fn who_manages_a_group_looks_after_its_agents_and_who_manages_none_after_all() {
    let users = |query: Value| {
        let query: UserQuery = serde_json::from_value(query).unwrap();
        let found = directory().users(&UserSearch::read(&query).unwrap());
        let names = found.targets.iter().map(|user| user["userName"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), found.total)
    };
    let both = vec!["ann".to_owned(), "bob".to_owned()];
    assert_eq!(users(json!({"manager": "sue"})), (vec!["bob".to_owned()], 1));
    assert_eq!(users(json!({"manager": "ann"})), (both.clone(), 2));
    assert_eq!(users(json!({"manager": "ann", "groupId": "Sellers"})), (vec!["ann".to_owned()], 1));
    assert_eq!(users(json!({"manager": "sue", "groupId": "Sellers"})), (Vec::new(), 0));
    assert_eq!(users(json!({"manager": "ann", "offset": 1, "limit": 1})), (vec!["bob".to_owned()], 2));
    assert_eq!(users(json!({"searchTerm": "annis"})), (vec!["bob".to_owned()], 1));
}

#[tokio::test]
async fn what_is_searched_elsewhere_is_found_there_too_and_in_the_same_order() {
    use infra::{Collection, MemorySearch, SearchStore as _};
    use model::Timestamp;

    let (directory, store) = (directory(), MemorySearch::default());
    store.write(&acme(), 1, &directory.documents(0, 4)).await.unwrap();
    store.write(&acme(), 1, &directory.documents(4, 100)).await.unwrap();
    let at = Timestamp::from_millis(1);
    let noted = Collection { build: 1, revision: 1, targets: 7, checked_at: at, heard_at: at };
    store.note(&acme(), noted, true).await.unwrap();
    for query in [
        json!({"searchTerm": "ann"}),
        json!({"searchTerm": "*", "types": "agent", "sort": "desc"}),
        json!({"searchTerm": "*", "restrictToGroup": "Sellers"}),
        json!({"searchTerm": "s", "excludeGroup": "day", "limit": 2}),
        json!({"searchTerm": "annis", "filterName": "lastName"}),
        json!({"searchTerm": "SALES", "matchType": "exact"}),
    ] {
        let read: DirectoryQuery = serde_json::from_value(query.clone()).unwrap();
        let asked = read.read().unwrap();
        let (here, there) = (directory.search(&asked), store.search(&acme(), &asked).await.unwrap());
        let shown = |text: &String| serde_json::from_str::<Value>(text).unwrap();
        let there_shown: Vec<Value> = there.targets.iter().map(|target| shown(&target.shown)).collect();
        assert_eq!((here.targets, here.total as u64), (there_shown, there.total), "{query}");
    }
}

proptest! {
    /// Whatever is searched for: no more is told than wanted, all that is told fits without the limit too, and the total is that of all.
    #[test]
    fn a_limit_leaves_targets_out_and_changes_nothing_else(
        term in "[a-z0-9 ,*]{0,8}", limit in 0_usize..9, is_exact: bool,
    ) {
        let match_type = if is_exact { "exact" } else { "" };
        let all = search(json!({"searchTerm": term, "matchType": match_type}));
        let some = search(json!({"searchTerm": term, "matchType": match_type, "limit": limit}));
        prop_assert_eq!(some.total, all.total);
        prop_assert_eq!(&some.targets[..], &all.targets[..limit.min(all.total)]);
    }
}
