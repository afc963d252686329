//! Facts and their envelope.

use bytes::Bytes;
use model::event::{CallRef, ErrorCode};
use model::{
    AgentId, CallUuid, ConnId, Dn, Event, EventId, Owner, QueueName, ReferenceId, Seq, SessionName, Stamped, Subject,
    TenantId, Timestamp, Token, UserData, Value,
};
use prost::Message;

use super::{DEPTH_MAX, ENVELOPE_VERSION, WireError, names};
use crate::v1;

/// Encodes a fact as an entry of a stream; `owner` is who gives it.
pub fn encode_stamped(stamped: &Stamped, owner: Option<&Owner>) -> Vec<u8> {
    let owner = owner.map(ToString::to_string).unwrap_or_default();
    v1::Envelope { owner, ..stamped_to_wire(stamped) }.encode_to_vec()
}

/// Decodes an entry of a stream.
///
/// # Errors
/// When they are not an envelope, or have a name that this release does not know.
pub fn decode_stamped(bytes: impl bytes::Buf) -> Result<Stamped, WireError> {
    decode_entry(bytes).map(|(stamped, _)| stamped)
}

/// Decodes an entry of a stream with who gave it, as far as that is known.
///
/// # Errors
/// Those of [`decode_stamped`].
pub fn decode_entry(bytes: impl bytes::Buf) -> Result<(Stamped, Option<Owner>), WireError> {
    let envelope = v1::Envelope::decode(bytes).map_err(|e| WireError::Bytes(e.to_string()))?;
    let owner = envelope.owner.parse().ok();
    Ok((stamped_from_wire(envelope)?, owner))
}

/// Puts a fact into its envelope.
pub fn stamped_to_wire(stamped: &Stamped) -> v1::Envelope {
    v1::Envelope {
        version: ENVELOPE_VERSION,
        tenant: stamped.tenant.to_string(),
        subject: Some(subject_to_wire(&stamped.id.subject)),
        token: stamped.id.token.0,
        seq: stamped.id.seq.0,
        at_us: stamped.at.as_micros(),
        trace: stamped.trace.map(uuid_to_wire),
        event: Some(event_to_wire(&stamped.event)),
        owner: String::new(),
    }
}

/// Puts a fact into its envelope as those are told it who are not the tenant's application: without digits that are a secret.
pub fn told_to_wire(stamped: &Stamped) -> v1::Envelope {
    let mut envelope = stamped_to_wire(stamped);
    if let Some(event) = envelope.event.as_mut().filter(|event| event.secret_digits) {
        event.collected_digits = None;
    }
    envelope
}

/// Writes a fact's identity.
pub fn fact_id_to_wire(id: &EventId) -> v1::FactId {
    v1::FactId { subject: Some(subject_to_wire(&id.subject)), token: id.token.0, seq: id.seq.0 }
}

/// Reads a fact's identity.
///
/// # Errors
/// When its subject is absent or not a valid name.
pub fn fact_id_from_wire(id: v1::FactId) -> Result<EventId, WireError> {
    let subject = id.subject.ok_or_else(|| WireError::field("subject", "it is absent"))?;
    Ok(EventId { subject: subject_from_wire(subject)?, token: Token(id.token), seq: Seq(id.seq) })
}

/// Takes a fact out of its envelope.
///
/// # Errors
/// Names the field that is absent or not known.
pub fn stamped_from_wire(envelope: v1::Envelope) -> Result<Stamped, WireError> {
    let subject = envelope.subject.ok_or_else(|| WireError::field("subject", "it is absent"))?;
    let event = envelope.event.ok_or_else(|| WireError::field("event", "it is absent"))?;
    Ok(Stamped {
        id: EventId { subject: subject_from_wire(subject)?, token: Token(envelope.token), seq: Seq(envelope.seq) },
        tenant: TenantId::parse(&envelope.tenant).map_err(|e| WireError::field("tenant", e))?,
        at: Timestamp::from_micros(envelope.at_us),
        trace: envelope.trace.map(|t| uuid_from_wire(&t, "trace")).transpose()?,
        event: event_from_wire(event)?,
    })
}

