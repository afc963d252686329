//! What a session has open, as it is kept: the requests of its subscriptions as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::wanted::{OpenedStatistic, statistics_of};

/// The most bytes: a record has 16 KiB.
pub(super) const BYTES_MAX: usize = 15 << 10;

type Subscriptions = BTreeMap<String, Vec<OpenedStatistic>>;

/// Subscriptions as they are kept.
pub(super) fn written(subscriptions: &Subscriptions) -> Vec<u8> {
    let of = |opened: &Vec<OpenedStatistic>| opened.iter().map(OpenedStatistic::written).collect::<Value>();
    let all: Map<String, Value> = subscriptions.iter().map(|(id, opened)| (id.clone(), of(opened))).collect();
    Value::Object(all).to_string().into_bytes()
}

/// Whether there is no room for them.
pub(super) fn is_too_long(subscriptions: &Subscriptions) -> bool {
    written(subscriptions).len() > BYTES_MAX
}

/// What was kept.
pub(super) fn read(kept: &[u8]) -> Option<Subscriptions> {
    let all: Map<String, Value> = serde_json::from_slice(kept).ok()?;
    let of = |(id, statistics): (String, Value)| {
        let body = Value::Object(Map::from_iter([("statistics".to_owned(), statistics)]));
        Some((id, statistics_of(&body).ok()?))
    };
    all.into_iter().map(of).collect()
}
