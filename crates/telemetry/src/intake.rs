//! What of a batch is kept: its contract decides which properties, its items are cleaned and counted.

use std::collections::BTreeSet;

use model::Timestamp;
use serde_json::{Map, Value};

use crate::apdex::ApdexZone;
use crate::batch::{Batch, ClientItem, ItemKind, ItemLevel, clamped};
use crate::clean::{cleaned, cleaned_version};
use crate::contract::Contract;
use crate::field_fault::FieldFault;
use crate::limits::{FAULTS_TOLD_MAX, PROPERTIES_MAX};
use crate::shed::Importance;

/// What is kept of a batch.
#[derive(Clone, Debug, Default)]
pub struct KeptBatch {
    /// The version of the application.
    pub version: String,
    /// The session of the browser or program.
    pub session: String,
    /// What holds for every item.
    pub attributes: Map<String, Value>,
    /// The items.
    pub items: Vec<KeptItem>,
    /// The first faults of items that are not kept.
    pub faults: Vec<FieldFault>,
    /// How many items had faults.
    pub faulty: usize,
    /// Properties and attributes that the contract does not name, or that are no plain values.
    pub properties_dropped: usize,
}

/// An item without personal data.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptItem {
    /// What it is.
    pub kind: ItemKind,
    /// When it was, at most a day from now.
    pub at: Timestamp,
    /// Its name.
    pub name: String,
    /// How grave it is.
    pub level: ItemLevel,
    /// Its value.
    pub value: Option<f64>,
    /// Its properties.
    pub properties: Map<String, Value>,
    /// What is counted of it.
    pub counted: ContractCounts,
}

/// What of an item is counted by its contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContractCounts {
    /// The pattern of the monitored event that it is.
    pub event: Option<String>,
    /// Whether it crosses the threshold of a monitored metric.
    pub is_crossing: bool,
    /// What it means for its user's satisfaction.
    pub zone: Option<ApdexZone>,
}

impl KeptBatch {
    /// The patterns of monitored events that its items are, each once.
    pub fn monitored_events(&self) -> BTreeSet<&str> {
        self.items.iter().filter_map(|item| item.counted.event.as_deref()).collect()
    }
}

impl KeptItem {
    /// How much it matters.
    pub fn importance(&self) -> Importance {
        let is_monitored = self.counted.event.is_some() || self.counted.is_crossing;
        Importance::of(self.kind, self.level, is_monitored)
    }
}

/// Takes a batch by the contract of its application.
pub fn take(batch: Batch, contract: &Contract, now: Timestamp) -> KeptBatch {
    let mut properties_dropped = 0;
    let attributes = kept(&batch.attributes, contract, &mut properties_dropped);
    let (version, session) = (cleaned_version(&batch.version).into_owned(), cleaned(&batch.session).into_owned());
    let mut taken = KeptBatch { version, session, attributes, properties_dropped, ..KeptBatch::default() };
    for item in batch.items {
        match item {
            Ok(item) => {
                let properties = kept(&item.properties, contract, &mut taken.properties_dropped);
                let counted = counted(&item, contract);
                taken.items.push(KeptItem {
                    kind: item.kind,
                    at: clamped(item.at, now),
                    name: cleaned(&item.name).into_owned(),
                    level: item.level,
                    value: item.value,
                    properties,
                    counted,
                });
            }
            Err(fault) => {
                taken.faulty += 1;
                if taken.faults.len() < FAULTS_TOLD_MAX {
                    taken.faults.push(fault);
                }
            }
        }
    }
    taken
}

/// The properties that the contract names, with plain values.
fn kept(properties: &Map<String, Value>, contract: &Contract, dropped: &mut usize) -> Map<String, Value> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(Value::String(cleaned(text).into_owned())),
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let allowed = properties.iter().filter(|(name, _)| contract.allows(name));
    let kept: Map<String, Value> =
        allowed.filter_map(|(name, value)| Some((name.clone(), plain(value)?))).take(PROPERTIES_MAX).collect();
    *dropped += properties.len() - kept.len();
    kept
}

