//! How available targets are: which statistic says it of each, and the published `availability` that its value becomes. Without I/O.

use serde_json::{Map, Value, json};

use super::reporting::{ReadStatistics, ReadValue, WantedStatistic};
use crate::data_collector_api::monitored;

/// A day and more: what is greater is no number of seconds that somebody is in a state, but a clock that is wrong.
const SECONDS_MAX: f64 = 1e8;

/// The states of a channel, by which users are listed.
const LOGGED_OUT: &str = "LoggedOut";
const READY: &str = "Ready";
const NOT_READY: &str = "NotReady";

fn text<'a>(target: &'a Value, field: &str) -> Option<&'a str> {
    target.get(field).and_then(Value::as_str)
}

/// The statistic of a target; none if it has no availability.
pub(super) fn statistic_of(target: &Value) -> Option<WantedStatistic> {
    let object = monitored(target)?;
    Some(WantedStatistic::named(object.object_type, &object.object_id, object.statistic))
}

/// The statistic of a user.
pub(super) fn statistic_of_user(user: &Value) -> Option<WantedStatistic> {
    Some(WantedStatistic::named("Agent", text(user, "employeeId")?, "CurrentAgentState"))
}

/// Adds the availability to a target, or a user, if its statistic was read.
pub(super) fn attach(entry: &mut Value, statistic: Option<&WantedStatistic>, read: &ReadStatistics) {
    let Some(value) = statistic.and_then(|statistic| read.values.get(statistic)) else { return };
    let availability = match text(entry, "type") {
        Some("agent-group") => count(value).map(|count| json!({"readyAgents": count})),
        Some("acd-queue" | "route-point") => count(value).map(|count| json!({"waitingCalls": count})),
        _ => Some(json!({"channels": [channel(value)]})),
    };
    if let (Some(availability), Value::Object(fields)) = (availability, entry) {
        fields.insert("availability".to_owned(), availability);
    }
}

/// Clients want a whole number.
fn count(read: &ReadValue) -> Option<u64> {
    read.value.as_u64()
}

/// The state of an agent, as its channel of calls has it.
struct ChannelState {
    state: &'static str,
    work_mode: Option<&'static str>,
    activity: &'static str,
    is_available: bool,
}

/// What the highest action of an agent means.
fn channel_state(status: &str) -> ChannelState {
    let idle = |state, work_mode| ChannelState { state, work_mode, activity: "Idle", is_available: state == READY };
    let busy = |activity| ChannelState { state: READY, work_mode: None, activity, is_available: false };
    match status {
        "WaitForNextCall" => idle(READY, None),
        "NotReadyForNextCall" => idle(NOT_READY, None),
        "LoggedIn" => idle(NOT_READY, None),
        "AfterCallWork" => idle(NOT_READY, Some("AfterCallWork")),
        "CallRinging" => busy("ReceivingCall"),
        "CallDialing" => busy("InitiatingCall"),
        "CallOnHold" => busy("CallOnHold"),
        "CallConsult" => busy("HandlingConsultCall"),
        "CallInternal" | "CallObserving" => busy("HandlingInternalCall"),
        "CallOutbound" => busy("HandlingOutboundCall"),
        "CallInbound" | "CallUnknown" | "BeingMonitored" | "BeingCoached" => busy("HandlingInboundCall"),
        _ => idle(LOGGED_OUT, None),
    }
}

/// The highest action of an agent; empty if it has none.
fn status(read: &ReadValue) -> &str {
    text(&read.value, "status").or_else(|| read.value.as_str()).unwrap_or_default()
}

fn channel(read: &ReadValue) -> Value {
    let ChannelState { state, work_mode, activity, is_available } = channel_state(status(read));
    let mut user_state = Map::from_iter([("state".to_owned(), json!(state))]);
    user_state.extend(work_mode.map(|mode| ("workMode".to_owned(), json!(mode))));
    let reason = text(&read.value, "reason").filter(|reason| !reason.is_empty());
    user_state.extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
    let mut channel = Map::from_iter([
        ("name".to_owned(), json!("voice")),
        ("available".to_owned(), json!(is_available)),
        ("activity".to_owned(), json!(activity)),
        ("userState".to_owned(), Value::Object(user_state)),
    ]);
    channel.extend(dn(read).map(|dn| ("phoneNumber".to_owned(), json!(dn))));
    channel.extend(seconds(read).map(|seconds| ("timeInCurrentState".to_owned(), json!(seconds))));
    Value::Object(channel)
}

