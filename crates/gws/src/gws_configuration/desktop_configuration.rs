//! What every desktop of a tenant gets at its start: reasons, groups of agents, business attributes, transactions, settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::TenantId;
use routing::SkillExpression;
use serde_json::{Value, json};

use super::properties;
use super::remembered::ReadOutcome;
use crate::object_number;
use crate::tenant_reader::TenantReader;

/// The kinds that it is made of, and switches, of which each DN without one needs the default.
const KINDS: [&str; 7] =
    ["action_code", "agent_group", "business_attribute", "feature_code", "switch", "tenant", "transaction"];
/// The section of the properties of a tenant, and of a group, that is for desktops, as published ones call it. Others may be for programs
/// alone, and have their passwords.
const SETTINGS: &str = "interaction-workspace";
/// The setting with the code behind which park slots are dialled: that of the tenant's feature code, unless it says another one.
const PARK_CODE: &str = "voice.park-code";

/// The objects of a tenant that desktops show, by kind.
pub(super) type ShownObjects = BTreeMap<String, Vec<Value>>;

/// Reads the objects that desktops of the tenant show.
pub(super) async fn read(reader: TenantReader, tenant: TenantId) -> ReadOutcome<ShownObjects> {
    let mut objects = ShownObjects::new();
    for (kind, document) in reader.list(&tenant, &KINDS, &[]).await? {
        objects.entry(kind).or_default().push(document);
    }
    Ok(Arc::new(objects))
}

/// The switch of the tenant's DNs that name none. Each tenant is one switch, where it does not tell several apart.
pub(super) fn default_switch<'a>(objects: &'a ShownObjects, tenant: &'a TenantId) -> &'a str {
    let is_default = |switch: &&Value| switch.get("default").and_then(Value::as_bool).unwrap_or_default();
    let named = objects.get("switch").into_iter().flatten().find(is_default);
    named.and_then(|switch| switch.get("name")?.as_str()).unwrap_or(tenant.as_str())
}

/// The published configuration for somebody: with the groups that the person is in.
pub(super) fn answer(objects: &ShownObjects, person: &Value) -> Value {
    let each = |kind: &str| objects.get(kind).map(Vec::as_slice).unwrap_or_default();
    json!({
        "actionCodes": action_codes(each("action_code")),
        "agentGroups": each("agent_group").iter().filter(|group| is_in(group, person)).map(agent_group).collect::<Value>(),
        "businessAttributes": each("business_attribute").iter().map(business_attribute).collect::<Value>(),
        "monitorableAgentGroups": each("agent_group").iter().filter(|group| is_managed(group, person)).map(agent_group).collect::<Value>(),
        "transactions": each("transaction").iter().map(transaction).collect::<Value>(),
        "settings": settings(each("tenant"), each("feature_code")),
        "environment": {"connections": []},
    })
}

/// What the tenant has set for desktops.
fn settings(tenant: &[Value], feature_codes: &[Value]) -> Value {
    let own = tenant.iter().find_map(|document| document.get("user_properties")?.get(SETTINGS)?.as_object());
    let mut options = own.cloned().unwrap_or_default();
    let parks = |code: &&Value| code.get("action").and_then(Value::as_str) == Some("park");
    if let Some(code) = feature_codes.iter().find(parks).and_then(|code| code.get("code")) {
        options.entry(PARK_CODE).or_insert_with(|| code.clone());
    }
    if options.is_empty() { json!([]) } else { properties::as_lists(&json!({SETTINGS: options})) }
}

