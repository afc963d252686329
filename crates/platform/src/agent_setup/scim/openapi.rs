//! The OpenAPI document of SCIM. The shapes of resources follow from the attributes that `Schemas` tells.

use contracts::openapi::OpenApi;
use serde_json::{Map, Value, json};

use super::discovery::{group_attributes, user_attributes};
use crate::described_operation::{Answered, Content, DescribedOperation, Named, described, object_of_texts};
use crate::scim_error::MEDIA_TYPE;

/// Where it is served: it is the same for every tenant.
pub(super) const PATH: &str = "/scim/v2/openapi.json";

const USER: Content = (MEDIA_TYPE, "User");
const GROUP: Content = (MEDIA_TYPE, "Group");
const LIST: Content = (MEDIA_TYPE, "ListResponse");
const DESCRIPTION: Content = (MEDIA_TYPE, "Description");
const PATCH: Content = (MEDIA_TYPE, "PatchOp");
const ERROR: Option<Content> = Some((MEDIA_TYPE, "Error"));
const TOKEN: &[&str] = &["callerToken"];

const SHOWN: &[Named] = &[
    ("attributes", "these attributes alone, with commas between them"),
    ("excludedAttributes", "all but these attributes"),
];
const LISTED: &[Named] = &[
    ("filter", "which, as `userName eq \"ada.adler\"`"),
    ("startIndex", "the first of them, from 1"),
    ("count", "at most so many"),
    ("attributes", "these attributes alone, with commas between them"),
    ("excludedAttributes", "all but these attributes"),
];
/// What every operation may answer too.
const COMMON: &[Answered] = &[
    ("400", "the request cannot be read, or a value breaks a rule", ERROR),
    ("401", "no valid token", ERROR),
    ("403", "a missing scope, or a right that the caller has not", ERROR),
    ("404", "there is no such tenant or resource", ERROR),
    ("408", "the body did not come in time", ERROR),
    ("409", "there is such a resource, or somebody else changes the same", ERROR),
    ("412", "the resource has another version than If-Match names", ERROR),
    ("413", "the body is too large", ERROR),
    ("415", "the body is not JSON", ERROR),
    ("429", "this tenant or caller has used its share: repeat after Retry-After", ERROR),
    ("500", "what is stored cannot be read", ERROR),
    ("501", "this is not supported", ERROR),
    ("502", "the request was not carried out", ERROR),
    ("503", "not ready yet, or too many requests are in progress: repeat after Retry-After", ERROR),
    ("504", "no answer in time: whether a change was made is not known", ERROR),
];
const UNSUPPORTED: &[Answered] = &[("501", "this is not supported, as ServiceProviderConfig says", ERROR)];
const DESCRIBED: &[Answered] = &[("200", "it", Some(DESCRIPTION))];
const ALL_DESCRIBED: &[Answered] = &[("200", "all of them", Some(LIST))];
const ONE_USER: &[Answered] = &[("200", "the user", Some(USER))];
const ONE_GROUP: &[Answered] = &[("200", "the group", Some(GROUP))];
const GONE: &[Answered] = &[("204", "it is done", None)];

const fn get(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    answers: &'static [Answered],
) -> DescribedOperation {
    DescribedOperation::get(path, id, summary, answers).proved_by(TOKEN)
}

const USERS: &str = "/scim/v2/{tenant}/Users";
const USER_AT: &str = "/scim/v2/{tenant}/Users/{id}";
const GROUPS: &str = "/scim/v2/{tenant}/Groups";
const GROUP_AT: &str = "/scim/v2/{tenant}/Groups/{id}";

static OPERATIONS: [DescribedOperation; 20] = [
    get(
        "/scim/v2/{tenant}/ServiceProviderConfig",
        "serviceProviderConfig",
        "What this service can do",
        &[("200", "it", Some(DESCRIPTION))],
    ),
    get("/scim/v2/{tenant}/ResourceTypes", "resourceTypes", "The types of resources", ALL_DESCRIBED),
    get("/scim/v2/{tenant}/ResourceTypes/{id}", "resourceType", "A type of resources", DESCRIBED),
    get("/scim/v2/{tenant}/Schemas", "schemas", "The attributes of resources", ALL_DESCRIBED),
    get("/scim/v2/{tenant}/Schemas/{id}", "schema", "The attributes of a type of resources", DESCRIBED),
    get(USERS, "listUsers", "People of the tenant; needs config:read", &[("200", "a page of them", Some(LIST))])
        .asking(LISTED),
    get(USERS, "createUser", "Add a person; needs config:write", &[("201", "the user", Some(USER))])
        .by("post")
        .asking(SHOWN)
        .taking(USER),
    get(
        USER_AT,
        "getUser",
        "A person; needs config:read",
        &[("200", "the user", Some(USER)), ("304", "the caller has this version already (If-None-Match)", None)],
    )
    .asking(SHOWN),
    get(USER_AT, "replaceUser", "Replace a person's attributes; needs config:write", ONE_USER)
        .by("put")
        .asking(SHOWN)
        .taking(USER),
    get(USER_AT, "patchUser", "Change some of a person's attributes; needs config:write", ONE_USER)
        .by("patch")
        .asking(SHOWN)
        .taking(PATCH),
    get(USER_AT, "deleteUser", "Remove a person; needs config:write", GONE).by("delete"),
    get(GROUPS, "listGroups", "Privileges, and who has them; needs config:read", &[("200", "a page", Some(LIST))])
        .asking(LISTED),
    get(GROUPS, "createGroup", "Groups are not made", UNSUPPORTED).by("post").taking(GROUP),
    get(GROUP_AT, "getGroup", "A privilege, and who has it; needs config:read", ONE_GROUP).asking(SHOWN),
    get(GROUP_AT, "replaceGroup", "Give a privilege to these people alone; needs config:write", ONE_GROUP)
        .by("put")
        .asking(SHOWN)
        .taking(GROUP),
    get(GROUP_AT, "patchGroup", "Give people a privilege, or take it from them; needs config:write", GONE)
        .by("patch")
        .taking(PATCH),
    get(GROUP_AT, "deleteGroup", "Groups are not deleted", UNSUPPORTED).by("delete"),
    get("/scim/v2/{tenant}/Me", "me", "Whoever asks is no resource", UNSUPPORTED),
    get("/scim/v2/{tenant}/Bulk", "bulk", "Several requests in one", UNSUPPORTED).by("post"),
    get(
        PATH,
        "document",
        "This document; any caller may read it",
        &[("200", "it", Some(("application/json", "Document")))],
    ),
];

