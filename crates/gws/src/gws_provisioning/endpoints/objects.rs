//! Objects of any type, and who may do what with them.

use std::collections::HashSet;

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use net::http::Query;
use serde_json::{Map, Value, json};

use super::super::configuration_client::all;
use super::super::found_object::FoundObject;
use super::super::people;
use super::super::published::object;
use super::super::published::object_query::ObjectQuery;
use super::super::published::query::PublishedQuery;
use super::super::request::ProvisioningRequest;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The root of the folders.
const ROOT: &str = "/";
/// The most objects whose permissions are told at once.
const PERMISSIONS_MAX: usize = 500;

fn kind_of(published: &str) -> Result<&'static str, ApiRefusal> {
    let known = if published == "users" { Some("person") } else { object::kind_of(published) };
    known.ok_or_else(|| ApiRefusal::not_found(format!("there are no {published:.64}, but users, {}", object::types())))
}

/// `GET /objects/{object_type}`.
pub(in crate::gws_provisioning) async fn list(
    request: ProvisioningRequest,
    Path(published): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let kind = kind_of(&published)?;
    let query = ObjectQuery::read(&PublishedQuery::of(pairs)?, kind)?;
    let (configuration, asker) = (request.configuration(), request.reads());
    let mut objects = all(configuration, &asker, kind, "").await?;
    if !query.dn_groups.is_empty() {
        let groups = all(configuration, &asker, "dn_group", "").await?;
        let members = members_of(&groups, &query.dn_groups);
        objects.retain(|object| members.contains(object.id.as_str()));
    }
    if query.is_in_use && kind == "skill" {
        let used = people::names_of_used_skills(configuration, &asker).await?;
        objects.retain(|object| used.contains(&object.id.to_lowercase()));
    }
    let (chosen, total) = query.chosen(objects.iter().map(object::shown).collect());
    let mut data = Map::new();
    data.insert(published, chosen.into());
    data.insert("totalCount".to_owned(), total.into());
    Ok(answers::data(&data.into()))
}

/// The DNs of the groups of these names.
fn members_of<'a>(groups: &'a [FoundObject], names: &[String]) -> HashSet<&'a str> {
    let is_meant = |group: &&FoundObject| names.iter().any(|name| name.to_lowercase() == group.id.to_lowercase());
    let members = groups.iter().filter(is_meant).filter_map(|group| group.document["members"].as_array());
    members.flatten().filter_map(|member| member["dn"].as_str()).collect()
}

/// `GET /objects/{object_type}/permissions`: who may do what with objects, by their numbers.
pub(in crate::gws_provisioning) async fn permissions(
    request: ProvisioningRequest,
    Path(published): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let query = PublishedQuery::of(pairs)?;
    permissions_of(&request, &published, &query.names("dbids")).await
}

/// `POST /objects/{object_type}/permissions`: the same for many.
pub(in crate::gws_provisioning) async fn permissions_of_many(
    request: ProvisioningRequest,
    Path(published): Path<String>,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    permissions_of(&request, &published, &ids_of(&body)?).await
}

