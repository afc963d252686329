//! Documents as callers see them: without secrets, and of those fields alone that they ask for.

use contracts::provisioning::{Object, ObjectAnnex};
use serde_json::{Map, Value as Json};

/// The document of an object with its annex and without secrets; with `fields` (paths as `agent.skills`) those alone that it has of them.
pub fn shown(object: Object, annex: Option<&ObjectAnnex>, fields: &[String]) -> String {
    let document = object.without_secrets().to_json_with(annex);
    if fields.is_empty() {
        return String::from_utf8(document).unwrap_or_default();
    }
    let whole: Json = serde_json::from_slice(&document).unwrap_or_default();
    let mut part = Map::new();
    for field in fields {
        let path: Vec<&str> = field.split('.').collect();
        if let Some(value) = path.iter().try_fold(&whole, |value, part| value.get(*part)) {
            put(&mut part, &path, value);
        }
    }
    Json::Object(part).to_string()
}

fn put(map: &mut Map<String, Json>, path: &[&str], value: &Json) {
    match path {
        [] => {}
        [last] => drop(map.insert((*last).to_owned(), value.clone())),
        [first, rest @ ..] => {
            let inner = map.entry(*first).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::ObjectKind;

    use super::*;

    #[test]
    fn the_asked_fields_are_shown_and_no_secret() {
        let json = r#"{"user_name":"ann","first_name":"Ann","last_name":"Adams","password":"$argon2id$x",
            "agent":{"id":"1","login_code":"2","pin":"1234","skills":[{"skill":"Sales","level":5}]}}"#;
        let ann = Object::from_json(ObjectKind::Person, json.as_bytes()).unwrap();
        let shown = |fields: &[&str]| {
            super::shown(ann.clone(), None, &fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>())
        };
        let whole = shown(&[]);
        assert!(whole.contains("Adams") && !whole.contains("argon2") && !whole.contains("1234"), "{whole}");
        assert_eq!(shown(&["user_name", "nothing"]), r#"{"user_name":"ann"}"#);
        let part = shown(&["agent.id", "agent.skills", "agent.pin"]);
        assert_eq!(part, r#"{"agent":{"id":"1","skills":[{"skill":"Sales","level":5}],"pin":null}}"#);
    }
}
