//! Cleans a batch in JSON.

use serde_json::Value;

use super::{OtlpFault, OtlpSignal};
use crate::clean::masked;
use crate::limits::ITEMS_MAX;

/// Cleans the texts of a batch; returns how many items it has.
///
/// # Errors
/// Why it is refused.
pub fn clean_json(signal: OtlpSignal, batch: &mut Value) -> Result<usize, OtlpFault> {
    let (of_resources, of_scopes, of_items) = match signal {
        OtlpSignal::Traces => ("resourceSpans", "scopeSpans", "spans"),
        OtlpSignal::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
        OtlpSignal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
    };
    if !batch.get(of_resources).is_some_and(Value::is_array) {
        return Err(OtlpFault::Malformed("it has no list of resources"));
    }
    let mut items = 0;
    for resource in list(batch, of_resources) {
        for scope in list(resource, of_scopes) {
            for item in list(scope, of_items) {
                items += 1;
                // Names of metrics and units are not texts about people, and stay.
                if signal == OtlpSignal::Traces {
                    span(item);
                }
            }
        }
    }
    if items > ITEMS_MAX {
        return Err(OtlpFault::TooMany(items));
    }
    values(batch);
    Ok(items)
}

fn list<'a>(value: &'a mut Value, key: &str) -> &'a mut [Value] {
    value.get_mut(key).and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
}

fn span(span: &mut Value) {
    text(span, "name");
    for event in list(span, "events") {
        text(event, "name");
    }
    if let Some(status) = span.get_mut("status") {
        text(status, "message");
    }
}

fn text(object: &mut Value, key: &str) {
    if let Some(Value::String(text)) = object.get_mut(key) {
        *text = masked(text).into_owned();
    }
}

/// Every value that is a text, wherever it is. The reader of JSON bounds the depth.
fn values(value: &mut Value) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(key, value)| match value {
            Value::String(text) if key == "stringValue" => *text = masked(text).into_owned(),
            other => values(other),
        }),
        Value::Array(items) => items.iter_mut().for_each(values),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_cleaned_and_all_else_stays() {
        let batch = |name: &str, text: &str| {
            json!({ "resourceSpans": [{
                "resource": { "attributes": [{ "key": "who", "value": { "stringValue": text } }] },
                "scopeSpans": [{ "spans": [{
                    "traceId": "5b8efff798038103d269b633813fc60c", "name": name, "startTimeUnixNano": "1800000000000000000",
                    "attributes": [{ "key": "n", "value": { "intValue": "4930123456" } }],
                }] }],
            }] })
        };
        let mut cleaned = batch("call +4930123456", "ann@desk.example");
        assert_eq!(clean_json(OtlpSignal::Traces, &mut cleaned), Ok(1));
        assert_eq!(cleaned, batch("call <number>", "<address>"));
        assert!(clean_json(OtlpSignal::Logs, &mut cleaned).is_err());
    }

    #[test]
    fn too_many_items_are_refused() {
        let mut many = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": vec![json!({}); ITEMS_MAX + 1] }] }] });
        assert_eq!(clean_json(OtlpSignal::Logs, &mut many), Err(OtlpFault::TooMany(ITEMS_MAX + 1)));
    }
}
