//! Events as clients get them.

use model::Timestamp;
use serde_json::{Map, Value, json};

fn with_operation(mut message: Value, operation_id: Option<&str>) -> Value {
    if let (Some(id), Value::Object(fields)) = (operation_id, &mut message) {
        fields.insert("operationId".to_owned(), json!(id));
    }
    message
}

/// How long something has taken until now, in whole milliseconds.
fn taken_ms(begun: Timestamp, now: Timestamp) -> u64 {
    now.as_millis().saturating_sub(begun.as_millis())
}

/// The initialisation goes on.
pub(super) fn initialisation_progress(begun: Timestamp, now: Timestamp) -> Value {
    json!({
        "messageType": "WorkspaceInitializationProgress",
        "state": "Executing",
        "submittedAt": begun.as_millis(),
        "executionTime": taken_ms(begun, now),
        "actualWaitTime": 0,
        "progress": {"percentComplete": 50},
    })
}

/// It is done.
pub(super) fn initialisation_complete(begun: Timestamp, now: Timestamp, user: &Value, configuration: &Value) -> Value {
    json!({
        "messageType": "WorkspaceInitializationComplete",
        "state": "Complete",
        "submittedAt": begun.as_millis(),
        "executionTime": taken_ms(begun, now),
        "actualWaitTime": 0,
        "data": {"user": user, "configuration": configuration},
    })
}

/// It has failed.
pub(super) fn initialisation_failed(begun: Timestamp, now: Timestamp, why: &str) -> Value {
    json!({
        "messageType": "WorkspaceInitializationComplete",
        "state": "Failed",
        "submittedAt": begun.as_millis(),
        "executionTime": taken_ms(begun, now),
        "actualWaitTime": 0,
        "errors": errors(why),
    })
}

/// What has gone wrong, as a list of pairs that programs read by key and pages by `message`.
pub(super) fn errors(why: &str) -> Value {
    json!([{"key": "message", "type": "str", "value": why, "message": why}])
}

/// The DN is in this state.
pub(super) fn dn_state_changed(dn: &Value, operation_id: Option<&str>) -> Value {
    with_operation(json!({"messageType": "DnStateChanged", "dn": dn}), operation_id)
}

/// A call is in this state.
pub(super) fn call_state_changed(call: &Value, notification: &str, operation_id: Option<&str>) -> Value {
    let message = json!({"messageType": "CallStateChanged", "notificationType": notification, "call": call});
    with_operation(message, operation_id)
}

/// A request was refused after it was taken.
pub(super) fn event_error(code: u32, message: &str, operation_id: Option<&str>) -> Value {
    let error = json!({"errorCode": code, "errorMessage": message});
    with_operation(json!({"messageType": "EventError", "error": error}), operation_id)
}

/// Calls can be controlled, or cannot.
pub(super) fn service_state_changed(state: &str) -> Value {
    json!({"messageType": "ServiceStateChanged", "serviceName": "VOICE", "serviceState": state})
}

/// An event with the operation that has led to it.
pub(super) fn passed_on(event: Value, operation_id: Option<&str>) -> Value {
    with_operation(event, operation_id)
}

/// A login that somebody still waits for.
pub(super) fn pending_login(state: &str, begun: Timestamp, why: Option<&str>) -> Value {
    let mut pending = Map::new();
    pending.insert("state".to_owned(), json!(state));
    pending.insert("actualWaitTime".to_owned(), json!(0));
    pending.insert("submittedAt".to_owned(), json!(begun.as_millis().to_string()));
    if let Some(why) = why {
        pending.insert("errors".to_owned(), errors(why));
    }
    Value::Object(pending)
}
