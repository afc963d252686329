//! A session ↔ its record (`proto/trunkline/v1/session_record.proto`).

use bytes::Bytes;
use contracts::v1;
use contracts::wire::{self, WireError};
use infra::Position;
use model::{AgentId, Dn, Timestamp};
use prost::Message as _;
use scxml::{Event, EventKind, Snapshot, SnapshotDelayed, Value};

use super::call_session::{CallSession, Caller, Pending, Playing, Queueing, Stage, Withdrawn};
use crate::ecmascript::{from_json, to_json};

/// Version of the records that are written.
const VERSION: u32 = 1;
/// The record's kind.
const KIND: &str = "session";

/// Writes a session.
pub(super) fn encode(session: &CallSession, snapshot: &Snapshot, digest: u64) -> Bytes {
    let caller = &session.caller;
    let record = v1::SessionRecord {
        session_id: snapshot.id.clone(),
        call: Some(wire::call_ref_to_wire(&caller.call)),
        this_dn: caller.this_dn.to_string(),
        application: caller.application.clone(),
        document_digest: digest,
        user_data: Some(wire::user_data_to_wire(&caller.user_data)),
        owner: caller.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
        stage: stage_to_wire(session.stage) as i32,
        position: session.position.to_string(),
        next_reference: session.next_reference,
        pending: session.pending.iter().map(pending_to_wire).collect(),
        treatment: session.playing.as_ref().map(playing_to_wire),
        queueing: session.queueing.as_ref().map(queueing_to_wire),
        machine: Some(machine_to_wire(snapshot)),
        idle_since_us: session.idle_since.map_or(0, Timestamp::as_micros),
        withdrawn: session.withdrawn.iter().map(withdrawn_to_wire).collect(),
        heard_secret: session.heard_secret,
    };
    written(&record)
}

/// A record in its envelope.
pub(super) fn written(record: &v1::SessionRecord) -> Bytes {
    let outer = v1::StateRecord { kind: KIND.to_owned(), version: VERSION, body: record.encode_to_vec().into() };
    outer.encode_to_vec().into()
}

/// Decodes a record.
///
/// # Errors
/// Names the first invalid field.
pub(super) fn decode(bytes: &[u8]) -> Result<v1::SessionRecord, WireError> {
    let outer = v1::StateRecord::decode(bytes).map_err(|e| WireError::Bytes(e.to_string()))?;
    if outer.kind != KIND || outer.version != VERSION {
        return Err(field("version", format!("{} {} is not known", outer.kind, outer.version)));
    }
    v1::SessionRecord::decode(outer.body).map_err(|e| WireError::Bytes(e.to_string()))
}

/// Decodes a record and checks every part that can be invalid.
///
/// # Errors
/// Names the first invalid field.
pub(super) fn read(bytes: &[u8]) -> Result<(Caller, v1::SessionRecord), WireError> {
    let record = decode(bytes)?;
    let caller = caller(&record)?;
    machine(&record)?;
    record.queueing.clone().map(queueing_from_wire).transpose()?;
    Ok((caller, record))
}

/// Decodes as much as possible of a damaged record; its call comes first. `None` if not even the call is readable.
pub(super) fn legible(bytes: &[u8]) -> Option<(Caller, v1::SessionRecord)> {
    let (mut outer, mut record) = (v1::StateRecord::default(), v1::SessionRecord::default());
    // The fields before the damage have been merged by then.
    let _ = outer.merge(bytes);
    let _ = record.merge(outer.body);
    Some((caller(&record).ok()?, record))
}

/// The call of a record.
///
/// # Errors
/// Names the first invalid field.
pub(super) fn caller(record: &v1::SessionRecord) -> Result<Caller, WireError> {
    let call = record.call.clone().ok_or_else(|| field("call", "it is absent"))?;
    Ok(Caller {
        call: wire::call_ref_from_wire(call)?,
        this_dn: dn(&record.this_dn, "this_dn")?,
        application: record.application.clone(),
        user_data: wire::user_data_from_wire(record.user_data.clone())?,
        owner: record.owner.parse().ok(),
    })
}

/// Whether the call waits on its route point for the session's instructions.
pub(super) fn waits(record: &v1::SessionRecord) -> bool {
    // A finished application has no request under way except the one by which its call leaves.
    let through = record.machine.as_ref().is_some_and(|machine| machine.over) && record.pending.is_empty();
    stage_from_wire(record.stage()) == Stage::Waiting && !through
}

/// The session's queue requests that rq may have.
pub(super) fn queue_requests(record: &v1::SessionRecord) -> impl Iterator<Item = &str> {
    let present = record.queueing.as_ref().map(|queueing| queueing.request_id.as_str());
    present.into_iter().chain(record.withdrawn.iter().map(|withdrawn| withdrawn.request_id.as_str()))
}

