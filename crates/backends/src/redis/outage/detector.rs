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

    /// Notes whether Redis answered. A Redis without room answers, and says nothing about leases.
    pub(in crate::redis) fn note_answer<T>(&self, answer: &Result<T>) {
        match answer {
            Err(StoreError::Unavailable { .. }) => self.note_away(),
            Err(StoreError::Full { bound: 0, .. }) => {}
            _ => self.note_back(),
        }
    }

    /// The same for the renewal of a lease. For leases, a Redis without room for them is away: nobody can renew.
    pub(in crate::redis) fn note_renewal<T>(&self, answer: &Result<T>) {
        match answer {
            Err(StoreError::Full { bound: 0, .. }) => self.note_away(),
            _ => self.note_answer(answer),
        }
    }

    fn note_away(&self) {
        lock(&self.detector).since.get_or_insert_with(Instant::now);
    }

    fn note_back(&self) {
        let mut detector = lock(&self.detector);
        let Some(since) = detector.since.take() else { return };
        // No owner could renew during this outage. A shorter outage costs nobody a lease. And one shard that fails repeatedly, between
        // answers of the others, must not stop the detection of failed nodes.
        if since.elapsed() >= bounds::LEASE / 2 {
            lock(&self.lease_watch).forget_all();
        }
        if since.elapsed() >= AWAY_LONG {
            detector.back_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Result<()> {
        Err(StoreError::Full { what: "the disk of Redis", bound: 0 })
    }

    #[tokio::test(start_paused = true)]
    async fn owners_come_first_when_redis_has_room_for_their_leases_again() {
        let state = OutageState::default();
        state.note_answer(&full());
        assert!(!state.owners_first(), "a refused commit costs nobody a lease");
        state.note_renewal(&full());
        tokio::time::advance(AWAY_LONG).await;
        state.note_answer(&full());
        assert!(state.owners_first(), "nobody has renewed");
        let long_ago = model::Timestamp::from_millis(1);
        state.lease_watch().see("lease:a".to_owned(), "1", long_ago);
        state.note_renewal(&Ok(()));
        assert!(state.owners_first(), "they renew before anybody claims");
        let now = model::Timestamp::from_millis(9_000);
        assert_eq!(state.lease_watch().see("lease:a".to_owned(), "1", now), now, "the others are watched anew");
        tokio::time::advance(OWNERS_FIRST).await;
        assert!(!state.owners_first());
    }
}
