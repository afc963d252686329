//! Open threads ↔ the records of `proto/trunkline/v1/thread_record.proto`.

use std::time::Duration;

use bytes::Bytes;
use contracts::v1;
use contracts::wire::{
    WireError, call_ref_from_wire, call_ref_to_wire, call_state_from_wire, call_state_to_wire, dn_role_from_wire,
    dn_role_to_wire, user_data_from_wire, user_data_to_wire,
};
use infra::Position;
use model::{AgentId, ConnId, Timestamp};
use prost::Message as _;

use super::thread::{CallThread, Move, MoveKind, OneCall, Party, PartyKind, Phase, PhaseSpan};

/// The version that is written.
const VERSION: u32 = 1;
/// The kind of a thread's record.
const THREAD: &str = "thread";

/// A record that is unreadable.
#[derive(Debug, thiserror::Error)]
pub enum ThreadRecordError {
    /// It is no record of a thread in a known version.
    #[error("it is {kind:?} of version {version}, not {THREAD:?} of version {VERSION}")]
    Other {
        /// Its kind.
        kind: String,
        /// Its version.
        version: u32,
    },
    /// Its bytes are no record.
    #[error(transparent)]
    Bytes(#[from] prost::DecodeError),
    /// A field is not valid.
    #[error(transparent)]
    Field(#[from] WireError),
    /// A field that must be there is missing.
    #[error("it has no {0}")]
    Missing(&'static str),
}

type Result<T> = std::result::Result<T, ThreadRecordError>;

/// Writes a thread.
pub fn encode(thread: &CallThread) -> Bytes {
    let body = v1::ThreadRecord {
        first: Some(call_ref_to_wire(&thread.first)),
        complete: thread.complete,
        began_at_us: thread.began_at.as_micros(),
        last_at_us: thread.last_at.as_micros(),
        calls: thread.calls.values().map(call_to_wire).collect(),
        parties: thread.parties.iter().map(party_to_wire).collect(),
        moves: thread.moves.iter().map(move_to_wire).collect(),
        told_by: thread.told_by.map(|call| call.0),
        abandoned: thread.abandoned,
        folded_major: thread.folded.major,
        folded_minor: thread.folded.minor,
    };
    let record = v1::StateRecord { kind: THREAD.into(), version: VERSION, body: body.encode_to_vec().into() };
    record.encode_to_vec().into()
}

/// Reads a thread.
///
/// # Errors
/// Names what is not valid.
pub fn decode(bytes: &[u8]) -> Result<CallThread> {
    let v1::StateRecord { kind, version, body } = v1::StateRecord::decode(bytes)?;
    if (kind.as_str(), version) != (THREAD, VERSION) {
        return Err(ThreadRecordError::Other { kind, version });
    }
    let record = v1::ThreadRecord::decode(body)?;
    let first = call_ref_from_wire(record.first.ok_or(ThreadRecordError::Missing("first call"))?)?;
    let calls = record.calls.into_iter().map(call_from_wire).collect::<Result<Vec<_>>>()?;
    Ok(CallThread {
        id: first.thread,
        first,
        complete: record.complete,
        began_at: Timestamp::from_micros(record.began_at_us),
        last_at: Timestamp::from_micros(record.last_at_us),
        calls: calls.into_iter().map(|call| (call.call.conn_id, call)).collect(),
        parties: record.parties.into_iter().map(party_from_wire).collect::<Result<_>>()?,
        moves: record.moves.into_iter().map(move_from_wire).collect::<Result<_>>()?,
        told_by: record.told_by.map(ConnId),
        abandoned: record.abandoned,
        folded: Position { major: record.folded_major, minor: record.folded_minor },
    })
}

// === calls ===

fn call_to_wire(one: &OneCall) -> v1::ThreadCallRecord {
    v1::ThreadCallRecord {
        call: Some(call_ref_to_wire(&one.call)),
        complete: one.complete,
        began_at_us: one.began_at.as_micros(),
        ended_at_us: one.ended_at.map(Timestamp::as_micros),
        call_state: one.call_state.map(call_state_to_wire),
        user_data: Some(user_data_to_wire(&one.user_data)),
        abandoned: one.abandoned,
        last_at_us: one.last_at.as_micros(),
    }
}

fn call_from_wire(record: v1::ThreadCallRecord) -> Result<OneCall> {
    Ok(OneCall {
        call: call_ref_from_wire(record.call.ok_or(ThreadRecordError::Missing("call"))?)?,
        complete: record.complete,
        began_at: Timestamp::from_micros(record.began_at_us),
        last_at: Timestamp::from_micros(record.last_at_us),
        ended_at: record.ended_at_us.map(Timestamp::from_micros),
        call_state: record.call_state.map(call_state_from_wire).transpose()?,
        user_data: user_data_from_wire(record.user_data)?,
        abandoned: record.abandoned,
    })
}

// === parties ===

fn party_to_wire(party: &Party) -> v1::ThreadPartyRecord {
    let kind = match party.kind {
        PartyKind::Phone => v1::ThreadPartyKind::Phone,
        PartyKind::Queue => v1::ThreadPartyKind::Queue,
    };
    v1::ThreadPartyRecord {
        conn_id: party.conn_id.0,
        dn: party.dn.clone(),
        kind: kind.into(),
        role: party.role.map(dn_role_to_wire),
        agent: party.agent.as_ref().map(ToString::to_string),
        began_at_us: party.began_at.as_micros(),
        ended_at_us: party.ended_at.map(Timestamp::as_micros),
        established: party.established,
        call_state: party.call_state.map(call_state_to_wire),
        others: party.others.clone(),
        brought_by: party.brought_by.clone(),
        sent_to: party.sent_to.clone(),
        came_from: party.came_from.map(|call| call.0),
        went_to: party.went_to.map(|call| call.0),
        queue_us: micros(party.queue),
        ring_us: micros(party.ring),
        talk_us: micros(party.talk),
        hold_us: micros(party.hold),
        spans: party.spans.iter().map(span_to_wire).collect(),
        phase: phase_to_wire(party.phase).into(),
        since_us: party.since.as_micros(),
    }
}

fn party_from_wire(record: v1::ThreadPartyRecord) -> Result<Party> {
    let kind = match record.kind() {
        v1::ThreadPartyKind::Phone => PartyKind::Phone,
        v1::ThreadPartyKind::Queue => PartyKind::Queue,
        v1::ThreadPartyKind::Unspecified => return Err(ThreadRecordError::Missing("kind of a party")),
    };
    let phase = phase_from_wire(record.phase())?;
    let agent = record.agent.as_deref().map(AgentId::parse).transpose();
    Ok(Party {
        conn_id: ConnId(record.conn_id),
        dn: record.dn,
        kind,
        role: record.role.map(dn_role_from_wire).transpose()?,
        agent: agent.map_err(|_| ThreadRecordError::Missing("valid agent of a party"))?,
        began_at: Timestamp::from_micros(record.began_at_us),
        ended_at: record.ended_at_us.map(Timestamp::from_micros),
        established: record.established,
        call_state: record.call_state.map(call_state_from_wire).transpose()?,
        others: record.others,
        brought_by: record.brought_by,
        sent_to: record.sent_to,
        came_from: record.came_from.map(ConnId),
        went_to: record.went_to.map(ConnId),
        queue: Duration::from_micros(record.queue_us),
        ring: Duration::from_micros(record.ring_us),
        talk: Duration::from_micros(record.talk_us),
        hold: Duration::from_micros(record.hold_us),
        spans: record.spans.into_iter().map(span_from_wire).collect::<Result<_>>()?,
        phase,
        since: Timestamp::from_micros(record.since_us),
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn span_to_wire(span: &PhaseSpan) -> v1::ThreadSpanRecord {
    let phase = phase_to_wire(span.phase).into();
    v1::ThreadSpanRecord { phase, from_us: span.from.as_micros(), until_us: span.until.as_micros() }
}

fn span_from_wire(record: v1::ThreadSpanRecord) -> Result<PhaseSpan> {
    Ok(PhaseSpan {
        phase: phase_from_wire(record.phase())?,
        from: Timestamp::from_micros(record.from_us),
        until: Timestamp::from_micros(record.until_us),
    })
}

const fn phase_to_wire(phase: Phase) -> v1::ThreadPhase {
    match phase {
        Phase::Queue => v1::ThreadPhase::Queue,
        Phase::Ring => v1::ThreadPhase::Ring,
        Phase::Talk => v1::ThreadPhase::Talk,
        Phase::Hold => v1::ThreadPhase::Hold,
        Phase::Over => v1::ThreadPhase::Over,
    }
}

const fn phase_from_wire(phase: v1::ThreadPhase) -> Result<Phase> {
    Ok(match phase {
        v1::ThreadPhase::Queue => Phase::Queue,
        v1::ThreadPhase::Ring => Phase::Ring,
        v1::ThreadPhase::Talk => Phase::Talk,
        v1::ThreadPhase::Hold => Phase::Hold,
        v1::ThreadPhase::Over => Phase::Over,
        v1::ThreadPhase::Unspecified => return Err(ThreadRecordError::Missing("phase of a party")),
    })
}

// === moves ===

fn move_to_wire(step: &Move) -> v1::ThreadMoveRecord {
    use v1::ThreadMove as Wire;
    let kind = match step.kind {
        MoveKind::Consultation => Wire::Consultation,
        MoveKind::Transfer => Wire::Transfer,
        MoveKind::Conference => Wire::Conference,
        MoveKind::Monitoring => Wire::Monitoring,
        MoveKind::Redirection => Wire::Redirection,
        MoveKind::Removal => Wire::Removal,
    };
    v1::ThreadMoveRecord {
        at_us: step.at.as_micros(),
        kind: kind.into(),
        by: step.by.clone(),
        to: step.to.clone(),
        conn_id: step.conn_id.0,
        consultation: step.consultation.map(|call| call.0),
    }
}

fn move_from_wire(record: v1::ThreadMoveRecord) -> Result<Move> {
    use v1::ThreadMove as Wire;
    let kind = match record.kind() {
        Wire::Consultation => MoveKind::Consultation,
        Wire::Transfer => MoveKind::Transfer,
        Wire::Conference => MoveKind::Conference,
        Wire::Monitoring => MoveKind::Monitoring,
        Wire::Redirection => MoveKind::Redirection,
        Wire::Removal => MoveKind::Removal,
        Wire::Unspecified => return Err(ThreadRecordError::Missing("kind of a move")),
    };
    Ok(Move {
        at: Timestamp::from_micros(record.at_us),
        kind,
        by: record.by,
        to: record.to,
        conn_id: ConnId(record.conn_id),
        consultation: record.consultation.map(ConnId),
    })
}
