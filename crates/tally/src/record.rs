//! Converts the statistics engine's snapshot to a record and back.

use contracts::{v1, wire};
use model::{ConnId, Seq, Timestamp, Token};
use prost::Message as _;
use stats::engine::{
    AgentSnapshot, BucketSnapshot, CallSnapshot, HeldSnapshot, MarkSnapshot, ObserverSnapshot, PartySnapshot,
    StatisticSnapshot, VisitSnapshot, VisitStage,
};
use stats::{Action, ObjectType, Snapshot};

/// The version that is written.
const VERSION: u32 = 1;
/// The number of counts of one interval.
const COUNTS: usize = 10;

/// The stored state of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The state of the engine.
    pub snapshot: Snapshot,
    /// Since when it counts, if it began without earlier facts.
    pub counts_since: Option<Timestamp>,
    /// Route points of which facts have told that calls wait there for agents.
    pub queues: Vec<String>,
}

/// A record that is unreadable, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn unreadable(what: impl ToString) -> Unreadable {
    Unreadable(what.to_string())
}

const fn at(us: u64) -> Timestamp {
    Timestamp::from_micros(us)
}

fn action(name: &str) -> Result<Action, Unreadable> {
    Action::parse(name).ok_or_else(|| unreadable(format!("no action {name}")))
}

fn object(name: &str) -> Result<ObjectType, Unreadable> {
    ObjectType::parse(name).ok_or_else(|| unreadable(format!("no object {name}")))
}

// === writing ===

/// The record's bytes.
pub fn write(kept: &Kept) -> Vec<u8> {
    to_record(kept).encode_to_vec()
}

/// The record.
pub fn to_record(kept: &Kept) -> v1::StatisticsRecord {
    let s = &kept.snapshot;
    v1::StatisticsRecord {
        version: VERSION,
        counts_since_us: kept.counts_since.map(Timestamp::as_micros),
        repeated_facts: s.repeated,
        dropped_calls: s.dropped_calls,
        marks: s.marks.iter().map(mark_out).collect(),
        held: s.held.iter().map(held_out).collect(),
        calls: s.calls.iter().map(call_out).collect(),
        agents: s.agents.iter().map(agent_out).collect(),
        values: s.statistics.iter().map(value_out).collect(),
        queues: kept.queues.clone(),
    }
}

fn mark_out(mark: &MarkSnapshot) -> v1::StatisticsMark {
    v1::StatisticsMark {
        subject: Some(wire::subject_to_wire(&mark.subject)),
        token: mark.token.0,
        seq: mark.seq.0,
        ended_us: mark.ended_at.map(Timestamp::as_micros),
        heard_us: Some(mark.heard.as_micros()),
    }
}

fn held_out(held: &HeldSnapshot) -> v1::StatisticsHeld {
    let envelope = Some(wire::stamped_to_wire(&held.stamped));
    v1::StatisticsHeld { since_us: held.since.as_micros(), envelope }
}

fn call_out(call: &CallSnapshot) -> v1::StatisticsCall {
    let party = |party: &PartySnapshot| v1::StatisticsParty {
        dn: party.dn.clone(),
        agent: party.agent.clone(),
        action: party.action.as_str().to_owned(),
        since_us: party.since.as_micros(),
        held_us: party.held.map(Timestamp::as_micros),
    };
    let visit = |visit: &VisitSnapshot| v1::StatisticsVisit {
        of: visit.of.as_str().to_owned(),
        name: visit.name.clone(),
        entered_us: visit.entered.as_micros(),
        stage: match visit.stage {
            VisitStage::Waiting => v1::StatisticsVisitStage::Waiting,
            VisitStage::Offered => v1::StatisticsVisitStage::Offered,
            VisitStage::Talking => v1::StatisticsVisitStage::Talking,
        }
        .into(),
        since_us: visit.since.as_micros(),
        dn: visit.dn.clone(),
    };
    v1::StatisticsCall {
        conn_id: call.conn_id.0,
        call_type: wire::call_type_to_wire(call.call_type),
        changed_us: call.changed.as_micros(),
        over_us: call.over.map(Timestamp::as_micros),
        parties: call.parties.iter().map(party).collect(),
        visits: call.visits.iter().map(visit).collect(),
        observers: call.observers.iter().map(observer_out).collect(),
    }
}

fn observer_out(observer: &ObserverSnapshot) -> v1::StatisticsObserver {
    v1::StatisticsObserver {
        dn: observer.dn.clone(),
        agent: observer.agent.clone(),
        of_dn: observer.of_dn.clone(),
        of_agent: observer.of_agent.clone(),
        coaches: observer.coaches,
        since_us: observer.since.as_micros(),
    }
}

fn observer_in(observer: v1::StatisticsObserver) -> ObserverSnapshot {
    let v1::StatisticsObserver { dn, agent, of_dn, of_agent, coaches, since_us } = observer;
    ObserverSnapshot { dn, agent, of_dn, of_agent, coaches, since: at(since_us) }
}

fn agent_out(agent: &AgentSnapshot) -> v1::StatisticsAgent {
    let wrapped = agent.wrapped.iter();
    v1::StatisticsAgent {
        agent: agent.agent.clone(),
        status: agent.status.map(|(status, _)| status.as_str().to_owned()),
        status_since_us: agent.status.map(|(_, since)| since.as_micros()).unwrap_or_default(),
        last_login_us: agent.last_login.map(Timestamp::as_micros),
        dn: agent.dn.clone(),
        login_us: agent.login.as_micros(),
        mode: agent.mode.map(|mode| mode.as_str().to_owned()),
        since_us: agent.since.as_micros(),
        waits_us: agent.waits.map(Timestamp::as_micros),
        reason: agent.reason.clone(),
        calls: agent.calls,
        wrapped: wrapped
            .map(|(of, name)| v1::StatisticsWrapped { of: of.as_str().to_owned(), name: name.clone() })
            .collect(),
    }
}