/// The last position that a session processed of the tenant's events.
pub(super) fn position(record: &v1::SessionRecord) -> Position {
    record.position.parse().unwrap_or(Position::START)
}

/// Sets the fields of a session outside the interpreter.
///
/// # Errors
/// Names the first invalid field.
pub(super) fn fill(session: &mut CallSession, record: v1::SessionRecord) -> Result<(), WireError> {
    session.stage = stage_from_wire(record.stage());
    session.position = position(&record);
    session.next_reference = record.next_reference;
    session.pending = record.pending.into_iter().map(pending_from_wire).collect();
    session.playing = record.treatment.map(playing_from_wire);
    session.queueing = record.queueing.map(queueing_from_wire).transpose()?;
    session.idle_since = (record.idle_since_us != 0).then(|| Timestamp::from_micros(record.idle_since_us));
    session.withdrawn = record.withdrawn.into_iter().map(withdrawn_from_wire).collect();
    session.heard_secret = record.heard_secret;
    session.resume_end();
    Ok(())
}

// ==================================================================================== the machine

fn machine_to_wire(snapshot: &Snapshot) -> v1::MachineRecord {
    v1::MachineRecord {
        over: snapshot.over,
        configuration: snapshot.configuration.clone(),
        history: snapshot
            .history
            .iter()
            .map(|(history, states)| v1::MachineHistory { history: history.clone(), states: states.clone() })
            .collect(),
        entered: snapshot.entered.clone(),
        data: snapshot.data.clone(),
        internal: snapshot.internal.iter().map(event_to_wire).collect(),
        external: snapshot.external.iter().map(event_to_wire).collect(),
        delayed: snapshot
            .delayed
            .iter()
            .map(|d| v1::MachineDelayed {
                due_us: d.due.as_micros(),
                order: d.order,
                event: Some(event_to_wire(&d.event)),
                internal: d.internal,
            })
            .collect(),
        next_id: snapshot.next_id,
        own_pace_us: snapshot.own_pace.as_micros(),
    }
}

/// The interpreter's snapshot.
///
/// # Errors
/// Names the first invalid field.
pub(super) fn machine(record: &v1::SessionRecord) -> Result<Snapshot, WireError> {
    let machine = record.machine.clone().ok_or_else(|| field("machine", "it is absent"))?;
    let events = |list: Vec<v1::MachineEvent>| list.into_iter().map(event_from_wire).collect::<Result<Vec<_>, _>>();
    let delayed = machine.delayed.into_iter().map(|d| {
        let event = event_from_wire(d.event.ok_or_else(|| field("delayed.event", "it is absent"))?)?;
        Ok(SnapshotDelayed { due: Timestamp::from_micros(d.due_us), order: d.order, event, internal: d.internal })
    });
    Ok(Snapshot {
        id: record.session_id.clone(),
        over: machine.over,
        configuration: machine.configuration,
        history: machine.history.into_iter().map(|h| (h.history, h.states)).collect(),
        entered: machine.entered,
        data: machine.data,
        internal: events(machine.internal)?,
        external: events(machine.external)?,
        delayed: delayed.collect::<Result<_, WireError>>()?,
        own_pace: Timestamp::from_micros(machine.own_pace_us),
        next_id: machine.next_id,
    })
}

fn event_to_wire(event: &Event) -> v1::MachineEvent {
    v1::MachineEvent {
        name: event.name.clone(),
        kind: event.kind.as_str().to_owned(),
        send_id: event.send_id.clone(),
        origin: event.origin.clone(),
        origin_type: event.origin_type.clone(),
        data: (event.data != Value::Undefined).then(|| to_json(&event.data).to_string()),
    }
}

fn event_from_wire(event: v1::MachineEvent) -> Result<Event, WireError> {
    let kind = match event.kind.as_str() {
        "platform" => EventKind::Platform,
        "internal" => EventKind::Internal,
        "external" => EventKind::External,
        other => return Err(field("event.kind", format!("{other:?} is not known"))),
    };
    let data = match event.data {
        None => Value::Undefined,
        Some(text) => from_json(serde_json::from_str(&text).map_err(|e| field("event.data", e))?),
    };
    Ok(Event {
        name: event.name,
        kind,
        send_id: event.send_id,
        origin: event.origin,
        origin_type: event.origin_type,
        data,
    })
}

// ==================================================================================== the call

fn stage_to_wire(stage: Stage) -> v1::SessionCallStage {
    match stage {
        Stage::Waiting => v1::SessionCallStage::Waiting,
        Stage::Offered => v1::SessionCallStage::Offered,
        Stage::Answered => v1::SessionCallStage::Answered,
        Stage::Over => v1::SessionCallStage::Over,
    }
}

