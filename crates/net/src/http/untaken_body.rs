//! The body of an answer whose loss somebody has to hear of: as long as the server has not taken it, nobody has it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// A body in one piece that nobody has taken yet.
struct UntakenBody {
    piece: Bytes,
    /// None once it is taken.
    tell: Option<Box<dyn FnOnce() + Send>>,
}

impl HttpBody for UntakenBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let is_first = self.tell.take().is_some();
        Poll::Ready(is_first.then(|| Ok(Frame::data(std::mem::take(&mut self.piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.tell.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.piece.len() as u64)
    }
}

impl Drop for UntakenBody {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell();
        }
    }
}

/// A body of which `tell` says if it is dropped before the server takes it, since its connection has broken by then. One that is taken may
/// still be lost on its way.
pub fn untaken_tells(piece: Bytes, tell: impl FnOnce() + Send + 'static) -> Body {
    Body::new(UntakenBody { piece, tell: Some(Box::new(tell)) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    fn body(told: &Arc<AtomicUsize>) -> Body {
        let told = told.clone();
        untaken_tells(Bytes::from_static(b"[1]"), move || {
            told.fetch_add(1, Relaxed);
        })
    }

    #[tokio::test]
    async fn a_body_that_is_dropped_tells_and_one_that_is_taken_does_not() {
        let told = Arc::<AtomicUsize>::default();
        let taken = body(&told);
        assert_eq!((taken.size_hint().exact(), taken.is_end_stream()), (Some(3), false));
        assert_eq!(axum::body::to_bytes(taken, 10).await.unwrap(), "[1]");
        assert_eq!(told.load(Relaxed), 0);
        drop(body(&told));
        assert_eq!(told.load(Relaxed), 1);
    }
}
