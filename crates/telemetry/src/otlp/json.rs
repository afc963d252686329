//! Cleans a batch in JSON.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{OtlpContent, OtlpFault, OtlpSignal, SERVICE_ATTRIBUTE, TENANT_ATTRIBUTE};
use crate::clean::masked;
use crate::limits::{ITEMS_MAX, RESOURCES_MAX};

/// Cleans the texts of a batch and names the tenant in each of its resources; returns what is in it.
///
/// # Errors
/// Why it is refused.
pub fn clean_json(signal: OtlpSignal, batch: &mut Value, tenant: &str) -> Result<OtlpContent, OtlpFault> {
    rename(batch)?;
    let (of_resources, of_scopes, of_items) = match signal {
        OtlpSignal::Traces => ("resourceSpans", "scopeSpans", "spans"),
        OtlpSignal::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
        OtlpSignal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
    };
    if !batch.get(of_resources).is_some_and(Value::is_array) {
        return Err(OtlpFault::Malformed("it has no list of resources"));
    }
    values(batch);
    let resources = list(batch, of_resources);
    if resources.len() > RESOURCES_MAX {
        return Err(OtlpFault::TOO_MANY_RESOURCES);
    }
    let (mut items, mut services) = (0, BTreeSet::new());
    for resource in resources {
        name_tenant(resource, tenant, &mut services)?;
        for scope in list(resource, of_scopes) {
            for item in list(scope, of_items) {
                items += if signal == OtlpSignal::Metrics { data_points(item) } else { 1 };
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
    Ok(OtlpContent { items, services })
}

/// The answer that so many items were not taken and are not to be sent again.
pub fn rejected_json(signal: OtlpSignal, items: usize, why: &str) -> Value {
    let key = match signal {
        OtlpSignal::Traces => "rejectedSpans",
        OtlpSignal::Logs => "rejectedLogRecords",
        OtlpSignal::Metrics => "rejectedDataPoints",
    };
    // JSON of protobuf has 64 bits as a text.
    json!({ "partialSuccess": { key: items.to_string(), "errorMessage": why } })
}

/// Fields as the protocol spells them (`resourceSpans`): readers take those of its protobuf files too (`resource_spans`), and those would
/// not be cleaned.
fn rename(value: &mut Value) -> Result<(), OtlpFault> {
    match value {
        Value::Object(members) => {
            if members.keys().any(|name| name.contains('_')) {
                let mut renamed = Map::with_capacity(members.len());
                for (name, value) in std::mem::take(members) {
                    if renamed.insert(camel_case(&name), value).is_some() {
                        return Err(OtlpFault::Malformed("it has a field twice"));
                    }
                }
                *members = renamed;
            }
            members.values_mut().try_for_each(rename)
        }
        Value::Array(items) => items.iter_mut().try_for_each(rename),
        _ => Ok(()),
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut renamed = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        renamed.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        renamed.push_str(letters.as_str());
    }
    renamed
}

/// Names the tenant among the attributes of a resource, where no client names another; notes what the program calls itself.
fn name_tenant(of_resource: &mut Value, tenant: &str, services: &mut BTreeSet<String>) -> Result<(), OtlpFault> {
    const FAULT: OtlpFault = OtlpFault::Malformed("a resource is no object with a list of attributes");
    let resource = member(of_resource, "resource", json!({})).ok_or(FAULT)?;
    let attributes = member(resource, "attributes", json!([])).and_then(Value::as_array_mut).ok_or(FAULT)?;
    attributes.retain(|attribute| attribute["key"] != TENANT_ATTRIBUTE);
    let of_service = attributes.iter().filter(|attribute| attribute["key"] == SERVICE_ATTRIBUTE);
    services.extend(of_service.filter_map(|attribute| attribute["value"]["stringValue"].as_str()).map(str::to_owned));
    attributes.push(json!({ "key": TENANT_ATTRIBUTE, "value": { "stringValue": tenant } }));
    Ok(())
}

/// A member of an object; one that is absent, or null, which means the same, is made.
fn member<'a>(object: &'a mut Value, name: &str, absent: Value) -> Option<&'a mut Value> {
    let member = object.as_object_mut()?.entry(name).or_insert(Value::Null);
    if member.is_null() {
        *member = absent;
    }
    Some(member)
}

fn list<'a>(value: &'a mut Value, key: &str) -> &'a mut [Value] {
    value.get_mut(key).and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
}

