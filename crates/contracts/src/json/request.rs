//! The request frame: what frontend takes on `POST .../requests`.
//!
//! ```json
//! {"req":"TRouteCall","ReferenceID":17,"ThisDN":"9000","ConnID":"00700392f1a4c001@sip-cluster-1.1763622000000","OtherDN":"7101"}
//! ```
//!
//! Unknown fields are ignored. Tenant and requester come from the caller's token, never from the frame.

mod argument;
mod fields;
mod openapi;
mod treatment;

use model::event::ErrorCode;
use model::request::{
    DigitsWanted, ForcedState, ForwardMode, FrameField, LoginPassword, MonitorMode, MonitorType, Request, RequestKind,
    RequestType, RouteTo, Treatment,
};
use model::{AgentId, ConnId, Dn, Owner, ReferenceId, TenantId, UserData, WorkMode};
use serde_json::{Map, Value as Json, json};

use super::FrameError;
use super::user_data::user_data_to_json;
use argument::FrameArgument;
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
    let this_dn = Dn::read(&fields, &FrameField::THIS_DN)?;
    let (kind, owner) = read_kind(name, &fields)?;
    let reasons = UserData::read(&fields, &FrameField::REASONS)?;
    let extensions = UserData::read(&fields, &FrameField::EXTENSIONS)?;
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
    // Without a number it is what the request to cancel is.
    if request_type.name() == "TCallSetForward"
        && fields.optional(FrameField::OTHER_DN.name).is_none()
        && ForwardMode::read(fields, &FrameField::FORWARD_MODE)? == ForwardMode::None
    {
        return Ok((RequestKind::CancelForward, None));
    }
    if !request_type.concern.is_of_call() {
        return Ok((read_other_kind(request_type, fields)?.ok_or_else(unsupported)?, None));
    }
    let (id, owner) = fields.conn_id(&FrameField::CONN_ID)?;
    Ok((read_call_kind(request_type, id, fields)?.ok_or_else(unsupported)?, owner))
}

macro_rules! conversions {
    (
        calls { $(
            $(#[$call_doc:meta])+
            $call:ident $(( $($call_argument:ident: $call_type:ty = [$call_field:expr $(, $call_more:expr)*]),+ $(,)? ))?
                : $call_message:ident, [$call_name:literal $(, $call_alias:literal)*], $call_concern:ident => $call_answer:ident;
        )+ }
        others { $(
            $(#[$other_doc:meta])+
            $other:ident $(( $($other_argument:ident: $other_type:ty = [$other_field:expr $(, $other_more:expr)*]),+ $(,)? ))?
                : $other_message:ident, [$other_name:literal $(, $other_alias:literal)*], $other_concern:ident => $other_answer:ident;
        )+ }
    ) => {
        fn read_call_kind(
            request_type: &RequestType,
            id: ConnId,
            fields: &Fields<'_>,
        ) -> Result<Option<RequestKind>, FrameError> {
            Ok(Some(match request_type.name() {
                $( $call_name => RequestKind::$call(id $($(, <$call_type>::read(fields, &$call_field)?)+)?), )+
                _ => return Ok(None),
            }))
        }

        fn read_other_kind(request_type: &RequestType, fields: &Fields<'_>) -> Result<Option<RequestKind>, FrameError> {
            Ok(Some(match request_type.name() {
                $( $other_name => RequestKind::$other $(( $(<$other_type>::read(fields, &$other_field)?),+ ))?, )+
                _ => return Ok(None),
            }))
        }

        fn put_arguments(frame: &mut Map<String, Json>, kind: &RequestKind) {
            match kind {
                $( RequestKind::$call(_ $($(, $call_argument)+)?) => { $($($call_argument.put(&$call_field, frame);)+)? } )+
                $( RequestKind::$other $(( $($other_argument),+ ))? => { $($($other_argument.put(&$other_field, frame);)+)? } )+
            }
        }
    };
}

model::with_requests!(conversions);

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

/// Reads a ConnID as clients write it: 16 hex digits and, if they know it, `@` and the owner.
pub fn conn_id_with_owner(text: &str) -> Result<(ConnId, Option<Owner>), model::id::InvalidId> {
    let id = text.parse()?;
    let owner = text.split_once('@').map(|(_, owner)| owner.parse()).transpose()?;
    Ok((id, owner))
}
