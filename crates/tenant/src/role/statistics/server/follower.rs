//! One stream of a client: what it opens and closes, and what it is told. It is told only when it reads, so that a slow reader gets the
//! last value of each statistic and costs no memory.

use std::sync::Arc;
use std::time::Duration;

use contracts::v1;
use futures::{Stream, StreamExt as _};
use infra::Clock;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;

use super::{ASKED_MAX, CLOSED_MAX, expect_few};
use crate::role::statistics::counts::StreamId;
use crate::role::statistics::metrics::Metrics;
use crate::role::statistics::shared::SharedCounts;

/// The longest pause between messages.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Changes within this time after a message are told together.
const TOGETHER: Duration = Duration::from_millis(50);

/// A stream of a client. Dropping it closes what it has open.
pub(super) struct Follower {
    shared: Arc<SharedCounts>,
    id: StreamId,
    news: watch::Receiver<()>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    told_at: Option<Instant>,
    /// Whether the client asks for nothing more: what it has open is told on.
    has_asked_all: bool,
    has_ended: bool,
}

impl Follower {
    pub(super) fn new(shared: Arc<SharedCounts>, metrics: Metrics, clock: Arc<dyn Clock>) -> Self {
        let (id, news) = (shared.new_stream(), shared.news());
        shared.with(|counts| counts.begin_stream(id));
        metrics.streams.inc();
        Self { shared, id, news, metrics, clock, told_at: None, has_asked_all: false, has_ended: false }
    }

    /// What the client is told, as long as it reads.
    pub(super) fn answers(
        self,
        asked: impl Stream<Item = Result<v1::FollowStatisticsRequest, Status>> + Send + Unpin + 'static,
    ) -> impl Stream<Item = Result<v1::FollowStatisticsResponse, Status>> + Send + 'static {
        futures::stream::unfold((self, asked), |(mut follower, mut asked)| async move {
            let next = follower.next(&mut asked).await?;
            Some((next, (follower, asked)))
        })
    }

    /// The next message; none after an end with a reason.
    async fn next(
        &mut self,
        asked: &mut (impl Stream<Item = Result<v1::FollowStatisticsRequest, Status>> + Unpin),
    ) -> Option<Result<v1::FollowStatisticsResponse, Status>> {
        if self.has_ended {
            return None;
        }
        let silent_until = Instant::now() + SILENCE_MAX;
        loop {
            let Some(has_news) = self.shared.with(|counts| counts.has_news(self.id)) else {
                return Some(Err(self.end(over())));
            };
            let due = match (has_news, self.told_at) {
                (true, Some(told_at)) => silent_until.min(told_at + TOGETHER),
                (true, None) => Instant::now(),
                (false, _) => silent_until,
            };
            tokio::select! {
                () = tokio::time::sleep_until(due) => {
                    if let Some(message) = self.message(due == silent_until) {
                        return Some(Ok(message));
                    }
                }
                request = asked.next(), if !self.has_asked_all => match request {
                    Some(Ok(request)) => if let Err(status) = self.ask(request) {
                        return Some(Err(self.end(status)));
                    },
                    Some(Err(status)) => return Some(Err(self.end(status))),
                    None => self.has_asked_all = true,
                },
                news = self.news.changed() => if news.is_err() {
                    return Some(Err(self.end(over())));
                },
            }
        }
    }

    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    fn ask(&self, request: v1::FollowStatisticsRequest) -> Result<(), Status> {
        expect_few("open", request.open.len(), ASKED_MAX)?;
        expect_few("close", request.close.len(), CLOSED_MAX)?;
        let now = self.clock.now();
        self.shared.with(|counts| counts.ask(self.id, request, now));
        self.shared.is_asked();
        Ok(())
    }

    /// What there is to tell; after a long silence how far it has come.
    fn message(&mut self, is_silent: bool) -> Option<v1::FollowStatisticsResponse> {
        let now = self.clock.now();
        let message = self.shared.with(|counts| {
            let told = counts.take(self.id, now);
            told.or_else(|| is_silent.then(|| counts.sign_of_life()))
        })?;
        self.told_at = Some(Instant::now());
        self.metrics.told.inc_by(message.values.len() as u64);
        self.metrics.refused.inc_by(message.refused.len() as u64);
        Some(message)
    }

    fn end(&mut self, why: Status) -> Status {
        self.has_ended = true;
        why
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let now = self.clock.now();
        self.shared.with(|counts| counts.end_stream(self.id, now));
        self.metrics.streams.dec();
    }
}

/// The tenant is no more, or its statistics begin again from what was kept.
fn over() -> Status {
    Status::unavailable("the tenant's statistics have begun again: open them again")
}
