//! The request frame: what frontend takes on `POST .../requests`.
//!
//! ```json
//! {"req":"TRouteCall","ReferenceID":17,"ThisDN":"9000","ConnID":"00700392f1a4c001@sip-cluster-1.1763622000000","OtherDN":"7101"}
//! ```
//!
//! Unknown fields are ignored. Tenant and requester come from the caller's token, never from the frame.

mod fields;
mod openapi;

use model::event::ErrorCode;
use model::request::{FrameField, Request, RequestKind, RequestType, RouteTo, Treatment};
use model::{ConnId, Owner, ReferenceId, TenantId};
use serde_json::{Map, Value as Json, json};

use super::FrameError;
use super::user_data::user_data_to_json;
use crate::wire;
use fields::Fields;

pub use openapi::{requests_markdown, requests_openapi};

/// A frame that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFrame {
    /// The request.
    pub request: Request,
    /// The call's owner, if its ConnID names it.
    pub owner: Option<Owner>,
}

/// Reads a request frame.
///
/// # Errors
/// Names the first field that is absent or not valid, with the number that an `EventError` would carry.
pub fn read_request(frame: &Json, tenant: &TenantId, requester: &str) -> Result<RequestFrame, FrameError> {
    let Json::Object(fields) = frame else {
        return Err(FrameError::invalid("", "the frame is not an object"));
    };
    let fields = Fields(fields);
    let name = fields.text("req")?;
    let reference = fields.number("ReferenceID")?.unwrap_or_default();
    let this_dn = fields.dn("ThisDN", ErrorCode::DN_NOT_CONFIGURED)?;
    let (kind, owner) = read_kind(name, &fields)?;
    let reasons = fields.pairs(&FrameField::REASONS)?;
    let extensions = fields.pairs(&FrameField::EXTENSIONS)?;
    let request = Request {
        tenant: tenant.clone(),
        requester: requester.to_owned(),
        reference: ReferenceId(reference),
        this_dn,
        kind,
        reasons,
        extensions,
    };
    Ok(RequestFrame { request, owner })
}

fn read_kind(name: &str, fields: &Fields<'_>) -> Result<(RequestKind, Option<Owner>), FrameError> {
    let unsupported = || FrameError::new("req", ErrorCode::UNSUPPORTED, format_args!("{name} is not supported"));
    let request_type = RequestType::named(name).ok_or_else(unsupported)?;
    if !request_type.concern.is_of_call() {
        let kind = read_agent_kind(request_type, fields)?.ok_or_else(unsupported)?;
        return Ok((kind, None));
    }
    let (id, owner) = fields.conn_id()?;
    let kind = read_call_kind(request_type, id, fields)?.ok_or_else(unsupported)?;
    Ok((kind, owner))
}

fn read_agent_kind(request_type: &RequestType, fields: &Fields<'_>) -> Result<Option<RequestKind>, FrameError> {
    Ok(Some(match request_type.name() {
        "TAgentLogin" => RequestKind::AgentLogin { agent: fields.agent()?, work_mode: fields.work_mode()? },
        "TAgentLogout" => RequestKind::AgentLogout,
        "TAgentSetReady" => RequestKind::AgentReady(fields.work_mode()?),
        "TAgentSetNotReady" => RequestKind::AgentNotReady(fields.work_mode()?),
        "TQueryAddress" => RequestKind::QueryAddress,
        _ => return Ok(None),
    }))
}