/// Writes a fact's subject.
pub fn subject_to_wire(subject: &Subject) -> v1::Subject {
    use v1::subject::Of;
    let of = match subject {
        Subject::Call(id) => Of::Call(id.0),
        Subject::Agent(id) => Of::Agent(id.to_string()),
        Subject::Queue(name) => Of::Queue(name.to_string()),
        Subject::Dn(dn) => Of::Dn(dn.to_string()),
        Subject::Session(name) => Of::Session(name.to_string()),
    };
    v1::Subject { of: Some(of) }
}

/// Reads a fact's subject.
///
/// # Errors
/// When it is absent or not a valid name.
pub fn subject_from_wire(subject: v1::Subject) -> Result<Subject, WireError> {
    use v1::subject::Of;
    match subject.of.ok_or_else(|| WireError::field("subject", "it is absent"))? {
        Of::Call(id) => Ok(Subject::Call(ConnId(id))),
        Of::Agent(id) => AgentId::parse(&id).map(Subject::Agent).map_err(|e| WireError::field("subject.agent", e)),
        Of::Queue(name) => {
            QueueName::parse(&name).map(Subject::Queue).map_err(|e| WireError::field("subject.queue", e))
        }
        Of::Dn(dn) => Dn::parse(&dn).map(Subject::Dn).map_err(|e| WireError::field("subject.dn", e)),
        Of::Session(name) => {
            SessionName::parse(&name).map(Subject::Session).map_err(|e| WireError::field("subject.session", e))
        }
    }
}

/// Writes an event.
pub fn event_to_wire(event: &Event) -> v1::Event {
    v1::Event {
        name: names::event_name_to_wire(event.name),
        call: event.call.as_ref().map(call_ref_to_wire),
        call_state: event.call_state.map(names::call_state_to_wire),
        this_dn: event.this_dn.as_ref().map(ToString::to_string),
        this_role: event.this_role.map(names::dn_role_to_wire),
        other_dn: event.other_dn.clone(),
        other_role: event.other_role.map(names::dn_role_to_wire),
        third_party_dn: event.third_party_dn.clone(),
        third_party_role: event.third_party_role.map(names::dn_role_to_wire),
        this_queue: event.this_queue.clone(),
        collected_digits: event.collected_digits.clone(),
        secret_digits: event.secret_digits,
        agent: event.agent.as_ref().map(ToString::to_string),
        work_mode: event.work_mode.map(names::work_mode_to_wire),
        reference: event.reference.0,
        requester: event.requester.clone(),
        user_data: optional_data(&event.user_data),
        reasons: optional_data(&event.reasons),
        extensions: optional_data(&event.extensions),
        error: event
            .error
            .as_ref()
            .map(|(code, message)| v1::EventFault { code: code.0.into(), message: message.clone() }),
    }
}

/// Reads an event.
///
/// # Errors
/// Names the field that is not known or not valid.
pub fn event_from_wire(event: v1::Event) -> Result<Event, WireError> {
    let role = |number: Option<i32>| number.map(names::dn_role_from_wire).transpose();
    Ok(Event {
        name: names::event_name_from_wire(event.name)?,
        call: event.call.map(call_ref_from_wire).transpose()?,
        call_state: event.call_state.map(names::call_state_from_wire).transpose()?,
        this_dn: event.this_dn.map(|dn| Dn::parse(&dn)).transpose().map_err(|e| WireError::field("this_dn", e))?,
        this_role: role(event.this_role)?,
        other_dn: event.other_dn,
        other_role: role(event.other_role)?,
        third_party_dn: event.third_party_dn,
        third_party_role: role(event.third_party_role)?,
        this_queue: event.this_queue,
        collected_digits: event.collected_digits,
        secret_digits: event.secret_digits,
        agent: event.agent.map(|id| AgentId::parse(&id)).transpose().map_err(|e| WireError::field("agent", e))?,
        work_mode: event.work_mode.map(names::work_mode_from_wire).transpose()?,
        reference: ReferenceId(event.reference),
        requester: event.requester,
        user_data: user_data_from_wire(event.user_data)?,
        reasons: user_data_from_wire(event.reasons)?,
        extensions: user_data_from_wire(event.extensions)?,
        error: event.error.map(fault_from_wire).transpose()?,
    })
}

fn fault_from_wire(fault: v1::EventFault) -> Result<(ErrorCode, String), WireError> {
    let code = u16::try_from(fault.code).map_err(|e| WireError::field("error.code", e))?;
    Ok((ErrorCode(code), fault.message))
}

