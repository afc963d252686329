//! Capacity rules, and the statistics that a tenant defines.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use contracts::provisioning::ObjectAnnex;
use net::http::Query;
use serde_json::{Map, Value, json};

use super::super::configuration_client::{all, change, one};
use super::super::found_object::FoundObject;
use super::super::published::query::PublishedQuery;
use super::super::request::ProvisioningRequest;
use super::settings::numbered;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The kinds of what is here.
const RULE: &str = "capacity_rule";
pub(super) const DEFINITION: &str = "statistic_definition";
/// Published media, and their names in a rule.
const MEDIA: [(&str, &str); 6] = [
    ("voice", "voice"),
    ("chat", "chat"),
    ("email", "email"),
    ("sms", "sms"),
    ("video", "video"),
    ("workitem", "work_item"),
];
/// The most definitions of one request.
const DEFINITIONS_MAX: usize = 500;

fn wrong(field: &str, rule: &str) -> ApiRefusal {
    ApiRefusal::bad_request(format!("{field}: {rule}"))
}

// === capacity rules ===

fn shown_rule(rule: &FoundObject) -> Value {
    let media = MEDIA.iter().filter_map(|(published, own)| {
        let most = rule.document["media"][*own].as_u64()?;
        Some(((*published).to_owned(), Value::from(most)))
    });
    let media: Map<String, Value> = media.collect();
    json!({"DBID": rule.number, "name": rule.id, "mediaRules": media})
}

/// `GET /capacity-rules`: all of them, or the one of a number or a name.
pub(in crate::gws_provisioning) async fn capacity_rules(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let query = PublishedQuery::of(pairs)?;
    let (number, name) = (query.number("script_dbid")?, query.text("name").map(str::to_lowercase));
    let rules = all(request.configuration(), &request.reads(), RULE, "").await?;
    let is_meant = |rule: &&FoundObject| {
        number.is_none_or(|number| u64::try_from(number).is_ok_and(|number| number == rule.number))
            && name.as_ref().is_none_or(|name| rule.id.to_lowercase() == *name)
    };
    let shown: Vec<Value> = rules.iter().filter(is_meant).map(shown_rule).collect();
    Ok(answers::data(&json!({ "capacityRules": shown })))
}

/// The media of a rule, with those of a body.
fn media(before: &Value, data: &Value) -> Result<Map<String, Value>, ApiRefusal> {
    let own_name = |published: &String| {
        let known = MEDIA.iter().find(|(name, _)| name.eq_ignore_ascii_case(published));
        let all = || MEDIA.map(|(name, _)| name).join(", ");
        known.map(|(_, own)| *own).ok_or_else(|| wrong("mediaRules", &format!("{published:.64} is none of {}", all())))
    };
    let mut media = before.as_object().cloned().unwrap_or_default();
    for name in data["deletedMediaRules"].as_array().into_iter().flatten() {
        media.remove(own_name(&name.as_str().unwrap_or_default().to_owned())?);
    }
    for (name, most) in data["mediaRules"].as_object().into_iter().flatten() {
        let number = most.as_u64().or_else(|| most.as_str()?.trim().parse().ok());
        let number = number.ok_or_else(|| wrong("mediaRules", &format!("{name:.64} is no number")))?;
        media.insert(own_name(name)?.to_owned(), number.into());
    }
    Ok(media)
}

/// The number of a rule in a path.
fn read_number(written: &str) -> Result<usize, ApiRefusal> {
    written.parse().map_err(|_| wrong("script_dbid", &format!("{written:.64} is no number")))
}

/// `POST /capacity-rules`: makes one.
pub(in crate::gws_provisioning) async fn add_capacity_rule(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let data = &body["data"];
    let name = data["name"].as_str().map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| wrong("name", "it is missing"))?;
    let put = json!({"name": name, "media": media(&Value::Null, data)?});
    let made = json!({"kind": RULE, "id": name, "expectedRevision": 0, "put": put});
    change(request.configuration(), &request.changes()?, &[made]).await?;
    Ok(answers::done())
}

