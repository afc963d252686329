//! The states of one tenant's objects, as port 2060 tells them: what is to be followed and what was told go in, what is to be opened and
//! closed, and the changed states, come out. As many as a stream takes go by one lane; there are several.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use contracts::v1;
use infra::MonitoredState;
use model::Timestamp;
use serde_json::Value;

use crate::data_collector_api::MonitoredObject;
use crate::statistic_value;

/// The most streams of a tenant: with those of gws-statistics fewer than port 2060 takes.
pub(super) const LANES_MAX: usize = 10;
/// The most statistics of one: as many as a stream of port 2060 takes.
const LANE_MAX: usize = 2_000;
/// The most of them that a message opens.
const AT_ONCE_MAX: usize = 500;
/// After how long tenant is asked again for what it has refused: by then there may be the object, or room.
const REOPENED_AFTER: Duration = Duration::from_secs(30);

/// The objects of a tenant that are followed.
#[derive(Default)]
pub(super) struct MonitoredStates {
    by_id: BTreeMap<String, FollowedObject>,
    by_reference: HashMap<u64, String>,
    lanes: [StatesLane; LANES_MAX],
    last_reference: u64,
    changed: BTreeMap<String, MonitoredState>,
}

struct FollowedObject {
    object: MonitoredObject,
    reference: u64,
    lane: usize,
    /// Whether something was told of it.
    is_known: bool,
    /// When it was refused.
    refused_at: Option<Timestamp>,
}

/// What goes by one stream.
#[derive(Default)]
struct StatesLane {
    open: BTreeSet<u64>,
    to_open: BTreeSet<u64>,
    to_close: BTreeSet<u64>,
    /// Whether each change comes.
    is_heard: bool,
}

impl MonitoredStates {
    /// From now on these are followed, and no others. Says how many there is no room for.
    pub fn follow(&mut self, objects: Vec<MonitoredObject>) -> usize {
        let wanted: HashSet<String> = objects.iter().map(MonitoredObject::id).collect();
        let gone: Vec<String> = self.by_id.keys().filter(|id| !wanted.contains(*id)).cloned().collect();
        for id in gone {
            self.close(&id);
        }
        let mut left_out = 0;
        for object in objects {
            let id = object.id();
            if self.by_id.contains_key(&id) {
                continue;
            }
            let Some(lane) = self.lanes.iter().position(|lane| lane.open.len() < LANE_MAX) else {
                left_out += 1;
                continue;
            };
            self.last_reference += 1;
            let reference = self.last_reference;
            self.lanes[lane].open.insert(reference);
            self.lanes[lane].to_open.insert(reference);
            self.by_reference.insert(reference, id.clone());
            self.by_id.insert(id, FollowedObject { object, reference, lane, is_known: false, refused_at: None });
        }
        left_out
    }

