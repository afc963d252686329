//! The body of an answer that is large, or is passed back: as its reader takes it, as long as something of it moves.
//!
//! An HTTP server asks a body for more only while its client takes something. So a clock beside it, and not the one who asks, ends an
//! answer of which nothing moves: neither the place that it has here, nor its connection to another server, nor what was to follow of it is
//! held by who does not read. By HTTP/2 the server has asked for one piece more than its client takes: that one, of 64 KiB at most, and the
//! stream stay until the client acts, or its connection ends.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyStream, StreamBody};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use runtime::Drain;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tower::BoxError;

use super::shares::Place;

/// A stream is broken off of which no more comes, or no more is taken, for this time: one of ours has something at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The same of any other answer. Who reads one steadily, but slowly, takes it in pieces that the kernel, and the windows of HTTP/2, make
/// large.
const STANDSTILL_MAX: Duration = Duration::from_secs(120);
/// The same of one that is passed on: whoever passes it on keeps some of it, which a slow reader takes in minutes.
const PASSED_ON_STANDSTILL_MAX: Duration = Duration::from_secs(600);
/// The longest body, in bytes, that counts as taken when its answer begins; of a longer one the server gets so much at once.
pub const SMALL_BYTES_MAX: usize = 64 << 10;

/// Who reads an answer, and so for how long nothing of it may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerReader {
    /// Somebody who follows a stream.
    OfStream,
    /// Somebody who takes it as fast as the network, or whatever it is for, lets them.
    AtItsPace,
    /// Somebody who passes it on to another reader, and judges that one: what they take themselves may rest for longer.
    ForAnother,
}

impl AnswerReader {
    const fn standstill_max(self) -> Duration {
        match self {
            Self::OfStream => SILENCE_MAX,
            Self::AtItsPace => STANDSTILL_MAX,
            Self::ForAnother => PASSED_ON_STANDSTILL_MAX,
        }
    }
}

/// Whether a body is known to be so small that it costs nobody anything, whenever it is read.
pub fn is_small(body: &Body) -> bool {
    body.size_hint().exact().is_some_and(|bytes| bytes <= SMALL_BYTES_MAX as u64)
}

