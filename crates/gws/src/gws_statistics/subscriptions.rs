//! What a session has open: groups of statistics, each by the id that its client has given it.

use std::collections::{BTreeMap, BTreeSet};

use contracts::v1;
use model::Timestamp;
use serde_json::{Value, json};

use super::asked::AskedStatistic;
use super::refusal_of;
use super::tenant_statistics::KnownReading;
use crate::sessions::answers::ApiRefusal;
use crate::statistic_value as value;

/// The most subscriptions of a session.
pub(super) const SUBSCRIPTIONS_MAX: usize = 64;
/// The longest id of a subscription, in bytes.
pub(super) const ID_BYTES_MAX: usize = 128;

/// A statistic that is open.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpenStatistic {
    /// As it was asked for.
    pub asked: AskedStatistic,
    /// By which it is known among those of the tenant; none where there was no room for it.
    pub reference: Option<u64>,
}

/// The subscriptions of a session.
#[derive(Default)]
pub(super) struct OpenSubscriptions {
    of: BTreeMap<String, Vec<OpenStatistic>>,
}

impl OpenSubscriptions {
    /// Opens one, in place of any of that id.
    pub fn insert(&mut self, id: String, statistics: Vec<OpenStatistic>) -> Option<Vec<OpenStatistic>> {
        self.of.insert(id, statistics)
    }

    /// Closes one.
    pub fn remove(&mut self, id: &str) -> Option<Vec<OpenStatistic>> {
        self.of.remove(id)
    }

    /// The statistics of one.
    pub fn get(&self, id: &str) -> Option<&[OpenStatistic]> {
        self.of.get(id).map(Vec::as_slice)
    }

    /// Whether there is room for one of that id.
    pub fn has_room(&self, id: &str) -> bool {
        self.of.len() < SUBSCRIPTIONS_MAX || self.of.contains_key(id)
    }

    /// Whether that is true of one of them.
    pub fn any(&self, is: impl Fn(&AskedStatistic) -> bool) -> bool {
        self.of.values().flatten().any(|statistic| is(&statistic.asked))
    }

    /// Takes out those that are not to be shown, each with the id of its subscription.
    pub fn take_hidden(&mut self, shows: impl Fn(&AskedStatistic) -> bool) -> Vec<(String, OpenStatistic)> {
        let mut hidden = Vec::new();
        for (id, statistics) in &mut self.of {
            let out = statistics.extract_if(.., |statistic| !shows(&statistic.asked));
            hidden.extend(out.map(|statistic| (id.clone(), statistic)));
        }
        hidden
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &[OpenStatistic])> {
        self.of.iter().map(|(id, statistics)| (id.as_str(), statistics.as_slice()))
    }

    /// The references of all statistics.
    pub fn references(&self) -> BTreeSet<u64> {
        self.of.values().flatten().filter_map(|statistic| statistic.reference).collect()
    }

    /// Those for which there was no room.
    pub fn unopened(&mut self) -> impl Iterator<Item = &mut OpenStatistic> {
        self.of.values_mut().flatten().filter(|statistic| statistic.reference.is_none())
    }

    /// The messages about those statistics for clients of the session: each with the subscription that it is in. One that tenant counts no
    /// longer has a status.
    pub fn updates(&self, changed: &BTreeSet<u64>, known: impl Fn(u64) -> Option<KnownReading>) -> Vec<Value> {
        let mut updates = Vec::new();
        for (id, statistics) in &self.of {
            for statistic in statistics {
                let reference = statistic.reference.filter(|reference| changed.contains(reference));
                let mut update = match reference.and_then(&known) {
                    Some(KnownReading::Value(reading)) => shown(&statistic.asked, &reading, ShownStatistic::Whole),
                    Some(KnownReading::Refused(why, at)) => gone(&statistic.asked, &refusal_of(&why), at),
                    None => continue,
                };
                update["subscriptionId"] = json!(id);
                updates.push(update);
            }
        }
        updates
    }
}

/// How much is said of a statistic beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownStatistic {
    /// Its name and object too.
    Whole,
    /// Its id alone.
    Brief,
}

impl ShownStatistic {
    /// That of the published parameter `verbose`.
    pub fn of_verbose(verbose: Option<&str>) -> Self {
        if verbose.is_some_and(|verbose| verbose.eq_ignore_ascii_case("OFF")) { Self::Brief } else { Self::Whole }
    }
}