    fn close(&mut self, id: &str) {
        let Some(FollowedObject { reference, lane, .. }) = self.by_id.remove(id) else { return };
        self.by_reference.remove(&reference);
        self.changed.remove(id);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.open.remove(&reference);
            // One that was never opened is not closed.
            if !lane.to_open.remove(&reference) {
                lane.to_close.insert(reference);
            }
        }
    }

    /// How many streams are needed.
    pub fn lanes_used(&self) -> usize {
        self.lanes.iter().rposition(|lane| !lane.open.is_empty()).map_or(0, |last| last + 1)
    }

    /// Whether each change of all of them comes.
    pub fn is_current(&self) -> bool {
        self.lanes.iter().all(|lane| lane.is_heard || lane.open.is_empty())
    }

    /// Whether something was told of each of them.
    pub fn is_settled(&self) -> bool {
        self.by_id.values().all(|followed| followed.is_known)
    }

    // === the streams ===

    /// A stream begins: all that is to go by it is to be opened.
    pub fn begun(&mut self, place: usize) {
        if let Some(lane) = self.lanes.get_mut(place) {
            *lane = StatesLane {
                to_open: lane.open.clone(),
                open: std::mem::take(&mut lane.open),
                ..StatesLane::default()
            };
        }
    }

    /// A stream has ended: what is known may be old.
    pub fn broken(&mut self, place: usize) {
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.is_heard = false;
        }
    }

    /// Whether there is a message for a stream.
    pub fn has_message(&self, place: usize) -> bool {
        self.lanes.get(place).is_some_and(|lane| !lane.to_open.is_empty() || !lane.to_close.is_empty())
    }

    /// The next message for a stream.
    pub fn next_message(&mut self, place: usize) -> Option<v1::FollowStatisticsRequest> {
        if !self.has_message(place) {
            return None;
        }
        let lane = self.lanes.get_mut(place)?;
        let references: Vec<u64> = lane.to_open.iter().copied().take(AT_ONCE_MAX).collect();
        for reference in &references {
            lane.to_open.remove(reference);
        }
        let close: Vec<u64> = std::mem::take(&mut lane.to_close).into_iter().collect();
        let open = references.iter().filter_map(|reference| {
            let followed = self.by_id.get(self.by_reference.get(reference)?)?;
            let request = v1::StatisticRequest {
                name: followed.object.statistic.to_owned(),
                object_type: followed.object.object_type.to_owned(),
                object_id: followed.object.object_id.clone(),
                ..Default::default()
            };
            Some(v1::OpenStatistic { reference: *reference, request: Some(request) })
        });
        Some(v1::FollowStatisticsRequest { open: open.collect(), close })
    }

    /// Takes in what tenant tells. Says whether states have changed.
    pub fn told(&mut self, place: usize, told: v1::FollowStatisticsResponse, now: Timestamp) -> bool {
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.is_heard = true;
        }
        for v1::StatisticTold { reference, value } in told.values {
            let (Some(id), Some(reading)) = (self.by_reference.get(&reference), value) else { continue };
            if let Some(followed) = self.by_id.get_mut(id) {
                (followed.is_known, followed.refused_at) = (true, None);
            }
            let value = statistic_value::told(&reading).unwrap_or(Value::Null).to_string();
            let at = Timestamp::from_millis(statistic_value::timestamp(&reading));
            self.changed.insert(id.clone(), MonitoredState { id: id.clone(), at, value });
        }
        for refused in told.refused {
            let followed = self.by_reference.get(&refused.reference).and_then(|id| self.by_id.get_mut(id));
            if let Some(followed) = followed {
                (followed.is_known, followed.refused_at) = (true, Some(now));
            }
        }
        !self.changed.is_empty()
    }

    /// Opens what was refused a while ago.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for followed in self.by_id.values_mut() {
            if followed.refused_at.is_some_and(|at| now.since(at) >= REOPENED_AFTER) {
                followed.refused_at = None;
                if let Some(lane) = self.lanes.get_mut(followed.lane) {
                    lane.to_open.insert(followed.reference);
                }
            }
        }
    }

    // === what is written ===

    /// Some of the changed states.
    pub fn take_changed(&mut self, count: usize) -> Vec<MonitoredState> {
        let taken: Vec<MonitoredState> = self.changed.values().take(count).cloned().collect();
        taken.iter().for_each(|state| drop(self.changed.remove(&state.id)));
        taken
    }

    /// They were not written: they are to be, unless there are later ones.
    pub fn give_back(&mut self, states: Vec<MonitoredState>) {
        for state in states {
            if self.by_id.contains_key(&state.id) {
                self.changed.entry(state.id.clone()).or_insert(state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::v1::statistic_reading::Value as Reading;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn queue(name: &str) -> MonitoredObject {
        MonitoredObject { object_type: "Queue", object_id: name.to_owned(), statistic: "CurrentCallsWaiting" }
    }

    fn told(reference: u64, number: u64) -> v1::FollowStatisticsResponse {
        let reading =
            v1::StatisticReading { at_us: 7_000, value: Some(Reading::Number(number)), counts_since_us: None };
        let value = v1::StatisticTold { reference, value: Some(reading) };
        v1::FollowStatisticsResponse { values: vec![value], ..Default::default() }
    }

    fn names(message: &v1::FollowStatisticsRequest) -> Vec<&str> {
        message.open.iter().filter_map(|open| Some(open.request.as_ref()?.object_id.as_str())).collect()
    }

    #[test]
    fn what_is_followed_is_opened_and_its_changes_are_written_once() {
        let mut states = MonitoredStates::default();
        assert!(states.is_current() && states.is_settled() && states.lanes_used() == 0);
        assert_eq!(states.follow(vec![queue("sales"), queue("service")]), 0);
        assert!(!states.is_current() && states.lanes_used() == 1);
        states.begun(0);
        let message = states.next_message(0).unwrap();
        assert_eq!(names(&message), ["sales", "service"]);
        assert!(states.next_message(0).is_none());
        assert!(states.told(0, told(message.open[0].reference, 3), NOW));
        assert!(states.is_current() && !states.is_settled());
        assert!(states.told(0, told(message.open[0].reference, 4), NOW));
        let changed = states.take_changed(10);
        assert_eq!((changed.len(), changed[0].id.as_str(), changed[0].value.as_str()), (1, "Queue/sales", "4"));
        assert!(states.take_changed(10).is_empty());
        states.give_back(changed.clone());
        assert_eq!(states.take_changed(10), changed);
        states.told(0, told(message.open[0].reference, 5), NOW);
        states.give_back(changed);
        assert_eq!(states.take_changed(10)[0].value, "5", "the later one counts");
    }

    #[test]
    fn after_a_break_all_are_opened_again() {
        let mut states = MonitoredStates::default();
        states.follow(vec![queue("sales"), queue("service")]);
        states.begun(0);
        states.next_message(0).unwrap();
        states.told(0, v1::FollowStatisticsResponse::default(), NOW);
        assert!(states.is_current());
        states.broken(0);
        assert!(!states.is_current());
        states.begun(0);
        assert_eq!(names(&states.next_message(0).unwrap()), ["sales", "service"]);
    }

    #[test]
    fn what_is_no_longer_followed_is_closed_and_not_written() {
        let mut states = MonitoredStates::default();
        states.follow(vec![queue("sales"), queue("service")]);
        states.begun(0);
        let opened = states.next_message(0).unwrap();
        states.told(0, told(opened.open[0].reference, 3), NOW);
        states.follow(vec![queue("service"), queue("support")]);
        assert!(states.take_changed(10).is_empty());
        let message = states.next_message(0).unwrap();
        assert_eq!((names(&message), &message.close), (vec!["support"], &vec![opened.open[0].reference]));
        states.told(0, told(opened.open[0].reference, 9), NOW);
        assert!(states.take_changed(10).is_empty(), "it came behind the close");
    }

    #[test]
    fn what_was_refused_is_asked_for_again_later() {
        let mut states = MonitoredStates::default();
        states.follow(vec![queue("sales")]);
        states.begun(0);
        let reference = states.next_message(0).unwrap().open[0].reference;
        let refused = v1::StatisticRefused { reference, message: "no such".to_owned(), why: 1 };
        states.told(0, v1::FollowStatisticsResponse { refused: vec![refused], ..Default::default() }, NOW);
        assert!(states.is_settled());
        states.handle_timeout(NOW);
        assert!(!states.has_message(0));
        states.handle_timeout(NOW + REOPENED_AFTER);
        assert_eq!(names(&states.next_message(0).unwrap()), ["sales"]);
    }

    #[test]
    fn more_than_one_stream_takes_go_by_several_and_the_rest_is_left_out() {
        let mut states = MonitoredStates::default();
        let many = |count: usize| (0..count).map(|n| queue(&n.to_string())).collect::<Vec<_>>();
        assert_eq!((states.follow(many(LANE_MAX + 1)), states.lanes_used()), (0, 2));
        states.begun(0);
        assert_eq!(states.next_message(0).unwrap().open.len(), AT_ONCE_MAX);
        assert_eq!(states.follow(many(LANES_MAX * LANE_MAX + 7)), 7);
        assert_eq!(states.lanes_used(), LANES_MAX);
    }
}
