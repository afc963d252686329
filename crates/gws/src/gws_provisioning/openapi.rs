//! The OpenAPI document of the Provisioning API, as far as it is served.

mod contents;

use serde_json::{Map, Value, json};

use super::PATH;
use super::sign_in::{CHANGES, READS};
use crate::bayeux_socket;
use crate::session_cookie::PROVISIONING;
use crate::sessions::openapi_contents;
use crate::sessions::openapi_frame::{self, ApiFrame};

/// An operation: method, path, name, what it does.
type ProvisioningOperation = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const OPERATIONS: &[ProvisioningOperation] = &[
    // === session ===
    ("post", "/initialize-provisioning", "initializeProvisioning", "Begin a session by a token, or by code and redirect_uri in query or body; sets the cookie PROVISIONING_SESSIONID"),
    ("get", "/initialize-provisioning", "initProvisioning", "The same"),
    ("get", "/login", "getLogin", "To the sign-in of the authentication service"),
    ("post", "/logout", "logout", "End the session"),
    ("get", "/logout", "getLogout", "The same"),
    // === notifications ===
    ("post", "/notifications", "notifications", "Messages of Bayeux"),
    ("get", "/notifications", bayeux_socket::OPERATION, "Open a WebSocket, each text of which is an array of messages of Bayeux"),
    ("post", "/notifications/handshake", "postHandshake", "Messages of Bayeux"),
    ("post", "/notifications/connect", "connect", "Messages of Bayeux; waits for notifications"),
    ("post", "/notifications/disconnect", "disconnect", "Messages of Bayeux"),
    ("post", "/notifications/subscribe", "subscribe", "Messages of Bayeux"),
    ("post", "/notifications/unsubscribe", "unsubscribe", "Messages of Bayeux"),
    // === people ===
    ("get", "/objects/users", "getUserObjects", "People: by name, roles, skills, userEnabled; sortBy, order, limit, offset"),
    ("post", "/objects/users", "addUserObject", "Make a person"),
    ("get", "/objects/users/me", "getCurrentUserObject", "Whoever asks"),
    ("get", "/objects/users/{dbid}", "getUserObject", "A person by number or user name"),
    ("put", "/objects/users/{dbid}", "updateUserObject", "Change a person"),
    ("delete", "/objects/users/{dbid}", "deleteUserObject", "Remove a person; with keep_places=false the place and its DNs, too"),
    ("get", "/users", "getUsers", "As /objects/users"),
    ("post", "/users", "addUser", "As /objects/users"),
    ("get", "/users/me", "getCurrentUser", "As /objects/users/me"),
    ("get", "/users/{dbid}", "getUser", "As /objects/users/{dbid}"),
    ("put", "/users/{dbid}", "updateUser", "As /objects/users/{dbid}"),
    ("delete", "/users/{dbid}", "deleteUser", "As /objects/users/{dbid}"),
    // === objects ===
    ("get", "/objects/{object_type}", "getObject", "Objects of a type, by search_term, dbids, dn_type, dn_groups, in_use"),
    ("get", "/objects/{object_type}/permissions", "getPermissions", "What the folders of objects say (dbids)"),
    ("post", "/objects/{object_type}/permissions", "getPermissionsPost", "The same for many (objectIds)"),
    // === operations ===
    ("post", "/operations/get-users", "getUsersAsync", "As GET /users, with the outcome as a notification for _aioId"),
    ("post", "/operations/get-used-skills", "getUsedSkillsAsync", "Skills that somebody has, as a notification for _aioId"),
    ("post", "/operations/delete-users/{dbid}", "deleteUsers", "As DELETE /objects/users/{dbid}"),
    ("post", "/operations/watch-objects", "postWatchObjects", "Changes of objects of these types, or of all, as notifications"),
    ("delete", "/operations/watch-objects", "deleteWatchObjects", "No such notifications any more"),
    ("post", "/operations/inactivity", "checkInactivity", "Use the session"),
    ("get", "/operations/stub", "getSub", "Use the session"),
    // === options, rules ===
    ("get", "/options", "optionsGet", "Options of the tenant, with those of a person (person_dbid) or a group (agent_group_dbid)"),
    ("post", "/options", "optionsPost", "These options and no others"),
    ("put", "/options", "optionsPut", "Add, change and delete options"),
    ("get", "/capacity-rules", "capRulesGet", "Capacity rules"),
    ("post", "/capacity-rules", "capRulesPost", "Make one"),
    ("put", "/capacity-rules/{script_dbid}", "capRulesPut", "Change one"),
    ("delete", "/capacity-rules/{script_dbid}", "capruleDelete", "Remove one"),
    ("get", "/statistic-definitions", "getStatisticDefinitions", "Statistics that the tenant defines, by type of object and name"),
    ("post", "/statistic-definitions", "postStatisticDefinitions", "Make and change some"),
    ("get", "/statistic-definitions/migrate-check-for-conflicts", "checkMigrateConflicts", "Definitions of an earlier form that are in the way: there are none"),
    ("post", "/statistic-definitions/migrate", "checkPostMigrateStatistic", "Migrate definitions of an earlier form: there are none"),
    ("post", "/statistic-definitions/operations/update-reset-times", "postUpdateResetTimesStatistics", "All that grow begin anew at resetTime; location is the tenant's time zone"),
    ("get", "/export-statistic-definitions", "getExportStatisticDefinitions", "The text of a file with all of them"),
    ("post", "/import-statistic-definitions", "postImportStatisticDefinitions", "Make and change those of a file (part statistic-definitions), all or none"),
    ("get", "/statistic-definitions/{type}/{object}", "getStatisticDefinition", "One of them"),
    ("put", "/statistic-definitions/{type}/{object}", "putStatisticDefinition", "Make or change one; other types that have it keep it"),
    ("delete", "/statistic-definitions/{type}/{object}", "deleteStatistic", "Objects of the type have it no longer"),
    // === settings ===
    ("post", "/settings", "postSettings", "Add and change options of the tenant, by section"),
    ("get", "/settings/templates", "getTemplates", "Templates of programs, by name"),
    ("post", "/settings/templates", "postTemplates", "Add and change some"),
    ("put", "/settings/templates", "putTemplates", "These templates and no others"),
    ("delete", "/settings/templates", "deleteTemplates", "Remove one"),
    ("get", "/settings/api-endpoints", "getApiEndpoints", "Endpoints of programs, by name"),
    ("post", "/settings/api-endpoints", "postApiEndpoints", "Add and change some"),
    ("delete", "/settings/api-endpoints", "deleteApiEndpoints", "Remove one"),
    ("get", "/whitelist", "getWhitelist", "The addresses from which people of the tenant sign in, and whether they alone count"),
    ("post", "/whitelist", "postWhitelist", "Add an address or a network"),
    ("put", "/whitelist", "putWhitelist", "Change some"),
    ("delete", "/whitelist", "deleteWhitelist", "Remove some"),
    ("post", "/whitelist/status", "postWhitelistStatus", "Whether people sign in from those addresses alone: enabled or disabled"),
    // === tables ===
    ("post", "/export-users", "exportFile", "A table of people (CSV) that can be fetched"),
    ("get", "/export-users", "getExportStatus", "How far it is; with download=true the table"),
    ("post", "/import-users/csv", "importFile", "Take a table of people (part csvfile), all of it or nothing, and once by a requestId"),
    ("delete", "/import-users/csv", "terminateImport", "Stop: a table that is being taken cannot be stopped"),
    ("post", "/import-users/validate-csv", "validateImportFile", "Look at a table, and change nothing"),
    ("get", "/import-users/check-status", "getImportStatus", "How far the last import is; with adminName that of somebody else"),
    ("get", "/import-users/history", "getImportHistory", "Imports of 90 days, the latest first: adminName, limit, offset"),
    // === documentation ===
    ("get", "/doc", "swaggerDoc", "This document"),
    ("get", "/info", "versionInfo", "Which build answers"),
];