/// `PUT /capacity-rules/{script_dbid}`: changes one.
pub(in crate::gws_provisioning) async fn update_capacity_rule(
    request: ProvisioningRequest,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let number = read_number(&number)?;
    let body = read_body(&body)?;
    let data = &body["data"];
    let rules = all(request.configuration(), &request.reads(), RULE, "").await?;
    let rule = numbered(rules, number, "script_dbid")?;
    if data["name"].as_str().is_some_and(|name| name.to_lowercase() != rule.id.to_lowercase()) {
        return Err(wrong("name", "it names the rule, and cannot be changed: make another one"));
    }
    let put = json!({"media": media(&rule.document["media"], data)?});
    let changed = json!({
        "kind": RULE, "id": rule.id, "expectedRevision": rule.revision, "put": put, "fields": ["media"],
    });
    change(request.configuration(), &request.changes()?, &[changed]).await?;
    Ok(answers::done())
}

/// `DELETE /capacity-rules/{script_dbid}`: removes one.
pub(in crate::gws_provisioning) async fn remove_capacity_rule(
    request: ProvisioningRequest,
    Path(number): Path<String>,
) -> Result<Response, ApiRefusal> {
    let number = read_number(&number)?;
    let rules = all(request.configuration(), &request.reads(), RULE, "").await?;
    let rule = numbered(rules, number, "script_dbid")?;
    let removed = json!({"kind": RULE, "id": rule.id, "delete": true});
    change(request.configuration(), &request.changes()?, &[removed]).await?;
    Ok(answers::done())
}

// === statistics ===

/// Definitions by the types of objects that may have them, and by name.
pub(super) fn shown_definitions(definitions: &[FoundObject]) -> Value {
    let mut by_type: Map<String, Value> = Map::new();
    for definition in definitions {
        for object_type in definition.names("/objects") {
            let of_type = by_type.entry(object_type).or_insert_with(|| json!({}));
            of_type[definition.id.as_str()] = definition.document.clone();
        }
    }
    by_type.into()
}

/// `GET /statistic-definitions`.
pub(in crate::gws_provisioning) async fn statistic_definitions(
    request: ProvisioningRequest,
) -> Result<Response, ApiRefusal> {
    let found = all(request.configuration(), &request.reads(), DEFINITION, "").await?;
    Ok(answers::data(&json!({"statusCode": 0, "statisticDefinitions": shown_definitions(&found)})))
}

/// The documents of the definitions of a body, by name: one of several types is one definition.
fn wanted_definitions(data: &Value) -> Result<Map<String, Value>, ApiRefusal> {
    let by_type =
        data["statisticDefinitions"].as_object().ok_or_else(|| wrong("statisticDefinitions", "it is missing"))?;
    let mut wanted: Map<String, Value> = Map::new();
    for (object_type, definitions) in by_type {
        let rule = || wrong("statisticDefinitions", &format!("{object_type:.64} is no object of definitions"));
        for (name, definition) in definitions.as_object().ok_or_else(rule)? {
            let mut document = definition.as_object().ok_or_else(rule)?.clone();
            let mut objects = match wanted.get(name).and_then(|before| before["objects"].as_array()) {
                Some(objects) => objects.clone(),
                None => document.get("objects").and_then(Value::as_array).cloned().unwrap_or_default(),
            };
            if !objects.iter().any(|one| one == object_type.as_str()) {
                objects.push(object_type.clone().into());
            }
            document.insert("name".to_owned(), name.clone().into());
            document.insert("objects".to_owned(), objects.into());
            wanted.insert(name.clone(), document.into());
        }
    }
    if wanted.is_empty() || wanted.len() > DEFINITIONS_MAX {
        let words = format!("{} are given, 1 to {DEFINITIONS_MAX} must be", wanted.len());
        return Err(wrong("statisticDefinitions", &words));
    }
    Ok(wanted)
}

/// A document with the folder, the own properties and the entries that the definition has, where it says nothing of them: published clients
/// know of none, and without them it would be open to others.
fn keeping_annex(mut document: Value, before: Option<&FoundObject>) -> Value {
    for field in ObjectAnnex::FIELDS {
        if document.get(field).is_none()
            && let Some(kept) = before.and_then(|before| before.document.get(field))
        {
            document[field] = kept.clone();
        }
    }
    document
}

