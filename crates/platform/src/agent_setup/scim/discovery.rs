//! What this service can do (RFC 7643 sections 5 to 7): `ServiceProviderConfig`, `ResourceTypes`, `Schemas`.

use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::answers::document;
use super::listing::{COUNT_MAX, ListAsked, whole};
use super::people::ScimPeople;
use super::syntax::{GROUP_SCHEMA, USER_SCHEMA};
use crate::scim_error::ScimError;

const CONFIGURATION_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

pub(super) async fn configuration(people: ScimPeople) -> Response {
    document(StatusCode::OK, &configuration_at(&people.location("ServiceProviderConfig")))
}

/// 501: for requests that RFC 7644 has and this service has not. Only who has a right to the tenant hears it.
pub(super) async fn not_implemented(_: ScimPeople) -> ScimError {
    ScimError::new(StatusCode::NOT_IMPLEMENTED, "this is not supported, as ServiceProviderConfig and ResourceTypes say")
}

fn configuration_at(location: &str) -> Value {
    json!({
        "schemas": [CONFIGURATION_SCHEMA],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": COUNT_MAX },
        "changePassword": { "supported": true },
        "sort": { "supported": false },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A caller token of the tenant with the scopes config:read and config:write",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": location },
    })
}

pub(super) async fn resource_types(people: ScimPeople, RawQuery(query): RawQuery) -> Result<Response, ScimError> {
    unfiltered(query.as_deref())?;
    let all = ["User", "Group"].iter().filter_map(|name| type_at(name, &people)).collect();
    Ok(document(StatusCode::OK, &whole(all)))
}