/// The OpenAPI document of the Provisioning API.
pub fn openapi() -> Value {
    let mut schemas: Map<String, Value> =
        contents::shapes().into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
    schemas.insert("Answer".to_owned(), answer());
    let frame = ApiFrame {
        title: "Provisioning",
        path: PATH,
        cookie: PROVISIONING,
        token: format!(
            "an access token of a person with the scope {READS}, and {CHANGES} for changes; it begins a session"
        ),
        security: json!({"session": []}),
        schemas: schemas.into(),
    };
    frame.document(OPERATIONS.iter().map(|operation| (operation.0, operation.1, described(operation))))
}

/// Every answer: what became of the request.
fn answer() -> Value {
    let meaning = "0: done; 1: taken, and a notification tells the outcome; else the HTTP status, or 603";
    let status = json!({
        "type": "object",
        "required": ["code"],
        "properties": {
            "code": {"type": "integer", "description": meaning},
            "message": {"type": "string"},
            "detail": {"type": "string"},
        },
    });
    json!({
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": status,
            "data": {"description": "what was asked for"},
            "version": {"type": "string", "description": "which build answers; of /info alone"},
            "whitelistStatus": {"type": "string", "description": "enabled or disabled; of /whitelist alone"},
            "whitelist": {
                "type": "object",
                "properties": {"addresses": list_of(&openapi_contents::object("id:int, address"))},
                "description": "of /whitelist alone",
            },
        },
    })
}

