//! When Redis went away, and when it came back.

use std::time::Duration;

use infra::{Result, StoreError, bounds};
use tokio::time::Instant;

use super::{OutageState, lock};

/// After an outage of this length, leases have expired that were not released.
const AWAY_LONG: Duration = Duration::from_millis(1_000);
/// Time after an outage for owners to renew leases and write waiting commits. Until then nobody claims, and no call is reported
/// as unknown.
const OWNERS_FIRST: Duration = Duration::from_secs(3);

/// When an outage of Redis began and when it ended.
#[derive(Default)]
pub(super) struct Detector {
    since: Option<Instant>,
    back_at: Option<Instant>,
}

impl OutageState {
    /// Whether claims and reports of unknown calls must wait: Redis has just come back, and owners renew and write first.
    pub(in crate::redis) fn owners_first(&self) -> bool {
        let detector = lock(&self.detector);
        detector.since.is_some() || detector.back_at.is_some_and(|back| back.elapsed() < OWNERS_FIRST)
    }

    /// Notes whether Redis answered.
    pub(in crate::redis) fn note_answer<T>(&self, answer: &Result<T>) {
        let mut detector = lock(&self.detector);
        match answer {
            Err(error) if is_away(error) => drop(detector.since.get_or_insert_with(Instant::now)),
            _ => {
                if let Some(since) = detector.since.take() {
                    // No owner could renew during this outage. A shorter outage costs nobody a lease. And one shard that fails repeatedly,
                    // between answers of the others, must not stop the detection of failed nodes.
                    if since.elapsed() >= bounds::LEASE / 2 {
                        lock(&self.lease_watch).forget_all();
                    }
                    if since.elapsed() >= AWAY_LONG {
                        detector.back_at = Some(Instant::now());
                    }
                }
            }
        }
    }
}

fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. })
}
