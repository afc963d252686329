//! The body of a request on its way in, bounded in size and time: read whole before the request is served, or as it comes.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use futures::stream::unfold;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited, StreamBody};
use runtime::Problem;
use runtime::metrics::{OfEveryRole, Refusal};
use tokio::time::{Instant, timeout, timeout_at};

/// Why a body is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyFault {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body did not come in time")]
    Slow,
    #[error("the body broke off: {0}")]
    BrokenOff(String),
}

impl BodyFault {
    /// The one that has caused this error, if any has.
    pub fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(fault) = cause.downcast_ref::<Self>() {
                return Some(fault.clone());
            }
            next = cause.source();
        }
        None
    }

    fn of(error: &(dyn Error + Send + Sync + 'static)) -> Self {
        if error.is::<LengthLimitError>() { Self::TooLarge } else { Self::BrokenOff(error.to_string()) }
    }

    /// As it is counted. Whoever has left was not refused.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::TooLarge => Some(Refusal::BodyTooLarge),
            Self::Slow => Some(Refusal::SlowBody),
            Self::BrokenOff(_) => None,
        }
    }

    /// As its sender is told.
    pub fn problem(&self) -> Problem {
        match self {
            Self::TooLarge => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::Slow => Problem::new(StatusCode::REQUEST_TIMEOUT, "slow", "The body did not come in time"),
            Self::BrokenOff(_) => Problem::bad_request(self.to_string()),
        }
    }
}

/// The request with its whole body: one that never ends occupies its sender's place only for this time.
///
/// # Errors
/// If the body is not taken.
pub(super) async fn whole(request: Request, bytes_max: usize, within: Duration) -> Result<Request, BodyFault> {
    if request.body().size_hint().lower() > bytes_max as u64 {
        return Err(BodyFault::TooLarge);
    }
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    match timeout(within, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(Request::from_parts(head, Body::from(body.to_bytes()))),
        Ok(Err(error)) => Err(BodyFault::of(&*error)),
        Err(_) => Err(BodyFault::Slow),
    }
}

/// The request with its body as it comes. A body that is not taken breaks off with a [`BodyFault`], which is counted then.
///
/// # Errors
/// If it is too large by its own word.
pub(super) fn as_it_comes(
    request: Request,
    bytes_max: usize,
    within: Duration,
    own: OfEveryRole,
) -> Result<Request, BodyFault> {
    if request.body().size_hint().lower() > bytes_max as u64 {
        return Err(BodyFault::TooLarge);
    }
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let until = Instant::now() + within;
    let (head, body) = request.into_parts();
    let parts = unfold(Some(Limited::new(body, bytes_max)), move |left| {
        let own = own.clone();
        async move {
            let mut body = left?;
            let fault = match timeout_at(until, body.frame()).await {
                Ok(None) => return None,
                Ok(Some(Ok(part))) => return Some((Ok(part), Some(body))),
                Ok(Some(Err(error))) => BodyFault::of(&*error),
                Err(_) => BodyFault::Slow,
            };
            if let Some(refusal) = fault.refusal() {
                own.requests_refused.inc(refusal);
            }
            Some((Err(fault), None))
        }
    });
    Ok(Request::from_parts(head, Body::new(StreamBody::new(parts))))
}

#[cfg(test)]
mod tests {
    use futures::stream::{self, StreamExt as _};

    use super::*;

    const WITHIN: Duration = Duration::from_secs(60);

    /// A request whose body has these parts, and then comes to no end.
    fn endless(parts: &'static [&'static str]) -> Request {
        let begun = stream::iter(parts.iter().map(|part| Ok::<_, std::io::Error>(*part)));
        Request::new(Body::from_stream(begun.chain(stream::pending())))
    }

    /// What is read of a body of at most 4 bytes that is passed on as it comes, and the fault at its end.
    async fn read(request: Request) -> (String, Option<BodyFault>) {
        let mut body = as_it_comes(request, 4, WITHIN, OfEveryRole::default()).unwrap().into_body();
        let mut read = Vec::new();
        while let Some(part) = body.frame().await {
            match part {
                Ok(part) => read.extend(part.into_data().unwrap()),
                Err(error) => return (String::from_utf8(read).unwrap(), BodyFault::behind(&error)),
            }
        }
        (String::from_utf8(read).unwrap(), None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_passed_on_as_it_comes_has_its_bounds_and_never_looks_whole_beyond_them() {
        let sent = stream::iter([Ok::<_, std::io::Error>("ab"), Ok("cd")]);
        assert_eq!(read(Request::new(Body::from_stream(sent))).await, ("abcd".to_owned(), None));
        assert_eq!(read(endless(&["ab", "cd"])).await, ("abcd".to_owned(), Some(BodyFault::Slow)));
        assert_eq!(read(endless(&["ab", "cd", "e"])).await, ("abcd".to_owned(), Some(BodyFault::TooLarge)));
        let broken = stream::iter([Ok("ab"), Err(std::io::Error::other("left"))]);
        let (read, fault) = read(Request::new(Body::from_stream(broken))).await;
        assert!(read == "ab" && matches!(fault, Some(BodyFault::BrokenOff(_))), "{fault:?}");
        let told = as_it_comes(Request::new(Body::from("abcde")), 4, WITHIN, OfEveryRole::default());
        assert_eq!(told.unwrap_err(), BodyFault::TooLarge);
    }
}
