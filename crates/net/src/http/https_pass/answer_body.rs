//! The body of an answer that is passed back: as it comes, as long as something of it moves.
//!
//! An HTTP server asks a body for more only while its client takes something. So a clock beside it, and not the one who asks, ends an
//! answer of which nothing moves: neither the place that it has here nor its connection to the server is held by who does not read.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::poll_fn;
use http_body_util::StreamBody;
use hyper::body::{Body as HttpBody, Frame};
use runtime::Drain;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tower::BoxError;

use crate::http::shares::Place;

/// An answer is broken off of which no more comes, or no more is taken, for this time: a stream of ours has something at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What is left of an answer.
struct AnswerLeft<B> {
    /// With its place, until it has ended or is broken off.
    rest: Option<(B, Arc<Place>)>,
    is_broken_off: bool,
    /// When something of it was last passed on.
    moved: Instant,
    /// Who waits for more.
    reader: Option<Waker>,
}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin> AnswerLeft<B> {
    /// The next part. An answer that does not come to its end breaks off, so that it never looks whole.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some((body, _)) = &mut self.rest else {
            let broken_off = std::mem::take(&mut self.is_broken_off);
            return Poll::Ready(broken_off.then(|| Err(io::ErrorKind::TimedOut.into())));
        };
        let Poll::Ready(part) = Pin::new(&mut *body).poll_frame(context) else {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        let has_ended = !matches!(part, Some(Ok(_))) || body.is_end_stream();
        self.moved = Instant::now();
        if has_ended {
            self.rest = None;
        }
        Poll::Ready(part.map(|part| part.map_err(io::Error::other)))
    }
}

impl<B> AnswerLeft<B> {
    fn break_off(&mut self) {
        self.is_broken_off = self.rest.take().is_some();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

fn held<B>(left: &Mutex<AnswerLeft<B>>) -> MutexGuard<'_, AnswerLeft<B>> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Breaks an answer off of which nothing moves for [`SILENCE_MAX`].
async fn watch<B>(left: Arc<Mutex<AnswerLeft<B>>>) {
    loop {
        let until = {
            let mut left = held(&left);
            let until = left.moved + SILENCE_MAX;
            if until <= Instant::now() {
                left.break_off();
                return;
            }
            until
        };
        sleep_until(until).await;
    }
}

/// The body of an answer as it comes. With a drain it ends when that begins: a stream would go on for ever.
pub(super) fn passed_back<B>(body: B, place: Arc<Place>, drain: Option<Drain>) -> Body
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    let rest = Some((body, place));
    let left = Arc::new(Mutex::new(AnswerLeft { rest, is_broken_off: false, moved: Instant::now(), reader: None }));
    let watched = AbortOnDropHandle::new(tokio::spawn(watch(left.clone())));
    let parts = poll_fn(move |context| {
        // As long as there is somebody who may read it.
        let _watched = &watched;
        held(&left).poll_part(context)
    });
    match drain {
        Some(drain) => Body::new(StreamBody::new(parts.take_until(async move { drain.begun().await }))),
        None => Body::new(StreamBody::new(parts)),
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::{self, Stream};
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::shares::{Capacity, ShareHolder, Shares};

    type Part = io::Result<Frame<Bytes>>;

    fn part(text: &'static str) -> Part {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    /// The only place, and whether it is free.
    fn place() -> (Arc<Place>, impl Fn() -> bool) {
        let places = Shares::new(Capacity { all: 1 });
        let take = move || places.take(ShareHolder::Role);
        (Arc::new(take().unwrap()), move || take().is_ok())
    }

    fn passed(parts: impl Stream<Item = Part> + Send + 'static, place: Arc<Place>) -> Body {
        passed_back(StreamBody::new(Box::pin(parts)), place, None)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_whose_reader_takes_nothing_ends_and_gives_its_place_back() {
        let (place, is_free) = place();
        let parts = stream::iter([part("a"), part("b")]).chain(stream::pending());
        let mut answer = passed(parts, place);
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        tokio::time::advance(SILENCE_MAX / 2).await;
        assert!(!is_free());
        tokio::time::sleep(SILENCE_MAX).await;
        assert!(is_free(), "nobody takes what has come");
        assert!(answer.frame().await.unwrap().is_err(), "it does not look whole");
        assert!(answer.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_which_no_more_comes_is_broken_off() {
        let (place, is_free) = place();
        let mut answer = passed(stream::iter([part("a")]).chain(stream::pending()), place);
        assert!(answer.frame().await.unwrap().is_ok());
        assert!(answer.frame().await.unwrap().is_err() && is_free());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_goes_on_while_something_moves_and_its_place_is_free_when_it_has_ended() {
        let (place, is_free) = place();
        let slow = stream::iter(["a", "b", "c", "d"]).then(|text| async move {
            tokio::time::sleep(SILENCE_MAX / 2).await;
            part(text)
        });
        let mut answer = passed(slow, place);
        let mut read = Vec::new();
        while let Some(part) = answer.frame().await {
            read.extend(part.unwrap().into_data().unwrap());
        }
        assert!(read == b"abcd" && is_free());
    }

    #[tokio::test]
    async fn an_answer_that_nobody_wants_any_more_gives_its_place_back() {
        let (place, is_free) = place();
        let answer = passed(stream::pending(), place);
        drop(answer);
        // The clock beside it ends in its own task.
        while !is_free() {
            tokio::task::yield_now().await;
        }
    }
}