/// The DN at which an agent is logged in.
pub(super) fn dn(read: &ReadValue) -> Option<&str> {
    text(&read.value, "dn").filter(|dn| !dn.is_empty() && channel_state(status(read)).state != LOGGED_OUT)
}

/// For how many whole seconds the agent is in that state.
fn seconds(read: &ReadValue) -> Option<u64> {
    let (now, since) = (read.timestamp.as_f64()?, read.value.get("since")?.as_f64()?);
    let seconds = ((now - since) / 1_000.0).floor();
    // Whoever has read the time and whoever has begun the state may have two clocks.
    (seconds.abs() < SECONDS_MAX).then(|| seconds.max(0.0) as u64)
}

/// Whether an agent is in one of the states that somebody lists.
pub(super) fn is_in(read: Option<&ReadValue>, states: &[String]) -> bool {
    let state = read.map_or(LOGGED_OUT, |read| channel_state(status(read)).state);
    states.iter().any(|wanted| wanted.eq_ignore_ascii_case(state))
}

/// Whether there is such a state.
pub(super) fn is_state(name: &str) -> bool {
    [LOGGED_OUT, READY, NOT_READY].iter().any(|state| state.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;

    fn value(value: Value) -> ReadValue {
        ReadValue { timestamp: json!(1_700_000_060_500_u64), value }
    }

    fn attached(mut target: Value, read: Value) -> Value {
        let statistic = statistic_of(&target);
        let values = HashMap::from([(statistic.clone().unwrap(), Arc::new(value(read)))]);
        attach(&mut target, statistic.as_ref(), &ReadStatistics { values, ..ReadStatistics::default() });
        target["availability"].take()
    }

    #[test]
    fn an_agent_has_a_channel_of_calls_with_state_activity_and_phone() {
        let ann = json!({"type": "agent", "employeeId": "1001"});
        let state =
            json!({"status": "NotReadyForNextCall", "since": 1_700_000_000_000_u64, "reason": "Lunch", "dn": "7101"});
        let wanted = json!({"channels": [{
            "name": "voice", "available": false, "activity": "Idle", "phoneNumber": "7101", "timeInCurrentState": 60,
            "userState": {"state": "NotReady", "reason": "Lunch"},
        }]});
        assert_eq!(attached(ann.clone(), state), wanted);
        let gone = attached(ann.clone(), json!({"status": "LoggedOut", "dn": "7101"}));
        assert_eq!(gone["channels"][0]["userState"], json!({"state": "LoggedOut"}));
        assert!(gone["channels"][0].get("phoneNumber").is_none(), "nobody is there");
        let talks = attached(ann, json!({"status": "CallInbound", "dn": "7101"}));
        let channel = &talks["channels"][0];
        assert_eq!((&channel["activity"], &channel["available"]), (&json!("HandlingInboundCall"), &json!(false)));
    }

    #[test]
    fn groups_and_queues_have_whole_numbers_or_none_at_all() {
        let group = json!({"type": "agent-group", "name": "Day"});
        assert_eq!(attached(group.clone(), json!(3)), json!({"readyAgents": 3}));
        assert_eq!(attached(group, json!(null)), Value::Null);
        let queue = json!({"type": "acd-queue", "number": "sales"});
        assert_eq!(attached(queue, json!(2)), json!({"waitingCalls": 2}));
        let point = json!({"type": "route-point", "number": "9000"});
        assert_eq!(statistic_of(&point).unwrap().object_type, "RoutePoint");
        assert_eq!(statistic_of(&json!({"type": "skill", "name": "sales"})), None);
    }

    #[test]
    fn who_has_no_value_counts_as_logged_out() {
        let states = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let ready = value(json!({"status": "CallInbound"}));
        assert!(is_in(Some(&ready), &states(&["notready", "ready"])) && !is_in(Some(&ready), &states(&["NotReady"])));
        assert!(is_in(None, &states(&["LoggedOut"])) && is_state("READY") && !is_state("Busy"));
        assert_eq!(dn(&value(json!("WaitForNextCall"))), None);
    }

    #[test]
    fn a_time_that_cannot_be_is_left_out() {
        let state = |since: Value| seconds(&value(json!({"status": "LoggedOut", "since": since})));
        assert_eq!(state(json!(1_700_000_061_000_u64)), Some(0), "its clock is ahead a little");
        assert_eq!((state(json!(0)), state(json!(null))), (None, None));
    }
}
