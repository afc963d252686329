//! What a program asks to make of a person, as changes of a tenant's objects.

use serde_json::{Map, Value, json};

use super::super::found_object::FoundObject;
use super::user::{KEPT, KEPT_SECTION, ROLES};
use crate::sessions::answers::ApiRefusal;

/// Texts of a person, and the fields that they are.
const TEXTS: [(&str, &str); 7] = [
    ("userName", "user_name"),
    ("firstName", "first_name"),
    ("lastName", "last_name"),
    ("password", "password"),
    ("emailAddress", "email"),
    ("externalID", "external_id"),
    ("folder", "folder"),
];
/// Texts of an agent, and the fields that they are.
const OF_AGENT: [(&str, &str); 3] =
    [("employeeID", "id"), ("loginCode", "login_code"), ("capacityRule", "capacity_rule")];
/// What only an agent has: who is given one of them is one.
const MAKES_AGENTS: [&str; 7] =
    ["loginCode", "placeNames", "phones", "skills", "agentGroups", "wrapUpTime", "capacityRule"];
/// Without these nobody is made.
const NEEDED: [&str; 3] = ["userName", "firstName", "lastName"];
/// The most names of a list.
const NAMES_MAX: usize = 200;

/// What is to become of a person.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::gws_provisioning) struct WantedUser {
    /// The document of a new person, or what of the present one changes.
    pub document: Map<String, Value>,
    /// The fields of it, as paths.
    pub fields: Vec<String>,
    /// Groups that the person comes into, and leaves.
    pub groups: WantedGroups,
}

/// Groups that a person comes into, and leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::gws_provisioning) struct WantedGroups {
    /// Agent groups.
    pub agent_groups: Vec<String>,
    /// Agent groups that are left.
    pub left_agent_groups: Vec<String>,
    /// Access groups.
    pub access_groups: Vec<String>,
    /// Access groups that are left.
    pub left_access_groups: Vec<String>,
}

type Read<T> = Result<T, ApiRefusal>;

fn wrong(field: &str, rule: &str) -> ApiRefusal {
    ApiRefusal::bad_request(format!("{field}: {rule}"))
}

/// The `data` of a body; programs may also send it bare.
pub(in crate::gws_provisioning) fn data(body: &Value) -> Read<&Map<String, Value>> {
    body.get("data").unwrap_or(body).as_object().ok_or_else(|| wrong("data", "it is no object"))
}

fn text<'a>(data: &'a Map<String, Value>, name: &str) -> Read<Option<&'a str>> {
    match data.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim())),
        Some(_) => Err(wrong(name, "it is no text")),
    }
}

fn flag(data: &Map<String, Value>, name: &str) -> Read<Option<bool>> {
    match data.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_bool().map(Some).ok_or_else(|| wrong(name, "it is true or false")),
    }
}

fn names(data: &Map<String, Value>, name: &str) -> Read<Vec<String>> {
    let list = match data.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(|| wrong(name, "it is no list"))?,
    };
    if list.len() > NAMES_MAX {
        return Err(wrong(name, &format!("it has more than {NAMES_MAX} names")));
    }
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "it is no list of texts"));
    list.iter().map(text).collect()
}

impl WantedUser {
    /// Somebody new.
    ///
    /// # Errors
    /// The field that is missing or cannot be read.
    pub fn new(data: &Map<String, Value>) -> Read<Self> {
        for name in NEEDED {
            if text(data, name)?.is_none_or(str::is_empty) {
                return Err(wrong(name, "it is missing"));
            }
        }
        let mut wanted = Self::of(data, &FoundObject::default())?;
        wanted.complete_agent(text(data, "userName")?.unwrap_or_default());
        wanted.fields.clear();
        Ok(wanted)
    }

    /// Somebody who is there.
    ///
    /// # Errors
    /// The field that cannot be read, or not be changed.
    pub fn changed(data: &Map<String, Value>, present: &FoundObject) -> Read<Self> {
        if text(data, "userName")?.is_some_and(|user| user.to_lowercase() != present.id.to_lowercase()) {
            return Err(wrong("userName", "it names the person, and cannot be changed: make another one"));
        }
        let mut wanted = Self::of(data, present)?;
        if !present.document["agent"].is_object() {
            wanted.complete_agent(present.text("/user_name").unwrap_or(&present.id));
        }
        wanted.document.remove("user_name");
        wanted.fields.retain(|field| field != "user_name");
        Ok(wanted)
    }