fn read_call_kind(
    request_type: &RequestType,
    id: ConnId,
    fields: &Fields<'_>,
) -> Result<Option<RequestKind>, FrameError> {
    Ok(Some(match request_type.name() {
        "TAnswerCall" => RequestKind::AnswerCall(id),
        "TReleaseCall" => RequestKind::ReleaseCall(id),
        "TClearCall" => RequestKind::ClearCall(id),
        "THoldCall" => RequestKind::HoldCall(id),
        "TRetrieveCall" => RequestKind::RetrieveCall(id),
        "TStopTreatment" => RequestKind::StopTreatment(id),
        "TDeleteUserData" => RequestKind::DeleteUserData(id),
        "TQueryCall" => RequestKind::QueryCall(id),
        "TRedirectCall" => RequestKind::RedirectCall(id, fields.dn("OtherDN", ErrorCode::INVALID_CALLED_DN)?),
        "TRouteCall" => RequestKind::RouteCall(id, read_route(fields)?),
        "TApplyTreatment" => RequestKind::ApplyTreatment(id, read_treatment(fields)?),
        "TDeletePair" => RequestKind::DeletePair(id, fields.text("Key")?.to_owned()),
        "TUpdateUserData" => RequestKind::UpdateUserData(id, fields.pairs(&FrameField::USER_DATA)?),
        _ => return Ok(None),
    }))
}

fn read_route(fields: &Fields<'_>) -> Result<RouteTo, FrameError> {
    match fields.optional_text("RouteType")?.unwrap_or("Unknown") {
        "Unknown" | "Default" => {
            Ok(RouteTo::Dn { dn: fields.dn("OtherDN", ErrorCode::INVALID_DESTINATION)?, agent: fields.agent()? })
        }
        "Reject" => {
            let status = fields.number("Status")?.unwrap_or(603);
            match u16::try_from(status) {
                Ok(status @ 400..=699) => Ok(RouteTo::Reject(status)),
                _ => Err(FrameError::invalid("Status", "it is not a SIP status from 400 to 699")),
            }
        }
        "CallDisconnect" => Ok(RouteTo::Disconnect),
        other => {
            Err(FrameError::invalid("RouteType", format_args!("{other} is not Unknown, Reject or CallDisconnect")))
        }
    }
}

fn read_treatment(fields: &Fields<'_>) -> Result<Treatment, FrameError> {
    let parameters = fields.object("Parameters")?;
    let parameters = Fields(&parameters);
    match fields.text("TreatmentType")? {
        "PlayAnnouncement" => Ok(Treatment::PlayAnnouncement { prompts: parameters.prompts()? }),
        "Music" => Ok(Treatment::Music {
            resource: prompt_name("resource", parameters.text("resource")?.to_owned())?,
            duration_ms: parameters.number("duration_ms")?,
        }),
        "PlayAnnouncementAndDigits" => read_collect(&parameters),
        "Echo" => Ok(Treatment::Echo),
        "RingBack" => Ok(Treatment::RingBack),
        "Silence" => Ok(Treatment::Silence),
        other => {
            Err(FrameError::new("TreatmentType", ErrorCode::UNSUPPORTED, format_args!("{other} is not supported")))
        }
    }
}

fn read_collect(parameters: &Fields<'_>) -> Result<Treatment, FrameError> {
    let max_digits = parameters.number("max_digits")?.unwrap_or(1);
    let terminator = parameters.optional_text("terminator")?;
    Ok(Treatment::PlayAndCollect {
        prompts: parameters.prompts()?,
        max_digits: u8::try_from(max_digits).map_err(|_| FrameError::invalid("max_digits", "it is above 255"))?,
        first_digit_timeout_ms: parameters.number("first_digit_timeout_ms")?.unwrap_or(5_000),
        inter_digit_timeout_ms: parameters.number("inter_digit_timeout_ms")?.unwrap_or(3_000),
        terminator: match terminator.map(|t| t.chars().collect::<Vec<_>>()).as_deref() {
            None | Some([]) => None,
            Some([one]) => Some(*one),
            Some(_) => return Err(FrameError::invalid("terminator", "it is more than one character")),
        },
    })
}

fn prompt_name(field: &str, name: String) -> Result<String, FrameError> {
    if name.len() > Treatment::PROMPT_BYTES_MAX {
        let rule = format_args!("a name has more than {} bytes", Treatment::PROMPT_BYTES_MAX);
        return Err(FrameError::invalid(field, rule));
    }
    Ok(name)
}

