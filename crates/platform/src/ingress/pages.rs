//! Hands on pages and the wallboard's data from pulse (pulse-20) as they arrive: a stream stays a stream. Paths without a row in
//! the table of routes are answered here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures::Stream;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use net::http::{AnswerReader, CallError, Client, Problem, SMALL_BYTES_MAX, Turn, is_small, passed_back};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::around::{Answering, Entrance, answered, around};
use runtime::{Drain, RoleContext};
use tokio::time::Sleep;

use super::passed_headers::{FROM_PULSE, TO_PULSE, passed};
use super::routes;

/// Timeout for the head of an answer: pulse waits for its numbers to be up to date.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// Timeout for the rest of a small one.
const SMALL_WITHIN: Duration = Duration::from_secs(5);
/// A stream without data for this time is closed: pulse sends something at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(15);

runtime::metrics! {
    /// Metrics of streams.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Streams that are forwarded now.
        streams: Gauge = "ingress_streams";
        /// Streams that were refused because there were too many.
        streams_refused: Counter = "ingress_streams_refused";
        /// Streams that were closed because no more data came.
        streams_silent: Counter = "ingress_streams_silent";
    }
}

#[derive(Clone)]
struct Pulse {
    client: Client,
    drain: Drain,
    metrics: Metrics,
}

/// The routes of pulse: its data, and the pages.
pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    let pulse = Pulse {
        client: Client::new(ctx, routes::leads_to(routes::PULSE)?.connection)?,
        drain: ctx.drain.clone(),
        metrics: Metrics::register(&ctx.metrics),
    };
    Ok(Router::new().route(&routes::all_below(routes::PULSE), get(to_pulse)).fallback(page).with_state(pulse))
}

/// What requests pass, so that a browser that follows a link to a path without a row sees a page. Strangers learn nothing: whoever else asks
/// for such a path is refused as at every one, and with a token it is not found.
pub(super) fn with_page_for_unlisted(behind: impl Into<Entrance>) -> Entrance {
    around(behind, page_for_unlisted)
}

fn page_for_unlisted(request: Request, behind: &Entrance) -> Answering {
    match routes::of(request.uri().path()) {
        None if wants_page(request.headers()) => answered(no_page()),
        _ => behind.enter(request),
    }
}

/// What has no route of its own: a page, or nothing below an API.
async fn page(
    State(pulse): State<Pulse>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    turn: Extension<Turn>,
    headers: HeaderMap,
) -> Response {
    if !routes::is_page(uri.path()) {
        return no_such_path();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET,HEAD")]).into_response();
    }
    to_pulse(State(pulse), method, OriginalUri(uri), turn, headers).await
}

/// The answer where nothing is.
pub(super) fn no_such_path() -> Response {
    Problem::not_found("nothing is served under this path").into_response()
}

async fn to_pulse(
    State(pulse): State<Pulse>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    turn: Extension<Turn>,
    headers: HeaderMap,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // No token of ours is added: pulse decides which pages are open, and reveals no other path to a caller without a
    // token. Only GET and HEAD get here, which may be asked again.
    let mut call = pulse.client.call(method, path).without_token().idempotent().deadline(HEAD_WITHIN);
    for (name, value) in passed(&headers, &TO_PULSE) {
        call = call.header(name, value);
    }
    match call.stream().await {
        // Pulse refuses every path that is no page to a caller without a token; a browser that follows a link gets a
        // page instead.
        Ok(answer) if is_refusal(answer.status()) && routes::is_page(uri.path()) && wants_page(&headers) => no_page(),
        Ok(answer) => handed_on(&pulse, &turn, answer).await.unwrap_or_else(Problem::into_response),
        Err(CallError::Deadline(_)) => away(StatusCode::GATEWAY_TIMEOUT, "pulse does not answer"),
        Err(error) => {
            tracing::warn!(%error, "pulse cannot be reached");
            away(StatusCode::BAD_GATEWAY, "pulse cannot be reached")
        }
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND)
}

/// Whether a browser navigates there: programs that want data do not accept HTML.
fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// The page for all unknown paths.
fn no_page() -> Response {
    const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
        <title>No such page · Trunkline</title>\n<h1>There is no such page</h1>\n\
        <p><a href=\"/\">The wallboard</a>, <a href=\"/topology\">the topology</a>, <a href=\"/trace\">traces of calls</a>, \
        <a href=\"/desktop\">the desktop</a>, <a href=\"/agent-setup/\">Agent Setup</a></p>\n</html>\n";
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::NOT_FOUND, head, PAGE).into_response()
}

/// The answer of pulse. Nobody holds a connection to pulse by not reading it: a small one is read here. A stream takes a place of those that
/// wait, and any other answer one of those that are passed on, of which its caller and its tenant have a share, until it has ended or
/// nothing of it moves.
async fn handed_on(pulse: &Pulse, turn: &Turn, answer: axum::http::Response<Body>) -> Result<Response, Problem> {
    let (head, body) = answer.into_parts();
    let media_type = head.headers.get(header::CONTENT_TYPE);
    let is_stream = media_type.is_some_and(|of| of.as_bytes().starts_with(b"text/event-stream"));
    let body = if is_small(&body) {
        let whole = tokio::time::timeout(SMALL_WITHIN, axum::body::to_bytes(body, SMALL_BYTES_MAX)).await;
        let Ok(Ok(whole)) = whole else {
            return Ok(away(StatusCode::BAD_GATEWAY, "pulse has broken off"));
        };
        Body::from(whole)
    } else if is_stream {
        let place = turn.waits().inspect_err(|_| {
            pulse.metrics.streams_refused.inc();
        })?;
        passed_back(Body::from_stream(HandedOn::new(pulse, body)), Arc::new(place), AnswerReader::OfStream, None)
    } else {
        turn.passes_on(body)?
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    response.headers_mut().extend(passed(&head.headers, &FROM_PULSE));
    Ok(response)
}

fn away(status: StatusCode, detail: &str) -> Response {
    Problem::new(status, "pulse-away", "The request was not handed on").detail(detail).into_response()
}

/// A forwarded stream. It ends when either side ends, when the role drains, or when no more data comes. When the
/// client's connection closes, or takes nothing more, it is dropped and closes the connection to pulse.
struct HandedOn {
    upstream: BoxStream<'static, Result<Bytes, axum::Error>>,
    silence: Pin<Box<Sleep>>,
    metrics: Metrics,
}

impl HandedOn {
    fn new(pulse: &Pulse, body: Body) -> Self {
        pulse.metrics.streams.inc();
        let drain = pulse.drain.clone();
        let until = Box::pin(async move { drain.begun().await });
        Self {
            upstream: body.into_data_stream().take_until(until).boxed(),
            silence: Box::pin(tokio::time::sleep(SILENCE_MAX)),
            metrics: pulse.metrics.clone(),
        }
    }
}

impl Stream for HandedOn {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(next) = this.upstream.as_mut().poll_next(cx) {
            this.silence.as_mut().reset(tokio::time::Instant::now() + SILENCE_MAX);
            return Poll::Ready(next);
        }
        if this.silence.as_mut().poll(cx).is_ready() {
            this.metrics.streams_silent.inc();
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl Drop for HandedOn {
    fn drop(&mut self) {
        self.metrics.streams.dec();
    }
}
