//! The access log: a line for each request, written when its answer has ended. No query, no cookie, no token: those may be secrets. Digits
//! that may be a phone number are masked.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use net::http::WebClient;
use runtime::trace_data::mask;
use tokio::time::Instant;

/// The longest path that is written, in characters.
const PATH_MAX: usize = 256;

/// A line that waits for the end of its answer. Whatever ends the answer, it is written once.
pub(super) struct AccessLine {
    method: String,
    path: String,
    source: String,
    scheme: &'static str,
    id: HeaderValue,
    begun: Instant,
    /// None: the client has left before there was an answer.
    status: Option<StatusCode>,
    bytes: u64,
}

impl AccessLine {
    pub fn of(request: &Request, client: Option<WebClient>, id: &HeaderValue, begun: Instant) -> Self {
        let path: String = request.uri().path().chars().take(PATH_MAX).collect();
        Self {
            method: request.method().to_string(),
            path: mask::text(&path),
            source: client.map(|client| client.address.to_string()).unwrap_or_default(),
            scheme: if client.is_some_and(|client| client.is_secure) { "https" } else { "http" },
            id: id.clone(),
            begun,
            status: None,
            bytes: 0,
        }
    }

    /// The same answer, whose end writes the line.
    pub fn until_the_end_of(mut self, response: Response) -> Response {
        self.status = Some(response.status());
        response.map(|body| Body::new(Logged { body, line: self }))
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        let (method, path, source, scheme) = (&self.method, &self.path, &self.source, self.scheme);
        let status = self.status.map_or(0, |status| status.as_u16());
        let request_id = self.id.to_str().unwrap_or_default();
        let duration_seconds = self.begun.elapsed().as_secs_f64();
        let bytes = self.bytes;
        tracing::info!(
            target: "access",
            %method, %path, status, bytes, duration_seconds, %source, scheme, request_id, "request"
        );
    }
}

/// The body of an answer, whose bytes are counted.
struct Logged {
    body: Body,
    line: AccessLine,
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.line.bytes += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