pub(super) async fn resource_type(
    people: ScimPeople,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, ScimError> {
    let found = type_at(&id, &people).ok_or_else(|| ScimError::not_found("there is no such resource type"))?;
    Ok(document(StatusCode::OK, &found))
}

fn type_at(name: &str, people: &ScimPeople) -> Option<Value> {
    let (endpoint, description, schema) = match name {
        "User" => ("/Users", "A person of the tenant", USER_SCHEMA),
        "Group" => ("/Groups", "A privilege and who has it; groups are neither made nor deleted", GROUP_SCHEMA),
        _ => return None,
    };
    Some(json!({
        "schemas": [RESOURCE_TYPE_SCHEMA],
        "id": name,
        "name": name,
        "endpoint": endpoint,
        "description": description,
        "schema": schema,
        "meta": { "resourceType": "ResourceType", "location": people.location(&format!("ResourceTypes/{name}")) },
    }))
}

pub(super) async fn schemas(people: ScimPeople, RawQuery(query): RawQuery) -> Result<Response, ScimError> {
    unfiltered(query.as_deref())?;
    let all = [USER_SCHEMA, GROUP_SCHEMA].iter().filter_map(|id| schema_at(id, &people)).collect();
    Ok(document(StatusCode::OK, &whole(all)))
}

pub(super) async fn schema(people: ScimPeople, Path((_, id)): Path<(String, String)>) -> Result<Response, ScimError> {
    let found = schema_at(&id, &people).ok_or_else(|| ScimError::not_found("there is no such schema"))?;
    Ok(document(StatusCode::OK, &found))
}

fn schema_at(id: &str, people: &ScimPeople) -> Option<Value> {
    let (name, description, attributes) = match id {
        USER_SCHEMA => ("User", "A person of the tenant", user_attributes()),
        GROUP_SCHEMA => ("Group", "A privilege and who has it", group_attributes()),
        _ => return None,
    };
    Some(json!({
        "schemas": [SCHEMA_SCHEMA],
        "id": id,
        "name": name,
        "description": description,
        "attributes": attributes,
        "meta": { "resourceType": "Schema", "location": people.location(&format!("Schemas/{id}")) },
    }))
}

/// RFC 7644 section 4: these documents are not filtered.
fn unfiltered(query: Option<&str>) -> Result<(), ScimError> {
    match ListAsked::read(query)?.filter {
        Some(_) => Err(ScimError::new(StatusCode::FORBIDDEN, "filter: this list is not filtered")),
        None => Ok(()),
    }
}

// === attributes (RFC 7643 section 7) ===

/// How often an attribute stands, who sets it, and when it is shown.
#[derive(Clone, Copy)]
struct AttributeTraits {
    kind: &'static str,
    required: bool,
    mutability: &'static str,
    returned: &'static str,
    uniqueness: &'static str,
}

const TEXT: AttributeTraits = AttributeTraits {
    kind: "string",
    required: false,
    mutability: "readWrite",
    returned: "default",
    uniqueness: "none",
};
const READ: AttributeTraits = AttributeTraits { mutability: "readOnly", ..TEXT };
const NEEDED: AttributeTraits = AttributeTraits { required: true, ..TEXT };

fn single(name: &str, of: AttributeTraits, description: &str) -> Value {
    json!({
        "name": name,
        "type": of.kind,
        "multiValued": false,
        "description": description,
        "required": of.required,
        "caseExact": false,
        "mutability": of.mutability,
        "returned": of.returned,
        "uniqueness": of.uniqueness,
    })
}

fn reference(description: &str, to: &str) -> Value {
    let mut reference = single("$ref", AttributeTraits { kind: "reference", ..READ }, description);
    reference["referenceTypes"] = json!([to]);
    reference
}

fn complex(name: &str, of: AttributeTraits, is_list: bool, description: &str, parts: Vec<Value>) -> Value {
    let mut complex = single(name, AttributeTraits { kind: "complex", ..of }, description);
    complex["multiValued"] = json!(is_list);
    complex["subAttributes"] = Value::Array(parts);
    complex
}

/// Those of a user.
pub(super) fn user_attributes() -> Vec<Value> {
    let user_name = AttributeTraits { mutability: "immutable", uniqueness: "server", ..NEEDED };
    let flag = AttributeTraits { kind: "boolean", ..TEXT };
    let secret = AttributeTraits { mutability: "writeOnly", returned: "never", ..TEXT };
    let name = vec![
        single("formatted", READ, "First and last name"),
        single("givenName", NEEDED, "First name"),
        single("familyName", NEEDED, "Last name"),
    ];
    let email = vec![
        single("value", TEXT, "The address"),
        single("type", READ, "Always work"),
        single("primary", AttributeTraits { kind: "boolean", ..READ }, "Always true"),
    ];
    let group = vec![
        single("value", READ, "The id of the group"),
        reference("Where the group is", "Group"),
        single("display", READ, "The name of the group"),
    ];
    vec![
        single("userName", user_name, "The name by which the person signs in; it is the id as well"),
        complex("name", NEEDED, false, "First and last name", name),
        single("displayName", READ, "First and last name"),
        single("active", flag, "Whether the person may sign in"),
        single("password", secret, "What the person signs in with; 8 characters at least"),
        complex("emails", TEXT, true, "The address for mail: one", email),
        complex("groups", READ, true, "The privileges of the person, which are changed at the groups", group),
    ]
}

/// Those of a group.
pub(super) fn group_attributes() -> Vec<Value> {
    let fixed = AttributeTraits { mutability: "immutable", ..TEXT };
    let member = vec![
        single("value", fixed, "The id of the user"),
        reference("Where the user is", "User"),
        single("type", READ, "Always User"),
        single("display", READ, "First and last name of the user"),
    ];
    vec![single("displayName", READ, "The privilege"), complex("members", TEXT, true, "Who has the privilege", member)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_describe_each_attribute_whole() {
        fn check(attribute: &Value) {
            for key in ["name", "type", "multiValued", "required", "mutability", "returned", "description"] {
                assert!(!attribute[key].is_null(), "{key}: {attribute}");
            }
            assert_eq!(attribute["type"] == "complex", attribute["subAttributes"].is_array(), "{attribute}");
            attribute["subAttributes"].as_array().into_iter().flatten().for_each(check);
        }
        user_attributes().iter().chain(&group_attributes()).for_each(check);
        let password = user_attributes().into_iter().find(|one| one["name"] == "password").unwrap();
        assert_eq!((&password["mutability"], &password["returned"]), (&json!("writeOnly"), &json!("never")));
    }

    #[test]
    fn what_is_not_supported_is_said() {
        let told = configuration_at("x");
        assert_eq!((&told["bulk"]["supported"], &told["sort"]["supported"]), (&json!(false), &json!(false)));
        assert_eq!(told["filter"]["maxResults"], COUNT_MAX);
        assert!(unfiltered(Some("filter=id%20pr")).is_err() && unfiltered(Some("count=1")).is_ok());
    }
}