fn stage_from_wire(stage: v1::SessionCallStage) -> Stage {
    match stage {
        v1::SessionCallStage::Waiting | v1::SessionCallStage::Unspecified => Stage::Waiting,
        v1::SessionCallStage::Offered => Stage::Offered,
        v1::SessionCallStage::Answered => Stage::Answered,
        v1::SessionCallStage::Over => Stage::Over,
    }
}

fn pending_to_wire(pending: &Pending) -> v1::SessionPending {
    v1::SessionPending {
        reference: pending.reference,
        request_id: pending.request_id.clone(),
        action: pending.action.clone(),
        due_us: pending.due.as_micros(),
    }
}

fn pending_from_wire(pending: v1::SessionPending) -> Pending {
    Pending {
        reference: pending.reference,
        request_id: pending.request_id,
        action: pending.action,
        due: Timestamp::from_micros(pending.due_us),
    }
}

fn withdrawn_to_wire(withdrawn: &Withdrawn) -> v1::SessionWithdrawn {
    v1::SessionWithdrawn { request_id: withdrawn.request_id.clone(), again_us: withdrawn.again_at.as_micros() }
}

fn withdrawn_from_wire(withdrawn: v1::SessionWithdrawn) -> Withdrawn {
    Withdrawn { request_id: withdrawn.request_id, again_at: Timestamp::from_micros(withdrawn.again_us) }
}

fn playing_to_wire(playing: &Playing) -> v1::SessionTreatment {
    v1::SessionTreatment {
        reference: playing.reference,
        request_id: playing.request_id.clone(),
        action: playing.action.clone(),
        while_waiting: playing.while_waiting,
    }
}

fn playing_from_wire(playing: v1::SessionTreatment) -> Playing {
    Playing {
        reference: playing.reference,
        request_id: playing.request_id,
        action: playing.action,
        while_waiting: playing.while_waiting,
    }
}

fn queueing_to_wire(queueing: &Queueing) -> v1::SessionQueueing {
    let texts = |promised: &Option<(AgentId, Dn)>| match promised {
        Some((agent, dn)) => (agent.to_string(), dn.to_string()),
        None => Default::default(),
    };
    let ((agent, dn), (early_agent, early_dn)) = (texts(&queueing.selected), texts(&queueing.early));
    v1::SessionQueueing {
        request_id: queueing.request_id.clone(),
        queue: queueing.queue.clone(),
        skill_expression: queueing.skill_expression.clone(),
        priority: queueing.priority,
        timeout_ms: queueing.timeout_ms,
        since_us: queueing.since.as_micros(),
        treatments: queueing.treatments.iter().map(wire::treatment_to_wire).collect(),
        next_treatment: u32::try_from(queueing.next_treatment).unwrap_or_default(),
        agent,
        dn,
        route: queueing.route,
        route_reference: queueing.route_reference,
        play_again_us: queueing.play_again_at.map_or(0, Timestamp::as_micros),
        early_agent,
        early_dn,
        returned_agent: queueing.returned.as_ref().map(|(agent, _)| agent.clone()).unwrap_or_default(),
        returned_reason: queueing.returned.as_ref().map(|(_, reason)| reason.clone()).unwrap_or_default(),
        lapsed: queueing.lapsed,
    }
}

fn queueing_from_wire(record: v1::SessionQueueing) -> Result<Queueing, WireError> {
    let promised = |agent: &str, phone: &str| match agent.is_empty() {
        true => Ok(None),
        false => Ok(Some((AgentId::parse(agent).map_err(|e| field("agent", e))?, dn(phone, "dn")?))),
    };
    let selected = promised(&record.agent, &record.dn)?;
    let early = promised(&record.early_agent, &record.early_dn)?;
    let treatments = record.treatments.into_iter().map(wire::treatment_from_wire).collect::<Result<_, _>>()?;
    Ok(Queueing {
        request_id: record.request_id,
        queue: record.queue,
        skill_expression: record.skill_expression,
        priority: record.priority,
        timeout_ms: record.timeout_ms,
        since: Timestamp::from_micros(record.since_us),
        treatments,
        next_treatment: record.next_treatment as usize,
        play_again_at: (record.play_again_us != 0).then(|| Timestamp::from_micros(record.play_again_us)),
        selected,
        route: record.route,
        early,
        lapsed: record.lapsed,
        returned: (!record.returned_agent.is_empty()).then_some((record.returned_agent, record.returned_reason)),
        unheard: false,
        route_reference: record.route_reference,
    })
}

fn dn(text: &str, name: &'static str) -> Result<Dn, WireError> {
    Dn::parse(text).map_err(|e| field(name, e))
}

fn field(field: &'static str, rule: impl ToString) -> WireError {
    WireError::Field { field, rule: rule.to_string() }
}
