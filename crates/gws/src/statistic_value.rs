//! Values of statistics as the published APIs tell them.

use std::time::Duration;

use contracts::v1;
use contracts::v1::statistic_reading::Value as Reading;
use serde_json::{Value, json};

/// What clients get of a value: a number for a count or a ratio, seconds for a duration, an object for the state of an agent. None where
/// there is no value: clients written in Java take no null.
pub(crate) fn told(reading: &v1::StatisticReading) -> Option<Value> {
    match reading.value.as_ref()? {
        Reading::None(_) => None,
        Reading::Number(number) => Some(json!(number)),
        Reading::DurationUs(us) => Some(seconds(*us)),
        Reading::Ratio(ratio) => Some(json!(ratio)),
        Reading::State(state) => Some(agent_state(state)),
    }
}

/// When a value was true, in milliseconds since the Unix epoch.
pub(crate) const fn timestamp(reading: &v1::StatisticReading) -> u64 {
    reading.at_us / 1_000
}

/// Seconds: a whole number where it is one.
fn seconds(us: u64) -> Value {
    match us % 1_000_000 {
        0 => json!(us / 1_000_000),
        _ => json!(Duration::from_micros(us).as_secs_f64()),
    }
}

/// The state of an agent: the highest action in progress, and the state that the Workspace API would show.
fn agent_state(state: &v1::AgentStateReading) -> Value {
    let (published, work_mode) = match state.status.as_str() {
        "LoggedOut" => ("LoggedOut", None),
        "LoggedIn" => ("LoggedIn", None),
        "WaitForNextCall" => ("Ready", None),
        "NotReadyForNextCall" => ("NotReady", None),
        "AfterCallWork" => ("NotReady", Some("AfterCallWork")),
        // Whether it takes calls behind this one, the status does not say.
        _ => ("OnCall", None),
    };
    let mut told = json!({"status": state.status, "agentState": published});
    let further = [
        ("agentWorkMode", work_mode.map(Value::from)),
        ("since", state.since_us.map(|us| Value::from(us / 1_000))),
        ("reason", state.reason.clone().map(Value::from)),
        ("dn", state.dn.clone().map(Value::from)),
    ];
    for (name, value) in further {
        if let Some(value) = value {
            told[name] = value;
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: Reading) -> Option<Value> {
        told(&v1::StatisticReading { at_us: 7_000, value: Some(value), counts_since_us: None })
    }

    #[test]
    fn a_value_is_a_number_seconds_or_a_state_and_none_is_left_out() {
        assert_eq!(of(Reading::Number(3)), Some(json!(3)));
        assert_eq!(of(Reading::DurationUs(12_000_000)), Some(json!(12)));
        assert_eq!(of(Reading::DurationUs(1_500_000)), Some(json!(1.5)));
        assert_eq!(of(Reading::Ratio(87.5)), Some(json!(87.5)));
        assert_eq!(of(Reading::None(true)), None);
        assert_eq!(told(&v1::StatisticReading::default()), None);
        assert_eq!(timestamp(&v1::StatisticReading { at_us: 7_999, ..Default::default() }), 7);
    }

    #[test]
    fn a_state_is_told_with_its_published_name_and_without_what_is_not_known() {
        let state = |status: &str| v1::AgentStateReading { status: status.to_owned(), ..Default::default() };
        let bare = of(Reading::State(state("LoggedOut"))).unwrap();
        assert_eq!(bare, json!({"status": "LoggedOut", "agentState": "LoggedOut"}));
        let whole = v1::AgentStateReading {
            since_us: Some(5_000_000),
            reason: Some("Lunch".to_owned()),
            dn: Some("7101".to_owned()),
            ..state("NotReadyForNextCall")
        };
        let told = of(Reading::State(whole)).unwrap();
        let expected = json!({
            "status": "NotReadyForNextCall", "agentState": "NotReady", "since": 5_000, "reason": "Lunch", "dn": "7101",
        });
        assert_eq!(told, expected);
        assert_eq!(of(Reading::State(state("AfterCallWork"))).unwrap()["agentWorkMode"], "AfterCallWork");
        assert_eq!(of(Reading::State(state("CallInbound"))).unwrap()["agentState"], "OnCall");
    }
}