    fn of(data: &Map<String, Value>, present: &FoundObject) -> Read<Self> {
        let mut wanted = Self::default();
        for (name, field) in TEXTS {
            match text(data, name)? {
                None => {}
                // A form that shows no password sends an empty one.
                Some("") if field == "password" => {}
                Some("") => wanted.set(field, Value::Null),
                Some(text) => wanted.set(field, text.into()),
            }
        }
        if let Some(changes) = flag(data, "changePasswordOnNextLogin")? {
            wanted.set("change_password", changes.into());
        }
        if let Some(is_enabled) = flag(data, "enabled")? {
            wanted.set("disabled", (!is_enabled).into());
        }
        let is_agent = is_agent(data, present)?;
        wanted.take_agent(data, present, is_agent)?;
        wanted.take_privileges(data, present, is_agent)?;
        wanted.take_kept(data, present);
        wanted.groups = WantedGroups {
            agent_groups: names(data, "agentGroups")?,
            left_agent_groups: names(data, "deletedAgentGroups")?,
            access_groups: names(data, "accessGroups")?,
            left_access_groups: names(data, "deletedAccessGroups")?,
        };
        Ok(wanted)
    }

    /// Gives an agent who is made what every agent has: an id, a login code and a list of skills.
    fn complete_agent(&mut self, user: &str) {
        let Some(agent) = self.document.get_mut("agent").and_then(Value::as_object_mut) else { return };
        let code = agent.get("login_code").and_then(Value::as_str).map(str::to_owned);
        let id = agent.get("id").and_then(Value::as_str).map(str::to_owned);
        let id = id.or_else(|| code.clone()).unwrap_or_else(|| user.to_owned());
        let code = code.unwrap_or_else(|| id.clone());
        agent.insert("id".to_owned(), id.into());
        agent.insert("login_code".to_owned(), code.into());
        agent.entry("skills").or_insert_with(|| json!([]));
    }

    fn set(&mut self, field: &str, value: Value) {
        self.document.insert(field.to_owned(), value);
        self.fields.push(field.to_owned());
    }

    fn take_agent(&mut self, data: &Map<String, Value>, present: &FoundObject, is_agent: bool) -> Read<()> {
        let before = present.document.get("agent").filter(|agent| agent.is_object());
        if !is_agent {
            if before.is_some() {
                self.set("agent", Value::Null);
            }
            return Ok(());
        }
        let mut agent = Map::new();
        for (name, field) in OF_AGENT {
            match text(data, name)? {
                None => {}
                Some("") => drop(agent.insert(field.to_owned(), Value::Null)),
                Some(text) => drop(agent.insert(field.to_owned(), text.into())),
            }
        }
        if let Some(seconds) = seconds(data)? {
            agent.insert("wrap_up_s".to_owned(), seconds);
        }
        if let Some(place) = place(data)? {
            agent.insert("default_place".to_owned(), place.into());
        }
        if let Some(skills) = skills(data, present)? {
            agent.insert("skills".to_owned(), skills);
        }
        match before {
            // What is not named stays, with the PIN.
            Some(_) => self.fields.extend(agent.keys().map(|field| format!("agent.{field}"))),
            None => self.fields.push("agent".to_owned()),
        }
        if before.is_none() || !agent.is_empty() {
            self.document.insert("agent".to_owned(), agent.into());
        }
        Ok(())
    }

    fn take_privileges(&mut self, data: &Map<String, Value>, present: &FoundObject, is_agent: bool) -> Read<()> {
        let before: Vec<String> = present.names("/privileges").into_iter().map(str::to_owned).collect();
        let mut privileges = before.clone();
        let roles = data.get("wwe").and_then(Value::as_object);
        for (list, is_given) in [("roles", true), ("deletedRoles", false)] {
            for role in roles.map(|roles| names(roles, list)).transpose()?.unwrap_or_default() {
                let known = ROLES.iter().find(|(published, _)| *published == role);
                let all = || ROLES.map(|(published, _)| published).join(", ");
                let (_, privilege) =
                    known.ok_or_else(|| wrong("wwe.roles", &format!("{role:.64} is none of {}", all())))?;
                privileges.retain(|own| own != privilege);
                if is_given {
                    privileges.push((*privilege).to_owned());
                }
            }
        }
        let agent = "agent".to_owned();
        if !is_agent {
            privileges.retain(|own| *own != agent);
        } else if !present.document["agent"].is_object() && !privileges.contains(&agent) {
            privileges.push(agent);
        }
        if privileges != before {
            self.set("privileges", privileges.into());
        }
        Ok(())
    }