/// The OpenAPI document of SCIM.
pub fn scim_openapi() -> Value {
    let api = described(OpenApi::new("Trunkline: SCIM"), &OPERATIONS, COMMON);
    let shapes = [
        ("User", resource(&user_attributes())),
        ("Group", resource(&group_attributes())),
        ("ListResponse", list()),
        ("Description", json!({ "type": "object", "properties": { "schemas": schemas() }, "required": ["schemas"] })),
        ("PatchOp", patch()),
        ("Error", error()),
        ("Document", json!({ "type": "object" })),
    ];
    shapes.into_iter().fold(api, |api, (name, shape)| api.shape(name, shape)).into_json()
}

/// A resource with these attributes (RFC 7643 section 3).
fn resource(attributes: &[Value]) -> Value {
    let mut resource = object(attributes);
    let meta = [("resourceType", "User or Group"), ("location", "where it is"), ("version", "which it is")];
    resource["properties"]["schemas"] = schemas();
    resource["properties"]["id"] = json!({ "type": "string", "readOnly": true });
    resource["properties"]["externalId"] = json!({ "type": "string" });
    resource["properties"]["meta"] = object_of_texts(&meta, &[]);
    resource
}

fn object(attributes: &[Value]) -> Value {
    let members: Map<String, Value> = attributes
        .iter()
        .filter_map(|attribute| Some((attribute["name"].as_str()?.to_owned(), member(attribute))))
        .collect();
    let needed: Vec<&Value> = attributes
        .iter()
        .filter(|attribute| attribute["required"] == true)
        .map(|attribute| &attribute["name"])
        .collect();
    json!({ "type": "object", "properties": members, "required": needed })
}

fn member(attribute: &Value) -> Value {
    let mut one = match attribute["type"].as_str() {
        Some("complex") => object(attribute["subAttributes"].as_array().map(Vec::as_slice).unwrap_or_default()),
        Some("boolean") => json!({ "type": "boolean" }),
        _ => json!({ "type": "string" }),
    };
    if attribute["multiValued"] == true {
        one = json!({ "type": "array", "items": one });
    }
    one["description"] = attribute["description"].clone();
    match attribute["mutability"].as_str() {
        Some("readOnly") => one["readOnly"] = true.into(),
        Some("writeOnly") => one["writeOnly"] = true.into(),
        _ => {}
    }
    one
}

fn schemas() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

/// RFC 7644 section 3.4.2.
fn list() -> Value {
    let number = json!({ "type": "integer" });
    json!({
        "type": "object",
        "properties": {
            "schemas": schemas(),
            "totalResults": number,
            "startIndex": number,
            "itemsPerPage": number,
            "Resources": { "type": "array", "items": { "type": "object" } },
        },
        "required": ["schemas", "totalResults"],
    })
}

/// RFC 7644 section 3.5.2.
fn patch() -> Value {
    json!({
        "type": "object",
        "properties": {
            "schemas": schemas(),
            "Operations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": { "op": { "type": "string" }, "path": { "type": "string" }, "value": {} },
                    "required": ["op"],
                },
            },
        },
        "required": ["schemas", "Operations"],
    })
}

/// RFC 7644 section 3.12.
fn error() -> Value {
    let mut error = object_of_texts(
        &[("status", "the status, as text"), ("scimType", "which fault it is"), ("detail", "for people")],
        &["status"],
    );
    error["properties"]["schemas"] = schemas();
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::described_operation::faults;

    #[test]
    fn resources_have_the_attributes_that_schemas_tells() {
        let document = scim_openapi();
        assert_eq!(faults(&document), Vec::<String>::new());
        let user = &document["components"]["schemas"]["User"];
        for attribute in user_attributes() {
            let name = attribute["name"].as_str().unwrap();
            assert_eq!(user["properties"][name]["description"], attribute["description"], "{name}");
        }
        assert_eq!(user["required"], json!(["userName", "name"]));
        assert_eq!(user["properties"]["password"]["writeOnly"], true);
        assert_eq!(user["properties"]["emails"]["items"]["properties"]["value"]["type"], "string");
        assert_eq!(user["properties"]["active"]["type"], "boolean");
    }
}
