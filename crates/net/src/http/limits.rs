//! What one HTTP listener takes at most: bytes of a body, requests at once, time for an answer to begin.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use runtime::caller::Gate;
use runtime::metrics::{OfEveryRole, Refusal};
use runtime::{Problem, Readiness, RoleContext};
use tokio::sync::Semaphore;

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The greatest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// Requests whose answer has not begun; one more is answered 503.
    pub requests_max: usize,
    /// Time until an answer begins; a stream may go on after that.
    pub answer_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        // A request of the field has under 10 kB; 512 at once is 100 ms of the busiest listener.
        Self { body_bytes_max: 1 << 20, requests_max: 512, answer_within: Duration::from_secs(30) }
    }
}

/// The router behind gate and limits; `/live` and `/ready` before them.
pub(super) fn router(router: Router, ctx: &RoleContext, gate: Gate, limits: Limits) -> Router {
    let requests = Arc::new(Semaphore::new(limits.requests_max));
    let ready = ctx.ready.clone();
    let own = ctx.own.clone();
    let limit = move |request: Request, next: Next| within(limits, requests.clone(), own.clone(), request, next);
    let ask = move |request: Request, next: Next| runtime::caller::ask(gate.clone(), request, next);
    let probe = move |request: Request, next: Next| probe(ready.clone(), request, next);
    router
        .layer(DefaultBodyLimit::max(limits.body_bytes_max))
        .layer(from_fn(limit))
        .layer(from_fn(ask))
        .layer(from_fn(probe))
        .layer(from_fn(explain))
}

async fn probe(ready: Readiness, request: Request, next: Next) -> Response {
    match request.uri().path() {
        "/live" => StatusCode::OK.into_response(),
        "/ready" if ready.is_ready() => StatusCode::OK.into_response(),
        "/ready" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => next.run(request).await,
    }
}

async fn within(limits: Limits, requests: Arc<Semaphore>, own: OfEveryRole, request: Request, next: Next) -> Response {
    let Ok(_permit) = requests.try_acquire() else {
        own.requests_refused.inc(Refusal::Overloaded);
        return Problem::unavailable("too many requests at once").into_response();
    };
    if request.body().size_hint().lower() > limits.body_bytes_max as u64 {
        own.requests_refused.inc(Refusal::BodyTooLarge);
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large").into_response();
    }
    match tokio::time::timeout(limits.answer_within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            own.requests_refused.inc(Refusal::Late);
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "No answer in time").into_response()
        }
    }
}

/// Gives the router's own bare 404 and 405 a body.
async fn explain(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let is_bare = response.body().size_hint().exact() == Some(0);
    match response.status() {
        StatusCode::NOT_FOUND if is_bare => Problem::not_found("no such path").into_response(),
        StatusCode::METHOD_NOT_ALLOWED if is_bare => {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "The path does not know this method");
            let mut explained = problem.into_response();
            // RFC 9110 section 15.5.6: 405 must list the methods.
            if let Some(allow) = response.headers().get(http::header::ALLOW) {
                explained.headers_mut().insert(http::header::ALLOW, allow.clone());
            }
            explained
        }
        _ => response,
    }
}
