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
use futures::future::join_all;
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

/// Passes a request on, and returns its reference. A user event of a call goes to each DN of the call.
async fn passed_on(served: &ServedVoice, tenant: &TenantId, mut asked: VoiceRequest) -> Result<u64, Problem> {
    let Some(call) = asked.take_call()? else { return ask(served, tenant, asked).await };
    let followed = served.tenants.follow(tenant)?;
    let dns = waiting::read(&followed, |picture, _| picture.dns_in_call(call)).await?;
    ask_at_all(tenant, asked, &dns, |asked| ask(served, tenant, asked)).await
}

/// Asks at the other DNs of a call, and then at the own one, whose answer it is: once it is taken there, all have been asked. That another DN
/// refuses is logged alone, for a client that repeated the request would tell the others twice.
async fn ask_at_all<A>(
    tenant: &TenantId,
    asked: VoiceRequest,
    dns: &[Dn],
    ask: impl Fn(VoiceRequest) -> A,
) -> Result<u64, Problem>
where
    A: Future<Output = Result<u64, Problem>>,
{
    let others: Vec<&Dn> = dns.iter().filter(|dn| dn.as_str() != asked.this_dn()).collect();
    let answers: Vec<A> = others.iter().map(|dn| ask(asked.at(dn))).collect();
    for (dn, answer) in others.into_iter().zip(join_all(answers).await) {
        if let Err(problem) = answer {
            tracing::warn!(%tenant, %dn, %problem, "a DN of a call does not get a user event");
        }
    }
    ask(asked).await
}

async fn ask(served: &ServedVoice, tenant: &TenantId, asked: VoiceRequest) -> Result<u64, Problem> {
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
    use std::sync::{Arc, Mutex};

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

    #[tokio::test]
    async fn a_user_event_is_asked_for_at_each_dn_of_a_call_and_answered_as_at_the_own_one() {
        let tenant = TenantId::parse("acme").unwrap();
        let dns = ["7102", "7101", "7103"].map(|dn| Dn::parse(dn).unwrap());
        for (refusing, answer) in [("7102", Ok(7)), ("7103", Ok(7)), ("7101", Err(503))] {
            let frame = json!({"req": "TSendUserEvent", "ThisDN": "7101", "ReferenceID": 7, "UserData": {}});
            let asked = serde_json::from_value(json!({"requester": "person/ann", "frame": frame})).unwrap();
            let at = Mutex::new(Vec::new());
            let answered = ask_at_all(&tenant, asked, &dns, |asked| {
                let dn = asked.this_dn().to_owned();
                at.lock().unwrap().push(dn.clone());
                async move { if dn == refusing { Err(Problem::unavailable("no")) } else { Ok(7) } }
            });
            let answered = answered.await.map_err(|problem| problem.status);
            assert_eq!(answered, answer, "{refusing}");
            assert_eq!(*at.lock().unwrap(), ["7102", "7103", "7101"], "{refusing}");
        }
    }
}
