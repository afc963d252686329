//! People of a tenant as the published API lists, makes, changes and removes them: which objects are read for that, and which change
//! together.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use super::configuration_client::{ConfigurationSide, Told, all, change, one};
use super::found_object::FoundObject;
use super::published::query::{ListPart, PublishedQuery};
use super::published::user::{self, GroupsOfPeople};
use super::published::user_body::{WantedGroups, WantedUser};
use super::published::user_query::UserQuery;
use super::published::{object, table};
use super::records::{ExportJob, PendingOperation};
use super::requesting_person::RequestingPerson;
use crate::sessions::answers::ApiRefusal;

/// Operations whose outcome is told by a notification.
pub(super) const GET_USERS: &str = "get-users";
pub(super) const GET_USED_SKILLS: &str = "get-used-skills";

/// The longest list of people who are read one by one.
const READ_ONE_BY_ONE_MAX: usize = 20;

/// The lists in which objects name people, by kind: who is removed is taken out of them.
const NAMED_IN: [(&str, &[&str]); 3] =
    [("agent_group", &["agents", "managers"]), ("access_group", &["people"]), ("role", &["people"])];

/// Carries out an operation that only reads.
pub(super) async fn operate(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    operation: &PendingOperation,
) -> Told<Value> {
    match operation.name.as_str() {
        GET_USERS => list(configuration, asker, &PublishedQuery::of(operation.query.clone())?).await,
        GET_USED_SKILLS => used_skills(configuration, asker).await,
        _ => Err(ApiRefusal::unknown_operation()),
    }
}

/// All groups of people that the asker sees.
async fn groups(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
) -> Told<(GroupsOfPeople, GroupsOfPeople)> {
    let agents = all(configuration, asker, "agent_group", "name,agents").await?;
    let access = all(configuration, asker, "access_group", "name,people").await?;
    Ok((GroupsOfPeople::of(&agents, "/agents"), GroupsOfPeople::of(&access, "/people")))
}

/// Everybody whom the asker sees, as shown.
async fn everybody(configuration: &dyn ConfigurationSide, asker: &RequestingPerson) -> Told<Vec<Value>> {
    let people = all(configuration, asker, "person", "").await?;
    let (agents, access) = groups(configuration, asker).await?;
    Ok(people.iter().map(|person| user::shown(person, &agents, &access)).collect())
}

/// People as they are asked for.
pub(super) async fn list(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    query: &PublishedQuery,
) -> Told<Value> {
    let wanted = UserQuery::read(query)?;
    if let Some(part) = wanted.part_of_all().filter(|part| part.len_max() <= READ_ONE_BY_ONE_MAX) {
        return short_list(configuration, asker, part).await;
    }
    let (users, total) = wanted.chosen(everybody(configuration, asker).await?);
    Ok(json!({"users": users, "totalCount": total}))
}

/// A few of all people: of the others the names alone are read.
async fn short_list(configuration: &dyn ConfigurationSide, asker: &RequestingPerson, part: ListPart) -> Told<Value> {
    let people = all(configuration, asker, "person", "user_name").await?;
    let total = people.len();
    let (agents, access) = groups(configuration, asker).await?;
    let mut users = Vec::new();
    for person in part.of(people) {
        // Whoever is gone meanwhile is left out.
        if let Some(person) = one(configuration, asker, "person", &person.id).await? {
            users.push(user::shown(&person, &agents, &access));
        }
    }
    Ok(json!({"users": users, "totalCount": total}))
}

/// The user names of a number. Of one that is not remembered all people are read, so that whoever is new is found.
async fn names_of(configuration: &dyn ConfigurationSide, asker: &RequestingPerson, number: u64) -> Told<Vec<String>> {
    let numbers = configuration.numbers();
    if let Some(names) = numbers.and_then(|numbers| numbers.names(asker, number)) {
        return Ok(names);
    }
    let people = all(configuration, asker, "person", "user_name").await?;
    let names = people.iter().filter(|person| person.number == number).map(|person| person.id.clone()).collect();
    if let Some(numbers) = numbers {
        numbers.keep(asker, people.into_iter().map(|person| (person.number, person.id)));
    }
    Ok(names)
}