/// Writes the parts that name a call.
pub fn call_ref_to_wire(call: &CallRef) -> v1::CallRef {
    v1::CallRef {
        conn_id: call.conn_id.0,
        uuid: uuid_to_wire(call.uuid),
        thread: uuid_to_wire(call.thread),
        previous: call.previous.map(|id| id.0),
        call_type: names::call_type_to_wire(call.call_type),
        propagated_type: call.propagated_type.map(names::call_type_to_wire),
        ani: call.ani.clone(),
        dnis: call.dnis.clone(),
    }
}

/// Reads the parts that name a call.
///
/// # Errors
/// Names the field that is not valid.
pub fn call_ref_from_wire(call: v1::CallRef) -> Result<CallRef, WireError> {
    Ok(CallRef {
        conn_id: ConnId(call.conn_id),
        uuid: uuid_from_wire(&call.uuid, "call.uuid")?,
        thread: uuid_from_wire(&call.thread, "call.thread")?,
        previous: call.previous.map(ConnId),
        call_type: names::call_type_from_wire(call.call_type)?,
        propagated_type: call.propagated_type.map(names::call_type_from_wire).transpose()?,
        ani: call.ani,
        dnis: call.dnis,
    })
}

/// Writes a global id as 16 bytes.
pub fn uuid_to_wire(uuid: CallUuid) -> Bytes {
    Bytes::copy_from_slice(&uuid.0.to_be_bytes())
}

/// Reads a global id.
///
/// # Errors
/// Names `field` when there are not 16 bytes.
pub fn uuid_from_wire(bytes: &[u8], field: &'static str) -> Result<CallUuid, WireError> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| WireError::field(field, "it does not have 16 bytes"))?;
    Ok(CallUuid(u128::from_be_bytes(bytes)))
}

/// Writes a key-value list.
pub fn user_data_to_wire(data: &UserData) -> v1::UserData {
    let pair = |(key, value): (&str, &Value)| v1::Pair { key: key.to_owned(), value: Some(value_to_wire(value)) };
    v1::UserData { pairs: data.iter().map(pair).collect() }
}

pub(super) fn optional_data(data: &UserData) -> Option<v1::UserData> {
    (!data.is_empty()).then(|| user_data_to_wire(data))
}

fn value_to_wire(value: &Value) -> v1::Value {
    use v1::value::Of;
    let of = match value {
        Value::Text(text) => Of::Text(text.clone()),
        Value::Int(number) => Of::Number(*number),
        Value::Binary(bytes) => Of::Binary(Bytes::copy_from_slice(bytes)),
        Value::List(list) => Of::List(user_data_to_wire(list)),
    };
    v1::Value { of: Some(of) }
}

/// Reads a key-value list; absent means empty.
///
/// # Errors
/// When it has too many pairs, is nested too deeply, or has a pair without a value.
pub fn user_data_from_wire(data: Option<v1::UserData>) -> Result<UserData, WireError> {
    data.map_or_else(|| Ok(UserData::new()), |data| list_from_wire(data, 0))
}

fn list_from_wire(data: v1::UserData, depth: usize) -> Result<UserData, WireError> {
    if depth >= DEPTH_MAX {
        return Err(WireError::field("user_data", format_args!("it is nested more than {DEPTH_MAX} deep")));
    }
    if data.pairs.len() > UserData::PAIRS_MAX {
        return Err(WireError::field("user_data", format_args!("it has more than {} pairs", UserData::PAIRS_MAX)));
    }
    let mut list = UserData::new();
    for pair in data.pairs {
        let of = pair.value.and_then(|v| v.of).ok_or_else(|| WireError::field("user_data", "a pair has no value"))?;
        list.push(pair.key, value_from_wire(of, depth)?);
    }
    Ok(list)
}

fn value_from_wire(of: v1::value::Of, depth: usize) -> Result<Value, WireError> {
    use v1::value::Of;
    Ok(match of {
        Of::Text(text) => Value::Text(text),
        Of::Number(number) => Value::Int(number),
        Of::Binary(bytes) => Value::Binary(bytes.to_vec()),
        Of::List(list) => Value::List(list_from_wire(list, depth + 1)?),
    })
}