/// What is left of an answer.
struct AnswerLeft<B> {
    /// With its place, until it has ended or is broken off.
    rest: Option<(B, Arc<Place>)>,
    /// What has come of it at once and is not passed on yet.
    cut: Bytes,
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
        let part = if self.cut.is_empty() {
            let Poll::Ready(part) = Pin::new(&mut *body).poll_frame(context) else {
                self.reader = Some(context.waker().clone());
                return Poll::Pending;
            };
            part.map(|part| part.map(|part| first_piece(part, &mut self.cut)).map_err(io::Error::other))
        } else {
            Some(Ok(Frame::data(piece(&mut self.cut))))
        };
        let has_ended = !matches!(part, Some(Ok(_))) || self.cut.is_empty() && body.is_end_stream();
        self.moved = Instant::now();
        if has_ended {
            self.rest = None;
        }
        Poll::Ready(part)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Some((body, _)) => body.size_hint() + SizeHint::with_exact(self.cut.len() as u64),
            None if self.is_broken_off => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<B> AnswerLeft<B> {
    fn break_off(&mut self) {
        self.is_broken_off = self.rest.take().is_some();
        self.cut = Bytes::new();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// What of a part is passed on at once; the rest is `cut`.
fn first_piece(part: Frame<Bytes>, cut: &mut Bytes) -> Frame<Bytes> {
    match part.into_data() {
        Ok(data) if data.len() > SMALL_BYTES_MAX => {
            *cut = data;
            Frame::data(piece(cut))
        }
        Ok(data) => Frame::data(data),
        Err(trailers) => trailers,
    }
}

/// The next piece, a copy: the last one, which may wait long for its reader, does not keep all of them in memory.
fn piece(cut: &mut Bytes) -> Bytes {
    let piece = cut.split_to(cut.len().min(SMALL_BYTES_MAX));
    Bytes::copy_from_slice(&piece)
}

fn held<B>(left: &Mutex<AnswerLeft<B>>) -> MutexGuard<'_, AnswerLeft<B>> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Breaks an answer off of which nothing moves for that time.
async fn watch<B>(left: Arc<Mutex<AnswerLeft<B>>>, standstill_max: Duration) {
    loop {
        let until = {
            let mut left = held(&left);
            let until = left.moved + standstill_max;
            if until <= Instant::now() {
                left.break_off();
                return;
            }
            until
        };
        sleep_until(until).await;
    }
}

/// An answer on its way to its reader.
struct PassedBack<B> {
    left: Arc<Mutex<AnswerLeft<B>>>,
    /// As long as there is somebody who may read it.
    _watched: AbortOnDropHandle<()>,
}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin> HttpBody for PassedBack<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        held(&self.left).poll_part(context)
    }

    fn is_end_stream(&self) -> bool {
        let left = held(&self.left);
        left.rest.is_none() && !left.is_broken_off
    }

    fn size_hint(&self) -> SizeHint {
        held(&self.left).size_hint()
    }
}

/// The body of an answer as it comes, which has its place until it has ended, or nobody wants it any more, or nothing of it has moved for as
/// long as its reader may rest. With a drain it ends when that begins: a stream would go on for ever.
pub fn passed_back<B>(body: B, place: Arc<Place>, reader: AnswerReader, drain: Option<Drain>) -> Body
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    let rest = Some((body, place));
    let (cut, moved) = (Bytes::new(), Instant::now());
    let left = Arc::new(Mutex::new(AnswerLeft { rest, cut, is_broken_off: false, moved, reader: None }));
    let watched = AbortOnDropHandle::new(tokio::spawn(watch(left.clone(), reader.standstill_max())));
    let passed = PassedBack { left, _watched: watched };
    match drain {
        Some(drain) => {
            let parts = BodyStream::new(passed).take_until(async move { drain.begun().await });
            Body::new(StreamBody::new(parts))
        }
        None => Body::new(passed),
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::{self, Stream};
    use http_body_util::{BodyExt as _, Full};

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
        passed_back(StreamBody::new(Box::pin(parts)), place, AnswerReader::OfStream, None)
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

    #[tokio::test]
    async fn an_answer_that_is_there_already_goes_in_pieces_and_has_its_place_until_the_last_one_is_taken() {
        let (place, is_free) = place();
        let whole: Bytes = (0..2 * SMALL_BYTES_MAX + 1).map(|n| (n % 251) as u8).collect();
        let mut answer = passed_back(Full::new(whole.clone()), place, AnswerReader::AtItsPace, None);
        assert!(!is_small(&answer) && answer.size_hint().exact() == Some(whole.len() as u64));
        let mut read = Vec::new();
        for left in [SMALL_BYTES_MAX + 1, 1, 0] {
            assert!(!is_free() && !answer.is_end_stream());
            let piece = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(answer.size_hint().exact(), Some(left as u64));
            read.extend(piece);
        }
        assert!(read == whole && is_free() && answer.is_end_stream());
        assert!(answer.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_to_follow_of_an_answer_is_dropped_when_nobody_takes_it() {
        let (place, is_free) = place();
        let whole = Bytes::from(vec![7; 2 * SMALL_BYTES_MAX]);
        let mut answer = passed_back(Full::new(whole.clone()), place, AnswerReader::AtItsPace, None);
        assert!(answer.frame().await.unwrap().is_ok());
        tokio::time::sleep(STANDSTILL_MAX * 2).await;
        assert!(is_free() && whole.is_unique(), "nothing of it is held any more");
        assert!(answer.frame().await.unwrap().is_err() && answer.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_rests_for_a_bounded_time_and_one_for_another_for_longer() {
        let whole = Bytes::from(vec![7; 4 * SMALL_BYTES_MAX]);
        let moment = Duration::from_millis(10);
        for (reader, rests, goes_on) in [
            (AnswerReader::OfStream, SILENCE_MAX - moment, true),
            (AnswerReader::OfStream, SILENCE_MAX + moment, false),
            (AnswerReader::AtItsPace, STANDSTILL_MAX - moment, true),
            (AnswerReader::AtItsPace, STANDSTILL_MAX + moment, false),
            (AnswerReader::ForAnother, PASSED_ON_STANDSTILL_MAX - moment, true),
            (AnswerReader::ForAnother, PASSED_ON_STANDSTILL_MAX + moment, false),
        ] {
            let (place, is_free) = place();
            let mut answer = passed_back(Full::new(whole.clone()), place, reader, None);
            for _ in 0..2 {
                assert!(answer.frame().await.unwrap().is_ok());
                tokio::time::sleep(rests).await;
                if !goes_on {
                    break;
                }
            }
            assert_eq!(answer.frame().await.unwrap().is_ok(), goes_on, "{reader:?} {rests:?}");
            assert_eq!(is_free(), !goes_on, "{reader:?} {rests:?}");
            drop(answer);
            // The clock beside it ends in its own task.
            while !is_free() {
                tokio::task::yield_now().await;
            }
        }
    }
}