/// Writes a request as a frame; with the owner behind the ConnID where it is known.
pub fn request_frame(request: &Request, owner: Option<&Owner>) -> Json {
    let mut frame = Map::new();
    frame.insert("req".into(), json!(request.kind.request_type().name()));
    frame.insert("ReferenceID".into(), json!(request.reference.0));
    frame.insert("ThisDN".into(), json!(request.this_dn.as_str()));
    if let Some(id) = request.kind.conn_id() {
        let text = owner.map_or_else(|| id.to_string(), |owner| format!("{id}@{owner}"));
        frame.insert("ConnID".into(), json!(text));
    }
    put_arguments(&mut frame, &request.kind);
    for (key, list) in [("Reasons", &request.reasons), ("Extensions", &request.extensions)] {
        if !list.is_empty() {
            frame.insert(key.into(), user_data_to_json(list));
        }
    }
    Json::Object(frame)
}

fn put_arguments(frame: &mut Map<String, Json>, kind: &RequestKind) {
    match kind {
        RequestKind::RedirectCall(_, dn) => {
            frame.insert("OtherDN".into(), json!(dn.as_str()));
        }
        RequestKind::RouteCall(_, RouteTo::Dn { dn, agent }) => {
            frame.insert("OtherDN".into(), json!(dn.as_str()));
            if let Some(agent) = agent {
                frame.insert("AgentID".into(), json!(agent.as_str()));
            }
        }
        RequestKind::RouteCall(_, RouteTo::Reject(status)) => {
            frame.insert("RouteType".into(), json!("Reject"));
            frame.insert("Status".into(), json!(status));
        }
        RequestKind::RouteCall(_, RouteTo::Disconnect) => {
            frame.insert("RouteType".into(), json!("CallDisconnect"));
        }
        RequestKind::ApplyTreatment(_, treatment) => {
            let (name, parameters) = treatment_to_json(treatment);
            frame.insert("TreatmentType".into(), json!(name));
            frame.insert("Parameters".into(), parameters);
        }
        RequestKind::UpdateUserData(_, data) => {
            frame.insert("UserData".into(), user_data_to_json(data));
        }
        RequestKind::DeletePair(_, key) => {
            frame.insert("Key".into(), json!(key));
        }
        RequestKind::AgentLogin { agent, work_mode } => {
            if let Some(agent) = agent {
                frame.insert("AgentID".into(), json!(agent.as_str()));
            }
            frame.insert("AgentWorkMode".into(), json!(wire::work_mode_name(*work_mode)));
        }
        RequestKind::AgentReady(mode) | RequestKind::AgentNotReady(mode) => {
            frame.insert("AgentWorkMode".into(), json!(wire::work_mode_name(*mode)));
        }
        _ => {}
    }
}

fn treatment_to_json(treatment: &Treatment) -> (&'static str, Json) {
    match treatment {
        Treatment::PlayAnnouncement { prompts } => ("PlayAnnouncement", json!({ "prompts": prompts })),
        Treatment::Music { resource, duration_ms: None } => ("Music", json!({ "resource": resource })),
        Treatment::Music { resource, duration_ms } => {
            ("Music", json!({ "resource": resource, "duration_ms": duration_ms }))
        }
        Treatment::PlayAndCollect {
            prompts,
            max_digits,
            first_digit_timeout_ms,
            inter_digit_timeout_ms,
            terminator,
        } => {
            let mut parameters = json!({
                "prompts": prompts,
                "max_digits": max_digits,
                "first_digit_timeout_ms": first_digit_timeout_ms,
                "inter_digit_timeout_ms": inter_digit_timeout_ms,
            });
            if let Some(terminator) = terminator {
                parameters["terminator"] = json!(terminator);
            }
            ("PlayAnnouncementAndDigits", parameters)
        }
        Treatment::Echo => ("Echo", json!({})),
        Treatment::RingBack => ("RingBack", json!({})),
        Treatment::Silence => ("Silence", json!({})),
    }
}

/// Reads a ConnID as clients write it: 16 hex digits and, if they know it, `@` and the owner.
pub fn conn_id_with_owner(text: &str) -> Result<(ConnId, Option<Owner>), model::id::InvalidId> {
    let id = text.parse()?;
    let owner = text.split_once('@').map(|(_, owner)| owner.parse()).transpose()?;
    Ok((id, owner))
}
