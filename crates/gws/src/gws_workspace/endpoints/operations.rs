//! Operations on calls and agents, and the channels of a desktop.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use runtime::scope::CALLS_MONITOR;
use tokio::sync::oneshot;

use super::super::behind::{ConfigurationFault, ConfiguredDn};
use super::super::desk::{ActivateBody, Desk, OperationRefusal, VoiceAction, VoiceOperation};
use super::super::request::DeskRequest;
use super::super::session::{DeskSession, OperationReply};
use super::super::{PATH, Workspace};
use super::managed;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// How long an operation may take to be taken.
const REPLIED_WITHIN: Duration = Duration::from_secs(10);
/// The most segments of a path that are read.
const SEGMENTS_MAX: usize = 8;
/// The type of a DN that an agent's phone has.
const EXTENSION: &str = "extension";

/// `POST /voice/…`.
pub(in crate::gws_workspace) async fn voice(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    uri: Uri,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let segments = segments(&uri, "/voice/");
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let operation = VoiceOperation::read(&segments, &body)?;
    if let VoiceAction::StartMonitoring { dn, .. } = &operation.action
        && request.session.sign_in().person.needs(CALLS_MONITOR).is_ok()
    {
        managed::check_dn(&workspace, &request.session, "phoneNumberToMonitor", dn).await?;
    }
    match operation.action {
        VoiceAction::Activate(activation) => activated(&workspace, &request.session, activation).await,
        _ => {
            let reply = request.session.operate(|desk, reply, now| desk.operate(operation, reply, now))?;
            replied(reply).await
        }
    }
}

/// `POST /activate-channels`: binds the agent to a DN, and logs it in there.
pub(in crate::gws_workspace) async fn activate_channels(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let activation = ActivateBody::read(&read_body(&body)?)?;
    activated(&workspace, &request.session, activation).await
}

/// `GET /voice/calls`.
pub(in crate::gws_workspace) async fn calls(request: DeskRequest) -> Response {
    answers::data(&request.session.shown(Desk::calls))
}

async fn activated(
    workspace: &Workspace,
    session: &DeskSession,
    activation: ActivateBody,
) -> Result<Response, ApiRefusal> {
    // Who may take none learns of none whether it is there.
    session.shown(Desk::may_activate)?;
    let sign_in = session.sign_in();
    let configuration = &workspace.parts.configuration;
    let dn = match (&activation.dn, &activation.place_name) {
        (Some(number), _) => {
            // No phone outside can be an agent's: it is one of the tenant's, wherever that is.
            let parameter = if activation.is_dynamic { "dynamicPhoneNumber" } else { "dn" };
            let dn = configuration.dn(sign_in.person.tenant.clone(), number.clone()).await;
            let dn = dn.map_err(|fault| unknown(parameter, &fault))?;
            if !is_phone(&dn) {
                let rule = format!("{parameter}: {} is no phone, but of the type {}", dn.number, dn.dn_type);
                return Err(ApiRefusal::bad_request(rule));
            }
            dn
        }
        (None, Some(place)) => {
            let dns = configuration.place(sign_in.person.tenant.clone(), place.clone()).await;
            phone_of(dns.map_err(|fault| unknown("placeName", &fault))?)?
        }
        (None, None) => return Err(ApiRefusal::bad_request("placeName: it is missing, and so is dn")),
    };
    if !sign_in.is_for_dn(&dn.number) {
        return Err(ApiRefusal::forbidden("dn: the sign-in is for another DN"));
    }
    let switch = Some(dn.switch).filter(|switch| !switch.is_empty());
    replied(session.operate(|desk, reply, now| desk.activate(activation, dn.number, switch, reply, now))?).await
}

impl From<OperationRefusal> for ApiRefusal {
    fn from(refusal: OperationRefusal) -> Self {
        Self::with_code(refusal.status, refusal.code, refusal.message)
    }
}

fn unknown(parameter: &str, fault: &ConfigurationFault) -> ApiRefusal {
    match fault {
        ConfigurationFault::Unknown(_) | ConfigurationFault::OfAnotherKind(_) => {
            ApiRefusal::bad_request(format!("{parameter}: {fault}"))
        }
        ConfigurationFault::Away => ApiRefusal::unavailable(fault.to_string()),
    }
}

/// Whether an agent can be at the DN; one whose type is not told counts as one.
fn is_phone(dn: &ConfiguredDn) -> bool {
    dn.dn_type.is_empty() || dn.dn_type.eq_ignore_ascii_case(EXTENSION)
}

/// The phone among the DNs of a place: the first extension, else the first whose type is not told.
fn phone_of(dns: Vec<ConfiguredDn>) -> Result<ConfiguredDn, ApiRefusal> {
    let extension = dns.iter().position(|dn| dn.dn_type.eq_ignore_ascii_case(EXTENSION));
    let phone = extension.or_else(|| dns.iter().position(is_phone));
    let none = || ApiRefusal::bad_request("placeName: there is no phone at that place");
    phone.and_then(|phone| dns.into_iter().nth(phone)).ok_or_else(none)
}

/// The answer to an operation, once there is one.
pub(super) async fn replied(reply: oneshot::Receiver<OperationReply>) -> Result<Response, ApiRefusal> {
    match tokio::time::timeout(REPLIED_WITHIN, reply).await {
        Ok(Ok(OperationReply { status, body })) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Ok(answers::answer(status, &body))
        }
        // Where the session has gone elsewhere meanwhile, gws-voice may have taken it, too.
        Ok(Err(_)) | Err(_) => Err(ApiRefusal::late()),
    }
}

/// What follows that part of the path, decoded segment by segment.
pub(super) fn segments(uri: &Uri, below: &str) -> Vec<String> {
    let path = uri.path().strip_prefix(PATH).and_then(|path| path.strip_prefix(below)).unwrap_or_default();
    let segments = path.trim_end_matches('/').split('/').take(SEGMENTS_MAX);
    segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whose_session_moves_before_the_answer_is_told_that_it_may_have_been_carried_out() {
        let (waits, reply) = oneshot::channel();
        drop(waits);
        assert_eq!(replied(reply).await.unwrap_err(), ApiRefusal::late());
    }

    #[test]
    fn segments_are_decoded_one_by_one_and_a_slash_at_the_end_is_none() {
        let of = |path: &'static str| segments(&Uri::from_static(path), "/voice/");
        assert_eq!(of("/workspace/v3/voice/calls/00ab%2F1/hold/"), ["calls", "00ab/1", "hold"]);
        assert_eq!(of("/workspace/v3/voice/ready?x=1"), ["ready"]);
    }

    #[test]
    fn the_phone_of_a_place_is_its_first_extension() {
        let dn = |number: &str, dn_type: &str| ConfiguredDn {
            number: number.to_owned(),
            dn_type: dn_type.to_owned(),
            ..ConfiguredDn::default()
        };
        let phone = |dns| phone_of(dns).map(|dn| dn.number);
        assert_eq!(phone(vec![dn("1", "voice-mail"), dn("2", "Extension"), dn("3", "extension")]).unwrap(), "2");
        assert_eq!(phone(vec![dn("1", "route_point"), dn("2", "")]).unwrap(), "2");
        assert_eq!(phone(vec![dn("1", "route_point")]).unwrap_err().status(), StatusCode::BAD_REQUEST);
        assert_eq!(phone(Vec::new()).unwrap_err().status(), StatusCode::BAD_REQUEST);
    }
}
