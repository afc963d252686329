//! Router snapshots ↔ the records of `proto/trunkline/v1/routing_record.proto`.

use bytes::Bytes;
use contracts::v1;
use contracts::wire::{call_ref_from_wire, call_ref_to_wire, uuid_from_wire, uuid_to_wire};
use infra::bounds::STATE_MAX;
use model::event::CallRef;
use model::plan::CALLS_AT_ONCE;
use model::{AgentId, ConnId, Dn, QueueName, Timestamp};
use prost::Message;
use routing::{AgentSnapshot, Declined, RequestId, RequestSnapshot, Session, Stage, Submission, Target};

/// The version that is written.
const VERSION: u32 = 1;

/// Numbers of phones in the row of all of them, in bytes: what is around them fits beside.
const PHONES_BYTES_MAX: usize = STATE_MAX - 1_024;
/// What a number takes in it beside its text.
const NUMBER_BYTES: usize = 4;

/// A record that is unreadable.
#[derive(Debug, thiserror::Error)]
#[error("a record of rq cannot be read: {0}")]
pub(super) struct RecordError(String);

impl RecordError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

fn seal(body: &impl Message) -> Bytes {
    let record = v1::StateRecord { kind: "queue".into(), version: VERSION, body: body.encode_to_vec().into() };
    record.encode_to_vec().into()
}

fn open<T: Message + Default>(bytes: &[u8]) -> Result<T, RecordError> {
    let record = v1::StateRecord::decode(bytes).map_err(RecordError::of)?;
    if record.version != VERSION {
        return Err(RecordError(format!("its version is {}, this program knows {VERSION}", record.version)));
    }
    T::decode(record.body).map_err(RecordError::of)
}

// === Requests ===

pub(super) fn encode_request(request: &RequestSnapshot, call: Option<&CallRef>) -> Bytes {
    let submission = &request.submission;
    let (stage, agent, expires_at) = match &request.stage {
        Stage::Waiting => (v1::RequestStage::Waiting, None, None),
        Stage::Offered { agent, expires_at } => (v1::RequestStage::Offered, Some(agent), Some(expires_at)),
        Stage::Ringing { agent, expires_at } => (v1::RequestStage::Ringing, Some(agent), Some(expires_at)),
    };
    seal(&v1::RequestRecord {
        request_id: submission.id.0.clone(),
        conn_id: submission.call.0,
        queue: submission.queue.to_string(),
        targets: submission.targets.iter().map(Target::key).collect(),
        priority: submission.priority,
        queued_at_us: submission.queued_at.as_micros(),
        times_out_at_us: submission.times_out_at.map(Timestamp::as_micros),
        excluded: submission.excluded.iter().map(AgentId::to_string).collect(),
        arrival: request.arrival,
        stage: stage.into(),
        agent: agent.map(AgentId::to_string).unwrap_or_default(),
        expires_at_us: expires_at.map_or(0, |at| at.as_micros()),
        declined: request.declined.iter().map(encode_declined).collect(),
        trace: uuid_to_wire(submission.trace),
        call: call.map(call_ref_to_wire),
        ani: submission.ani.clone(),
        dnis: submission.dnis.clone(),
    })
}

fn encode_declined(declined: &Declined) -> v1::DeclinedRecord {
    v1::DeclinedRecord { agent: declined.agent.to_string(), until_us: declined.until.as_micros() }
}

/// Reads the row of request `id`, and how its call was named.
pub(super) fn decode_request(id: &str, bytes: &[u8]) -> Result<(RequestSnapshot, Option<CallRef>), RecordError> {
    let mut record: v1::RequestRecord = open(bytes)?;
    let call = record.call.take().map(|call| call_ref_from_wire(call).map_err(RecordError::of)).transpose()?;
    if record.request_id != id {
        return Err(RecordError(format!("it is of request {}", record.request_id)));
    }
    let agent = || AgentId::parse(&record.agent).map_err(RecordError::of);
    let expires_at = Timestamp::from_micros(record.expires_at_us);
    let stage = match record.stage() {
        v1::RequestStage::Offered => Stage::Offered { agent: agent()?, expires_at },
        v1::RequestStage::Ringing => Stage::Ringing { agent: agent()?, expires_at },
        v1::RequestStage::Waiting | v1::RequestStage::Unspecified => Stage::Waiting,
    };
    let targets = record.targets.iter().map(|text| Target::parse(text).map_err(RecordError::of));
    let declined = record.declined.iter().map(|declined| {
        let agent = AgentId::parse(&declined.agent).map_err(RecordError::of)?;
        Ok(Declined { agent, until: Timestamp::from_micros(declined.until_us) })
    });
    let submission = Submission {
        id: RequestId(record.request_id.clone()),
        call: ConnId(record.conn_id),
        trace: uuid_from_wire(&record.trace, "trace").map_err(RecordError::of)?,
        ani: record.ani.take(),
        dnis: record.dnis.take(),
        queue: QueueName::parse(&record.queue).map_err(RecordError::of)?,
        targets: targets.collect::<Result<_, _>>()?,
        priority: record.priority,
        queued_at: Timestamp::from_micros(record.queued_at_us),
        times_out_at: record.times_out_at_us.map(Timestamp::from_micros),
        excluded: agents(&record.excluded)?,
    };
    let declined = declined.collect::<Result<_, RecordError>>()?;
    Ok((RequestSnapshot { submission, arrival: record.arrival, stage, declined }, call))
}

