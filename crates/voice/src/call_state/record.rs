//! A closed thread as a record of the reporting log.

use contracts::json::{rfc3339, user_data_to_json};
use contracts::reporting::CALL_THREAD;
use infra::LogRecord;
use model::TenantId;
use serde_json::{Value as Json, json};

use super::threads::{CallThread, Outcome, Party, PartyKind};

/// The record of a thread; `None` while one of its calls is open.
///
/// Its identity is the thread's, so a record written again by another node is recognised as a repeat. The record and its identity also show
/// whether the thread's events are incomplete.
pub fn log_record(tenant: &TenantId, thread: &CallThread) -> Option<LogRecord> {
    let ended_at = thread.ended_at()?;
    let part = if thread.complete { "" } else { ":incomplete" };
    let id = format!("thread:{}{part}", thread.id);
    let event = json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/tenants/{tenant}"),
        "type": "CallThread",
        "subject": format!("thread:{}", thread.id),
        "time": rfc3339(ended_at),
        "datacontenttype": "application/json",
        "traceid": thread.id.to_string(),
        "data": {
            "CallThreadID": thread.id.to_string(),
            "Complete": thread.complete,
            "CallType": thread.first.call_type.as_str(),
            "ANI": thread.first.ani,
            "DNIS": thread.first.dnis,
            "Outcome": outcome_name(thread.outcome()),
            "BeganAt": rfc3339(thread.began_at),
            "EndedAt": rfc3339(ended_at),
            "DurationMs": millis(ended_at.since(thread.began_at)),
            "ConnIDs": thread.calls.keys().map(ToString::to_string).collect::<Vec<_>>(),
            "Parties": thread.parties.iter().map(party).collect::<Vec<_>>(),
            "UserData": user_data_to_json(&thread.user_data),
        },
    });
    Some(LogRecord { topic: CALL_THREAD, key: format!("{tenant}:{}", thread.id), id, json: event.to_string() })
}

fn party(party: &Party) -> Json {
    json!({
        "ConnID": party.conn_id.to_string(),
        "DN": party.dn,
        "Kind": match party.kind {
            PartyKind::Phone => "phone",
            PartyKind::Queue => "queue",
        },
        "Role": party.role.map(|role| role.as_str()),
        "AgentID": party.agent.as_ref().map(ToString::to_string),
        "BeganAt": rfc3339(party.began_at),
        "EndedAt": party.ended_at.map(rfc3339),
        "Established": party.established,
        "CallState": party.call_state.map(|state| state.as_str()),
        "QueueMs": millis(party.queue),
        "RingMs": millis(party.ring),
        "TalkMs": millis(party.talk),
        "HoldMs": millis(party.hold),
    })
}

const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Abandoned => "abandoned",
        Outcome::Ended => "ended",
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