/// How many data points a metric has, of whatever kind it is.
fn data_points(metric: &Value) -> usize {
    const KINDS: [&str; 5] = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];
    let points = KINDS.iter().filter_map(|kind| metric[*kind]["dataPoints"].as_array());
    points.map(Vec::len).sum()
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
                "resource": { "attributes": [
                    { "key": "who", "value": { "stringValue": text } },
                    { "key": "service.name", "value": { "stringValue": "softphone" } },
                    { "key": "trunkline.tenant", "value": { "stringValue": "acme" } },
                ] },
                "scopeSpans": [{ "spans": [{
                    "traceId": "5b8efff798038103d269b633813fc60c", "name": name, "startTimeUnixNano": "1800000000000000000",
                    "attributes": [{ "key": "n", "value": { "intValue": "4930123456" } }],
                }] }],
            }] })
        };
        let mut cleaned = batch("call +4930123456", "ann@desk.example");
        let content = clean_json(OtlpSignal::Traces, &mut cleaned, "acme").unwrap();
        assert_eq!((content.items, content.services), (1, BTreeSet::from(["softphone".to_owned()])));
        assert_eq!(cleaned, batch("call <number>", "<address>"));
        assert!(clean_json(OtlpSignal::Logs, &mut cleaned, "acme").is_err());
    }

    #[test]
    fn fields_as_the_protobuf_files_spell_them_are_cleaned_and_counted_too() {
        let mut batch = json!({ "resource_logs": [{ "scope_logs": [{ "log_records": [
            { "time_unix_nano": "1", "body": { "string_value": "ann@desk.example" } },
        ] }] }] });
        assert_eq!(clean_json(OtlpSignal::Logs, &mut batch, "acme").map(|content| content.items), Ok(1));
        let resource = json!({ "attributes": [{ "key": "trunkline.tenant", "value": { "stringValue": "acme" } }] });
        let record = json!({ "timeUnixNano": "1", "body": { "stringValue": "<address>" } });
        let expected = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }], "resource": resource }] });
        assert_eq!(batch, expected);
        let mut twice = json!({ "resourceLogs": [], "resource_logs": [{}] });
        assert_eq!(clean_json(OtlpSignal::Logs, &mut twice, "acme"), Err(OtlpFault::Malformed("it has a field twice")));
    }

    #[test]
    fn a_resource_names_the_tenant_of_the_token_and_no_other() {
        let claimed = json!({ "key": "trunkline.tenant", "value": { "stringValue": "other" } });
        for resource in [json!({ "attributes": [claimed] }), json!({ "attributes": null }), json!({}), Value::Null] {
            let mut batch = json!({ "resourceMetrics": [{ "resource": resource }] });
            clean_json(OtlpSignal::Metrics, &mut batch, "acme").unwrap();
            let attributes = &batch["resourceMetrics"][0]["resource"]["attributes"];
            assert_eq!(*attributes, json!([{ "key": "trunkline.tenant", "value": { "stringValue": "acme" } }]));
        }
        for wrong in [json!(1), json!({ "resource": [] }), json!({ "resource": { "attributes": {} } })] {
            let mut batch = json!({ "resourceMetrics": [wrong] });
            assert!(clean_json(OtlpSignal::Metrics, &mut batch, "acme").is_err(), "{batch}");
        }
    }

    #[test]
    fn too_many_items_are_refused() {
        let mut many = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": vec![json!({}); ITEMS_MAX + 1] }] }] });
        assert_eq!(clean_json(OtlpSignal::Logs, &mut many, "acme"), Err(OtlpFault::TooMany(ITEMS_MAX + 1)));
        let metrics = |points: usize| {
            let of_each = json!({ "gauge": { "dataPoints": vec![json!({}); points] } });
            let named = json!({ "exponential_histogram": { "data_points": [{}] } });
            json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [of_each, named] }] }] })
        };
        let cleaned = |mut batch| clean_json(OtlpSignal::Metrics, &mut batch, "acme").map(|content| content.items);
        assert_eq!(cleaned(metrics(ITEMS_MAX - 1)), Ok(ITEMS_MAX));
        assert_eq!(cleaned(metrics(ITEMS_MAX)), Err(OtlpFault::TooMany(ITEMS_MAX + 1)), "data points are counted");
        let mut many = json!({ "resourceLogs": vec![json!({}); RESOURCES_MAX + 1] });
        assert_eq!(clean_json(OtlpSignal::Logs, &mut many, "acme"), Err(OtlpFault::TOO_MANY_RESOURCES));
    }

    #[test]
    fn a_refusal_says_how_many() {
        let told = rejected_json(OtlpSignal::Logs, 3, "off");
        assert_eq!(told, json!({ "partialSuccess": { "rejectedLogRecords": "3", "errorMessage": "off" } }));
    }
}