    fn take_kept(&mut self, data: &Map<String, Value>, present: &FoundObject) {
        let given = KEPT.iter().filter_map(|name| Some((*name, data.get(*name).filter(|value| !value.is_null())?)));
        let given: Vec<(&str, &Value)> = given.collect();
        if given.is_empty() {
            return;
        }
        let mut properties = present.document["user_properties"].as_object().cloned().unwrap_or_default();
        let section = properties.entry(KEPT_SECTION).or_insert_with(|| json!({}));
        if let Some(section) = section.as_object_mut() {
            for (name, value) in given {
                section.insert(name.to_owned(), kept_text(value).into());
            }
        }
        self.set("user_properties", properties.into());
    }
}

/// A value as a text that is read as that value again: a text that would be read as something else is written as JSON, as what is no text.
fn kept_text(value: &Value) -> String {
    match value.as_str() {
        Some(text) if serde_json::from_str::<Value>(text).is_err() => text.to_owned(),
        _ => value.to_string(),
    }
}

fn is_agent(data: &Map<String, Value>, present: &FoundObject) -> Read<bool> {
    let is_given = |name: &&str| match data.get(*name) {
        None | Some(Value::Null) => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(value) => value != "",
    };
    let is_one = present.document["agent"].is_object() || MAKES_AGENTS.iter().any(is_given);
    Ok(flag(data, "isAgent")?.unwrap_or(is_one))
}

/// After-call work: a number, or one as text.
fn seconds(data: &Map<String, Value>) -> Read<Option<Value>> {
    let rule = || wrong("wrapUpTime", "it is no whole number of seconds");
    match data.get("wrapUpTime") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Some(Value::Null)),
        Some(Value::String(text)) => Ok(Some(text.trim().parse::<u32>().map_err(|_| rule())?.into())),
        Some(value) => value.as_u64().map(|seconds| Some(seconds.into())).ok_or_else(rule),
    }
}

/// The place at which the agent works: the first one, or that of the phone that is marked.
fn place(data: &Map<String, Value>) -> Read<Option<String>> {
    if let Some(place) = names(data, "placeNames")?.into_iter().next() {
        return Ok(Some(place));
    }
    let phones = data.get("phones").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let marked = phones.iter().find(|phone| phone["isDefault"].as_bool().unwrap_or_default());
    let Some(phone) = marked.or(phones.first()) else { return Ok(None) };
    match phone["placeName"].as_str() {
        Some(place) => Ok(Some(place.to_owned())),
        None => Err(wrong(
            "phones",
            "a phone has a placeName of a place that is there: phones have passwords, so they are made elsewhere",
        )),
    }
}

/// All skills that the agent has then; none if they stay.
fn skills(data: &Map<String, Value>, present: &FoundObject) -> Read<Option<Value>> {
    let deleted: Vec<String> = names(data, "deletedSkills")?.iter().map(|name| name.to_lowercase()).collect();
    let given: &[Value] = match data.get("skills") {
        None | Some(Value::Null) => &[],
        Some(value) => value.as_array().ok_or_else(|| wrong("skills", "it is no list"))?.as_slice(),
    };
    if given.is_empty() && deleted.is_empty() {
        return Ok(None);
    }
    let own = present.document.pointer("/agent/skills").and_then(Value::as_array);
    let mut skills: Vec<Value> = own.into_iter().flatten().cloned().collect();
    let is_named = |skill: &Value, name: &str| skill["skill"].as_str().is_some_and(|own| own.to_lowercase() == name);
    skills.retain(|skill| !deleted.iter().any(|name| is_named(skill, name)));
    for skill in given {
        let name = skill["name"].as_str().ok_or_else(|| wrong("skills", "a skill has a name"))?;
        let level = skill.get("level").filter(|level| !level.is_null());
        let level = level.map_or(Some(1), Value::as_u64).ok_or_else(|| wrong("skills", "a level is a whole number"))?;
        skills.retain(|own| !is_named(own, &name.to_lowercase()));
        skills.push(json!({"skill": name, "level": level}));
    }
    Ok(Some(skills.into()))
}

#[cfg(test)]
mod tests {
    use super::super::super::test_objects::ann;
    use super::super::user::{self, GroupsOfPeople};
    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn somebody_new_who_takes_calls_has_all_that_an_agent_needs() {
        let wanted = WantedUser::new(&body(json!({
            "userName": "eve", "firstName": "Eve", "lastName": "Evans", "password": "secret", "employeeID": "1007",
            "isAgent": true, "skills": [{"name": "French", "level": 4}], "agentGroups": ["Berlin"], "enabled": true,
            "wrapUpTime": "7", "placeNames": ["P7"], "wwe": {"roles": ["ROLE_SUPERVISOR"]}, "sipPhoneType": "GENERIC_PHONE",
        })))
        .unwrap();
        let document = Value::from(wanted.document);
        let agent = json!({
            "id": "1007", "login_code": "1007", "wrap_up_s": 7, "default_place": "P7",
            "skills": [{"skill": "French", "level": 4}],
        });
        assert_eq!(document["agent"], agent);
        assert_eq!(document["privileges"], json!(["supervisor", "agent"]));
        assert_eq!((&document["disabled"], &document["password"]), (&json!(false), &json!("secret")));
        assert_eq!(document["user_properties"]["provisioning"]["sipPhoneType"], "GENERIC_PHONE");
        assert_eq!((wanted.fields, wanted.groups.agent_groups), (vec![], vec!["Berlin".to_owned()]));
    }

