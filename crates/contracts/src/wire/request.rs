//! Requests.

use model::request::{Request, RequestKind, RouteTo, Treatment};
use model::{AgentId, ConnId, Dn, ReferenceId, TenantId};

use super::event::{optional_data, user_data_from_wire, user_data_to_wire};
use super::{WireError, names};
use crate::v1;
use crate::v1::request::Kind;

/// Writes a request.
pub fn request_to_wire(request: &Request) -> v1::Request {
    v1::Request {
        tenant: request.tenant.to_string(),
        requester: request.requester.clone(),
        reference: request.reference.0,
        this_dn: request.this_dn.to_string(),
        reasons: optional_data(&request.reasons),
        extensions: optional_data(&request.extensions),
        kind: Some(kind_to_wire(&request.kind)),
    }
}

/// Reads a request.
///
/// # Errors
/// Names the field that is absent or not valid.
pub fn request_from_wire(request: v1::Request) -> Result<Request, WireError> {
    let kind = request.kind.ok_or_else(|| WireError::field("kind", "it is absent"))?;
    Ok(Request {
        tenant: TenantId::parse(&request.tenant).map_err(|e| WireError::field("tenant", e))?,
        requester: request.requester,
        reference: ReferenceId(request.reference),
        this_dn: dn(&request.this_dn, "this_dn")?,
        kind: kind_from_wire(kind)?,
        reasons: user_data_from_wire(request.reasons)?,
        extensions: user_data_from_wire(request.extensions)?,
    })
}

fn kind_to_wire(kind: &RequestKind) -> Kind {
    let of = |id: &ConnId| v1::OfCall { conn_id: id.0 };
    match kind {
        RequestKind::AnswerCall(id) => Kind::AnswerCall(of(id)),
        RequestKind::ReleaseCall(id) => Kind::ReleaseCall(of(id)),
        RequestKind::ClearCall(id) => Kind::ClearCall(of(id)),
        RequestKind::RedirectCall(id, dn) => {
            Kind::RedirectCall(v1::RedirectCall { conn_id: id.0, other_dn: dn.to_string() })
        }
        RequestKind::HoldCall(id) => Kind::HoldCall(of(id)),
        RequestKind::RetrieveCall(id) => Kind::RetrieveCall(of(id)),
        RequestKind::RouteCall(id, to) => Kind::RouteCall(v1::RouteCall { conn_id: id.0, to: Some(route_to_wire(to)) }),
        RequestKind::ApplyTreatment(id, treatment) => {
            Kind::ApplyTreatment(v1::ApplyTreatment { conn_id: id.0, treatment: Some(treatment_to_wire(treatment)) })
        }
        RequestKind::StopTreatment(id) => Kind::StopTreatment(of(id)),
        RequestKind::UpdateUserData(id, data) => {
            Kind::UpdateUserData(v1::UpdateUserData { conn_id: id.0, user_data: Some(user_data_to_wire(data)) })
        }
        RequestKind::DeletePair(id, key) => Kind::DeletePair(v1::DeletePair { conn_id: id.0, key: key.clone() }),
        RequestKind::DeleteUserData(id) => Kind::DeleteUserData(of(id)),
        RequestKind::QueryCall(id) => Kind::QueryCall(of(id)),
        RequestKind::AgentLogin { agent, work_mode } => Kind::AgentLogin(v1::AgentLogin {
            agent: agent.as_ref().map(ToString::to_string),
            work_mode: names::work_mode_to_wire(*work_mode),
        }),
        RequestKind::AgentLogout => Kind::AgentLogout(v1::Nothing {}),
        RequestKind::AgentReady(mode) => Kind::AgentReady(names::work_mode_to_wire(*mode)),
        RequestKind::AgentNotReady(mode) => Kind::AgentNotReady(names::work_mode_to_wire(*mode)),
        RequestKind::QueryAddress => Kind::QueryAddress(v1::Nothing {}),
    }
}

fn kind_from_wire(kind: Kind) -> Result<RequestKind, WireError> {
    let id = |of: v1::OfCall| ConnId(of.conn_id);
    Ok(match kind {
        Kind::AnswerCall(of) => RequestKind::AnswerCall(id(of)),
        Kind::ReleaseCall(of) => RequestKind::ReleaseCall(id(of)),
        Kind::ClearCall(of) => RequestKind::ClearCall(id(of)),
        Kind::RedirectCall(r) => RequestKind::RedirectCall(ConnId(r.conn_id), dn(&r.other_dn, "other_dn")?),
        Kind::HoldCall(of) => RequestKind::HoldCall(id(of)),
        Kind::RetrieveCall(of) => RequestKind::RetrieveCall(id(of)),
        Kind::RouteCall(r) => RequestKind::RouteCall(ConnId(r.conn_id), route_from_wire(r.to)?),
        Kind::ApplyTreatment(t) => {
            let treatment = t.treatment.ok_or_else(|| WireError::field("treatment", "it is absent"))?;
            RequestKind::ApplyTreatment(ConnId(t.conn_id), treatment_from_wire(treatment)?)
        }
        Kind::StopTreatment(of) => RequestKind::StopTreatment(id(of)),
        Kind::UpdateUserData(u) => RequestKind::UpdateUserData(ConnId(u.conn_id), user_data_from_wire(u.user_data)?),
        Kind::DeletePair(d) => RequestKind::DeletePair(ConnId(d.conn_id), d.key),
        Kind::DeleteUserData(of) => RequestKind::DeleteUserData(id(of)),
        Kind::QueryCall(of) => RequestKind::QueryCall(id(of)),
        Kind::AgentLogin(login) => RequestKind::AgentLogin {
            agent: login.agent.map(|a| agent(&a)).transpose()?,
            work_mode: names::work_mode_from_wire(login.work_mode)?,
        },
        Kind::AgentLogout(_) => RequestKind::AgentLogout,
        Kind::AgentReady(mode) => RequestKind::AgentReady(names::work_mode_from_wire(mode)?),
        Kind::AgentNotReady(mode) => RequestKind::AgentNotReady(names::work_mode_from_wire(mode)?),
        Kind::QueryAddress(_) => RequestKind::QueryAddress,
    })
}

