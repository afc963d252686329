//! The routes of gws-voice. All are for the role gws-workspace alone, which has verified who is at the desktop.

mod waiting;

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bayeux::Batch;
use model::{Dn, TenantId};
use net::http::{Caller, JsonBody, Problem, StatusCode, Turn};
use runtime::{Drain, RoleContext};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Metrics;
use super::feed::WaitingClient;
use super::followed::FollowedTenant;
use super::requests::{VoiceRequest, problem_of};
use super::tenant_voice::{DnLook, ReaderRefusal};
use super::tenants::VoiceTenants;
use crate::voice_api::DnNews;

/// The role that asks here.
const WORKSPACE: &str = "gws-workspace";
/// How long the state of a DN may take to become known.
const STATE_WITHIN: Duration = Duration::from_secs(5);

/// What the routes share.
#[derive(Clone)]
struct ServedVoice {
    tenants: VoiceTenants,
    waiting: WaitingClient,
    metrics: Metrics,
    drain: Drain,
}

pub(super) fn router(ctx: &RoleContext, tenants: VoiceTenants, waiting: WaitingClient, metrics: Metrics) -> Router {
    // What a path says behind `notifications` says its messages too.
    Router::new()
        .route("/voice/v3/{tenant}/notifications", post(notifications))
        .route("/voice/v3/{tenant}/notifications/", post(notifications))
        .route("/voice/v3/{tenant}/notifications/{*rest}", post(notifications))
        .route("/voice/v3/{tenant}/requests", post(request))
        .route("/voice/v3/{tenant}/dns/{dn}", get(state_of_dn))
        .route("/voice/v3/{tenant}/calls/{call}", get(waiting::course))
        .route("/voice/v3/{tenant}/waiting-calls", get(waiting::list))
        .route("/voice/v3/{tenant}/waiting-calls/{call}", get(waiting::why))
        .with_state(ServedVoice { tenants, waiting, metrics, drain: ctx.drain.clone() })
}

/// The tenant of a path.
#[derive(Deserialize)]
struct TenantPath {
    tenant: String,
}

/// The tenant, if the caller is the role that may ask about it.
fn tenant_for(caller: &Caller, tenant: &str) -> Result<TenantId, Problem> {
    if caller.role() != Some(WORKSPACE) {
        return Err(Problem::forbidden(format!("this is for the role {WORKSPACE} alone")));
    }
    TenantId::parse(tenant).map_err(|error| Problem::not_found(error.to_string()))
}

// === notifications ===

/// A batch of Bayeux messages. A connect waits until there is something to tell.
async fn notifications(
    caller: Caller,
    State(served): State<ServedVoice>,
    Path(path): Path<TenantPath>,
    turn: Option<Extension<Turn>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let tenant = tenant_for(&caller, &path.tenant)?;
    let batch = Batch::read(&body).map_err(|fault| Problem::bad_request(fault.to_string()))?;
    let followed = served.tenants.follow(&tenant)?;
    let awaited = followed.receive(caller.name(), batch);
    let mut awaited = awaited.map_err(|refusal| Problem::unavailable(refusal.to_string()))?;
    if let Some(body) = awaited.take() {
        return Ok(messages(body));
    }
    let _place = turn.map(|Extension(turn)| turn.waits()).transpose()?;
    tokio::select! {
        body = awaited.wait() => body.map(messages).ok_or_else(|| Problem::unavailable("the tenant begins anew, or has no events")),
        // Nothing is lost: the reader goes on at another replica.
        () = served.drain.begun() => Err(Problem::unavailable("stopping")),
    }
}

fn messages(body: String) -> Response {
    let head = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (head, body).into_response()
}

// === requests ===

/// A request on its way to tenant. Its outcome is told on the channel of its DN.
async fn request(
    caller: Caller,
    State(served): State<ServedVoice>,
    Path(path): Path<TenantPath>,
    JsonBody(asked): JsonBody<VoiceRequest>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let tenant = tenant_for(&caller, &path.tenant)?;
    match passed_on(&served, &tenant, asked).await {
        Ok(reference) => {
            served.metrics.requests.inc();
            Ok((StatusCode::ACCEPTED, Json(json!({ "reference": reference }))))
        }
        Err(problem) => {
            served.metrics.requests_refused.inc();
            Err(problem)
        }
    }
}