fn agents(names: &[String]) -> Result<Vec<AgentId>, RecordError> {
    names.iter().map(|name| AgentId::parse(name).map_err(RecordError::of)).collect()
}

// === Agents ===

pub(super) fn encode_agent(agent: &AgentSnapshot) -> Bytes {
    let session = match agent.session {
        Session::LoggedOut => v1::RoutingSession::LoggedOut,
        Session::NotReady => v1::RoutingSession::NotReady,
        Session::Ready => v1::RoutingSession::Ready,
    };
    let skills = agent.skills.iter().flatten();
    seal(&v1::RoutingAgentRecord {
        agent: agent.agent.to_string(),
        known: agent.skills.is_some(),
        skills: skills.map(|(skill, level)| v1::RoutingSkill { skill: skill.clone(), level: *level }).collect(),
        session: session.into(),
        dn: agent.dn.as_ref().map(Dn::to_string).unwrap_or_default(),
        calls: agent.calls.iter().map(|call| call.0).collect(),
        idle_since_us: agent.idle_since.as_micros(),
        calls_max: Some(agent.calls_max).filter(|most| *most != CALLS_AT_ONCE),
    })
}

pub(super) fn decode_agent(bytes: &[u8]) -> Result<AgentSnapshot, RecordError> {
    let record: v1::RoutingAgentRecord = open(bytes)?;
    let session = match record.session() {
        v1::RoutingSession::Ready => Session::Ready,
        v1::RoutingSession::NotReady => Session::NotReady,
        v1::RoutingSession::LoggedOut | v1::RoutingSession::Unspecified => Session::LoggedOut,
    };
    let dn = match record.dn.as_str() {
        "" => None,
        text => Some(Dn::parse(text).map_err(RecordError::of)?),
    };
    let skills = record.skills.into_iter().map(|skill| (skill.skill, skill.level)).collect();
    Ok(AgentSnapshot {
        agent: AgentId::parse(&record.agent).map_err(RecordError::of)?,
        skills: record.known.then_some(skills),
        session,
        dn,
        calls: record.calls.into_iter().map(ConnId).collect(),
        idle_since: Timestamp::from_micros(record.idle_since_us),
        calls_max: record.calls_max.unwrap_or(CALLS_AT_ONCE),
    })
}

// === The rest ===

/// Phones at which no agent takes calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Phones {
    pub out_of_service: Vec<Dn>,
    pub do_not_disturb: Vec<Dn>,
    pub forwarded: Vec<Dn>,
}

/// Numbers for which a row has no room are left out, of those out of service first: no store takes a larger row, and a turn with one is
/// written row by row. After a takeover those left out count as in service until something is told of them.
pub(super) fn encode_phones(phones: &Phones) -> Bytes {
    let (mut room, mut left_out) = (PHONES_BYTES_MAX, 0_usize);
    let mut texts = |dns: &[Dn]| -> Vec<String> {
        let mut texts = Vec::with_capacity(dns.len());
        for text in dns.iter().map(Dn::to_string) {
            match room.checked_sub(text.len() + NUMBER_BYTES) {
                Some(rest) => {
                    room = rest;
                    texts.push(text);
                }
                None => left_out += 1,
            }
        }
        texts
    };
    let (do_not_disturb, forwarded) = (texts(&phones.do_not_disturb), texts(&phones.forwarded));
    let record = v1::RoutingStateRecord { out_of_service: texts(&phones.out_of_service), do_not_disturb, forwarded };
    if left_out > 0 {
        tracing::warn!(
            left_out,
            "not all phones at which no agent takes calls fit into the row: a successor does not know these"
        );
    }
    seal(&record)
}

pub(super) fn decode_phones(bytes: &[u8]) -> Result<Phones, RecordError> {
    if bytes.is_empty() {
        return Ok(Phones::default());
    }
    let record: v1::RoutingStateRecord = open(bytes)?;
    let dns = |texts: &[String]| -> Result<Vec<Dn>, RecordError> {
        texts.iter().map(|dn| Dn::parse(dn).map_err(RecordError::of)).collect()
    };
    Ok(Phones {
        out_of_service: dns(&record.out_of_service)?,
        do_not_disturb: dns(&record.do_not_disturb)?,
        forwarded: dns(&record.forwarded)?,
    })
}

#[cfg(test)]
mod tests;