/// The person of a number, or of a user name.
async fn find(configuration: &dyn ConfigurationSide, asker: &RequestingPerson, id: &str) -> Told<FoundObject> {
    let unknown = || ApiRefusal::not_found(format!("dbid: there is no person {id:.64}"));
    let mut name = id.to_owned();
    if let Ok(number) = id.parse::<u64>() {
        match names_of(configuration, asker, number).await?.as_slice() {
            [] => {}
            [own] => name.clone_from(own),
            [own, other, ..] => {
                let words = format!("dbid: {own} and {other} have this number: name one of them");
                return Err(ApiRefusal::conflict(words));
            }
        }
    }
    one(configuration, asker, "person", &name).await?.ok_or_else(unknown)
}

async fn shown(configuration: &dyn ConfigurationSide, asker: &RequestingPerson, person: &FoundObject) -> Told<Value> {
    let (agents, access) = groups(configuration, asker).await?;
    Ok(user::shown(person, &agents, &access))
}

/// A person by number or user name.
pub(super) async fn get(configuration: &dyn ConfigurationSide, asker: &RequestingPerson, id: &str) -> Told<Value> {
    let person = find(configuration, asker, id).await?;
    Ok(json!({"user": shown(configuration, asker, &person).await?}))
}

/// Whoever asks.
pub(super) async fn me(configuration: &dyn ConfigurationSide, asker: &RequestingPerson) -> Told<Value> {
    let user = asker.subject.strip_prefix("person/").unwrap_or(&asker.subject);
    let found = one(configuration, asker, "person", user).await?;
    let person = found.ok_or_else(|| ApiRefusal::not_found("you are not there any more"))?;
    Ok(json!({"user": shown(configuration, asker, &person).await?}))
}

