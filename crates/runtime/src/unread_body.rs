//! The body of a request by HTTP/2 whose answer does not wait for it.
//!
//! A server may answer before a body has come, and resets its stream then (RFC 9113 section 8.1). Clients in wide use, curl up to 8.0 among
//! them, have not sent a small body by the time that they are refused, and report the reset in the place of the answer. So what a handler
//! leaves of a body is still read for a moment: the stream of an honest client ends by itself.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures::StreamExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::runtime::Handle;

/// What is read of it at most, in bytes: as much as a client may send before the server takes any, the window of a stream that hyper gives
/// (RFC 9113 section 6.9.2). Whoever has more to send is told by the reset to stop.
const LEFT_BYTES_MAX: usize = 1 << 20;
/// How long.
const LEFT_WITHIN: Duration = Duration::from_secs(2);

/// A body of which the rest is read when nobody wants it.
struct UnreadBody(Body);

/// The body of a request by HTTP/2, which ends its stream without a reset although it is dropped before its end.
pub fn read_out(body: Body) -> Body {
    if body.is_end_stream() { body } else { Body::new(UnreadBody(body)) }
}

impl HttpBody for UnreadBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for UnreadBody {
    fn drop(&mut self) {
        // A process that ends has no runtime any more.
        if !self.0.is_end_stream()
            && let Ok(runtime) = Handle::try_current()
        {
            let rest = std::mem::take(&mut self.0);
            runtime.spawn(tokio::time::timeout(LEFT_WITHIN, read(rest)));
        }
    }
}

async fn read(rest: Body) {
    let mut parts = rest.into_data_stream();
    let mut left = LEFT_BYTES_MAX;
    while let Some(Ok(part)) = parts.next().await {
        match left.checked_sub(part.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::{Request, Response, StatusCode};
    use axum::response::IntoResponse as _;
    use futures::SinkExt as _;
    use futures::channel::mpsc;
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use super::*;

    /// What a client sends at once.
    const PART_BYTES: usize = 16 << 10;
    /// As many parts as are read.
    const READ: usize = LEFT_BYTES_MAX / PART_BYTES;

    /// A client that is refused, and sends these parts of its body after that: how many of them it could send.
    async fn sent_after_its_answer(parts: usize) -> usize {
        let (near, far) = tokio::io::duplex(1 << 20);
        let refuse = service_fn(async |request: Request<hyper::body::Incoming>| {
            drop(read_out(Body::new(request.into_body())));
            Ok::<_, Infallible>(StatusCode::UNAUTHORIZED.into_response())
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(server.serve_connection(TokioIo::new(far), refuse));
        let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near)).await;
        let (mut client, connection) = client.unwrap();
        tokio::spawn(connection);
        let (mut body, coming) = mpsc::channel::<Result<Bytes, Infallible>>(0);
        let answer: Response<_> =
            client.send_request(Request::post("/").body(Body::from_stream(coming)).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        drop(answer);
        for sent in 0..parts {
            // All that is under way has come when the clock of the test moves on.
            tokio::time::sleep(Duration::from_millis(10)).await;
            if body.send(Ok(Bytes::from_static(&[b'x'; PART_BYTES]))).await.is_err() {
                return sent;
            }
        }
        parts
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_before_a_body_has_come_may_still_send_as_much_as_its_window_lets_it() {
        assert_eq!(sent_after_its_answer(READ).await, READ);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_on_and_on_is_stopped() {
        let sent = sent_after_its_answer(8 * READ).await;
        assert!((READ..2 * READ).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_that_does_not_come_is_waited_for_no_longer_than_a_moment() {
        let (kept, left) = mpsc::channel::<Result<Bytes, Infallible>>(0);
        drop(read_out(Body::from_stream(left)));
        tokio::time::sleep(LEFT_WITHIN / 2).await;
        assert!(!kept.is_closed());
        tokio::time::sleep(LEFT_WITHIN).await;
        assert!(kept.is_closed());
    }
}
