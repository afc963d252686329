//! Forwards a request unchanged, with the caller's token, and returns the answer.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, OriginalUri, State};
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use net::http::{CallError, Client, Problem};
use runtime::spans::TraceParent;

/// Headers forwarded with a request; the others concern one hop, or only the edge.
const PASSED_ON: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-request-id"),
];
/// Headers returned with the answer.
const PASSED_BACK: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE];
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
    let mut call = frontend.call(method, path).body("application/json", body);
    if is_safe {
        call = call.idempotent();
    }
    for name in PASSED_ON {
        if let Some(value) = headers.get(&name) {
            call = call.header(name, value.clone());
        }
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
            for name in PASSED_BACK {
                if let Some(value) = answer.headers.get(&name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            response
        }
        Err(CallError::Deadline(_)) => problem(axum::http::StatusCode::GATEWAY_TIMEOUT, "frontend does not answer"),
        Err(error) => {
            tracing::warn!(%error, "frontend cannot be reached");
            problem(axum::http::StatusCode::BAD_GATEWAY, "frontend cannot be reached")
        }
    }
}

fn problem(status: axum::http::StatusCode, detail: &str) -> Response {
    Problem::new(status, "frontend-away", "The request was not handed on").detail(detail).into_response()
}
