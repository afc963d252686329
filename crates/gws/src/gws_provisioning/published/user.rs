//! A person as the published API shows one.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::super::found_object::FoundObject;

/// What the published API has of a person and nothing here acts on: it is kept, in the section of this name of the person's own properties,
/// and given back.
pub(in crate::gws_provisioning) const KEPT_SECTION: &str = "provisioning";
/// Their names.
pub(in crate::gws_provisioning) const KEPT: [&str; 6] =
    ["callRecording", "voiceMail", "recordingHierarchy", "supportSoftPhone", "sipPhoneType", "switchNames"];
/// The published roles, and the privileges that they stand for.
pub(in crate::gws_provisioning) const ROLES: [(&str, &str); 3] =
    [("ROLE_AGENT", "agent"), ("ROLE_SUPERVISOR", "supervisor"), ("ROLE_ADMIN", "administrator")];

/// In which groups people are, by their user names in lower case.
#[derive(Debug, Default)]
pub(in crate::gws_provisioning) struct GroupsOfPeople(HashMap<String, Vec<String>>);

impl GroupsOfPeople {
    /// From groups that name their people in that list.
    pub fn of(groups: &[FoundObject], list: &str) -> Self {
        let mut by_person: HashMap<String, Vec<String>> = HashMap::new();
        for group in groups {
            for person in group.names(list) {
                by_person.entry(person.to_lowercase()).or_default().push(group.id.clone());
            }
        }
        Self(by_person)
    }

    fn with(&self, user: &str) -> &[String] {
        self.0.get(&user.to_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A person with the groups that name it.
pub(in crate::gws_provisioning) fn shown(
    person: &FoundObject,
    agent_groups: &GroupsOfPeople,
    access_groups: &GroupsOfPeople,
) -> Value {
    let user = person.text("/user_name").unwrap_or(&person.id);
    let is_agent = person.document.get("agent").is_some_and(Value::is_object);
    let is_disabled = person.document["disabled"].as_bool().unwrap_or_default();
    let privileges = person.names("/privileges");
    let roles: Vec<&str> =
        ROLES.iter().filter(|(_, privilege)| privileges.contains(privilege)).map(|(role, _)| *role).collect();
    let mut shown = json!({
        "DBID": person.number,
        "id": person.number.to_string(),
        "userName": user,
        "firstName": person.text("/first_name").unwrap_or_default(),
        "lastName": person.text("/last_name").unwrap_or_default(),
        "isAgent": is_agent,
        "isAdmin": privileges.contains(&"administrator"),
        "state": if is_disabled { "CFGDisabled" } else { "CFGEnabled" },
        "enabled": !is_disabled,
        "changePasswordOnNextLogin": person.document["change_password"].as_bool().unwrap_or_default(),
        "tenantDBID": 1,
        "wwe": {"roles": roles},
        "skills": skills(person),
        "placeNames": person.text("/agent/default_place").into_iter().collect::<Vec<_>>(),
        "agentGroups": agent_groups.with(user),
        "accessGroups": access_groups.with(user),
    });
    if let Some(members) = shown.as_object_mut() {
        for (name, pointer) in [
            ("emailAddress", "/email"),
            ("employeeID", "/agent/id"),
            ("loginCode", "/agent/login_code"),
            ("wrapUpTime", "/agent/wrap_up_s"),
            ("capacityRule", "/agent/capacity_rule"),
            ("externalID", "/external_id"),
            ("folder", "/folder"),
            ("userProperties", "/user_properties"),
        ] {
            // Published clients take no null.
            if let Some(value) = person.document.pointer(pointer).filter(|value| !value.is_null()) {
                members.insert(name.to_owned(), value.clone());
            }
        }
        give_kept(person, members);
    }
    shown
}

/// The answer to who has made a person: its number as text.
pub(in crate::gws_provisioning) fn made(mut shown: Value) -> Value {
    let id = shown["id"].clone();
    shown["DBID"] = id.clone();
    json!({"id": id, "person": shown})
}

fn skills(person: &FoundObject) -> Vec<Value> {
    let list = person.document.pointer("/agent/skills").and_then(Value::as_array);
    list.into_iter().flatten().map(|skill| json!({"name": skill["skill"], "level": skill["level"]})).collect()
}

fn give_kept(person: &FoundObject, members: &mut Map<String, Value>) {
    let Some(kept) = person.document["user_properties"][KEPT_SECTION].as_object() else { return };
    for name in KEPT {
        if let Some(text) = kept.get(name).and_then(Value::as_str) {
            // What was no text was written as JSON.
            let value = serde_json::from_str(text).unwrap_or_else(|_| text.into());
            members.insert(name.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::test_objects::ann;
    use super::*;

    #[test]
    fn a_person_is_shown_with_groups_and_skills_and_without_null() {
        let groups = [FoundObject { id: "Berlin".to_owned(), document: json!({"agents": ["Ann"]}), ..ann() }];
        let shown = shown(&ann(), &GroupsOfPeople::of(&groups, "/agents"), &GroupsOfPeople::default());
        assert_eq!((&shown["DBID"], &shown["userName"], &shown["isAgent"]), (&json!(17), &json!("ann"), &json!(true)));
        assert_eq!((&shown["agentGroups"], &shown["wwe"]["roles"]), (&json!(["Berlin"]), &json!(["ROLE_AGENT"])));
        assert_eq!(shown["skills"], json!([{"name": "French", "level": 4}]));
        assert_eq!((&shown["callRecording"], &shown["wrapUpTime"]), (&json!(true), &json!(5)));
        assert!(shown.get("emailAddress").is_none() && shown.get("capacityRule").is_none());
        assert_eq!(made(shown)["person"]["DBID"], "17");
    }
}