/// Reasons in the order in which people choose among them.
fn action_codes(codes: &[Value]) -> Value {
    let mut codes: Vec<&Value> = codes.iter().collect();
    codes.sort_by_key(|code| (code.get("order").and_then(Value::as_u64).unwrap_or(u64::MAX), name(code).to_owned()));
    let finer = |finer: &Value| json!({"name": name(finer), "code": finer.get("code")});
    let shown = |code: &&Value| {
        let subcodes = code.get("subcodes").and_then(Value::as_array).into_iter().flatten();
        json!({
            "name": name(code), "code": code.get("code"), "type": published_action(code),
            "subCodes": subcodes.map(finer).collect::<Value>(), "userProperties": properties::of(code),
        })
    };
    codes.iter().map(shown).collect()
}

/// What a reason is for, by its published name: `not_ready` is `NotReady`.
fn published_action(code: &Value) -> String {
    let action = code.get("action").and_then(Value::as_str).unwrap_or("not_ready");
    let capitalized = |word: &str| {
        let mut signs = word.chars();
        signs.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(signs).collect::<String>()
    };
    action.split('_').map(capitalized).collect()
}

fn agent_group(group: &Value) -> Value {
    let own = group.get("user_properties").and_then(|sections| sections.get(SETTINGS));
    let settings = own.map_or_else(|| json!({}), |own| json!({SETTINGS: own}));
    json!({"DBID": object_number::of("agent_group", name(group)), "name": name(group), "settings": settings})
}

/// Whether somebody looks after a group.
fn is_managed(group: &Value, person: &Value) -> bool {
    is_named(group, "managers", person)
}

/// Whether a list of a group has somebody's name.
fn is_named(group: &Value, list: &str, person: &Value) -> bool {
    let user = person.get("user_name").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let named = group.get(list).and_then(Value::as_array).into_iter().flatten();
    named.filter_map(Value::as_str).any(|name| name.to_lowercase() == user)
}

fn business_attribute(attribute: &Value) -> Value {
    let own = name(attribute);
    let default = attribute.get("default").and_then(Value::as_str);
    let value = |value: &Value| {
        let text = value.get("value").and_then(Value::as_str).unwrap_or_default();
        let shown = value.get("display_name").and_then(Value::as_str).unwrap_or(text);
        json!({
            "id": object_number::of("attribute_value", &format!("{own}\0{text}")), "name": text, "displayName": shown,
            "description": shown, "default": default == Some(text),
        })
    };
    let values: Vec<Value> =
        attribute.get("values").and_then(Value::as_array).into_iter().flatten().map(value).collect();
    json!({
        "id": object_number::of("business_attribute", own), "name": own, "displayName": own, "description": own,
        "values": values,
    })
}

fn transaction(transaction: &Value) -> Value {
    let alias = transaction.get("alias").and_then(Value::as_str).unwrap_or_else(|| name(transaction));
    let sections = properties::as_lists(transaction.get("sections").unwrap_or(&Value::Null));
    json!({"name": name(transaction), "alias": alias, "userProperties": sections})
}