fn list_of(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

/// The body of an operation that takes something else than fields in `data`.
fn other_body(id: &str) -> Option<Value> {
    let form = |part: &str| {
        let file = json!({"type": "object", "properties": {part: {"type": "string", "format": "binary"}}});
        json!({"multipart/form-data": {"schema": file}})
    };
    let of_data = |data: Value| {
        openapi_frame::content(&json!({"type": "object", "required": ["data"], "properties": {"data": data}}))
    };
    let content = match id {
        "importFile" | "validateImportFile" => form("csvfile"),
        "postImportStatisticDefinitions" => form("statistic-definitions"),
        "postUpdateResetTimesStatistics" => openapi_frame::content(&openapi_contents::object("resetTime, location?")),
        "postSettings" => of_data(json!({"type": "object"})),
        "putWhitelist" => of_data(list_of(&openapi_contents::object("id, address"))),
        "deleteWhitelist" => of_data(list_of(&json!({"type": "string"}))),
        _ => return None,
    };
    Some(json!({"required": true, "content": content}))
}

fn described((method, path, id, summary): &ProvisioningOperation) -> Value {
    let responses = [
        ("200", "it is done, or taken"),
        ("400", "the request cannot be read, or breaks a rule; the message names the field"),
        ("403", "there is no session, or whoever asks may not"),
        ("404", "there is no such object"),
        ("409", "something was changed meanwhile, or is in use"),
        ("429", "too much is under way"),
        ("503", "not now"),
        ("504", "nobody has answered in time: a change may have been made"),
    ];
    let mut operation = openapi_frame::operation(path, id, summary, &responses);
    let known = contents::CONTENTS.iter().find(|(known, ..)| known == id);
    let (query, body, data) = known.map_or(("", "", ""), |(_, query, body, data)| (*query, *body, *data));
    openapi_contents::add_query(&mut operation, query);
    if !data.is_empty() {
        openapi_contents::add_data(&mut operation, data);
    }
    if let Some(body) = other_body(id) {
        operation["requestBody"] = body;
    } else if !body.is_empty() {
        openapi_contents::add_body(&mut operation, body);
    }
    if operation.get("requestBody").is_some() || path.starts_with("/notifications") && *method == "post" {
        openapi_contents::add_answers(&mut operation, &[("413", "the body is too large")]);
    }
    if *path == "/initialize-provisioning" {
        operation["security"] = json!([{"callerToken": []}]);
        let further = [("401", "the token is not good here"), ("501", "codes are not taken here")];
        openapi_contents::add_answers(&mut operation, &further);
    }
    if *id == "getLogin" {
        operation["security"] = json!([{}]);
        operation["responses"]["302"] = json!({"description": "on to the sign-in"});
    }
    if *id == bayeux_socket::OPERATION {
        bayeux_socket::describe_answers(&mut operation["responses"]);
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operation_takes_and_tells_stands_once_and_of_operations_that_there_are() {
        let ids: Vec<&str> = OPERATIONS.iter().map(|(_, _, id, _)| *id).collect();
        for (id, ..) in contents::CONTENTS {
            assert!(ids.contains(id), "{id}: there is no such operation");
        }
        assert!(openapi_frame::repeated(contents::CONTENTS.iter().map(|(id, ..)| *id)).is_empty());
        assert_eq!(openapi_contents::unknown_types(contents::CONTENTS, &openapi()), Vec::<String>::new());
        // Whatever makes or changes something says what it takes, but for those that take nothing.
        let takes_nothing = |path: &str| {
            path.starts_with("/notifications")
                || path.starts_with("/operations/")
                || ["/initialize-provisioning", "/logout", "/statistic-definitions/migrate"].contains(&path)
        };
        for operation in OPERATIONS {
            let (method, path, ..) = operation;
            let is_change = matches!(*method, "post" | "put") && !takes_nothing(path);
            let says_so = described(operation).get("requestBody").is_some();
            assert!(!is_change || says_so, "{method} {path} does not say what it takes");
        }
    }

    #[test]
    fn names_of_operations_are_given_once() {
        assert!(openapi_frame::repeated(OPERATIONS.iter().map(|(_, _, id, _)| *id)).is_empty());
        let document = openapi();
        assert_eq!(document["paths"]["/provisioning/v3/options"].as_object().unwrap().len(), 3);
        let import = &document["paths"]["/provisioning/v3/import-users/csv"]["post"]["requestBody"]["content"];
        assert!(import.get("multipart/form-data").is_some());
        let ids = &document["paths"]["/provisioning/v3/whitelist"]["delete"]["requestBody"]["content"];
        assert_eq!(ids["application/json"]["schema"]["properties"]["data"]["type"], "array");
    }
}
