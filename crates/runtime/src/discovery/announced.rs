//! What a source is told of one replica, and when. No I/O: `now` and outcomes in, the next step out.

use std::time::Duration;

use model::{Entropy, Timestamp};

use super::{ReplicaHealth, SourceFault, retry_after};

/// How often a replica says that it is still there. A third of the time after which Consul takes it for failed (`net`'s `TTL`).
pub const RENEW_EVERY: Duration = Duration::from_secs(5);

/// What the source is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnounceStep {
    /// That the replica is there, where, and how it is.
    Register,
    /// That it is still there, and how it is.
    Renew,
}

/// What one source knows of one replica.
#[derive(Debug)]
pub struct Announced {
    /// What it was told last; none while it does not know the replica.
    told: Option<ReplicaHealth>,
    due: Timestamp,
    failures: u32,
}

impl Announced {
    /// The source knows nothing yet.
    pub fn new(now: Timestamp) -> Self {
        Self { told: None, due: now, failures: 0 }
    }

    /// The step that is due for a replica that is like that. A change is told at once, but for a source that has failed.
    pub fn due(&self, health: &ReplicaHealth, now: Timestamp) -> Option<AnnounceStep> {
        let has_changed = self.failures == 0 && self.told.as_ref().is_some_and(|told| told != health);
        let step = if self.told.is_some() { AnnounceStep::Renew } else { AnnounceStep::Register };
        (has_changed || now >= self.due).then_some(step)
    }

    /// The source has taken the step. A replica that has registered says at once that it is there: Consul keeps the failed check that the
    /// one before has left, until that is renewed.
    pub fn handle_taken(&mut self, step: AnnounceStep, health: ReplicaHealth, now: Timestamp) {
        let pause = if step == AnnounceStep::Register { Duration::ZERO } else { RENEW_EVERY };
        (self.told, self.failures, self.due) = (Some(health), 0, now + pause);
    }

    /// The source has not. One that does not know the replica any more, as it has lost its data, is told at once.
    pub fn handle_fault(&mut self, fault: &SourceFault, now: Timestamp, entropy: &mut dyn Entropy) {
        if *fault == SourceFault::Unknown && self.told.take().is_some() {
            self.due = now;
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.due = now + retry_after(self.failures, entropy);
    }
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn waiting() -> ReplicaHealth {
        ReplicaHealth::Waiting("config: not yet".to_owned())
    }

    #[test]
    fn a_replica_registers_and_then_says_that_it_is_still_there() {
        let mut announced = Announced::new(at(0));
        assert_eq!(announced.due(&waiting(), at(0)), Some(AnnounceStep::Register));
        announced.handle_taken(AnnounceStep::Register, waiting(), at(10));
        assert_eq!(announced.due(&waiting(), at(10)), Some(AnnounceStep::Renew), "a failed check of before is renewed");
        announced.handle_taken(AnnounceStep::Renew, waiting(), at(10));
        assert_eq!(announced.due(&waiting(), at(5_009)), None);
        assert_eq!(announced.due(&waiting(), at(5_010)), Some(AnnounceStep::Renew));
    }

    #[test]
    fn what_changes_is_told_at_once_but_not_to_a_source_that_fails() {
        let (mut announced, mut entropy) = (Announced::new(at(0)), Seeded::new(1));
        announced.handle_taken(AnnounceStep::Renew, waiting(), at(0));
        assert_eq!(announced.due(&ReplicaHealth::Ready, at(1)), Some(AnnounceStep::Renew));
        announced.handle_fault(&SourceFault::Away("refused".to_owned()), at(1), &mut entropy);
        assert_eq!(announced.due(&ReplicaHealth::Ready, at(2)), None);
        assert_eq!(announced.due(&ReplicaHealth::Ready, at(600)), Some(AnnounceStep::Renew));
    }

    #[test]
    fn a_source_that_has_lost_its_data_is_told_again_at_once() {
        let (mut announced, mut entropy) = (Announced::new(at(0)), Seeded::new(1));
        announced.handle_taken(AnnounceStep::Renew, ReplicaHealth::Ready, at(0));
        announced.handle_fault(&SourceFault::Unknown, at(5_000), &mut entropy);
        assert_eq!(announced.due(&ReplicaHealth::Ready, at(5_000)), Some(AnnounceStep::Register));
        announced.handle_fault(&SourceFault::Unknown, at(5_000), &mut entropy);
        assert_eq!(
            announced.due(&ReplicaHealth::Ready, at(5_001)),
            None,
            "a source that never knows anybody is not flooded"
        );
    }

    proptest! {
        #[test]
        fn a_source_that_fails_hears_of_nobody_more_often_than_twice_a_second(seed in any::<u64>(), faults in 1_u64..200) {
            let (mut announced, mut entropy) = (Announced::new(at(0)), Seeded::new(seed));
            let (mut now, mut told) = (at(0), 0_u64);
            while told < faults {
                if announced.due(&ReplicaHealth::Ready, now).is_some() {
                    told += 1;
                    announced.handle_fault(&SourceFault::Away(String::new()), now, &mut entropy);
                }
                now = now + Duration::from_millis(50);
            }
            prop_assert!(now.as_millis() >= (faults - 1) * 250);
        }
    }
}