/// Makes a person.
pub(super) async fn add(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    data: &Map<String, Value>,
) -> Told<Value> {
    let wanted = WantedUser::new(data)?;
    let user = wanted.document.get("user_name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let made = json!({"kind": "person", "id": user, "expectedRevision": 0, "put": wanted.document});
    let mut changes = vec![made];
    changes.extend(group_changes(configuration, asker, &user, &wanted.groups).await?);
    change(configuration, asker, &changes).await?;
    let found = one(configuration, asker, "person", &user).await?;
    let person = found.ok_or_else(|| ApiRefusal::conflict("the person is gone again"))?;
    if let Some(numbers) = configuration.numbers() {
        numbers.add(asker, person.number, &person.id);
    }
    Ok(user::made(shown(configuration, asker, &person).await?))
}

/// Changes a person.
pub(super) async fn update(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    id: &str,
    data: &Map<String, Value>,
) -> Told<()> {
    let person = find(configuration, asker, id).await?;
    let wanted = WantedUser::changed(data, &person)?;
    let mut changes = group_changes(configuration, asker, &person.id, &wanted.groups).await?;
    if !wanted.fields.is_empty() {
        changes.push(json!({
            "kind": "person", "id": person.id, "expectedRevision": person.revision, "put": wanted.document,
            "fields": wanted.fields,
        }));
    }
    if !changes.is_empty() {
        change(configuration, asker, &changes).await?;
    }
    Ok(())
}

/// Removes a person, and takes it out of the groups that name it; the place with its phones too, if it is not to be kept and nobody else
/// works there.
pub(super) async fn remove(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    id: &str,
    keeps_places: bool,
) -> Told<()> {
    let person = find(configuration, asker, id).await?;
    let is_named = |name: &str| name.to_lowercase() == person.id.to_lowercase();
    let mut changes = Vec::new();
    for (kind, lists) in NAMED_IN {
        for group in all(configuration, asker, kind, "").await? {
            let mut put = Map::new();
            for list in lists {
                let named = group.names(&format!("/{list}"));
                if named.iter().any(|name| is_named(name)) {
                    let left: Vec<&str> = named.into_iter().filter(|name| !is_named(name)).collect();
                    put.insert((*list).to_owned(), left.into());
                }
            }
            changes.extend((!put.is_empty()).then(|| merged(&group, put)));
        }
    }
    for login in all(configuration, asker, "agent_login", "").await? {
        if login.text("/person").is_some_and(is_named) {
            changes.push(json!({"kind": "agent_login", "id": login.id, "delete": true}));
        }
    }
    changes.push(json!({"kind": "person", "id": person.id, "expectedRevision": person.revision, "delete": true}));
    if let Some(place) = person.text("/agent/default_place").filter(|_| !keeps_places)
        && !is_place_of_others(configuration, asker, place, &person.id).await?
        && let Some(place) = one(configuration, asker, "place", place).await?
    {
        changes.push(json!({"kind": "place", "id": place.id, "delete": true}));
        let phones = place.names("/dns").into_iter();
        changes.extend(phones.map(|dn| json!({"kind": "dn", "id": dn, "delete": true})));
    }
    change(configuration, asker, &changes).await?;
    Ok(())
}

/// Whether anybody but that person works at a place by default.
async fn is_place_of_others(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    place: &str,
    user: &str,
) -> Told<bool> {
    let people = all(configuration, asker, "person", "user_name,agent.default_place").await?;
    let is_there = |other: &FoundObject| {
        let own = other.text("/agent/default_place");
        other.id != user && own.is_some_and(|own| own.to_lowercase() == place.to_lowercase())
    };
    Ok(people.iter().any(is_there))
}

/// The change of some lists of an object that is as it was read.
fn merged(group: &FoundObject, put: Map<String, Value>) -> Value {
    let fields: Vec<String> = put.keys().cloned().collect();
    json!({"kind": group.kind, "id": group.id, "expectedRevision": group.revision, "put": put, "fields": fields})
}

/// The changes of the groups that somebody comes into and leaves.
async fn group_changes(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    user: &str,
    wanted: &WantedGroups,
) -> Told<Vec<Value>> {
    let agents = ("agent_group", "agents", "agentGroups", &wanted.agent_groups, &wanted.left_agent_groups);
    let access = ("access_group", "people", "accessGroups", &wanted.access_groups, &wanted.left_access_groups);
    let mut changes = Vec::new();
    for (kind, list, field, joined, left) in [agents, access] {
        let comes = joined.iter().map(|name| (name, true));
        let all: BTreeMap<&String, bool> = comes.chain(left.iter().map(|name| (name, false))).collect();
        for (name, is_joined) in all {
            let group = one(configuration, asker, kind, name).await?;
            let unknown = || ApiRefusal::bad_request(format!("{field}: there is no group {name:.64}"));
            let group = group.ok_or_else(unknown)?;
            let is_user = |name: &&str| name.to_lowercase() == user.to_lowercase();
            let mut members = group.names(&format!("/{list}"));
            if members.iter().any(is_user) == is_joined {
                continue;
            }
            members.retain(|name| !is_user(name));
            if is_joined {
                members.push(user);
            }
            let put = Map::from_iter([(list.to_owned(), Value::from(members))]);
            changes.push(merged(&group, put));
        }
    }
    Ok(changes)
}

/// The skills that somebody has.
pub(super) async fn used_skills(configuration: &dyn ConfigurationSide, asker: &RequestingPerson) -> Told<Value> {
    let used = names_of_used_skills(configuration, asker).await?;
    let skills = all(configuration, asker, "skill", "").await?;
    let skills: Vec<Value> =
        skills.iter().filter(|skill| used.contains(&skill.id.to_lowercase())).map(object::shown).collect();
    Ok(json!({"totalCount": skills.len(), "skills": skills}))
}

/// Their names, in lower case.
pub(super) async fn names_of_used_skills(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
) -> Told<HashSet<String>> {
    let people = all(configuration, asker, "person", "user_name,agent.skills").await?;
    let skills = |person: &FoundObject| {
        let list = person.document.pointer("/agent/skills").and_then(Value::as_array).cloned().unwrap_or_default();
        list.iter().filter_map(|skill| skill["skill"].as_str()).map(str::to_lowercase).collect::<Vec<_>>()
    };
    Ok(people.iter().flat_map(skills).collect())
}

/// Takes a table of people, all of it or nothing, or only looks at it.
pub(super) async fn import(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    text: String,
    request: &str,
    validates_only: bool,
) -> Told<Value> {
    let table = table::with_own_columns(&text);
    let body = json!({"table": table, "validateOnly": validates_only, "requestId": request});
    let taken = configuration.post(asker, "people-table", &body).await;
    if let Some(numbers) = configuration.numbers() {
        numbers.forget(asker);
    }
    taken
}

/// The table of an export. Without columns it is one that an import takes.
pub(super) async fn export(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    job: &ExportJob,
) -> Told<String> {
    if job.fields.is_empty() && job.people.is_empty() && job.query.is_empty() {
        let told = configuration.get(asker, "people-table").await?;
        return Ok(told["table"].as_str().unwrap_or_default().to_owned());
    }
    let wanted = UserQuery::read(&PublishedQuery::of(job.query.clone())?)?;
    let mut people = wanted.all_chosen(everybody(configuration, asker).await?);
    let numbers: HashSet<u64> = job.people.iter().copied().map(u64::from).collect();
    people.retain(|person| numbers.is_empty() || person["DBID"].as_u64().is_some_and(|own| numbers.contains(&own)));
    let usual = || ["userName", "firstName", "lastName", "emailAddress", "employeeID"].map(str::to_owned).to_vec();
    let fields = if job.fields.is_empty() { usual() } else { job.fields.clone() };
    Ok(table::written(&people, &fields))
}

#[cfg(test)]
mod tests {
    use super::super::remembered_numbers::RememberedNumbers;
    use super::super::test_objects::{KnownObjects, ada};
    use super::*;

    fn told(kind: &str, id: &str, dbid: u64, document: Value) -> Value {
        json!({"kind": kind, "id": id, "dbid": dbid, "revision": 3, "document": document})
    }

    fn page(objects: Vec<Value>) -> Value {
        json!({"objects": objects, "nextPageToken": ""})
    }

    /// Two people, in a group and an access group.
    fn known() -> KnownObjects {
        let agent = json!({"id": "1001", "login_code": "1001", "default_place": "P1", "skills": [{"skill": "French", "level": 4}]});
        let ann = || {
            let document = json!({"user_name": "ann", "first_name": "Ann", "last_name": "Adams", "agent": agent, "privileges": ["agent"]});
            told("person", "ann", 17, document)
        };
        let bob = told("person", "bob", 18, json!({"user_name": "bob", "first_name": "Bob", "last_name": "Bell"}));
        let berlin = || {
            told("agent_group", "Berlin", 5, json!({"name": "Berlin", "agents": ["ANN", "bob"], "managers": ["ann"]}))
        };
        KnownObjects {
            answers: vec![
                ("objects/person", page(vec![ann(), bob])),
                ("objects/person/ann", ann()),
                ("objects/agent%5Fgroup", page(vec![berlin()])),
                ("objects/agent%5Fgroup/Berlin", berlin()),
                ("objects/access%5Fgroup", page(vec![told("access_group", "Night", 6, json!({"people": ["bob"]}))])),
                ("objects/role", page(Vec::new())),
                (
                    "objects/agent%5Flogin",
                    page(vec![told("agent_login", "77", 8, json!({"code": "77", "person": "ann"}))]),
                ),
                ("objects/place/P1", told("place", "P1", 9, json!({"name": "P1", "dns": ["7101"]}))),
                (
                    "objects/skill",
                    page(vec![
                        told("skill", "French", 1, json!({"name": "French"})),
                        told("skill", "German", 2, json!({"name": "German"})),
                    ]),
                ),
            ],
            ..KnownObjects::default()
        }
    }

    fn posted(known: &KnownObjects) -> Vec<Value> {
        let posted = known.posted.lock().unwrap();
        posted[0].1["changes"].as_array().unwrap().clone()
    }

    #[tokio::test]
    async fn people_are_listed_with_their_groups_and_found_by_number_and_name() {
        let known = known();
        let listed = list(&known, &ada(), &PublishedQuery::default()).await.unwrap();
        assert_eq!((&listed["totalCount"], &listed["users"][0]["agentGroups"]), (&json!(2), &json!(["Berlin"])));
        assert_eq!(listed["users"][1]["accessGroups"], json!(["Night"]));
        let short = PublishedQuery::of(vec![("limit".to_owned(), "1".to_owned())]).unwrap();
        let short = list(&known, &ada(), &short).await.unwrap();
        assert_eq!((&short["totalCount"], &short["users"]), (&json!(2), &json!([listed["users"][0]])));
        for id in ["17", "ann"] {
            assert_eq!(get(&known, &ada(), id).await.unwrap()["user"]["userName"], "ann", "{id}");
        }
        assert_eq!(get(&known, &ada(), "99").await.unwrap_err().body()["status"]["code"], 404);
    }

    #[tokio::test]
    async fn a_number_is_looked_up_in_all_people_once_and_whoever_is_new_is_found() {
        let clock = infra::conformance::SetClock::at(model::Timestamp::from_millis(1_000));
        let mut known = KnownObjects { numbers: Some(RememberedNumbers::new(clock)), ..known() };
        assert_eq!(get(&known, &ada(), "17").await.unwrap()["user"]["userName"], "ann");
        // Nobody is read any more who is remembered; who is asked for is.
        known.answers[0] = ("objects/person", page(vec![told("person", "ann", 19, json!({"user_name": "ann"}))]));
        for id in ["17", "19"] {
            assert_eq!(get(&known, &ada(), id).await.unwrap()["user"]["userName"], "ann", "{id}");
        }
        assert_eq!(get(&known, &ada(), "17").await.unwrap_err().body()["status"]["code"], 404, "all were read anew");
    }

    #[tokio::test]
    async fn who_is_removed_leaves_all_that_names_it_in_one_change() {
        let known = known();
        remove(&known, &ada(), "17", false).await.unwrap();
        let changes = posted(&known);
        let of = |kind: &str| changes.iter().find(|one| one["kind"] == kind).unwrap().clone();
        assert_eq!(of("agent_group")["put"], json!({"agents": ["bob"], "managers": []}));
        assert_eq!((&of("person")["delete"], &of("person")["expectedRevision"]), (&json!(true), &json!(3)));
        assert_eq!(
            (&of("agent_login")["id"], &of("dn")["id"], &of("place")["id"]),
            (&json!("77"), &json!("7101"), &json!("P1"))
        );
        assert!(!changes.iter().any(|one| one["kind"] == "access_group"), "it does not name the person");
        let keeping = self::known();
        remove(&keeping, &ada(), "ann", true).await.unwrap();
        assert!(!posted(&keeping).iter().any(|one| one["kind"] == "place" || one["kind"] == "dn"));
        let mut shared = self::known();
        let bob = told("person", "bob", 18, json!({"user_name": "bob", "agent": {"default_place": "p1"}}));
        let ann = shared.answers[1].1.clone();
        shared.answers[0] = ("objects/person", page(vec![ann, bob]));
        remove(&shared, &ada(), "ann", false).await.unwrap();
        assert!(!posted(&shared).iter().any(|one| one["kind"] == "place"), "somebody else works there");
    }

    #[tokio::test]
    async fn a_change_of_groups_changes_those_alone_that_it_is_about() {
        let known = known();
        let data = json!({"deletedAgentGroups": ["Berlin"], "lastName": "Archer"});
        update(&known, &ada(), "ann", data.as_object().unwrap()).await.unwrap();
        let changes = posted(&known);
        assert_eq!((&changes[0]["put"], &changes[0]["fields"]), (&json!({"agents": ["bob"]}), &json!(["agents"])));
        assert_eq!(
            (&changes[1]["put"], &changes[1]["fields"]),
            (&json!({"last_name": "Archer"}), &json!(["last_name"]))
        );
        let nothing = self::known();
        update(&nothing, &ada(), "ann", json!({"agentGroups": ["Berlin"]}).as_object().unwrap()).await.unwrap();
        assert!(nothing.posted.lock().unwrap().is_empty(), "she is in it already");
    }

    #[tokio::test]
    async fn skills_that_somebody_has_are_used() {
        let used = used_skills(&known(), &ada()).await.unwrap();
        assert_eq!((&used["totalCount"], &used["skills"][0]["name"]), (&json!(1), &json!("French")));
    }

    #[tokio::test]
    async fn a_table_has_the_columns_and_the_people_that_were_asked_for() {
        let fields = vec!["userName".to_owned(), "skills".to_owned()];
        let job = ExportJob { fields, people: vec![17], ..ExportJob::default() };
        assert_eq!(export(&known(), &ada(), &job).await.unwrap(), "userName,skills\r\nann,French=4\r\n");
        let query = vec![("skills".to_owned(), "German".to_owned())];
        let nobody = ExportJob { query, ..job };
        assert_eq!(export(&known(), &ada(), &nobody).await.unwrap(), "userName,skills\r\n");
    }
}