/// A statistic with its value, as published.
pub(super) fn shown(asked: &AskedStatistic, reading: &v1::StatisticReading, how: ShownStatistic) -> Value {
    let mut told = described(asked, value::timestamp(reading), how);
    if let Some(value) = value::told(reading) {
        told["value"] = value;
    }
    told
}

/// A statistic that is counted no longer: why stands where the value was.
pub(super) fn gone(asked: &AskedStatistic, why: &ApiRefusal, at: Timestamp) -> Value {
    let mut told = described(asked, at.as_millis(), ShownStatistic::Whole);
    told["status"] = why.body()["status"].take();
    told
}

fn described(asked: &AskedStatistic, timestamp: u64, how: ShownStatistic) -> Value {
    let mut told = json!({"statisticId": asked.statistic_id, "timestamp": timestamp});
    if how == ShownStatistic::Whole {
        told["objectId"] = json!(asked.request.object_id);
        told["objectType"] = json!(asked.request.object_type);
        if !asked.request.name.is_empty() {
            told["name"] = json!(asked.request.name);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use contracts::v1::statistic_reading::Value as Reading;

    use super::*;

    fn open(id: &str, reference: u64) -> OpenStatistic {
        let asked = AskedStatistic::named("CallsHandled", "1001", "Agent").unwrap();
        OpenStatistic { asked: AskedStatistic { statistic_id: id.to_owned(), ..asked }, reference: Some(reference) }
    }

    fn reading() -> v1::StatisticReading {
        v1::StatisticReading { at_us: 7_000, value: Some(Reading::Number(4)), counts_since_us: None }
    }

    fn known(reference: u64) -> Option<KnownReading> {
        let refused = v1::StatisticRefused { reference, message: "the tenant has no Agent".to_owned(), why: 3 };
        Some(match reference {
            3 => KnownReading::Refused(refused, Timestamp::from_millis(9)),
            _ => KnownReading::Value(reading()),
        })
    }

    #[test]
    fn a_change_is_told_for_each_subscription_that_has_the_statistic() {
        let mut open_here = OpenSubscriptions::default();
        assert!(open_here.insert("a".to_owned(), vec![open("s1", 1), open("s2", 2)]).is_none());
        open_here.insert("b".to_owned(), vec![open("s3", 2)]);
        assert_eq!(open_here.references(), BTreeSet::from([1, 2]));
        let updates = open_here.updates(&BTreeSet::from([2, 99]), known);
        let one = |subscription: &str, id: &str| {
            json!({
                "subscriptionId": subscription, "statisticId": id, "name": "CallsHandled", "objectId": "1001",
                "objectType": "Agent", "timestamp": 7, "value": 4,
            })
        };
        assert_eq!(updates, [one("a", "s2"), one("b", "s3")]);
        assert_eq!(open_here.remove("a").unwrap().len(), 2);
        assert!(open_here.get("a").is_none() && open_here.updates(&BTreeSet::from([1]), known).is_empty());
    }

    #[test]
    fn what_is_counted_no_longer_is_told_with_a_status_in_place_of_a_value() {
        let mut open_here = OpenSubscriptions::default();
        open_here.insert("a".to_owned(), vec![open("s1", 3)]);
        let updates = open_here.updates(&BTreeSet::from([3]), known);
        let status = json!({"code": 404, "message": "the tenant has no Agent"});
        let gone = json!({
            "subscriptionId": "a", "statisticId": "s1", "name": "CallsHandled", "objectId": "1001",
            "objectType": "Agent", "timestamp": 9, "status": status,
        });
        assert_eq!(updates, [gone]);
    }

    #[test]
    fn so_many_subscriptions_may_a_session_have() {
        let mut open_here = OpenSubscriptions::default();
        for n in 0..SUBSCRIPTIONS_MAX {
            assert!(open_here.has_room("x"));
            open_here.insert(n.to_string(), Vec::new());
        }
        assert!(!open_here.has_room("x") && open_here.has_room("7"));
    }

    #[test]
    fn who_wants_little_gets_little() {
        let brief = shown(&open("s1", 1).asked, &reading(), ShownStatistic::of_verbose(Some("OFF")));
        assert_eq!(brief, json!({"statisticId": "s1", "timestamp": 7, "value": 4}));
        assert_eq!(ShownStatistic::of_verbose(Some("INFO")), ShownStatistic::Whole);
        assert_eq!(ShownStatistic::of_verbose(None), ShownStatistic::Whole);
    }
}
