//! A closed thread as records of the reporting log: one for each of its calls, then one for the thread.
//!
//! A record's identity is that of what it tells of, so a record written again by another node is recognised as a repeat. The record and its
//! identity also show whether the events are incomplete.

use contracts::json::{rfc3339, user_data_to_json};
use contracts::reporting::CALL_THREAD;
use infra::LogRecord;
use model::{CallUuid, TenantId, Timestamp};
use serde_json::{Value as Json, json};

use super::thread::{CallThread, Move, OneCall, Outcome, Party, PartyKind, Phase, PhaseSpan};

/// The records of a thread; none while one of its calls is open.
pub fn log_records(tenant: &TenantId, thread: &CallThread) -> Vec<LogRecord> {
    let Some(ended_at) = thread.ended_at() else { return Vec::new() };
    let mut records: Vec<LogRecord> =
        thread.calls.values().map(|call| sealed(tenant, thread, call_record(thread, call))).collect();
    records.push(sealed(tenant, thread, thread_record(thread, ended_at)));
    records
}

/// What a record tells of.
struct Body {
    name: &'static str,
    subject: String,
    complete: bool,
    at: Timestamp,
    trace: CallUuid,
    data: Json,
}

fn sealed(tenant: &TenantId, thread: &CallThread, body: Body) -> LogRecord {
    let Body { name, subject, complete, at, trace, data } = body;
    let part = if complete { "" } else { ":incomplete" };
    let id = match name {
        "CallDetail" => format!("{subject}:detail{part}"),
        _ => format!("{subject}{part}"),
    };
    let event = json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/tenants/{tenant}"),
        "type": name,
        "subject": subject,
        "time": rfc3339(at),
        "datacontenttype": "application/json",
        "traceid": trace.to_string(),
        "data": data,
    });
    LogRecord { topic: CALL_THREAD, key: format!("{tenant}:{}", thread.id), id, json: event.to_string() }
}

fn thread_record(thread: &CallThread, ended_at: Timestamp) -> Body {
    let data = json!({
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
        "Moves": thread.moves.iter().map(one_move).collect::<Vec<_>>(),
        "UserData": thread.user_data().map_or_else(|| json!({}), user_data_to_json),
    });
    let subject = format!("thread:{}", thread.id);
    Body { name: "CallThread", subject, complete: thread.complete, at: ended_at, trace: thread.id, data }
}

fn call_record(thread: &CallThread, one: &OneCall) -> Body {
    let OneCall { call, began_at, .. } = one;
    let ended_at = one.ended_at.unwrap_or(thread.last_at);
    let complete = one.complete && thread.complete;
    let parties: Vec<&Party> = thread.parties.iter().filter(|party| party.conn_id == call.conn_id).collect();
    let of_call = |step: &&Move| step.conn_id == call.conn_id || step.consultation == Some(call.conn_id);
    let phones = || parties.iter().filter(|party| party.kind == PartyKind::Phone);
    let answered_at = phones().filter_map(|party| answered_at(party)).min();
    let data = json!({
        "ConnID": call.conn_id.to_string(),
        "CallUUID": call.uuid.to_string(),
        "CallThreadID": call.thread.to_string(),
        "PreviousConnID": call.previous.map(|previous| previous.to_string()),
        "Complete": complete,
        "CallType": call.call_type.as_str(),
        "PropagatedCallType": call.propagated_type.map(|of| of.as_str()),
        "ANI": call.ani,
        "DNIS": call.dnis,
        "Outcome": outcome_name(thread.outcome_of(one)),
        "CallState": one.call_state.map(|state| state.as_str()),
        "BeganAt": rfc3339(*began_at),
        "AnsweredAt": answered_at.map(rfc3339),
        "EndedAt": rfc3339(ended_at),
        "DurationMs": millis(ended_at.since(*began_at)),
        "Segments": parties.iter().flat_map(|party| segments(party)).collect::<Vec<_>>(),
        "Parties": parties.iter().map(|one| party(one)).collect::<Vec<_>>(),
        "Moves": thread.moves.iter().filter(of_call).map(one_move).collect::<Vec<_>>(),
        "UserData": user_data_to_json(&one.user_data),
    });
    let subject = format!("call:{}", call.conn_id);
    Body { name: "CallDetail", subject, complete, at: ended_at, trace: call.uuid, data }
}

/// When a phone that was called has answered.
fn answered_at(party: &Party) -> Option<Timestamp> {
    let called = party.role != Some(model::DnRole::Origination);
    party.spans.iter().find(|span| called && span.phase == Phase::Talk).map(|span| span.from)
}

/// What a party did, a segment for each thing.
fn segments(party: &Party) -> impl Iterator<Item = Json> {
    party.spans.iter().map(move |PhaseSpan { phase, from, until }| {
        json!({
            "DN": party.dn,
            "AgentID": party.agent.as_ref().map(ToString::to_string),
            "Role": party.role.map(|role| role.as_str()),
            "State": state_name(*phase),
            "BeganAt": rfc3339(*from),
            "EndedAt": rfc3339(*until),
            "DurationMs": millis(until.since(*from)),
        })
    })
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
        "With": party.others,
        "BeganAt": rfc3339(party.began_at),
        "EndedAt": party.ended_at.map(rfc3339),
        "Established": party.established,
        "CallState": party.call_state.map(|state| state.as_str()),
        "BroughtBy": party.brought_by,
        "SentTo": party.sent_to,
        "CameFrom": party.came_from.map(|call| call.to_string()),
        "WentTo": party.went_to.map(|call| call.to_string()),
        "QueueMs": millis(party.queue),
        "RingMs": millis(party.ring),
        "TalkMs": millis(party.talk),
        "HoldMs": millis(party.hold),
    })
}

fn one_move(step: &Move) -> Json {
    json!({
        "At": rfc3339(step.at),
        "Move": step.kind.as_str(),
        "By": step.by,
        "To": step.to,
        "ConnID": step.conn_id.to_string(),
        "Consultation": step.consultation.map(|call| call.to_string()),
    })
}

const fn state_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Queue => "queued",
        Phase::Ring => "ringing",
        Phase::Talk => "talking",
        Phase::Hold => "holding",
        Phase::Over => "over",
    }
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

#[cfg(test)]
mod tests;
