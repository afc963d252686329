//! Forwards a request unchanged, with the caller's token, and returns the answer.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, OriginalUri, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use net::http::{CallError, Client, Problem};
use runtime::spans::TraceParent;

use super::hand_on::UNANSWERED;
use super::passed_headers::{FROM_FRONTEND, TO_FRONTEND, passed};

/// The header that names the enclosing span.
const TRACE_PARENT: HeaderName = HeaderName::from_static(runtime::spans::TRACE_PARENT);

pub(super) fn router(frontend: Client) -> Router {
    Router::new()
        .route("/api/voice/v1/openapi.json", any(to_frontend))
        .route("/api/voice/v1/{tenant}/{*rest}", any(to_frontend))
        .with_state(frontend)
}

async fn to_frontend(
    State(frontend): State<Client>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    served: Option<Extension<TraceParent>>,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let is_safe = method.is_safe();
    // No token of ours, should there ever be no caller's: frontend decides what the caller may, not what ingress may.
    let mut call = frontend.call(method, path).without_token().body("application/json", body);
    if is_safe {
        call = call.idempotent();
    }
    for (name, value) in passed(&headers, &TO_FRONTEND) {
        call = call.header(name, value);
    }
    // The child of our own span, if there is one; without a collector of ours, still the child of the client's span.
    call = match (served, headers.get(&TRACE_PARENT)) {
        (Some(Extension(own)), _) => call.within(Some(own)),
        (None, Some(client)) => call.header(TRACE_PARENT, client.clone()),
        (None, None) => call,
    };
    match call.send_any().await {
        Ok(answer) => {
            let mut response = (answer.status, answer.body).into_response();
            for (name, value) in passed(&answer.headers, &FROM_FRONTEND) {
                response.headers_mut().insert(name, value);
            }
            response
        }
        Err(CallError::Deadline(_)) => problem(StatusCode::GATEWAY_TIMEOUT, UNANSWERED, "frontend does not answer"),
        Err(CallError::Broken(..)) => problem(StatusCode::BAD_GATEWAY, UNANSWERED, "frontend has broken off"),
        Err(error) => {
            tracing::warn!(%error, "frontend cannot be reached");
            problem(StatusCode::BAD_GATEWAY, "The request was not handed on", "frontend cannot be reached")
        }
    }
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    Problem::new(status, "frontend-away", title).detail(detail).into_response()
}
