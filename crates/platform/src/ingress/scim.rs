//! Hands what provisioning agents ask below `/scim/v2` to agent-setup (own-27), with the caller's own token. What the edge itself refuses
//! there is told as SCIM tells errors.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::any;
use net::http::{FORWARDED_HOST, Problem};
use runtime::RoleContext;
use runtime::around::{Answering, Entrance, around};

use super::hand_on::RoleBehind;
use super::routes;
use crate::scim_error::{MEDIA_TYPE, ScimError};

/// Time for an answer: a page at the end of the largest tenant is behind 300 pages of tenant.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);
/// The longest problem that is told anew.
const PROBLEM_BYTES_MAX: usize = 64 << 10;
static PASSED_ON: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("x-request-id"),
];

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    let role = RoleBehind::new(ctx, routes::SCIM, &PASSED_ON)?.answering_within(ANSWER_WITHIN);
    Ok(Router::new().route(&routes::all_below(routes::SCIM), any(to_agent_setup)).with_state(role))
}

async fn to_agent_setup(State(role): State<RoleBehind>, request: Request) -> Response {
    let host = request.headers().get(header::HOST).cloned();
    role.hand_on(request, host.map(|host| (FORWARDED_HOST, host))).await
}

/// What requests pass, so that problems below `/scim/v2` are told as SCIM tells them: those of the gate and of the limits are among them.
pub(super) fn worded(behind: impl Into<Entrance>) -> Entrance {
    around(behind, told)
}

fn told(request: Request, behind: &Entrance) -> Answering {
    let is_scim = request.uri().path().strip_prefix(routes::SCIM).is_some_and(|rest| rest.starts_with('/'));
    let answer = behind.enter(request);
    if !is_scim {
        return answer;
    }
    Box::pin(async move {
        let response = answer.await;
        if is_problem(&response) { as_scim(response).await } else { response }
    })
}

fn is_problem(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/problem+json")
}

async fn as_scim(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let error = match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) => ScimError::from(problem),
        Err(_) => ScimError::new(head.status, head.status.canonical_reason().unwrap_or_default()),
    };
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Response::from_parts(head, Body::from(error.document().to_string()))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn a_problem_becomes_an_error_of_scim_with_the_same_status_and_headers() {
        let problem = Problem::unauthorized("no token").into_response();
        assert!(is_problem(&problem));
        let response = as_scim(problem).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let told: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&told["status"], &told["detail"]), (&json!("401"), &json!("no token")));
    }
}