/// Makes or changes those of a body or a file, all or none.
pub(super) async fn put_definitions(request: &ProvisioningRequest, given: &Value) -> Result<(), ApiRefusal> {
    let wanted = wanted_definitions(given)?;
    let found = all(request.configuration(), &request.reads(), DEFINITION, "").await?;
    let before: HashMap<&str, &FoundObject> = found.iter().map(|one| (one.id.as_str(), one)).collect();
    let put = |(name, document): (&String, &Value)| {
        let document = keeping_annex(document.clone(), before.get(name.as_str()).copied());
        json!({"kind": DEFINITION, "id": name, "put": document})
    };
    let changes: Vec<Value> = wanted.iter().map(put).collect();
    change(request.configuration(), &request.changes()?, &changes).await.map(drop)
}

/// `POST /statistic-definitions`: makes or changes some.
pub(in crate::gws_provisioning) async fn put_statistic_definitions(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    put_definitions(&request, &read_body(&body)?["data"]).await?;
    let found = all(request.configuration(), &request.reads(), DEFINITION, "").await?;
    Ok(answers::data(&json!({"statusCode": 0, "statisticDefinitions": shown_definitions(&found)})))
}

/// `GET /statistic-definitions/migrate-check-for-conflicts`: none. Definitions have one form here, and none of before.
pub(in crate::gws_provisioning) async fn conflicts_of_migration(_: ProvisioningRequest) -> Response {
    answers::data(&json!({"migrations": {}}))
}

/// `POST /statistic-definitions/migrate`: there is nothing to migrate.
pub(in crate::gws_provisioning) async fn migrate(request: ProvisioningRequest) -> Result<Response, ApiRefusal> {
    request.changes()?;
    Ok(answers::done())
}

/// The definition of that name which objects of the type may have.
async fn definition_of(
    request: &ProvisioningRequest,
    object_type: &str,
    name: &str,
) -> Result<FoundObject, ApiRefusal> {
    let found = one(request.configuration(), &request.reads(), DEFINITION, name).await?;
    let unknown = || ApiRefusal::not_found(format!("there is no {object_type:.64} statistic {name:.64}"));
    found.filter(|found| found.names("/objects").contains(&object_type)).ok_or_else(unknown)
}

/// `GET /statistic-definitions/{type}/{name}`.
pub(in crate::gws_provisioning) async fn statistic_definition(
    request: ProvisioningRequest,
    Path((object_type, name)): Path<(String, String)>,
) -> Result<Response, ApiRefusal> {
    let definition = definition_of(&request, &object_type, &name).await?;
    Ok(answers::data(&json!({"statusCode": 0, "statisticDefinition": definition.document})))
}

/// The document that a definition becomes: that of the body, for the type, and for those that have it already.
fn put_definition(
    (object_type, name): (&str, &str),
    data: &Value,
    before: Option<&FoundObject>,
) -> Result<Value, ApiRefusal> {
    let given = data.as_object().ok_or_else(|| wrong("data", "it is no definition"))?;
    let wanted = wanted_definitions(&json!({"statisticDefinitions": {object_type: {name: given}}}))?;
    let mut document = wanted.get(name).cloned().unwrap_or_default();
    let further = before.map(|before| before.names("/objects")).unwrap_or_default();
    if let Some(objects) = document["objects"].as_array_mut() {
        for of in further {
            if !objects.iter().any(|one| one == of) {
                objects.push(of.into());
            }
        }
    }
    Ok(keeping_annex(document, before))
}

