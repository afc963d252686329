//! What calls have come through, and the calls that wait: why they do, and where else they are to go. The published API has none of it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

use super::super::Workspace;
use super::super::behind::VoiceLook;
use super::super::desk::{AskFault, Desk, VoiceAction, VoiceOperation};
use super::super::request::DeskRequest;
use super::super::session::DeskSession;
use super::managed;
use super::operations::replied;
use super::users::check_supervisor;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The place of the route point in a call that waits.
const ROUTE_POINT: &str = "/routePoint";

async fn told(workspace: &Workspace, session: &DeskSession, what: VoiceLook) -> Result<Value, ApiRefusal> {
    let told = workspace.parts.voice.look(session.sign_in().person.tenant, what).await;
    told.map_err(|AskFault { status, message, .. }| match status {
        404 => ApiRefusal::not_found(message),
        _ => ApiRefusal::unavailable(message),
    })
}

fn calls(of: &Value) -> &[Value] {
    of["calls"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_call(call: &&Value, id: &str) -> bool {
    call["id"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(id))
}

/// `GET /voice/calls/{id}/course`: of a call of the own DN.
pub(in crate::gws_workspace) async fn course(
    State(workspace): State<Arc<Workspace>>,
    Path(id): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let own = request.session.shown(Desk::calls);
    if !calls(&own).iter().any(|call| is_call(&call, &id)) {
        return Err(ApiRefusal::not_found("there is no such call at the DN"));
    }
    Ok(answers::data(&told(&workspace, &request.session, VoiceLook::Course(id)).await?))
}

/// `GET /supervisor/waiting-calls`.
pub(in crate::gws_workspace) async fn list(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    check_supervisor(&request.session)?;
    Ok(answers::data(&told(&workspace, &request.session, VoiceLook::Waiting).await?))
}

/// `GET /supervisor/waiting-calls/{id}`.
pub(in crate::gws_workspace) async fn why(
    State(workspace): State<Arc<Workspace>>,
    Path(id): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    check_supervisor(&request.session)?;
    Ok(answers::data(&told(&workspace, &request.session, VoiceLook::WaitingCall(id)).await?))
}

/// `POST /supervisor/waiting-calls/{id}/move`: the body names the `destination`.
pub(in crate::gws_workspace) async fn move_call(
    State(workspace): State<Arc<Workspace>>,
    Path(id): Path<String>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let session = &request.session;
    check_supervisor(session)?;
    let all = told(&workspace, session, VoiceLook::Waiting).await?;
    // The list has those that have waited for longest.
    let call = match calls(&all).iter().find(|call| is_call(call, &id)) {
        Some(call) => call.clone(),
        None => told(&workspace, session, VoiceLook::WaitingCall(id.clone())).await?["call"].take(),
    };
    let unknown = || ApiRefusal::unavailable("where the call waits is not known yet");
    let point = call.pointer(ROUTE_POINT).and_then(Value::as_str).ok_or_else(unknown)?;
    let operation = VoiceOperation::read_move(&id, point, &body)?;
    if let VoiceAction::MoveWaiting { to, .. } = &operation.action {
        managed::check_destination(&workspace, session, to).await?;
    }
    replied(session.operate(|desk, reply, now| desk.operate(operation, reply, now))?).await
}
