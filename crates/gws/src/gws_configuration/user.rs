//! A person as the published APIs show one to its own desktop.

use serde_json::{Value, json};

use super::properties;
use crate::object_number;

/// What gws-workspace gets of a person: the published `user`, and what else it has to know.
pub(super) fn answer(person: &Value) -> Value {
    json!({
        "user": user(person),
        "agent": at(person, "/agent/id"),
        "defaultPlace": at(person, "/agent/default_place"),
        "privileges": person.get("privileges").cloned().unwrap_or_else(|| json!([])),
        "isDisabled": person.get("disabled").and_then(Value::as_bool).unwrap_or_default(),
    })
}

/// The published `user` object. What the person does not have is left out: clients written in Java take no null.
fn user(person: &Value) -> Value {
    let name = text(person, "/user_name").unwrap_or_default();
    let mut user = json!({
        "dbid": object_number::of("person", name),
        "userName": name,
        "employeeId": text(person, "/agent/id").unwrap_or(name),
        "firstName": text(person, "/first_name").unwrap_or_default(),
        "lastName": text(person, "/last_name").unwrap_or_default(),
        "userProperties": properties::of(person),
    });
    for (published, own) in
        [("agentLogin", "/agent/id"), ("defaultPlace", "/agent/default_place"), ("emailAddress", "/email")]
    {
        if let (Some(value), Some(user)) = (text(person, own), user.as_object_mut()) {
            user.insert(published.to_owned(), value.into());
        }
    }
    user
}

fn text<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document.pointer(pointer).and_then(Value::as_str)
}

fn at(document: &Value, pointer: &str) -> Value {
    document.pointer(pointer).cloned().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_shown_with_login_and_place_and_without_what_is_secret() {
        let person = json!({
            "user_name": "ann", "first_name": "Ann", "last_name": "Adams", "password": "$argon2id$x",
            "agent": {"id": "1001", "login_code": "77", "pin": "1234", "default_place": "desk-1", "skills": []},
            "privileges": ["agent"],
        });
        let answer = answer(&person);
        assert_eq!(answer["user"]["userName"], "ann");
        assert_eq!((&answer["user"]["agentLogin"], &answer["user"]["employeeId"]), (&json!("1001"), &json!("1001")));
        assert_eq!((&answer["agent"], &answer["defaultPlace"]), (&json!("1001"), &json!("desk-1")));
        assert!(answer["user"]["dbid"].is_u64());
        let shown = answer.to_string();
        assert!(!shown.contains("argon2id") && !shown.contains("1234"), "{shown}");
    }

    #[test]
    fn somebody_who_is_no_agent_has_no_login_and_no_null() {
        let answer = answer(&json!({"user_name": "sue", "agent": null}));
        assert_eq!((&answer["agent"], &answer["user"]["employeeId"]), (&Value::Null, &json!("sue")));
        assert!(answer["user"].get("agentLogin").is_none() && answer["user"].get("defaultPlace").is_none());
    }
}
