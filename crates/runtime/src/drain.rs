//! The drain signal: roles finish their present work, up to a deadline.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use tokio_util::sync::CancellationToken;

/// Signals a role to stop, with a deadline.
///
/// A drained role refuses new work, finishes or hands over its present work, and returns.
#[derive(Clone)]
pub struct Drain {
    begun: CancellationToken,
    ended: CancellationToken,
    deadline: Arc<std::sync::OnceLock<Timestamp>>,
    patience: Duration,
}

impl Drain {
    /// A drain that has not begun; once it has, the deadline is `patience` later.
    pub fn new(patience: Duration) -> Self {
        Self { begun: CancellationToken::new(), ended: CancellationToken::new(), deadline: Arc::default(), patience }
    }

    /// Waits until draining begins.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Whether draining has begun.
    pub fn is_draining(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// When the role is ended by force; `None` before draining begins.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline.get().copied()
    }

    /// How long draining may take.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Waits until the role has returned or was ended by force; its connection tasks close then.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// What something comes to that may wait for long; nothing, and it is dropped, once draining has gone on for that time. What is ready
    /// at that moment counts.
    pub async fn unless_released<T>(&self, after: Duration, waits: impl Future<Output = T>) -> Option<T> {
        let released = async {
            self.begun().await;
            tokio::time::sleep(after).await;
        };
        tokio::select! {
            biased;
            outcome = waits => Some(outcome),
            () = released => None,
        }
    }

    /// Begins draining at `now`. Later calls change nothing.
    pub fn begin(&self, now: Timestamp) {
        self.begin_until(now + self.patience);
    }

    /// Begins draining with this deadline. Later calls change nothing.
    pub fn begin_until(&self, deadline: Timestamp) {
        let _ = self.deadline.set(deadline);
        self.begun.cancel();
    }

    /// Signals that the role has ended, so that its remaining connections close.
    pub fn end(&self) {
        self.begun.cancel();
        self.ended.cancel();
    }

    /// The drain of one run of a role: begins with this one, may end on its own.
    pub(crate) fn of_run(&self) -> Self {
        Self {
            begun: self.begun.child_token(),
            ended: self.ended.child_token(),
            deadline: self.deadline.clone(),
            patience: self.patience,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_sets_the_deadline_once() {
        let drain = Drain::new(Duration::from_secs(5));
        let run = drain.of_run();
        assert!(!run.is_draining());
        drain.begin(Timestamp::from_millis(1_000));
        drain.begin(Timestamp::from_millis(9_000));
        run.begun().await;
        assert_eq!(run.deadline(), Some(Timestamp::from_millis(6_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_released_and_what_is_ready_by_then_counts() {
        let (drain, after) = (Drain::new(Duration::from_secs(5)), Duration::from_secs(1));
        drain.begin(Timestamp::from_millis(1_000));
        // Often: a choice by chance would not be seen at once.
        for _ in 0..32 {
            assert!(drain.unless_released(after, tokio::time::sleep(after)).await.is_some());
        }
        assert!(drain.unless_released(after, std::future::pending::<()>()).await.is_none());
    }

    #[test]
    fn a_run_that_ends_leaves_the_process_running() {
        let drain = Drain::new(Duration::from_secs(5));
        drain.of_run().end();
        assert!(!drain.is_draining());
    }
}
