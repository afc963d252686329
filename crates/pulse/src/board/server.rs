//! HTTP 8080: the wallboard's JSON and stream behind the token, and the pages.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use contracts::openapi::{EventSchema, Get, OpenApi};
use futures::{Stream, StreamExt as _};
use infra::Clock;
use model::TenantId;
use net::http::{Caller, Place, Problem, Turn};
use runtime::Drain;
use tokio_stream::wrappers::BroadcastStream;

use super::metrics::Metrics;
use super::pages;
use super::publish::{Board, Boards, Message, SubscriberPermits};
use super::rows::{Change, Reached, Snapshot};

/// The scope for reading the numbers.
const SCOPE: &str = "statistics:read";
/// How long a request waits for a board that has not reached the present yet.
const PRESENT_WITHIN: Duration = Duration::from_secs(10);
/// The prefix of all paths that need a token.
const DATA: &str = "/pulse/";

const WALLBOARD: Get = Get {
    path: "/pulse/api/v1/{tenant}/wallboard",
    id: "wallboard",
    summary: "The wallboard at the present moment",
    scope: SCOPE,
    query: &[],
};
const STREAM: Get = Get {
    path: "/pulse/api/v1/{tenant}/wallboard/stream",
    id: "wallboardStream",
    summary: "The wallboard, then its changes",
    ..WALLBOARD
};

/// The OpenAPI document of pulse.
pub fn openapi() -> serde_json::Value {
    let events: [EventSchema; 3] = [
        ("snapshot", |schemas| schemas.subschema_for::<Snapshot>()),
        ("change", |schemas| schemas.subschema_for::<Change>()),
        ("reached", |schemas| schemas.subschema_for::<Reached>()),
    ];
    OpenApi::new("Trunkline: the wallboard").document::<Snapshot>(&WALLBOARD).stream(&STREAM, &events).into_json()
}

#[derive(Clone)]
struct Served {
    boards: Boards,
    drain: Drain,
    clock: Arc<dyn Clock>,
}

pub(super) fn router(boards: Boards, drain: Drain, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route(WALLBOARD.path, get(wallboard))
        .route(STREAM.path, get(stream))
        .route("/pulse/api/v1/openapi.json", get(async |_: Caller| Json(openapi())))
        .route("/pulse/{*rest}", get(async || Problem::not_found("no such path")))
        .with_state(Served { boards, drain, clock })
        .fallback(get(pages::page))
}

/// Pages need no token. All data needs one, and so does finding out which other paths exist.
pub(super) fn is_open(path: &str) -> bool {
    !path.starts_with(DATA) && pages::is_page(path)
}

async fn wallboard(
    State(Served { boards, .. }): State<Served>,
    Path(tenant): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    let board = board(&boards, &tenant, &caller).await?;
    let json = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((json, board.snapshot()).into_response())
}

async fn stream(
    State(Served { boards, drain, clock }): State<Served>,
    Path(tenant): Path<String>,
    caller: Caller,
    Extension(turn): Extension<Turn>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let board = board(&boards, &tenant, &caller).await?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let subscription = boards.listen(&board, caller.subject(), last)?;
    let place = turn.waits()?;
    boards.metrics.subscribers.inc();
    let first = futures::stream::iter(subscription.first.into_iter().map(Ok));
    let messages = first.chain(BroadcastStream::new(subscription.messages)).take_until(over(drain, clock, &caller));
    let listening = Listening {
        messages: Box::pin(messages),
        metrics: boards.metrics.clone(),
        _permits: subscription.permits,
        _place: place,
    };
    let mut response = Body::from_stream(listening).into_response();
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Tells proxies not to buffer the stream.
    head.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The end of a stream: its token expires or the role drains. Draining does not wait for wallboards, which reconnect.
fn over(drain: Drain, clock: Arc<dyn Clock>, caller: &Caller) -> impl Future<Output = ()> + Send + use<> {
    let token_ends = caller.ends(clock);
    async move {
        tokio::select! {
            () = drain.begun() => {}
            () = token_ends => {}
        }
    }
}

/// The board at the present state, if the caller may read it.
async fn board(boards: &Boards, tenant: &str, caller: &Caller) -> Result<Board, Problem> {
    let tenant = TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(SCOPE)?;
    let board = boards.find(&tenant).ok_or_else(|| Problem::not_found(format!("there is no tenant {tenant}")))?;
    let mut present = board.present();
    match tokio::time::timeout(PRESENT_WITHIN, present.wait_for(|present| *present)).await {
        Ok(Ok(_)) => {}
        _ => return Err(Problem::unavailable("the numbers are not up to date yet")),
    }
    Ok(board)
}

type Messages =
    Pin<Box<dyn Stream<Item = Result<Message, tokio_stream::wrappers::errors::BroadcastStreamRecvError>> + Send>>;

/// A listening wallboard. It ends with its connection, or when it reads too slowly.
struct Listening {
    messages: Messages,
    metrics: Metrics,
    _permits: SubscriberPermits,
    _place: Place,
}

impl Stream for Listening {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.messages.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(message))) => Poll::Ready(Some(Ok(message.bytes))),
            Poll::Ready(Some(Err(behind))) => {
                self.metrics.subscriber_slow();
                tracing::info!(%behind, "a wallboard is too slow: dropped");
                Poll::Ready(None)
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.metrics.subscribers.dec();
    }
}

#[cfg(test)]
mod tests;
