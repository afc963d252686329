//! HTTP 9101: `POST /api/voice/v1/{tenant}/requests`.

use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use contracts::json::{RequestFrame, read_request};
use http::StatusCode;
use model::TenantId;
use net::http::{Caller, JsonBody, Problem};
use runtime::spans::TraceParent;
use serde_json::{Value, json};

use super::forwarder::{Incoming, RequestForwarder};

/// The header in which a role names the original requester.
const REQUESTER: &str = "trunkline-requester";
/// The longest name of a requester, in bytes.
const REQUESTER_BYTES_MAX: usize = 200;
/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 200;

pub(super) fn router(forwarder: RequestForwarder) -> Router {
    Router::new().route("/api/voice/v1/{tenant}/requests", post(request)).with_state(forwarder)
}

async fn request(
    caller: Caller,
    State(forwarder): State<RequestForwarder>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    served: Option<Extension<TraceParent>>,
    JsonBody(frame): JsonBody<Value>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|error| Problem::not_found(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    // Refuse clients without any permission before checking the request, so that they learn nothing about it.
    caller.may_ask_at_all()?;
    let idempotency_key = idempotency_key(&headers)?;
    let requester = requester(&caller, &headers)?;
    let within = served.map(|Extension(own)| own);
    let read = let_in(&caller, &frame, &tenant, &requester).inspect_err(|problem| forwarder.turned_away(problem))?;
    let incoming = Incoming { tenant, requester, idempotency_key, within, frame };
    let reference = forwarder.enter(incoming, read).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"ReferenceID": reference}))))
}

/// Reads a request and checks its permissions, by its action and its subject, never by other fields of the frame.
fn let_in(caller: &Caller, frame: &Value, tenant: &TenantId, requester: &str) -> Result<RequestFrame, Problem> {
    let read = read_request(frame, tenant, requester)
        .map_err(|error| Problem::unprocessable(error.to_string()).code(u32::from(error.code.0)))?;
    caller.may_ask(&read.request)?;
    Ok(read)
}

/// The requester: the token's subject or, for a role that forwards a request, the name in its header.
fn requester(caller: &Caller, headers: &HeaderMap) -> Result<String, Problem> {
    match headers.get(REQUESTER).filter(|_| caller.role().is_some()) {
        None => Ok(caller.subject().to_owned()),
        Some(named) => {
            let named = named.to_str().ok().filter(|named| (1..=REQUESTER_BYTES_MAX).contains(&named.len()));
            let rule = || format!("{REQUESTER}: it must be text of 1 to {REQUESTER_BYTES_MAX} bytes");
            named.map(str::to_owned).ok_or_else(|| Problem::bad_request(rule()))
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_request(format!("Idempotency-Key: it must be text of 1 to {KEY_BYTES_MAX} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use infra::SystemClock;
    use model::{AgentId, Dn};
    use runtime::Tokens;
    use runtime::caller::Tie;
    use runtime::token::EVERY_ROLE;

    use super::*;

    fn caller(scopes: &str, tie: Option<&Tie>) -> Caller {
        let tokens = Tokens::with_key(&Tokens::new_key().unwrap(), Arc::new(SystemClock::start())).unwrap();
        let life = Duration::from_secs(60);
        let token = tokens.issue_tied(Some(&acme()), tie, "desk/1", scopes, EVERY_ROLE, life).unwrap();
        tokens.verify(&token, "frontend").unwrap()
    }

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    /// The status and its detail.
    fn answer(caller: &Caller, frame: Value) -> (u16, String) {
        match let_in(caller, &frame, &acme(), "desk/1") {
            Ok(_) => (202, String::new()),
            Err(problem) => (problem.status, problem.detail.unwrap_or_default()),
        }
    }

    const CONN_ID: &str = "00000000000000ff@a.1";

    #[test]
    fn the_scope_is_that_of_what_is_asked_for_whatever_else_stands_in_the_frame() {
        let (calls, agents) = (caller("calls:control", None), caller("agents:control", None));
        for name in ["TAgentLogin", "TAgentLogout", "TAgentSetReady", "TAgentSetNotReady", "TQueryAddress"] {
            for frame in
                [json!({"req": name, "ThisDN": "7101"}), json!({"req": name, "ThisDN": "7101", "ConnID": CONN_ID})]
            {
                let (status, said) = answer(&calls, frame.clone());
                assert!(status == 403 && said.contains("\"agents:control\""), "{frame}: {status} {said}");
                assert_eq!(answer(&agents, frame).0, 202);
            }
        }
        for more in [
            json!({"req": "TAnswerCall"}),
            json!({"req": "TReleaseCall"}),
            json!({"req": "TClearCall"}),
            json!({"req": "THoldCall"}),
            json!({"req": "TRetrieveCall"}),
            json!({"req": "TRedirectCall", "OtherDN": "7102"}),
            json!({"req": "TRouteCall", "OtherDN": "7102"}),
            json!({"req": "TApplyTreatment", "TreatmentType": "Echo"}),
            json!({"req": "TStopTreatment"}),
            json!({"req": "TUpdateUserData", "UserData": {}}),
            json!({"req": "TDeletePair", "Key": "k"}),
            json!({"req": "TDeleteUserData"}),
            json!({"req": "TQueryCall"}),
        ] {
            let mut frame = json!({"ThisDN": "7101", "ConnID": CONN_ID});
            frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let (status, said) = answer(&agents, frame.clone());
            assert!(status == 403 && said.contains("\"calls:control\""), "{frame}: {status} {said}");
            assert_eq!(answer(&calls, frame.clone()).0, 202, "{frame}");
        }
        assert!(caller("calls:read", None).may_ask_at_all().unwrap_err().detail.unwrap().contains("agents:control"));
        assert_eq!(answer(&calls, json!({"req": "TFly", "ThisDN": "7101"})).0, 422);
    }

    #[test]
    fn a_token_that_is_tied_to_a_desk_asks_for_nobody_else() {
        let tie = Tie { dn: Dn::parse("7101").unwrap(), agent: Some(AgentId::parse("1001").unwrap()) };
        let desk = caller("calls:control agents:control", Some(&tie));
        for (frame, status, words) in [
            (json!({"req": "THoldCall", "ThisDN": "7101", "ConnID": CONN_ID}), 202, ""),
            (json!({"req": "TAgentLogin", "ThisDN": "7101", "AgentID": "1001"}), 202, ""),
            (json!({"req": "TAgentSetReady", "ThisDN": "7101"}), 202, ""),
            (json!({"req": "THoldCall", "ThisDN": "7102", "ConnID": CONN_ID}), 403, "DN 7101"),
            (json!({"req": "TAgentLogout", "ThisDN": "7102"}), 403, "DN 7101"),
            (json!({"req": "TQueryAddress", "ThisDN": "7102"}), 403, "DN 7101"),
            (json!({"req": "TAgentLogin", "ThisDN": "7101", "AgentID": "1002"}), 403, "agent 1001"),
            (json!({"req": "TAgentLogin", "ThisDN": "7101"}), 403, "agent 1001"),
            (json!({"req": "TClearCall", "ThisDN": "7101", "ConnID": CONN_ID}), 403, "whole call"),
            (json!({"req": "TUpdateUserData", "ThisDN": "7101", "ConnID": CONN_ID, "UserData": {}}), 403, "whole call"),
        ] {
            let (said, why) = answer(&desk, frame.clone());
            assert!(said == status && why.contains(words), "{frame}: {said} {why}");
        }
    }
}
