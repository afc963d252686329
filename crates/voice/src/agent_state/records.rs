//! Agents ↔ the records of `proto/trunkline/v1/agent_record.proto`.

use bytes::Bytes;
use call::agent::{AgentSnapshot, AutoLogout, IdleWrapUp, NoAnswerAction, OnCall, Pause, Profile, UNTIMED_WRAP_UP_S};
use contracts::reporting::AGENT_INTERVALS;
use contracts::v1;
use contracts::wire::{user_data_from_wire, user_data_to_wire, work_mode_from_wire, work_mode_to_wire};
use infra::LogRecord;
use model::agent::AfterBusy;
use model::{AgentId, AgentState, ConnId, Dn, TenantId, Timestamp, Token};
use prost::Message;

use crate::monitors::{Monitor, OWNER_RECORD_KIND};

/// The version that is written.
const VERSION: u32 = 1;
/// The kind of an agent's record.
const AGENT: &str = "agent";
/// The kind of the intentions beside it.
const INTERVALS: &str = "agent-intervals";

/// A record that is unreadable.
#[derive(Debug, thiserror::Error)]
#[error("a record of agent-state cannot be read: {0}")]
pub(super) struct RecordError(String);

impl RecordError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

fn seal(kind: &str, body: &impl Message) -> Bytes {
    let record = v1::StateRecord { kind: kind.into(), version: VERSION, body: body.encode_to_vec().into() };
    record.encode_to_vec().into()
}

fn open<T: Message + Default>(kind: &str, bytes: &[u8]) -> Result<T, RecordError> {
    let record = v1::StateRecord::decode(bytes).map_err(RecordError::of)?;
    if record.kind != kind {
        return Err(RecordError(format!("its kind is {:?}, not {kind}", record.kind)));
    }
    if record.version != VERSION {
        return Err(RecordError(format!("its version is {}, this program knows {VERSION}", record.version)));
    }
    T::decode(record.body).map_err(RecordError::of)
}

// === The owner's record ===

/// What concerns no agent of the tenant alone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct OwnerRecord {
    /// The token of the last event of a DN.
    pub(super) last_token: Token,
    /// Supervisors that monitor calls of agents.
    pub(super) monitors: Vec<Monitor>,
}

pub(super) fn encode_owner_record(record: &OwnerRecord) -> Bytes {
    let monitors = record.monitors.iter().map(Monitor::to_wire).collect();
    seal(OWNER_RECORD_KIND, &v1::AgentDeskRecord { last_refusal: record.last_token.0, monitors })
}

pub(super) fn decode_owner_record(bytes: &[u8]) -> Result<OwnerRecord, RecordError> {
    let record = open::<v1::AgentDeskRecord>(OWNER_RECORD_KIND, bytes)?;
    let monitors = record.monitors.iter().filter_map(Monitor::from_wire).collect();
    Ok(OwnerRecord { last_token: Token(record.last_refusal), monitors })
}

// === Agents ===

/// An agent as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StoredAgent {
    pub(super) agent: AgentSnapshot,
    /// Since when its present interval lasts; records of an earlier version do not say it.
    pub(super) interval_since: Option<Timestamp>,
}

pub(super) fn encode(agent: &AgentSnapshot, interval_since: Timestamp) -> Bytes {
    seal(
        AGENT,
        &v1::AgentRecord {
            agent: agent.agent.to_string(),
            token: agent.token.0,
            seq: agent.seq,
            last_at_us: agent.last_at.as_micros(),
            wrap_up_ms: agent.profile.wrap_up_ms,
            no_answer: no_answer_to_wire(agent.profile.no_answer).into(),
            logout_on_out_of_service: agent.profile.logout_on_out_of_service,
            dn: agent.dn.as_ref().map(Dn::to_string).unwrap_or_default(),
            state: state_to_wire(agent.state).into(),
            since_us: agent.since.as_micros(),
            mode: work_mode_to_wire(agent.mode),
            reasons: Some(user_data_to_wire(&agent.reasons)),
            calls: agent.calls.iter().map(call_to_wire).collect(),
            due_us: agent.due.map(Timestamp::as_micros),
            legal_guard_ms: agent.profile.legal_guard_ms,
            auto_logout_ms: agent.profile.auto_logout.after_ms,
            auto_logout_ready: agent.profile.auto_logout.ready_too,
            untimed_wrap_up_s: agent.profile.untimed_wrap_up_s,
            untimed_acw_in_idle: agent.profile.idle_wrap_up.untimed,
            acw_in_idle_leads_back: agent.profile.idle_wrap_up.leads_back,
            active_at_us: agent.active_at.as_micros(),
            login_wrap_up_s: agent.login_wrap_up_s,
            asked_wrap_up_s: agent.asked_wrap_up_s,
            then: agent.then.as_ref().map(pause_to_wire),
            login_needs_password: agent.profile.login_needs_password,
            interval_since_us: interval_since.as_micros(),
        },
    )
}

pub(super) fn decode(tenant: &TenantId, bytes: &[u8]) -> Result<StoredAgent, RecordError> {
    let record: v1::AgentRecord = open(AGENT, bytes)?;
    let agent = AgentId::parse(&record.agent).map_err(RecordError::of)?;
    let dn = match record.dn.as_str() {
        "" => None,
        text => Some(Dn::parse(text).map_err(RecordError::of)?),
    };
    let since = Timestamp::from_micros(record.since_us);
    let interval_since = Some(record.interval_since_us).filter(|since| *since != 0).map(Timestamp::from_micros);
    let agent = AgentSnapshot {
        tenant: tenant.clone(),
        token: Token(record.token),
        seq: record.seq,
        last_at: Timestamp::from_micros(record.last_at_us),
        profile: profile(&agent, &record),
        dn,
        state: state_from_wire(record.state())?,
        since,
        active_at: since.max(Timestamp::from_micros(record.active_at_us)),
        mode: work_mode_from_wire(record.mode).map_err(RecordError::of)?,
        reasons: user_data_from_wire(record.reasons).map_err(RecordError::of)?,
        calls: record.calls.iter().map(call_from_wire).collect(),
        due: record.due_us.map(Timestamp::from_micros),
        login_wrap_up_s: record.login_wrap_up_s,
        asked_wrap_up_s: record.asked_wrap_up_s,
        then: record.then.map(pause_from_wire).transpose()?,
        agent,
    };
    Ok(StoredAgent { agent, interval_since })
}

