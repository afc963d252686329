//! The event frame: one fact as one JSON object, with the published names of attributes.

use model::event::CallRef;
use model::{Owner, Stamped, Timestamp, UserData};
use serde_json::{Map, Value as Json, json};

use super::user_data::user_data_to_json;
use crate::wire;

/// Writes a fact as clients see it. `owner` is put behind the ConnID if it is known.
pub fn event_frame(stamped: &Stamped, owner: Option<&Owner>) -> Json {
    let event = &stamped.event;
    let mut frame = Map::new();
    frame.insert("id".into(), json!(event.name.as_str()));
    frame.insert("tenant".into(), json!(stamped.tenant.as_str()));
    frame.insert("subject".into(), json!(stamped.id.subject.to_string()));
    frame.insert("token".into(), json!(stamped.id.token.0));
    frame.insert("seq".into(), json!(stamped.id.seq.0));
    let us = stamped.at.as_micros();
    frame.insert("time".into(), json!({ "s": us / 1_000_000, "us": us % 1_000_000 }));
    frame.insert("ReferenceID".into(), json!(event.reference.0));
    if let Some(call) = &event.call {
        put_call(&mut frame, call, owner);
    }
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            frame.insert(key.into(), Json::String(value));
        }
    };
    put("CallState", event.call_state.map(|s| s.to_string()));
    put("ThisDN", event.this_dn.as_ref().map(ToString::to_string));
    put("ThisDNRole", event.this_role.map(|r| r.to_string()));
    put("ThisQueue", event.this_queue.clone());
    put("OtherDN", event.other_dn.clone());
    put("OtherDNRole", event.other_role.map(|r| r.to_string()));
    put("ThirdPartyDN", event.third_party_dn.clone());
    put("ThirdPartyDNRole", event.third_party_role.map(|r| r.to_string()));
    put("CollectedDigits", event.collected_digits.clone().filter(|_| !event.secret_digits));
    put("AgentID", event.agent.as_ref().map(ToString::to_string));
    put("AgentWorkMode", event.work_mode.map(|m| wire::work_mode_name(m).to_owned()));
    put("Requester", event.requester.clone());
    put_lists(
        &mut frame,
        [("UserData", &event.user_data), ("Reasons", &event.reasons), ("Extensions", &event.extensions)],
    );
    if let Some((code, message)) = &event.error {
        frame.insert("ErrorCode".into(), json!(code.0));
        frame.insert("ErrorMessage".into(), json!(message));
    }
    Json::Object(frame)
}

fn put_call(frame: &mut Map<String, Json>, call: &CallRef, owner: Option<&Owner>) {
    let conn_id = match owner {
        Some(owner) => format!("{}@{owner}", call.conn_id),
        None => call.conn_id.to_string(),
    };
    frame.insert("ConnID".into(), json!(conn_id));
    frame.insert("CallUUID".into(), json!(call.uuid.to_string()));
    frame.insert("CallThreadID".into(), json!(call.thread.to_string()));
    frame.insert("CallType".into(), json!(call.call_type.as_str()));
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            frame.insert(key.into(), Json::String(value));
        }
    };
    put("PropagatedCallType", call.propagated_type.map(|t| t.to_string()));
    put("PreviousConnID", call.previous.map(|id| id.to_string()));
    put("ANI", call.ani.clone());
    put("DNIS", call.dnis.clone());
}

fn put_lists<const N: usize>(frame: &mut Map<String, Json>, lists: [(&str, &UserData); N]) {
    for (key, list) in lists {
        if !list.is_empty() {
            frame.insert(key.into(), user_data_to_json(list));
        }
    }
}

/// Wraps a fact as a CloudEvent 1.0 for the reporting log; `id` is the fact's identity, so a reader can drop repeats.
pub fn cloud_event(stamped: &Stamped) -> Json {
    let id = format!("{}:{}:{}", stamped.id.subject, stamped.id.token.0, stamped.id.seq.0);
    let mut event = json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/tenants/{}", stamped.tenant),
        "type": stamped.event.name.as_str(),
        "subject": stamped.id.subject.to_string(),
        "time": rfc3339(stamped.at),
        "datacontenttype": "application/json",
    });
    if let Some(trace) = stamped.trace {
        event["traceid"] = json!(trace.to_string());
    }
    event["data"] = event_frame(stamped, None);
    event
}

/// A fact that came too late, as a CloudEvent: its owner's commit waited for an unavailable store, and others have continued from
/// the commit before. The fact has happened; its place in the log is not its place in the order of events.
pub fn correction(stamped: &Stamped) -> Json {
    let mut event = cloud_event(stamped);
    event["correction"] = json!(true);
    event
}

/// Writes a point in time as RFC 3339 in UTC with microseconds.
pub fn rfc3339(at: Timestamp) -> String {
    let at = i64::try_from(at.as_micros()).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    // What cannot be written is after the year 9999.
    format!("{:.6}", at.unwrap_or(jiff::Timestamp::MAX))
}

/// Reads a point in time as RFC 3339 has it; none for what is not, and for times before 1970.
pub fn read_rfc3339(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_microsecond()).ok().map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_back() {
        let at = Timestamp::from_micros(1_763_622_000_000_007);
        assert_eq!(read_rfc3339(&rfc3339(at)), Some(at));
        assert_eq!(read_rfc3339("2025-11-20T08:00:00+01:00"), Some(Timestamp::from_millis(1_763_622_000_000)));
        for other in ["", "2025-11-20", "1969-12-31T23:59:59Z", "yesterday"] {
            assert_eq!(read_rfc3339(other), None, "{other}");
        }
    }

    #[test]
    fn dates_follow_the_calendar() {
        let at = |secs: u64| rfc3339(Timestamp::from_micros(secs * 1_000_000 + 7));
        assert_eq!(at(0), "1970-01-01T00:00:00.000007Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59.000007Z");
        assert_eq!(at(951_868_799), "2000-02-29T23:59:59.000007Z");
        assert_eq!(at(1_763_622_000), "2025-11-20T07:00:00.000007Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000007Z");
        assert_eq!(rfc3339(Timestamp::from_micros(u64::MAX)), "9999-12-30T22:00:00.999999Z");
    }
}