fn name(document: &Value) -> &str {
    document.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Whether somebody is in a group: by name, or by the skills that its expression asks for.
fn is_in(group: &Value, person: &Value) -> bool {
    if is_named(group, "agents", person) {
        return true;
    }
    let Some(Ok(expression)) = group.get("expression").and_then(Value::as_str).map(SkillExpression::parse) else {
        return false;
    };
    person.pointer("/agent/skills").and_then(Value::as_array).is_some_and(|skills| fits(&expression, skills))
}

fn fits(expression: &SkillExpression, skills: &[Value]) -> bool {
    expression.matches(|name| {
        let of = |skill: &&Value| skill.get("skill").and_then(Value::as_str) == Some(name);
        skills.iter().find(of).and_then(|skill| skill.get("level")?.as_i64()).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> ShownObjects {
        let of = |kind: &str, objects: Vec<Value>| (kind.to_owned(), objects);
        BTreeMap::from([
            of(
                "action_code",
                vec![
                    json!({"code": "Lunch", "name": "Lunch break", "order": 2}),
                    json!({"code": "Tea", "name": "Tea", "order": 1, "action": "forward_on",
                        "subcodes": [{"code": "g", "name": "Green"}]}),
                    json!({"code": "Other", "name": "Other", "order": null}),
                ],
            ),
            of(
                "agent_group",
                vec![
                    json!({
                        "name": "Berlin", "agents": ["Ann"], "managers": ["ANN"],
                        "user_properties": {"interaction-workspace": {"ring": "soft"}, "crm": {"password": "secret"}},
                    }),
                    json!({"name": "Sellers", "agents": [], "expression": "sales >= 5"}),
                    json!({"name": "Others", "agents": ["bob"]}),
                ],
            ),
            of(
                "business_attribute",
                vec![
                    json!({"name": "Language", "values": [{"value": "de", "display_name": "German"}, {"value": "fr"}], "default": "fr"}),
                ],
            ),
            of("switch", vec![json!({"name": "one", "default": false}), json!({"name": "two", "default": true})]),
        ])
    }

    #[test]
    fn somebody_gets_reasons_in_order_and_the_groups_that_the_person_is_in() {
        let ann = json!({"user_name": "ann", "agent": {"skills": [{"skill": "sales", "level": 5}]}});
        let shown = answer(&objects(), &ann);
        let names = |list: &str| -> Vec<String> {
            shown[list].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("actionCodes"), ["Tea", "Lunch break", "Other"]);
        let of = |at: usize| (&shown["actionCodes"][at]["type"], &shown["actionCodes"][at]["subCodes"]);
        assert_eq!(of(0), (&json!("ForwardOn"), &json!([{"name": "Green", "code": "g"}])));
        assert_eq!(of(1), (&json!("NotReady"), &json!([])), "without a word it is a reason for being not ready");
        assert_eq!(names("agentGroups"), ["Berlin", "Sellers"]);
        assert_eq!(names("monitorableAgentGroups"), ["Berlin"], "those that the person manages");
        let settings = json!({"interaction-workspace": {"ring": "soft"}});
        for list in ["agentGroups", "monitorableAgentGroups"] {
            assert_eq!(shown[list][0]["settings"], settings, "what is for programs reaches no desktop");
        }
        assert_eq!(shown["agentGroups"][1]["settings"], json!({}));
        let values = &shown["businessAttributes"][0]["values"];
        assert_eq!((&values[0]["displayName"], &values[1]["displayName"]), (&json!("German"), &json!("fr")));
        assert_eq!((&values[0]["default"], &values[1]["default"]), (&json!(false), &json!(true)));
    }

    #[test]
    fn settings_are_the_section_for_desktops_and_the_code_for_park_slots() {
        let codes = [json!({"code": "*52", "action": "ready"}), json!({"code": "*68", "action": "park"})];
        let told =
            |sections: Value, codes: &[Value]| settings(&[json!({"id": "acme", "user_properties": sections})], codes);
        let setting = |key: &str, value: &str| json!({"key": key, "type": "str", "value": value});
        let section =
            |options: Vec<Value>| json!([{"key": "interaction-workspace", "type": "kvlist", "value": options}]);
        let queues = json!({"interaction-workspace": {"statistics.queues": "sales"}, "crm": {"password": "secret"}});
        let wanted = section(vec![setting("statistics.queues", "sales"), setting("voice.park-code", "*68")]);
        assert_eq!(told(queues, &codes), wanted);
        let own = json!({"interaction-workspace": {"voice.park-code": "*70"}});
        assert_eq!(told(own, &codes), section(vec![setting("voice.park-code", "*70")]));
        assert_eq!((told(json!({}), &codes[..1]), settings(&[], &[])), (json!([]), json!([])));
    }

    #[test]
    fn a_dn_without_a_switch_is_on_the_default_one_or_on_that_of_the_tenants_name() {
        let acme = TenantId::parse("acme").unwrap();
        assert_eq!(default_switch(&objects(), &acme), "two");
        assert_eq!(default_switch(&ShownObjects::new(), &acme), "acme");
    }
}
