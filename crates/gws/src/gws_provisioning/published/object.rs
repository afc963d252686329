//! Objects of any kind as the published API shows them: with a number (`DBID`), a name, and what else stands in them.

use serde_json::{Map, Value, json};

use super::super::found_object::FoundObject;

/// The published types of objects, and the kinds of ours that they are.
const TYPES: [(&str, &str); 28] = [
    ("access-groups", "access_group"),
    ("action-codes", "action_code"),
    ("agent-groups", "agent_group"),
    ("agent-logins", "agent_login"),
    ("applications", "application"),
    ("business-attributes", "business_attribute"),
    ("calling-lists", "calling_list"),
    ("campaign-groups", "campaign_group"),
    ("campaigns", "campaign"),
    ("capacity-rules", "capacity_rule"),
    ("dial-rules", "dial_rule"),
    ("dn-groups", "dn_group"),
    ("dns", "dn"),
    ("folders", "folder"),
    ("ivr-profiles", "ivr_profile"),
    ("lists", "list"),
    ("numbers", "number"),
    ("persons", "person"),
    ("place-groups", "place_group"),
    ("places", "place"),
    ("roles", "role"),
    ("schedules", "schedule"),
    ("skills", "skill"),
    ("stat-definitions", "statistic_definition"),
    ("switches", "switch"),
    ("transactions", "transaction"),
    ("trunk-groups", "trunk_group"),
    ("trunks", "trunk"),
];
/// Types of DNs.
const DN_TYPES: [(&str, &str); 5] = [
    ("extension", "CFGExtension"),
    ("route_point", "CFGRoutingPoint"),
    ("virtual_queue", "CFGVirtACDQueue"),
    ("echo", "CFGMusic"),
    ("announcement", "CFGMusic"),
];

/// The kind of a published type.
pub(in crate::gws_provisioning) fn kind_of(published: &str) -> Option<&'static str> {
    TYPES.iter().find(|(name, _)| *name == published).map(|(_, kind)| *kind)
}

/// The published types, for a refusal that names them.
pub(in crate::gws_provisioning) fn types() -> String {
    TYPES.map(|(name, _)| name).join(", ")
}

/// The member of an object's document by which it is known.
pub(in crate::gws_provisioning) fn name_key(kind: &str) -> &'static str {
    match kind {
        "dn" | "number" => "number",
        "action_code" | "agent_login" | "feature_code" => "code",
        "folder" => "path",
        "person" => "userName",
        _ => "name",
    }
}

/// An object.
pub(in crate::gws_provisioning) fn shown(object: &FoundObject) -> Value {
    let mut members = Map::new();
    for (name, value) in object.document.as_object().into_iter().flatten() {
        // Published clients take no null.
        if !value.is_null() {
            members.insert(camel_case(name), value.clone());
        }
    }
    members.insert("DBID".to_owned(), object.number.into());
    members.insert("tenantDBID".to_owned(), 1.into());
    members.insert("state".to_owned(), if is_disabled(object) { "CFGDisabled" } else { "CFGEnabled" }.into());
    members.entry("name").or_insert_with(|| object.id.clone().into());
    match object.kind.as_str() {
        "dn" => {
            let own = object.text("/type").unwrap_or_default();
            let published = DN_TYPES.iter().find(|(name, _)| *name == own).map_or(own, |(_, published)| *published);
            members.insert("type".to_owned(), published.into());
            if let Some(switch) = members.remove("switch") {
                members.insert("switchName".to_owned(), switch);
            }
        }
        "agent_group" => {
            let properties = object.document.get("user_properties").cloned().unwrap_or_else(|| json!({}));
            let info = json!({
                "DBID": object.number, "name": object.id, "state": "CFGEnabled", "userProperties": properties,
            });
            members.insert("groupInfo".to_owned(), info);
        }
        _ => {}
    }
    members.into()
}

fn is_disabled(object: &FoundObject) -> bool {
    object.document["disabled"].as_bool().unwrap_or_default()
}

fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut whole, part| {
        let mut letters = part.chars();
        whole.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        whole.push_str(letters.as_str());
        whole
    })
}

/// A change of an object, as it is told to who watches.
pub(in crate::gws_provisioning) fn change(entry: &Value) -> Value {
    let is = |name: &str| entry[name].as_bool().unwrap_or_default();
    let operation = match (is("wasThere"), is("isThere")) {
        (false, true) => "created",
        (true, false) => "deleted",
        _ => "updated",
    };
    let kind = entry["kind"].as_str().unwrap_or_default();
    let published = match kind {
        "person" => "users",
        _ => TYPES.iter().find(|(_, own)| *own == kind).map_or(kind, |(published, _)| *published),
    };
    json!({
        "type": published, "operation": operation, "DBID": entry["dbid"], "name": entry["id"],
        "revision": entry["revision"],
    })
}

/// The kind that somebody watches under a published type.
pub(in crate::gws_provisioning) fn watched_kind(published: &str) -> Option<&'static str> {
    if published == "users" { Some("person") } else { kind_of(published) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, id: &str, document: Value) -> FoundObject {
        FoundObject { kind: kind.to_owned(), id: id.to_owned(), number: 5, revision: 3, document }
    }

    #[test]
    fn a_dn_has_its_published_type_and_its_switch() {
        let dn =
            object("dn", "7101", json!({"number": "7101", "type": "extension", "switch": "sip", "no_answer_s": null}));
        let shown = shown(&dn);
        assert_eq!((&shown["type"], &shown["switchName"]), (&json!("CFGExtension"), &json!("sip")));
        assert_eq!((&shown["DBID"], &shown["name"], &shown["number"]), (&json!(5), &json!("7101"), &json!("7101")));
        assert!(shown.get("noAnswerS").is_none() && shown.get("switch").is_none());
    }

    #[test]
    fn a_group_is_named_as_clients_look_for_it() {
        let document = json!({"name": "Berlin", "agents": ["ann"], "user_properties": {"desk": {"ring": "soft"}}});
        let shown = shown(&object("agent_group", "Berlin", document));
        assert_eq!((&shown["groupInfo"]["name"], &shown["agents"]), (&json!("Berlin"), &json!(["ann"])));
        assert_eq!(shown["userProperties"]["desk"]["ring"], "soft");
    }

    #[test]
    fn each_type_is_one_kind_and_a_change_says_which() {
        for (n, (name, kind)) in TYPES.iter().enumerate() {
            assert!(TYPES.iter().skip(n + 1).all(|(other, of)| other > name && of != kind), "{name}");
        }
        let entry =
            json!({"kind": "person", "id": "ann", "dbid": 17, "revision": 4, "wasThere": true, "isThere": false});
        let change = change(&entry);
        assert_eq!((&change["type"], &change["operation"]), (&json!("users"), &json!("deleted")));
        assert_eq!(
            (watched_kind("users"), watched_kind("skills"), watched_kind("x")),
            (Some("person"), Some("skill"), None)
        );
    }
}
