//! Limits the streams that callers hold open, in total and per caller, so that no caller takes them from the others.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::{Stream, StreamExt as _};
use model::TenantId;
use tonic::Status;

use super::Answers;

/// The most open streams of one listener.
pub const STREAMS_MAX: usize = 10_000;
/// Of them, the most of one subject in one tenant: an application with a connection for each of its parts, after a failure that
/// it noticed before us.
pub const STREAMS_OF_CALLER_MAX: usize = 32;

type Held = HashMap<(Option<TenantId>, String), usize>;

/// Counts the open streams of a listener. Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    max: usize,
    held: Arc<Mutex<Held>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self::with_max(STREAMS_MAX)
    }
}

/// The right to one stream; dropping it returns the right.
pub struct Permit {
    held: Arc<Mutex<Held>>,
    of: (Option<TenantId>, String),
}

impl Streams {
    /// So many streams at most, instead of [`STREAMS_MAX`].
    pub fn with_max(max: usize) -> Self {
        Self { max, held: Arc::default() }
    }

    /// Opens one more stream of a subject.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED, with the limit that was reached.
    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    pub fn open(&self, tenant: Option<&TenantId>, subject: &str) -> Result<Permit, Status> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.values().sum::<usize>() >= self.max {
            return Err(Status::resource_exhausted(format!("{} streams are open already", self.max)));
        }
        let of = (tenant.cloned(), subject.to_owned());
        let own = held.entry(of.clone()).or_default();
        if *own >= STREAMS_OF_CALLER_MAX {
            let text = format!("{subject} holds {STREAMS_OF_CALLER_MAX} streams open already");
            return Err(Status::resource_exhausted(text));
        }
        *own += 1;
        Ok(Permit { held: self.held.clone(), of })
    }
}

impl Permit {
    /// The same answers, holding the permit until they end or are no longer read.
    pub fn with<T: 'static>(self, answers: Answers<T>) -> Answers<T> {
        Box::pin(Permitted { answers, _permit: self })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get_mut(&self.of) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.of);
            }
        }
    }
}

struct Permitted<T> {
    answers: Answers<T>,
    _permit: Permit,
}

impl<T> Stream for Permitted<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.answers.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_holds_too_many_is_refused_and_takes_none_from_others() {
        let streams = Streams::default();
        let acme = TenantId::parse("acme").unwrap();
        let open = |tenant: Option<&TenantId>, subject: &str| streams.open(tenant, subject).map_err(|s| s.code());
        let mut held: Vec<Permit> = (0..STREAMS_OF_CALLER_MAX).map(|_| open(Some(&acme), "greedy").unwrap()).collect();
        assert_eq!(open(Some(&acme), "greedy").err(), Some(tonic::Code::ResourceExhausted));
        let others = [open(Some(&acme), "honest"), open(None, "greedy")];
        assert!(others.iter().all(Result::is_ok));
        // Dropping a stream makes room for the next.
        drop(held.pop().unwrap().with(Box::pin(futures::stream::pending::<Result<(), Status>>())));
        held.push(open(Some(&acme), "greedy").unwrap());
        drop((held, others));
        assert!(streams.held.lock().unwrap().is_empty());
    }

    #[test]
    fn all_together_have_a_limit_too() {
        let streams = Streams::default();
        let many = (0..STREAMS_MAX).map(|number| streams.open(None, &number.to_string()));
        let held: Vec<Permit> = many.collect::<Result<_, _>>().unwrap();
        assert!(streams.open(None, "one more").is_err_and(|status| status.message().contains("10000 streams")));
        drop(held);
        assert!(streams.open(None, "one more").is_ok());
    }
}