// === Intervals ===

/// Writes finished intervals as intentions; empty if there are none.
pub(super) fn encode_intervals<'a>(finished: impl Iterator<Item = &'a LogRecord>) -> Bytes {
    let interval = |LogRecord { key, id, json, .. }: &LogRecord| v1::AgentIntervalRecord {
        id: id.clone(),
        key: key.clone(),
        json: json.clone(),
    };
    let finished: Vec<_> = finished.map(interval).collect();
    if finished.is_empty() { Bytes::new() } else { seal(INTERVALS, &v1::AgentIntervalsRecord { finished }) }
}

pub(super) fn decode_intervals(bytes: &[u8]) -> Result<Vec<LogRecord>, RecordError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let record: v1::AgentIntervalsRecord = open(INTERVALS, bytes)?;
    let finished = record.finished.into_iter();
    Ok(finished.map(|of| LogRecord { topic: AGENT_INTERVALS, key: of.key, id: of.id, json: of.json }).collect())
}

fn profile(agent: &AgentId, record: &v1::AgentRecord) -> Profile {
    Profile {
        agent: agent.clone(),
        wrap_up_ms: record.wrap_up_ms,
        // An earlier version's record has none.
        untimed_wrap_up_s: if record.untimed_wrap_up_s == 0 { UNTIMED_WRAP_UP_S } else { record.untimed_wrap_up_s },
        idle_wrap_up: IdleWrapUp { untimed: record.untimed_acw_in_idle, leads_back: record.acw_in_idle_leads_back },
        legal_guard_ms: record.legal_guard_ms,
        no_answer: no_answer_from_wire(record.no_answer()),
        logout_on_out_of_service: record.logout_on_out_of_service,
        auto_logout: AutoLogout { after_ms: record.auto_logout_ms, ready_too: record.auto_logout_ready },
        login_needs_password: record.login_needs_password,
    }
}

fn pause_to_wire(pause: &Pause) -> v1::AgentPauseRecord {
    v1::AgentPauseRecord { mode: work_mode_to_wire(pause.mode), reasons: Some(user_data_to_wire(&pause.reasons)) }
}

fn pause_from_wire(pause: v1::AgentPauseRecord) -> Result<Pause, RecordError> {
    Ok(Pause {
        mode: work_mode_from_wire(pause.mode).map_err(RecordError::of)?,
        reasons: user_data_from_wire(pause.reasons).map_err(RecordError::of)?,
    })
}

fn call_to_wire(call: &OnCall) -> v1::AgentCallRecord {
    v1::AgentCallRecord { conn_id: call.conn_id.0, business: call.business, established: call.established }
}

fn call_from_wire(call: &v1::AgentCallRecord) -> OnCall {
    OnCall { conn_id: ConnId(call.conn_id), business: call.business, established: call.established }
}

const fn no_answer_to_wire(action: NoAnswerAction) -> v1::AgentNoAnswer {
    match action {
        NoAnswerAction::None => v1::AgentNoAnswer::None,
        NoAnswerAction::NotReady => v1::AgentNoAnswer::NotReady,
        NoAnswerAction::Logout => v1::AgentNoAnswer::Logout,
    }
}

const fn no_answer_from_wire(action: v1::AgentNoAnswer) -> NoAnswerAction {
    match action {
        v1::AgentNoAnswer::None => NoAnswerAction::None,
        v1::AgentNoAnswer::NotReady | v1::AgentNoAnswer::Unspecified => NoAnswerAction::NotReady,
        v1::AgentNoAnswer::Logout => NoAnswerAction::Logout,
    }
}

const fn state_to_wire(state: AgentState) -> v1::AgentRecordState {
    use v1::AgentRecordState as Wire;
    match state {
        AgentState::LoggedOut => Wire::LoggedOut,
        AgentState::NotReady => Wire::NotReady,
        AgentState::Ready => Wire::Ready,
        AgentState::AfterCallWork => Wire::AfterCallWork,
        AgentState::Busy(AfterBusy::Ready) => Wire::BusyReady,
        AgentState::Busy(AfterBusy::NotReady) => Wire::BusyNotReady,
        AgentState::Busy(AfterBusy::AfterCallWork) => Wire::BusyAfterCallWork,
    }
}

fn state_from_wire(state: v1::AgentRecordState) -> Result<AgentState, RecordError> {
    use v1::AgentRecordState as Wire;
    Ok(match state {
        Wire::LoggedOut => AgentState::LoggedOut,
        Wire::NotReady => AgentState::NotReady,
        Wire::Ready => AgentState::Ready,
        Wire::AfterCallWork => AgentState::AfterCallWork,
        Wire::BusyReady => AgentState::Busy(AfterBusy::Ready),
        Wire::BusyNotReady => AgentState::Busy(AfterBusy::NotReady),
        Wire::BusyAfterCallWork => AgentState::Busy(AfterBusy::AfterCallWork),
        Wire::Unspecified => return Err(RecordError("it names no state".to_owned())),
    })
}

#[cfg(test)]
mod tests;