fn value_out(value: &StatisticSnapshot) -> v1::StatisticsValue {
    let counts = value.buckets.iter().flat_map(|bucket| bucket.counts).collect();
    v1::StatisticsValue { key: value.key.clone(), level: value.level, counts }
}

// === reading ===

/// Parses a record.
///
/// # Errors
/// When it is damaged or of an unsupported version.
pub fn read(bytes: &[u8]) -> Result<Kept, Unreadable> {
    from_record(v1::StatisticsRecord::decode(bytes).map_err(unreadable)?)
}

/// Reads a record.
///
/// # Errors
/// When a part of it is damaged, or it is of an unsupported version.
pub fn from_record(record: v1::StatisticsRecord) -> Result<Kept, Unreadable> {
    if record.version != VERSION {
        return Err(unreadable(format!("form {}", record.version)));
    }
    let last_end = record.marks.iter().filter_map(|mark| mark.ended_us).max().unwrap_or_default();
    let snapshot = Snapshot {
        marks: record.marks.into_iter().map(|mark| mark_in(mark, last_end)).collect::<Result<_, _>>()?,
        held: record.held.into_iter().map(held_in).collect::<Result<_, _>>()?,
        calls: record.calls.into_iter().map(call_in).collect::<Result<_, _>>()?,
        agents: record.agents.into_iter().map(agent_in).collect::<Result<_, _>>()?,
        statistics: record.values.into_iter().map(value_in).collect::<Result<_, _>>()?,
        repeated: record.repeated_facts,
        dropped_calls: record.dropped_calls,
    };
    Ok(Kept { snapshot, counts_since: record.counts_since_us.map(at), queues: record.queues })
}

fn mark_in(mark: v1::StatisticsMark, last_end: u64) -> Result<MarkSnapshot, Unreadable> {
    let subject = mark.subject.ok_or_else(|| unreadable("a mark without a subject"))?;
    Ok(MarkSnapshot {
        subject: wire::subject_from_wire(subject).map_err(unreadable)?,
        token: Token(mark.token),
        seq: Seq(mark.seq),
        heard: at(mark.heard_us.unwrap_or(last_end)),
        ended_at: mark.ended_us.map(at),
    })
}

fn held_in(held: v1::StatisticsHeld) -> Result<HeldSnapshot, Unreadable> {
    let envelope = held.envelope.ok_or_else(|| unreadable("a held fact without an envelope"))?;
    let stamped = wire::stamped_from_wire(envelope).map_err(unreadable)?;
    Ok(HeldSnapshot { since: at(held.since_us), stamped })
}

fn call_in(call: v1::StatisticsCall) -> Result<CallSnapshot, Unreadable> {
    let party = |party: v1::StatisticsParty| {
        Ok(PartySnapshot {
            action: action(&party.action)?,
            dn: party.dn,
            agent: party.agent,
            since: at(party.since_us),
            held: party.held_us.map(at),
        })
    };
    let visit = |visit: v1::StatisticsVisit| {
        let stage = match visit.stage() {
            v1::StatisticsVisitStage::Offered => VisitStage::Offered,
            v1::StatisticsVisitStage::Talking => VisitStage::Talking,
            _ => VisitStage::Waiting,
        };
        let of = object(&visit.of)?;
        let (entered, since) = (at(visit.entered_us), at(visit.since_us));
        Ok(VisitSnapshot { of, name: visit.name, entered, stage, since, dn: visit.dn })
    };
    Ok(CallSnapshot {
        conn_id: ConnId(call.conn_id),
        call_type: wire::call_type_from_wire(call.call_type).map_err(unreadable)?,
        changed: at(call.changed_us),
        over: call.over_us.map(at),
        parties: call.parties.into_iter().map(party).collect::<Result<_, _>>()?,
        visits: call.visits.into_iter().map(visit).collect::<Result<_, _>>()?,
        observers: call.observers.into_iter().map(observer_in).collect(),
    })
}

fn agent_in(agent: v1::StatisticsAgent) -> Result<AgentSnapshot, Unreadable> {
    let status = agent.status.as_deref().map(action).transpose()?;
    let wrapped = agent.wrapped.into_iter().map(|wrapped| Ok((object(&wrapped.of)?, wrapped.name)));
    Ok(AgentSnapshot {
        status: status.map(|status| (status, at(agent.status_since_us))),
        last_login: agent.last_login_us.map(at),
        dn: agent.dn,
        login: at(agent.login_us),
        mode: agent.mode.as_deref().map(action).transpose()?,
        since: at(agent.since_us),
        waits: agent.waits_us.map(at),
        reason: agent.reason,
        calls: agent.calls,
        wrapped: wrapped.collect::<Result<_, _>>()?,
        agent: agent.agent,
    })
}

fn value_in(value: v1::StatisticsValue) -> Result<StatisticSnapshot, Unreadable> {
    let (whole, rest) = value.counts.as_chunks::<COUNTS>();
    if !rest.is_empty() {
        return Err(unreadable("an interval with a part missing"));
    }
    let buckets = whole.iter().map(|counts| BucketSnapshot { counts: *counts }).collect();
    Ok(StatisticSnapshot { key: value.key, level: value.level, buckets })
}

#[cfg(test)]
mod tests;