/// Passes a request on, and returns its reference. A user event of a call goes to the call's other DNs first: once it is taken at its own,
/// all have it.
async fn passed_on(served: &ServedVoice, tenant: &TenantId, mut asked: VoiceRequest) -> Result<u64, Problem> {
    if let Some(call) = asked.take_call()? {
        let followed = served.tenants.follow(tenant)?;
        let dns = waiting::read(&followed, |picture, _| picture.dns_in_call(call)).await?;
        for dn in dns.iter().filter(|dn| dn.as_str() != asked.this_dn()) {
            ask(served, tenant, &asked.at(dn)).await?;
        }
    }
    ask(served, tenant, &asked).await
}

async fn ask(served: &ServedVoice, tenant: &TenantId, asked: &VoiceRequest) -> Result<u64, Problem> {
    let asked = asked.read(tenant)?;
    let taken = served.tenants.client().ask(asked).await.map_err(|status| problem_of(&status))?;
    Ok(taken.into_inner().reference)
}

// === DNs ===

#[derive(Deserialize)]
struct DnPath {
    tenant: String,
    dn: String,
}

async fn state_of_dn(
    caller: Caller,
    State(served): State<ServedVoice>,
    Path(path): Path<DnPath>,
) -> Result<Json<DnNews>, Problem> {
    let tenant = tenant_for(&caller, &path.tenant)?;
    let dn = Dn::parse(&path.dn).map_err(|error| Problem::not_found(error.to_string()))?;
    let followed = served.tenants.follow(&tenant)?;
    if followed.is_cut_off() {
        return Err(Problem::unavailable(ReaderRefusal::CutOff.to_string()));
    }
    let known = tokio::time::timeout(STATE_WITHIN, picture(&followed, dn.as_str())).await;
    known.unwrap_or_else(|_| Err(Problem::unavailable("the state of the DN is not known yet"))).map(Json)
}

/// The picture of a DN, once it is known.
async fn picture(followed: &FollowedTenant, dn: &str) -> Result<DnNews, Problem> {
    let mut settled = followed.settled();
    loop {
        match followed.look(dn) {
            DnLook::Picture(news) => return Ok(*news),
            DnLook::Unknown(fault) => return Err(Problem::not_found(fault.message).code(fault.code)),
            DnLook::Waits => {}
        }
        settled.changed().await.map_err(|_| Problem::unavailable("stopping"))?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use infra::SystemClock;
    use runtime::RoleSpec;
    use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};

    use super::*;

    static WORKSPACE_SPEC: RoleSpec = RoleSpec { opens: &["gws-29"], ..RoleSpec::bare("gws-workspace", 27) };
    static OTHER: RoleSpec = RoleSpec { opens: &["gws-29"], ..RoleSpec::bare("gws-interaction", 23) };

    #[test]
    fn the_role_of_desktops_alone_asks_here_whatever_scopes_others_have() {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let [workspace, other] = [&WORKSPACE_SPEC, &OTHER].map(|spec| ServiceIssuer::of_new_key(spec, clock.clone()));
        let (workspace, other) = (workspace.unwrap(), other.unwrap());
        let verifier = TokenVerifier::of(&issuer, &[&workspace, &other]);
        let hour = Duration::from_secs(3_600);
        let program = issuer.issue(None, "gws-workspace/gws-workspace-1", "calls:read calls:control", hour).unwrap();
        assert!(verifier.verify(&program, "gws-voice", &[]).is_err(), "the listener takes tokens of roles alone");
        let program = verifier.verify(&program, "gws-voice", &[runtime::ApiFamily::Voice]).unwrap();
        let token = workspace.token("gws-workspace-1", "gws-voice").unwrap();
        let workspace = verifier.verify(&token, "gws-voice", &[]).unwrap();
        assert_eq!(tenant_for(&workspace, "acme").unwrap().as_str(), "acme");
        assert_eq!(tenant_for(&workspace, "").unwrap_err().status, 404);
        assert_eq!(workspace.name(), "gws-workspace-1");
        assert_eq!(tenant_for(&program, "acme").unwrap_err().status, 403);
        assert!(other.token("gws-interaction-1", "gws-voice").is_err(), "no connection leads from there");
    }
}
