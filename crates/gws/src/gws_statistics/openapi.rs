//! The OpenAPI document of the Statistics API.

use serde_json::{Value, json};

use super::PATH;
use crate::bayeux_socket;
use crate::session_cookie::STATISTICS;
use crate::sessions::openapi_contents;
use crate::sessions::openapi_frame::{self, ApiFrame, text};

/// An operation: method, path, name, and what it does.
type DescribedOperation = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const OPERATIONS: &[DescribedOperation] = &[
    ("post", "/subscriptions", "createSubscription", "Open statistics, of which updates are told"),
    ("delete", "/subscriptions/{id}", "deleteSubscription", "Close them"),
    ("get", "/subscriptions/{id}/statistic-values", "peekSubscriptionStats", "Their values as they are now"),
    ("get", "/statistic-values/{statisticName}", "getStatValue", "The value of one statistic of objectId and objectType"),
    ("post", "/operations/get-statistic-ex", "getStatValues", "The values of several statistics"),
    ("post", "/notifications", "notifications", "Messages of Bayeux"),
    ("get", "/notifications", bayeux_socket::OPERATION, "Open a WebSocket, each text of which is an array of messages of Bayeux"),
    ("post", "/notifications/handshake", "handshake", "Messages of Bayeux; begins a session, and sets the cookie STATISTICS_SESSIONID"),
    ("post", "/notifications/connect", "connect", "Messages of Bayeux; waits for updates"),
    ("post", "/notifications/disconnect", "disconnect", "Messages of Bayeux; ends the session"),
    ("post", "/notifications/subscribe", "subscribe", "Messages of Bayeux"),
    ("post", "/notifications/unsubscribe", "unsubscribe", "Messages of Bayeux"),
    ("get", "/doc", "swaggerDoc", "This document"),
    ("get", "/info", "versionInfo", "Which build answers"),
];

/// The OpenAPI document of the Statistics API.
pub fn openapi() -> Value {
    let frame = ApiFrame {
        title: "Statistics",
        path: PATH,
        cookie: STATISTICS,
        token: "an access token with the scope workspace:use or calls:read, on every request".to_owned(),
        security: json!({"callerToken": [], "session": []}),
        schemas: json!({"Answer": answer(), "Statistic": statistic(), "Value": value()}),
    };
    frame.document(OPERATIONS.iter().map(|operation| (operation.0, operation.1, described(operation))))
}

fn answer() -> Value {
    let status = json!({
        "type": "object", "required": ["code"],
        "properties": {"code": {"type": "integer"}, "message": text(), "detail": text()},
    });
    let error = json!({"type": "object", "properties": {"status": status}});
    json!({
        "type": "object", "required": ["status"],
        "properties": {
            "status": status, "data": {"type": "object"}, "errors": {"type": "array", "items": error}, "version": text(),
        },
    })
}

fn statistic() -> Value {
    json!({
        "type": "object", "required": ["objectId", "objectType"],
        "properties": {
            "statisticId": text(), "objectId": text(), "objectType": text(), "name": text(),
            "definition": {"type": "object", "required": ["category"], "properties": {
                "category": text(), "subject": text(), "mainMask": text(), "relMask": text(), "timeRange": text(),
                "timeRange2": text(), "intervalType": text(), "dynamicTimeProfile": text(), "filter": text(),
                "notificationMode": text(), "notificationFrequency": {"type": "integer"},
                "insensitivity": {"type": "integer"},
            }},
        },
    })
}

fn value() -> Value {
    json!({
        "type": "object", "required": ["statisticId", "timestamp"],
        "properties": {
            "statisticId": text(), "subscriptionId": text(), "name": text(), "objectId": text(), "objectType": text(),
            "timestamp": {"type": "integer", "description": "milliseconds since the Unix epoch"},
            "value": {"description": "a count, a ratio, seconds, or the state of an agent; left out where there is none"},
            "status": {
                "type": "object", "properties": {"code": {"type": "integer"}, "message": text()},
                "description": "of an update, in place of the value: why the statistic is counted no longer",
            },
        },
    })
}

fn described((method, path, id, summary): &DescribedOperation) -> Value {
    let responses = [
        ("200", "it is done"),
        ("400", "the request cannot be read; the message names the field"),
        ("401", "there is no token that is good here"),
        ("403", "there is no session, or whoever asks may not"),
        ("404", "there is no such statistic, object or subscription"),
        ("429", "too much is asked for at once"),
        ("501", "the statistic is of a kind that is not counted here"),
        ("503", "not now"),
    ];
    let mut operation = openapi_frame::operation(path, id, summary, &responses);
    let in_query: &[(&str, bool)] = match *id {
        "createSubscription" => &[("verbose", false)],
        "peekSubscriptionStats" => &[("statisticIds", false), ("verbose", false)],
        "getStatValue" => &[("objectId", true), ("objectType", true)],
        _ => &[],
    };
    let queried = in_query
        .iter()
        .map(|(name, is_needed)| json!({"name": name, "in": "query", "required": is_needed, "schema": text()}));
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.extend(queried);
    }
    if *method == "post" && !path.starts_with("/notifications") {
        let list = json!({"type": "array", "items": {"$ref": "#/components/schemas/Statistic"}});
        let data = json!({"type": "object", "required": ["statistics"], "properties": {"statistics": list}});
        let body = json!({"type": "object", "properties": {"operationId": text(), "data": data}});
        operation["requestBody"] = json!({"required": true, "content": openapi_frame::content(&body)});
    }
    let told = match *id {
        "createSubscription" => "operationId, subscriptionId, statistics:Value[]",
        "peekSubscriptionStats" => "subscriptionId, statistics:Value[]",
        "getStatValue" => "statistic:Value",
        "getStatValues" => "statistics:Value[]",
        _ => "",
    };
    if !told.is_empty() {
        openapi_contents::add_data(&mut operation, told);
    }
    if *method == "post" {
        openapi_contents::add_answers(&mut operation, &[("413", "the body is too large")]);
    }
    if *id == bayeux_socket::OPERATION {
        bayeux_socket::describe_answers(&mut operation["responses"]);
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_published::{faults, of_client};

    #[test]
    fn names_of_operations_are_given_once() {
        assert!(openapi_frame::repeated(OPERATIONS.iter().map(|(_, _, id, _)| *id)).is_empty());
        let document = openapi();
        // One path has two methods.
        assert_eq!(document["paths"].as_object().unwrap().len(), OPERATIONS.len() - 1);
        let answers = &document["paths"]["/statistics/v3/notifications"]["get"]["responses"];
        assert!(answers["101"].is_object() && answers["200"].is_null());
        let values = &document["paths"]["/statistics/v3/statistic-values/{statisticName}"]["get"];
        assert_eq!(values["parameters"].as_array().unwrap().len(), 3);
        let told = &values["responses"]["200"]["content"]["application/json"]["schema"]["allOf"][1];
        let statistic = &told["properties"]["data"]["properties"]["statistic"]["$ref"];
        assert_eq!(statistic, "#/components/schemas/Value");
        assert!(values["responses"].get("413").is_none());
    }

    #[test]
    fn all_that_is_published_is_described() {
        let faults = faults("statistics", PATH, &openapi(), &[]);
        assert!(faults.is_empty(), "{faults:#?}");
        assert_eq!(of_client("statistics"), 11);
    }
}