fn route_to_wire(to: &RouteTo) -> v1::route_call::To {
    use v1::route_call::To;
    match to {
        RouteTo::Dn { dn, agent } => {
            To::Dn(v1::RouteToDn { dn: dn.to_string(), agent: agent.as_ref().map(ToString::to_string) })
        }
        RouteTo::Reject(status) => To::Reject((*status).into()),
        RouteTo::Disconnect => To::Disconnect(v1::Nothing {}),
    }
}

fn route_from_wire(to: Option<v1::route_call::To>) -> Result<RouteTo, WireError> {
    use v1::route_call::To;
    Ok(match to.ok_or_else(|| WireError::field("to", "it is absent"))? {
        To::Dn(to) => RouteTo::Dn { dn: dn(&to.dn, "dn")?, agent: to.agent.map(|a| agent(&a)).transpose()? },
        To::Reject(status) => RouteTo::Reject(u16::try_from(status).map_err(|e| WireError::field("reject", e))?),
        To::Disconnect(_) => RouteTo::Disconnect,
    })
}

/// Writes a treatment.
pub fn treatment_to_wire(treatment: &Treatment) -> v1::Treatment {
    use v1::treatment::Kind;
    let kind = match treatment {
        Treatment::PlayAnnouncement { prompts } => Kind::PlayAnnouncement(v1::Prompts { prompts: prompts.clone() }),
        Treatment::Music { resource, duration_ms } => {
            Kind::Music(v1::Music { resource: resource.clone(), duration_ms: *duration_ms })
        }
        Treatment::PlayAndCollect {
            prompts,
            max_digits,
            first_digit_timeout_ms,
            inter_digit_timeout_ms,
            terminator,
        } => Kind::PlayAndCollect(v1::PlayAndCollect {
            prompts: prompts.clone(),
            max_digits: (*max_digits).into(),
            first_digit_timeout_ms: *first_digit_timeout_ms,
            inter_digit_timeout_ms: *inter_digit_timeout_ms,
            terminator: terminator.map(String::from),
        }),
        Treatment::Echo => Kind::Echo(v1::Nothing {}),
        Treatment::RingBack => Kind::RingBack(v1::Nothing {}),
        Treatment::Silence => Kind::Silence(v1::Nothing {}),
    };
    v1::Treatment { kind: Some(kind) }
}

/// Reads a treatment.
///
/// # Errors
/// Names the field that is absent or not valid.
pub fn treatment_from_wire(treatment: v1::Treatment) -> Result<Treatment, WireError> {
    use v1::treatment::Kind;
    Ok(match treatment.kind.ok_or_else(|| WireError::field("treatment", "it is absent"))? {
        Kind::PlayAnnouncement(p) => Treatment::PlayAnnouncement { prompts: p.prompts },
        Kind::Music(m) => Treatment::Music { resource: m.resource, duration_ms: m.duration_ms },
        Kind::PlayAndCollect(p) => Treatment::PlayAndCollect {
            prompts: p.prompts,
            max_digits: u8::try_from(p.max_digits).map_err(|e| WireError::field("max_digits", e))?,
            first_digit_timeout_ms: p.first_digit_timeout_ms,
            inter_digit_timeout_ms: p.inter_digit_timeout_ms,
            terminator: p.terminator.map(|t| one_char(&t)).transpose()?,
        },
        Kind::Echo(_) => Treatment::Echo,
        Kind::RingBack(_) => Treatment::RingBack,
        Kind::Silence(_) => Treatment::Silence,
    })
}

fn one_char(text: &str) -> Result<char, WireError> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(WireError::field("terminator", "it is not one character")),
    }
}

fn dn(text: &str, field: &'static str) -> Result<Dn, WireError> {
    Dn::parse(text).map_err(|e| WireError::field(field, e))
}

fn agent(text: &str) -> Result<AgentId, WireError> {
    AgentId::parse(text).map_err(|e| WireError::field("agent", e))
}
