//! Cleans a batch in JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::attributes::{contracts_for, goes_on};
use super::{OtlpContent, OtlpFault, OtlpSignal, SERVICE_ATTRIBUTE, TENANT_ATTRIBUTE};
use crate::clean::masked;
use crate::contract::Contract;
use crate::limits::{ITEMS_MAX, RESOURCES_MAX};

/// Cleans the texts of a batch, leaves out the attributes that the contract of their program (`contracts`, by its name) does not know, but
/// for those of metrics, and names the tenant in each of its resources; returns what is in it.
///
/// # Errors
/// Why it is refused.
pub fn clean_json(
    signal: OtlpSignal,
    batch: &mut Value,
    tenant: &str,
    contracts: &BTreeMap<String, Contract>,
) -> Result<OtlpContent, OtlpFault> {
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
    let contracts = contracts_for(signal, contracts);
    let mut content = OtlpContent::default();
    for resource in resources {
        take_resource(resource, tenant, contracts, &mut content)?;
        for scope in list(resource, of_scopes) {
            for item in list(scope, of_items) {
                content.items += if signal == OtlpSignal::Metrics { data_points(item) } else { 1 };
                // Names of metrics and units are not texts about people, and stay.
                match signal {
                    OtlpSignal::Traces => span(item),
                    OtlpSignal::Logs => ["severityText", "eventName"].into_iter().for_each(|key| text(item, key)),
                    OtlpSignal::Metrics => {}
                }
            }
        }
    }
    if content.items > ITEMS_MAX {
        return Err(OtlpFault::TooMany(content.items));
    }
    Ok(content)
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

/// Names the tenant among the attributes of a resource, where no client names another, notes what the program calls itself, and leaves out
/// what its contract does not know.
fn take_resource(
    of_resource: &mut Value,
    tenant: &str,
    contracts: Option<&BTreeMap<String, Contract>>,
    content: &mut OtlpContent,
) -> Result<(), OtlpFault> {
    let attributes = resource_attributes(of_resource)?;
    attributes.retain(|attribute| attribute["key"] != TENANT_ATTRIBUTE);
    let of_service = attributes.iter().filter(|attribute| attribute["key"] == SERVICE_ATTRIBUTE);
    let services = of_service.filter_map(|attribute| attribute["value"]["stringValue"].as_str()).map(str::to_owned);
    let services: Vec<String> = services.collect();
    if let Some(contract) = services.iter().find_map(|service| contracts?.get(service)) {
        content.attributes_dropped += leave_out(of_resource, contract);
    }
    content.services.extend(services);
    let named = json!({ "key": TENANT_ATTRIBUTE, "value": { "stringValue": tenant } });
    resource_attributes(of_resource)?.push(named);
    Ok(())
}

fn resource_attributes(of_resource: &mut Value) -> Result<&mut Vec<Value>, OtlpFault> {
    const FAULT: OtlpFault = OtlpFault::Malformed("a resource is no object with a list of attributes");
    let resource = member(of_resource, "resource", json!({})).ok_or(FAULT)?;
    member(resource, "attributes", json!([])).and_then(Value::as_array_mut).ok_or(FAULT)
}

/// Leaves out what the contract does not know, wherever attributes are, and returns how many. The name of an attribute decides about all
/// that is within it.
fn leave_out(value: &mut Value, contract: &Contract) -> usize {
    match value {
        Value::Object(members) => {
            let of_members = members.iter_mut().map(|(name, member)| match member {
                Value::Array(attributes) if name == "attributes" => {
                    let before = attributes.len();
                    attributes.retain(|attribute| goes_on(attribute["key"].as_str().unwrap_or_default(), contract));
                    before - attributes.len()
                }
                other => leave_out(other, contract),
            });
            of_members.sum()
        }
        Value::Array(items) => items.iter_mut().map(|item| leave_out(item, contract)).sum(),
        _ => 0,
    }
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
    text(span, "traceState");
    for link in list(span, "links") {
        text(link, "traceState");
    }
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

/// Every value that is a text, and every key of an attribute, wherever it is; bytes, which may be anything, are left out. The reader of
/// JSON bounds the depth.
fn values(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("bytesValue");
            members.iter_mut().for_each(|(key, value)| match value {
                Value::String(text) if key == "stringValue" || key == "key" => *text = masked(text).into_owned(),
                other => values(other),
            });
        }
        Value::Array(items) => items.iter_mut().for_each(values),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::contract::read_list;

    /// Cleans a batch of programs without contracts.
    fn clean(signal: OtlpSignal, batch: &mut Value) -> Result<OtlpContent, OtlpFault> {
        clean_json(signal, batch, "acme", &BTreeMap::new())
    }

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
        let content = clean(OtlpSignal::Traces, &mut cleaned).unwrap();
        assert_eq!((content.items, content.services), (1, BTreeSet::from(["softphone".to_owned()])));
        assert_eq!(cleaned, batch("call <number>", "<address>"));
        assert!(clean(OtlpSignal::Logs, &mut cleaned).is_err());
    }

    #[test]
    fn keys_states_of_traces_and_what_a_log_record_is_are_cleaned_and_bytes_left_out() {
        let resource = json!({ "attributes": [{ "key": "trunkline.tenant", "value": { "stringValue": "acme" } }] });
        let log = |key: &str, who: &str, value: Value| {
            let attribute = json!({ "key": key, "value": value });
            let record = json!({ "severityText": who, "eventName": who, "attributes": [attribute] });
            json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [record] }] }] })
        };
        let mut batch = log("to +4930123456", "ann@desk.example", json!({ "bytes_value": "YW5uQGRlc2suZXhhbXBsZQ==" }));
        clean_json(OtlpSignal::Logs, &mut batch, "acme", &BTreeMap::new()).unwrap();
        assert_eq!(batch, log("to <number>", "<address>", json!({})));
        let span = |state: &str| {
            let span = json!({ "traceState": state, "links": [{ "traceState": state }] });
            json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] })
        };
        let mut batch = span("of=4930123456");
        clean_json(OtlpSignal::Traces, &mut batch, "acme", &BTreeMap::new()).unwrap();
        assert_eq!(batch, span("of=<number>"));
    }

    #[test]
    fn fields_as_the_protobuf_files_spell_them_are_cleaned_and_counted_too() {
        let mut batch = json!({ "resource_logs": [{ "scope_logs": [{ "log_records": [
            { "time_unix_nano": "1", "body": { "string_value": "ann@desk.example" } },
        ] }] }] });
        assert_eq!(clean(OtlpSignal::Logs, &mut batch).map(|content| content.items), Ok(1));
        let resource = json!({ "attributes": [{ "key": "trunkline.tenant", "value": { "stringValue": "acme" } }] });
        let record = json!({ "timeUnixNano": "1", "body": { "stringValue": "<address>" } });
        let expected = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }], "resource": resource }] });
        assert_eq!(batch, expected);
        let mut twice = json!({ "resourceLogs": [], "resource_logs": [{}] });
        assert_eq!(clean(OtlpSignal::Logs, &mut twice), Err(OtlpFault::Malformed("it has a field twice")));
    }

    #[test]
    fn a_resource_names_the_tenant_of_the_token_and_no_other() {
        let claimed = json!({ "key": "trunkline.tenant", "value": { "stringValue": "other" } });
        for resource in [json!({ "attributes": [claimed] }), json!({ "attributes": null }), json!({}), Value::Null] {
            let mut batch = json!({ "resourceMetrics": [{ "resource": resource }] });
            clean(OtlpSignal::Metrics, &mut batch).unwrap();
            let attributes = &batch["resourceMetrics"][0]["resource"]["attributes"];
            assert_eq!(*attributes, json!([{ "key": "trunkline.tenant", "value": { "stringValue": "acme" } }]));
        }
        for wrong in [json!(1), json!({ "resource": [] }), json!({ "resource": { "attributes": {} } })] {
            let mut batch = json!({ "resourceMetrics": [wrong] });
            assert!(clean(OtlpSignal::Metrics, &mut batch).is_err(), "{batch}");
        }
    }

    /// The contract of the softphone, which names the region.
    fn of_softphone() -> BTreeMap<String, Contract> {
        let contract = read_list(r#"[{"appName": "softphone", "properties": ["region"]}]"#).unwrap().remove(0);
        BTreeMap::from([("softphone".to_owned(), contract)])
    }

    fn attribute(key: &str, text: &str) -> Value {
        json!({ "key": key, "value": { "stringValue": text } })
    }

    #[test]
    fn a_program_with_a_contract_sends_what_that_names_and_what_its_sdk_sets_by_itself() {
        let text = |key: &str| attribute(key, "x");
        let map = json!({ "key": "browser.frame", "value": { "kvlistValue": { "values": [text("customer")] } } });
        let batch = |name: &str, further: &[Value]| {
            let with = |known: Value| [&[known][..], further].concat();
            json!({ "resourceSpans": [{
                "resource": { "attributes": with(attribute("service.name", name)) },
                "scopeSpans": [{
                    "scope": { "name": "s", "attributes": with(text("region")) },
                    "spans": [{
                        "name": "s",
                        "attributes": with(map.clone()),
                        "events": [{ "name": "e", "attributes": with(text("region")) }],
                        "links": [{ "attributes": with(text("url.full")) }],
                    }],
                }],
            }] })
        };
        let unknown = [text("customer"), json!({ "value": { "stringValue": "without a name" } }), json!(null)];
        for (name, left) in [("softphone", &[][..]), ("other", &unknown[..])] {
            let mut cleaned = batch(name, &unknown);
            let content = clean_json(OtlpSignal::Traces, &mut cleaned, "acme", &of_softphone()).unwrap();
            let mut expected = batch(name, left);
            let of_resource = resource_attributes(&mut expected["resourceSpans"][0]).unwrap();
            of_resource.push(attribute("trunkline.tenant", "acme"));
            assert_eq!(cleaned, expected, "{name}");
            assert_eq!(content.attributes_dropped, if left.is_empty() { 5 * unknown.len() } else { 0 });
        }
    }

    #[test]
    fn metrics_keep_the_attributes_by_which_points_and_programs_are_told_apart() {
        let batch = |number: &str, tenant: &[Value]| {
            let point = |desk: &str| json!({ "attributes": [attribute("desk", desk), attribute("to", number)] });
            let exemplar = json!({ "filteredAttributes": [attribute("to", number)] });
            let sum = json!({ "dataPoints": [point("7101"), point("7102"), { "exemplars": [exemplar] }] });
            let of_program = [attribute("service.name", "softphone"), attribute("desk", "7101")];
            let of_resource = [&of_program[..], tenant].concat();
            json!({ "resourceMetrics": [{
                "resource": { "attributes": of_resource },
                "scopeMetrics": [{ "metrics": [{ "name": "m", "metadata": [attribute("to", number)], "sum": sum }] }],
            }] })
        };
        let mut cleaned = batch("+4930123456", &[]);
        let content = clean_json(OtlpSignal::Metrics, &mut cleaned, "acme", &of_softphone()).unwrap();
        assert_eq!(cleaned, batch("<number>", &[attribute("trunkline.tenant", "acme")]));
        assert_eq!((content.attributes_dropped, content.items), (0, 3));
        assert!(content.services.contains("softphone"), "the kill switch holds");
    }

    #[test]
    fn histograms_keep_their_buckets_and_lose_what_is_personal() {
        let batch = |to: &str, resource: &Value| {
            let exemplar = json!({ "filteredAttributes": [attribute("to", to)], "asDouble": 0.5, "timeUnixNano": "1" });
            let explicit = json!({ "attributes": [attribute("to", to)], "count": "3", "sum": 7.5, "min": 0.5, "max": 4.0,
                "bucketCounts": ["1", "2"], "explicitBounds": [1.0], "exemplars": [exemplar] });
            let buckets = json!({ "offset": -2, "bucketCounts": ["1", "0", "2"] });
            let exponential = json!({ "attributes": [attribute("to", to)], "count": 6, "scale": -1, "zeroCount": "3",
                "zeroThreshold": 0.001, "positive": buckets, "negative": buckets, "exemplars": [exemplar] });
            let summary = json!({ "attributes": [attribute("to", to)], "count": "3", "sum": 7.5,
                "quantileValues": [{ "quantile": 0.9, "value": 4.0 }] });
            let of = |point: &Value| json!({ "aggregationTemporality": 2, "dataPoints": [point] });
            json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": [
                { "name": "delay", "unit": "ms", "histogram": of(&explicit) },
                { "name": "delay", "unit": "ms", "exponentialHistogram": of(&exponential) },
                { "name": "delay", "unit": "ms", "summary": { "dataPoints": [summary] } },
            ] }] }] })
        };
        let mut cleaned = batch("+4930123456", &json!({ "attributes": [] }));
        assert_eq!(clean(OtlpSignal::Metrics, &mut cleaned).map(|content| content.items), Ok(3));
        assert_eq!(cleaned, batch("<number>", &json!({ "attributes": [attribute("trunkline.tenant", "acme")] })));
    }

    #[test]
    fn too_many_items_are_refused() {
        let mut many = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": vec![json!({}); ITEMS_MAX + 1] }] }] });
        assert_eq!(clean(OtlpSignal::Logs, &mut many), Err(OtlpFault::TooMany(ITEMS_MAX + 1)));
        let metrics = |points: usize| {
            let of_each = json!({ "gauge": { "dataPoints": vec![json!({}); points] } });
            let named = json!({ "exponential_histogram": { "data_points": [{}] } });
            json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [of_each, named] }] }] })
        };
        let cleaned = |mut batch| clean(OtlpSignal::Metrics, &mut batch).map(|content| content.items);
        assert_eq!(cleaned(metrics(ITEMS_MAX - 1)), Ok(ITEMS_MAX));
        assert_eq!(cleaned(metrics(ITEMS_MAX)), Err(OtlpFault::TooMany(ITEMS_MAX + 1)), "data points are counted");
        let mut many = json!({ "resourceLogs": vec![json!({}); RESOURCES_MAX + 1] });
        assert_eq!(clean(OtlpSignal::Logs, &mut many), Err(OtlpFault::TOO_MANY_RESOURCES));
    }

    #[test]
    fn a_refusal_says_how_many() {
        let told = rejected_json(OtlpSignal::Logs, 3, "off");
        assert_eq!(told, json!({ "partialSuccess": { "rejectedLogRecords": "3", "errorMessage": "off" } }));
    }
}