fn counted(item: &ClientItem, contract: &Contract) -> ContractCounts {
    let event = (item.kind == ItemKind::Event || item.kind == ItemKind::Log)
        .then(|| contract.event(&item.name))
        .flatten()
        .map(|event| event.pattern.clone());
    let measured = item.value.filter(|_| item.kind == ItemKind::Metric || item.kind == ItemKind::Span);
    let Some(value) = measured else { return ContractCounts { event, ..ContractCounts::default() } };
    let mut monitored = contract.metrics().iter().filter(|metric| metric.name == item.name);
    ContractCounts {
        event,
        is_crossing: monitored.any(|metric| metric.is_crossed_by(value)),
        zone: contract.apdex(&item.name).map(|rule| rule.zone(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::read_list;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn taken(batch: Value) -> KeptBatch {
        let contract = r#"[{"appName": "softphone", "properties": ["ThisDN", "region", "value__NUM"],
            "monitoredMetrics": [{"name": "jitter", "value": 30, "type": "gt"}, {"name": "jitter", "value": 1, "type": "lt"}],
            "monitoredEvents": ["error_.*"], "apdex": {"metrics": {"mos": {"satisfiedTH": 3.6, "toleratedTH": 2}}}}]"#;
        take(Batch::read(&batch).unwrap(), &read_list(contract).unwrap()[0], NOW)
    }

    #[test]
    fn only_what_the_contract_names_is_kept_and_it_is_cleaned() {
        let taken = taken(json!({
            "app": { "name": "softphone", "version": "9.0 of ann@desk.example", "sessionId": "+4930123456" },
            "attributes": { "region": "eu", "password": "secret" },
            "items": [{
                "type": "log", "name": "call_start", "ts": 1,
                "props": { "ThisDN": "to +4930123456", "value__3": 7, "region": ["a"], "other": 1 },
            }],
        }));
        assert_eq!((taken.version.as_str(), taken.session.as_str()), ("9.0 of <address>", "<number>"));
        assert_eq!(taken.attributes, *json!({ "region": "eu" }).as_object().unwrap());
        let item = &taken.items[0];
        assert_eq!(item.properties, *json!({ "ThisDN": "to <number>", "value__3": 7 }).as_object().unwrap());
        assert_eq!(taken.properties_dropped, 3);
        assert_eq!(item.at, NOW - crate::limits::SKEW_MAX, "a clock that stands at 1970");
        assert_eq!(item.importance(), Importance::Usual);
    }

    #[test]
    fn a_version_that_looks_like_an_address_stays() {
        let app = json!({ "name": "softphone", "version": "1.0.0.7", "sessionId": "from 1.0.0.7" });
        let taken = taken(json!({ "app": app, "items": [] }));
        assert_eq!((taken.version.as_str(), taken.session.as_str()), ("1.0.0.7", "from <address>"));
    }

    #[test]
    fn what_is_monitored_is_counted() {
        let taken = taken(json!({ "app": { "name": "softphone" }, "items": [
            { "type": "event", "name": "error_js" },
            { "type": "metric", "name": "jitter", "value": 40 },
            { "type": "metric", "name": "jitter", "value": 20 },
            { "type": "metric", "name": "mos", "value": 2.5 },
            { "type": "event", "name": "jitter", "value": 40 },
            { "type": "metric", "name": "jitter" },
        ]}));
        let counted: Vec<&ContractCounts> = taken.items.iter().map(|item| &item.counted).collect();
        assert_eq!(counted[0].event.as_deref(), Some("error_.*"));
        assert_eq!([1, 2, 4].map(|at| counted[at].is_crossing), [true, false, false]);
        assert_eq!(counted[3].zone, Some(ApdexZone::Tolerating));
        assert_eq!(taken.items[0].importance(), Importance::Grave);
        assert_eq!((taken.faulty, taken.faults[0].field.as_str()), (1, "items[5].value"));
    }

    #[test]
    fn what_a_client_repeats_in_a_batch_is_one_batch_with_it() {
        let event = json!({ "type": "event", "name": "error_js" });
        let other = json!({ "type": "log", "name": "call_start" });
        let looping = taken(json!({ "app": { "name": "softphone" }, "items": [event, event, other] }));
        assert_eq!(looping.monitored_events(), BTreeSet::from(["error_.*"]));
        assert!(taken(json!({ "app": { "name": "softphone" }, "items": [other] })).monitored_events().is_empty());
    }
}