/// The objects that a body names, each by its number or else by its name.
fn ids_of(body: &[u8]) -> Result<Vec<String>, ApiRefusal> {
    let body = read_body(body)?;
    let objects = body["data"]["objectIds"].as_array().map(Vec::as_slice).unwrap_or_default();
    let id = |object: &Value| match &object["id"] {
        Value::String(id) => Some(id.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => object["name"].as_str().map(str::to_owned),
    };
    Ok(objects.iter().filter_map(id).collect())
}

/// `GET /objects/users/permissions`: the same for people.
pub(in crate::gws_provisioning) async fn permissions_of_people(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let query = PublishedQuery::of(pairs)?;
    permissions_of(&request, "users", &query.names("dbids")).await
}

/// `POST /objects/users/permissions`: the same for many people.
pub(in crate::gws_provisioning) async fn permissions_of_named(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    permissions_of(&request, "users", &ids_of(&body)?).await
}

async fn permissions_of(
    request: &ProvisioningRequest,
    published: &str,
    ids: &[String],
) -> Result<Response, ApiRefusal> {
    let kind = kind_of(published)?;
    if ids.is_empty() || ids.len() > PERMISSIONS_MAX {
        let words = format!("dbids: {} objects are named, 1 to {PERMISSIONS_MAX} must be", ids.len());
        return Err(ApiRefusal::bad_request(words));
    }
    let (configuration, asker) = (request.configuration(), request.reads());
    let objects = all(configuration, &asker, kind, "").await?;
    let folders = all(configuration, &asker, "folder", "").await?;
    let is_meant = |object: &&FoundObject| ids.iter().any(|id| *id == object.number.to_string() || *id == object.id);
    let lists: Vec<Value> = objects.iter().filter(is_meant).map(|object| permission_list(object, &folders)).collect();
    Ok(answers::data(&json!({ "ACLs": lists })))
}

/// What the folder of an object says of it, what those around it say as far as that propagates, the nearest first, and what the object
/// itself says.
fn permission_list(object: &FoundObject, folders: &[FoundObject]) -> Value {
    let own = if object.kind == "folder" { object.id.as_str() } else { object.text("/folder").unwrap_or(ROOT) };
    let around = std::iter::successors(Some(own), |&path| {
        (path != ROOT).then(|| path.rsplit_once('/').map_or(ROOT, |(around, _)| around))
    });
    let permissions: Vec<Value> = around.flat_map(|path| said_of_objects_in(own, path, folders)).collect();
    let from = permissions.first().map_or(json!(ROOT), |nearest| nearest["from"].clone());
    let entries = object.document["own_permissions"].as_array().cloned().unwrap_or_default();
    let data = json!({"folder": own, "from": from, "permissions": permissions, "ownPermissions": entries});
    json!({"schema": {"DBID": object.number, "data": data}})
}

/// The entries of the folder at `path` that hold for the objects of the folder `own`, which is that one or is in it.
fn said_of_objects_in(own: &str, path: &str, folders: &[FoundObject]) -> Vec<Value> {
    let folder = folders.iter().find(|folder| folder.id.to_lowercase() == path.to_lowercase());
    let said = folder.and_then(|folder| folder.document["permissions"].as_array()).into_iter().flatten();
    let holding = said.filter(|entry| path == own || entry["propagate"] != json!(false));
    let told = |entry: &Value| {
        let mut entry = entry.clone();
        entry["from"] = json!(path);
        entry
    };
    holding.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, id: &str, document: Value) -> FoundObject {
        FoundObject { kind: kind.to_owned(), id: id.to_owned(), document, ..FoundObject::default() }
    }

    #[test]
    fn permissions_are_those_of_the_folder_of_those_around_it_that_propagate_and_of_the_object() {
        let folders = [
            object(
                "folder",
                "Berlin",
                json!({"path": "Berlin", "permissions": [
                    {"group": "Night", "rights": ["read"], "propagate": true},
                    {"group": "Day", "rights": ["read"], "propagate": false},
                ]}),
            ),
            object("folder", "Berlin/Sales", json!({"path": "Berlin/Sales", "permissions": []})),
            object("folder", "/", json!({"path": "/", "permissions": [{"group": "Everyone", "rights": ["read"]}]})),
        ];
        let own = json!([{"person": "bob", "rights": ["read"]}]);
        let ann = object("person", "ann", json!({"folder": "Berlin/Sales", "own_permissions": own}));
        let list = permission_list(&ann, &folders);
        assert_eq!(
            (&list["schema"]["data"]["from"], &list["schema"]["data"]["folder"]),
            (&json!("Berlin"), &json!("Berlin/Sales"))
        );
        let told = |list: &Value| -> Vec<(Value, Value)> {
            let entries = list["schema"]["data"]["permissions"].as_array().unwrap();
            entries.iter().map(|entry| (entry["group"].clone(), entry["from"].clone())).collect()
        };
        assert_eq!(told(&list), [(json!("Night"), json!("Berlin")), (json!("Everyone"), json!("/"))]);
        assert_eq!(list["schema"]["data"]["ownPermissions"], own);
        let berlin = permission_list(&folders[0], &folders);
        let due = [("Night", "Berlin"), ("Day", "Berlin"), ("Everyone", "/")];
        assert_eq!(told(&berlin), due.map(|(group, from)| (json!(group), json!(from))));
        let bob = permission_list(&object("person", "bob", json!({})), &folders[..2]);
        let of_bob = &bob["schema"]["data"];
        assert_eq!((&of_bob["permissions"], &of_bob["ownPermissions"]), (&json!([]), &json!([])));
        assert_eq!((&of_bob["folder"], &of_bob["from"]), (&json!("/"), &json!("/")));
    }

    #[test]
    fn objects_of_a_body_are_named_by_number_or_by_name() {
        let body = json!({"data": {"objectIds": [{"id": "17"}, {"id": 18, "name": "ann"}, {"name": "bob"}, {}]}});
        assert_eq!(ids_of(body.to_string().as_bytes()).unwrap(), ["17", "18", "bob"]);
        assert!(ids_of(b"").unwrap().is_empty());
        assert_eq!(ids_of(b"{").unwrap_err().body()["status"]["code"], 400);
    }

    #[test]
    fn members_are_those_of_the_named_groups_alone() {
        let groups = [
            object("dn_group", "East", json!({"members": [{"dn": "7101"}, {"dn": "7102"}]})),
            object("dn_group", "West", json!({"members": [{"dn": "7201"}]})),
        ];
        let members = members_of(&groups, &["EAST".to_owned()]);
        assert!(members.contains("7101") && members.contains("7102") && !members.contains("7201"));
    }

    #[test]
    fn a_type_that_is_not_known_is_named_with_those_that_are() {
        assert_eq!((kind_of("users").unwrap(), kind_of("dns").unwrap()), ("person", "dn"));
        let refused = kind_of("windmills").unwrap_err().body();
        assert!(refused["status"]["message"].as_str().unwrap().contains("agent-groups"), "{refused}");
    }
}