    #[test]
    fn somebody_new_without_anything_of_an_agent_is_none() {
        let wanted =
            WantedUser::new(&body(json!({"userName": "eve", "firstName": "Eve", "lastName": "Evans"}))).unwrap();
        assert!(!wanted.document.contains_key("agent") && !wanted.document.contains_key("privileges"));
        for missing in ["userName", "firstName", "lastName"] {
            let mut data = body(json!({"userName": "eve", "firstName": "Eve", "lastName": "Evans"}));
            data.insert(missing.to_owned(), " ".into());
            let refused = WantedUser::new(&data).unwrap_err().body();
            assert_eq!(refused["status"]["message"], format!("{missing}: it is missing"));
        }
    }

    #[test]
    fn a_change_names_the_fields_that_it_is_about_and_leaves_the_others() {
        let wanted = WantedUser::changed(
            &body(json!({
                "userName": "ANN", "lastName": "Archer", "password": "", "skills": [{"name": "German"}],
                "deletedSkills": ["french"], "wwe": {"deletedRoles": ["ROLE_AGENT"]},
            })),
            &ann(),
        )
        .unwrap();
        assert_eq!(wanted.fields, ["last_name", "agent.skills", "privileges"]);
        assert_eq!(wanted.document["agent"], json!({"skills": [{"skill": "German", "level": 1}]}));
        assert_eq!(wanted.document["privileges"], json!([]));
        let other = body(json!({"userName": "anna"}));
        assert_eq!(WantedUser::changed(&other, &ann()).unwrap_err().body()["status"]["code"], 400);
    }

    #[test]
    fn who_takes_calls_from_now_on_has_all_that_an_agent_needs() {
        let bob = FoundObject {
            id: "bob".to_owned(),
            document: json!({"user_name": "bob", "first_name": "Bob", "last_name": "Bell", "agent": null}),
            ..FoundObject::default()
        };
        let wanted = WantedUser::changed(&body(json!({"isAgent": true})), &bob).unwrap();
        assert_eq!(wanted.document["agent"], json!({"id": "bob", "login_code": "bob", "skills": []}));
        assert_eq!(wanted.fields, ["agent", "privileges"]);
        let wanted = WantedUser::changed(&body(json!({"employeeID": "1002", "wrapUpTime": 5})), &bob).unwrap();
        let agent = json!({"id": "1002", "login_code": "1002", "wrap_up_s": 5, "skills": []});
        assert_eq!(wanted.document["agent"], agent);
    }

    #[test]
    fn what_is_kept_comes_back_as_what_it_was() {
        for value in
            [json!("12"), json!(12), json!("true"), json!(true), json!("GENERIC_PHONE"), json!(["a"]), json!("\"x\"")]
        {
            let wanted = WantedUser::changed(&body(json!({"sipPhoneType": value})), &ann()).unwrap();
            let person = FoundObject { document: Value::from(wanted.document), ..ann() };
            let groups = GroupsOfPeople::default();
            assert_eq!(user::shown(&person, &groups, &groups)["sipPhoneType"], value);
        }
    }

    #[test]
    fn who_takes_no_calls_any_more_is_no_agent() {
        let wanted = WantedUser::changed(&body(json!({"isAgent": false})), &ann()).unwrap();
        assert_eq!((&wanted.document["agent"], &wanted.document["privileges"]), (&Value::Null, &json!([])));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (field, value) in [
            ("enabled", json!("yes")),
            ("skills", json!("French")),
            ("wrapUpTime", json!("soon")),
            ("agentGroups", json!([1])),
            ("emailAddress", json!(7)),
            ("phones", json!([{"number": "7199"}])),
        ] {
            let mut data = body(json!({"userName": "ann"}));
            data.insert(field.to_owned(), value);
            let refused = WantedUser::changed(&data, &ann()).unwrap_err().body();
            assert!(refused["status"]["message"].as_str().unwrap().starts_with(field), "{refused}");
        }
    }
}
