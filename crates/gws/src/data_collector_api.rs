//! What gws-workspace and gws-data-collector say to each other (gws-15): targets that were found, and the states of what is monitored.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most objects whose states are asked for at once.
pub(crate) const STATES_MAX: usize = 500;

/// Targets that were found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CollectedTargets {
    /// The published targets, without their availability.
    pub targets: Vec<Value>,
    /// How many fit, those included that are not among them.
    pub total_matches: u64,
    /// The states of those of them that have one.
    #[serde(default)]
    pub states: Vec<ContactState>,
    /// With what the search goes on behind the last of them; none where there is no further one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_from: Option<String>,
}

/// The state of an object, as it was told last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContactState {
    /// The published name of its kind, as `Agent`.
    pub object_type: String,
    /// Which one.
    pub object_id: String,
    /// When it was true, in milliseconds since 1970.
    pub timestamp: u64,
    /// The value of the statistic of [`statistic_of`].
    pub value: Value,
}

/// An object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AskedObject {
    /// The published name of its kind.
    pub object_type: String,
    /// Which one.
    pub object_id: String,
}

/// Objects whose states are asked for, at most [`STATES_MAX`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AskedStates {
    /// They.
    pub objects: Vec<AskedObject>,
}

/// The states of those that have one.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ToldStates {
    /// They.
    pub states: Vec<ContactState>,
}

/// An object that is monitored.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct MonitoredObject {
    /// The published name of its kind.
    pub object_type: &'static str,
    /// Which one.
    pub object_id: String,
    /// The statistic whose value is its state.
    pub statistic: &'static str,
}

impl MonitoredObject {
    /// What it is kept under.
    pub fn id(&self) -> String {
        state_id(self.object_type, &self.object_id)
    }
}

/// What the state of an object is kept under.
pub(crate) fn state_id(object_type: &str, object_id: &str) -> String {
    format!("{object_type}/{object_id}")
}

/// The statistic whose value is the state of objects of a kind.
pub(crate) fn statistic_of(object_type: &str) -> Option<&'static str> {
    match object_type {
        "Agent" => Some("CurrentAgentState"),
        "GroupAgents" => Some("CurrentReadyAgents"),
        "Queue" | "RoutePoint" => Some("CurrentCallsWaiting"),
        _ => None,
    }
}

/// The object whose state says how available a target is; none of what has no availability.
pub(crate) fn monitored(target: &Value) -> Option<MonitoredObject> {
    let text = |field: &str| target.get(field).and_then(Value::as_str);
    let (object_type, field) = match text("type")? {
        "agent" => ("Agent", "employeeId"),
        "agent-group" => ("GroupAgents", "name"),
        "acd-queue" => ("Queue", "number"),
        "route-point" => ("RoutePoint", "number"),
        _ => return None,
    };
    let statistic = statistic_of(object_type)?;
    Some(MonitoredObject { object_type, object_id: text(field)?.to_owned(), statistic })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_the_form_that_both_sides_know() {
        let state = ContactState {
            object_type: "Queue".to_owned(),
            object_id: "sales".to_owned(),
            timestamp: 7,
            value: json!(3),
        };
        let found = CollectedTargets {
            targets: vec![json!({"type": "acd-queue", "number": "sales"})],
            total_matches: 2,
            states: vec![state],
            continue_from: Some("x".to_owned()),
        };
        let told = json!({
            "targets": [{"type": "acd-queue", "number": "sales"}], "totalMatches": 2, "continueFrom": "x",
            "states": [{"objectType": "Queue", "objectId": "sales", "timestamp": 7, "value": 3}],
        });
        assert_eq!(serde_json::to_value(&found).unwrap(), told);
        assert_eq!(serde_json::from_value::<CollectedTargets>(told).unwrap(), found);
    }

    #[test]
    fn each_target_with_an_availability_has_an_object_that_is_monitored() {
        let queue = monitored(&json!({"type": "acd-queue", "number": "sales"})).unwrap();
        assert_eq!((queue.id().as_str(), queue.statistic), ("Queue/sales", "CurrentCallsWaiting"));
        let ann = monitored(&json!({"type": "agent", "employeeId": "1001"})).unwrap();
        assert_eq!((ann.object_type, statistic_of(ann.object_type)), ("Agent", Some("CurrentAgentState")));
        assert_eq!(monitored(&json!({"type": "skill", "name": "sales"})), None);
    }
}