/// `PUT /statistic-definitions/{type}/{name}`: makes one, or changes it; the other types that have it keep it.
pub(in crate::gws_provisioning) async fn put_statistic_definition(
    request: ProvisioningRequest,
    Path((object_type, name)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let asker = request.changes()?;
    let before = one(request.configuration(), &request.reads(), DEFINITION, &name).await?;
    let document = put_definition((&object_type, &name), &body["data"], before.as_ref())?;
    let mut put = json!({"kind": DEFINITION, "id": name, "put": document});
    if let Some(before) = &before {
        put["expectedRevision"] = before.revision.into();
    }
    change(request.configuration(), &asker, &[put]).await?;
    Ok(answers::data(&json!({"statusCode": 0, "statisticDefinition": document})))
}

/// `DELETE /statistic-definitions/{type}/{name}`: objects of the type have it no longer; one that no type has is gone.
pub(in crate::gws_provisioning) async fn remove_statistic_definition(
    request: ProvisioningRequest,
    Path((object_type, name)): Path<(String, String)>,
) -> Result<Response, ApiRefusal> {
    let definition = definition_of(&request, &object_type, &name).await?;
    let left: Vec<&str> = definition.names("/objects").into_iter().filter(|one| *one != object_type).collect();
    let changed = match left.is_empty() {
        true => json!({"kind": DEFINITION, "id": definition.id, "delete": true}),
        false => json!({
            "kind": DEFINITION, "id": definition.id, "expectedRevision": definition.revision,
            "put": {"objects": left}, "fields": ["objects"],
        }),
    };
    change(request.configuration(), &request.changes()?, &[changed]).await?;
    Ok(answers::done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_is_named() {
        assert_eq!(read_number("17").unwrap(), 17);
        for written in ["", "ann", "-1", "1.5"] {
            let refused = read_number(written).unwrap_err().body();
            assert!(refused["status"]["message"].as_str().unwrap().starts_with("script_dbid: "), "{refused}");
        }
    }

    #[test]
    fn media_are_changed_by_their_published_names() {
        let before = json!({"voice": 1, "chat": 3});
        let data = json!({"mediaRules": {"workitem": 2, "Voice": "4"}, "deletedMediaRules": ["chat"]});
        assert_eq!(Value::from(media(&before, &data).unwrap()), json!({"voice": 4, "work_item": 2}));
        for wrong in [json!({"mediaRules": {"fax": 1}}), json!({"mediaRules": {"voice": "many"}})] {
            let refused = media(&before, &wrong).unwrap_err().body();
            assert!(refused["status"]["message"].as_str().unwrap().starts_with("mediaRules"), "{refused}");
        }
    }

    #[test]
    fn a_definition_that_is_put_stays_where_it_is_and_open_to_whom_it_was() {
        let entries = json!([{"group": "Leads", "person": null, "rights": ["read"], "no_access": false}]);
        let document = json!({"name": "Calls", "folder": "Board", "own_permissions": entries, "objects": ["Agent"]});
        let before = FoundObject { id: "Calls".to_owned(), document, ..FoundObject::default() };
        let put = |data: Value| put_definition(("Agent", "Calls"), &data, Some(&before)).unwrap();
        let kept = put(json!({"category": "TotalTime"}));
        assert_eq!((&kept["folder"], &kept["own_permissions"]), (&json!("Board"), &entries));
        assert!(kept.get("user_properties").is_none(), "{kept}");
        let moved = put(json!({"category": "TotalTime", "folder": "Open", "own_permissions": []}));
        assert_eq!((&moved["folder"], &moved["own_permissions"]), (&json!("Open"), &json!([])));
        assert_eq!(keeping_annex(json!({"name": "New"}), None), json!({"name": "New"}));
    }

    #[test]
    fn a_definition_stands_under_each_type_that_has_it() {
        let calls = json!({"Calls": {"category": "TotalNumber"}});
        let wanted = wanted_definitions(&json!({"statisticDefinitions": {"Agent": calls, "Queue": calls}})).unwrap();
        assert_eq!(wanted["Calls"], json!({"name": "Calls", "category": "TotalNumber", "objects": ["Agent", "Queue"]}));
        let shown_of = |document: &Value| FoundObject {
            id: "Calls".to_owned(),
            document: document.clone(),
            ..FoundObject::default()
        };
        let shown = shown_definitions(&[shown_of(&wanted["Calls"])]);
        assert_eq!(shown["Agent"]["Calls"], shown["Queue"]["Calls"]);
        assert!(wanted_definitions(&json!({"statisticDefinitions": {}})).is_err());
        let put = |of: &str, data: &Value, before| put_definition((of, "Calls"), data, before);
        let data = json!({"category": "TotalTime"});
        let before = shown_of(&wanted["Calls"]);
        let changed = put("GroupAgents", &data, Some(&before)).unwrap();
        assert_eq!(changed["objects"], json!(["GroupAgents", "Agent", "Queue"]), "who has it keeps it");
        assert_eq!((&changed["name"], &changed["category"]), (&json!("Calls"), &json!("TotalTime")));
        assert_eq!(put("Agent", &data, None).unwrap()["objects"], json!(["Agent"]));
        assert!(put("Agent", &Value::Null, None).unwrap_err().message().starts_with("data: "));
    }
}
