//! `GET /api/voice/v1/{tenant}/events`: server-sent events (WHATWG HTML, section 9.2).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, StreamExt as _};
use model::TenantId;
use net::http::{Caller, Place, Problem, Query, Turn};
use runtime::server::Accepted;
use tokio::task::AbortHandle;

use super::follow::{Beginning, FollowRequest, StreamFrame, StreamFrames};
use super::query::{self, Parameters};
use super::{EventRoutes, Metrics};

/// The path.
pub(super) const PATH: &str = "/api/voice/v1/{tenant}/events";
/// What a browser waits before it connects again, in milliseconds.
const RETRY_MS: u64 = 2_000;
/// A reader that takes nothing for this time is cut off: there is something to take at least every 5 s.
const STUCK_MAX: Duration = Duration::from_secs(60);
/// The largest piece in which a frame is written: who reads a large snapshot slowly is not stuck.
const PIECE_BYTES: usize = 64 << 10;

pub(super) async fn events(
    State(served): State<EventRoutes>,
    Path(tenant): Path<String>,
    caller: Caller,
    Extension(turn): Extension<Turn>,
    Extension(accepted): Extension<Accepted>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|error| Problem::not_found(error.to_string()))?;
    served.origins.check(&headers, &tenant)?;
    caller.may_act_for(&tenant)?;
    caller.may_follow()?;
    let mut request = query::read(parameters)?;
    if let Some(last) = headers.get("last-event-id") {
        let fault = || Problem::bad_request("Last-Event-ID: it is not a position");
        request.after = last.to_str().map_err(|_| fault())?.to_owned();
    }
    let token = bearer(&headers).map(str::to_owned);
    let asked = FollowRequest { tenant, token, request, beginning: Beginning::Snapshot };
    let frames = served.upstream.follow(asked).await?;
    let place = turn.waits()?;
    let mut response = Body::from_stream(Written::new(frames, place, &served.metrics, accepted)).into_response();
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Tells proxies not to buffer the stream.
    head.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The token of a request.
pub(in crate::ingress) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A frame as a server-sent event.
fn written(frame: &StreamFrame) -> Bytes {
    let id = frame.position().map(|position| format!("id: {position}\n")).unwrap_or_default();
    // JSON has no line breaks of its own.
    Bytes::from(format!("event: {}\n{id}data: {}\n\n", frame.kind(), frame.data()))
}

/// The parts in which it is written.
fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!bytes.is_empty()).then(|| bytes.split_to(PIECE_BYTES.min(bytes.len()))))
}

/// The frames on their way to one reader. While it lives, it holds its place among those that wait.
struct Written {
    bytes: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    taken: Arc<AtomicU64>,
    watch: AbortHandle,
    metrics: Metrics,
    _place: Place,
}

impl Written {
    fn new(frames: StreamFrames, place: Place, metrics: &Metrics, accepted: Accepted) -> Self {
        let retry = futures::stream::once(async { Bytes::from(format!("retry: {RETRY_MS}\n\n")) });
        let written = frames.flat_map(|frame| futures::stream::iter(pieces(written(&frame))));
        let bytes = Box::pin(retry.chain(written));
        let taken = Arc::<AtomicU64>::default();
        let watch = tokio::spawn(cut_off_when_stuck(taken.clone(), accepted, metrics.clone())).abort_handle();
        metrics.followers.inc();
        Self { bytes, taken, watch, metrics: metrics.clone(), _place: place }
    }
}

impl Stream for Written {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The connection asks for more only when its reader has taken what there was.
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.bytes.as_mut().poll_next(cx).map(|next| next.map(Ok))
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.watch.abort();
        self.metrics.followers.dec();
    }
}

async fn cut_off_when_stuck(taken: Arc<AtomicU64>, accepted: Accepted, metrics: Metrics) {
    let mut before = taken.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(STUCK_MAX).await;
        let now = taken.load(Ordering::Relaxed);
        if now == before {
            metrics.stuck.inc();
            return accepted.ends();
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use contracts::json::snapshot::{EndReason, StreamEnd};

    use super::super::follow::held;
    use super::*;

    #[test]
    fn a_frame_is_one_event_with_its_position() {
        let text = |frame: StreamFrame| String::from_utf8(written(&frame).to_vec()).unwrap();
        let event = text(held("0-7"));
        let data = event.strip_prefix("event: event\nid: 0-7\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let data = data.filter(|data| !data.contains('\n')).unwrap_or_else(|| panic!("{event}"));
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!((&data["id"], &data["UserData"]["note"]), (&"EventHeld".into(), &"two\nlines".into()));
        let end = StreamFrame::End(StreamEnd { reason: EndReason::Slow, detail: "too slow".to_owned() });
        assert_eq!(text(end), "event: end\ndata: {\"reason\":\"slow\",\"detail\":\"too slow\"}\n\n");
    }

    #[test]
    fn a_large_frame_is_written_in_pieces() {
        let whole = Bytes::from((0..300_000_u32).map(|n| n as u8).collect::<Vec<_>>());
        let pieces: Vec<Bytes> = pieces(whole.clone()).collect();
        assert!(pieces.len() == 5 && pieces.iter().all(|piece| piece.len() <= PIECE_BYTES));
        assert_eq!(pieces.concat(), whole);
        assert_eq!(super::pieces(Bytes::from_static(b"a")).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_token_is_read_whatever_the_case_of_its_scheme() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        for value in ["Bearer a.b.c", "bearer  a.b.c"] {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(bearer(&headers), Some("a.b.c"));
        }
    }
}
