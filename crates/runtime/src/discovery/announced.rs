//! What a source is told of one replica, and when. No I/O: `now` and outcomes in, the next step out.

use std::time::Duration;

use model::{Entropy, Timestamp};

use super::{RETRY_FIRST, ReplicaHealth, SourceFault, pause_after, retry_after};

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
    /// How often it has forgotten the replica since it was last told with success that the replica is still there. A registration alone
    /// does not count: several agents behind one address each take it, and know nothing of one that another has taken.
    forgotten: u32,
}

impl Announced {
    /// The source knows nothing yet.
    pub fn new(now: Timestamp) -> Self {
        Self { told: None, due: now, failures: 0, forgotten: 0 }
    }

    /// The step that is due for a replica that is like that. A change is told at once, but for a source that has failed.
    pub fn due(&self, health: &ReplicaHealth, now: Timestamp) -> Option<AnnounceStep> {
        let has_changed = self.failures == 0 && self.told.as_ref().is_some_and(|told| told != health);
        let step = if self.told.is_some() { AnnounceStep::Renew } else { AnnounceStep::Register };
        (has_changed || now >= self.due).then_some(step)
    }

    /// Whether something is wrong with the source that has not taken a step. One that has lost its data is told again, and nothing is wrong
    /// with it, unless it has lost them again by then.
    pub fn is_failing(&self, fault: &SourceFault) -> bool {
        *fault != SourceFault::Unknown || self.forgotten > 1
    }

    /// The source has taken the step. A replica that has registered says at once that it is there: Consul keeps the failed check that the
    /// one before has left, until that is renewed.
    pub fn handle_taken(&mut self, step: AnnounceStep, health: ReplicaHealth, now: Timestamp) {
        (self.told, self.failures) = (Some(health), 0);
        match step {
            AnnounceStep::Register => self.due = now,
            AnnounceStep::Renew => (self.forgotten, self.due) = (0, now + RENEW_EVERY),
        }
    }

    /// The source has not. One that does not know the replica any more, as it has lost its data, is told at once; if it has forgotten it
    /// again by then, after a pause that grows like any other, but to no more than the time between two renewals: whoever has taken the
    /// registration hears of the replica before its check runs out.
    pub fn handle_fault(&mut self, fault: &SourceFault, now: Timestamp, entropy: &mut dyn Entropy) {
        let has_forgotten = *fault == SourceFault::Unknown && self.told.take().is_some();
        let pause = if has_forgotten {
            let before = self.forgotten;
            self.forgotten = before.saturating_add(1);
            if before == 0 { Duration::ZERO } else { pause_after(before, RETRY_FIRST, RENEW_EVERY, entropy) }
        } else {
            self.failures = self.failures.saturating_add(1);
            retry_after(self.failures, entropy)
        };
        self.due = now + pause;
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

    #[test]
    fn a_source_that_takes_registrations_and_does_not_know_them_is_not_flooded_and_hears_of_the_replica_before_its_check_ends()
     {
        // As several agents behind one address are, of which the one takes what the other is asked about.
        let (mut announced, mut entropy) = (Announced::new(at(0)), Seeded::new(5));
        let (mut registered, mut renewed) = (Vec::new(), 0);
        for ms in (0..120_000).step_by(10) {
            match announced.due(&ReplicaHealth::Ready, at(ms)) {
                Some(AnnounceStep::Register) => {
                    registered.push(ms);
                    announced.handle_taken(AnnounceStep::Register, ReplicaHealth::Ready, at(ms));
                }
                Some(AnnounceStep::Renew) => {
                    renewed += 1;
                    announced.handle_fault(&SourceFault::Unknown, at(ms), &mut entropy);
                }
                None => {}
            }
        }
        assert!((20..60).contains(&registered.len()) && renewed <= registered.len(), "{registered:?}");
        assert!(registered.windows(2).all(|two| two[1] - two[0] <= 6_000), "{registered:?}");
        assert!(announced.is_failing(&SourceFault::Unknown), "a person is told");
    }

    #[test]
    fn a_source_that_has_lost_its_data_once_is_not_failing() {
        let (mut announced, mut entropy) = (Announced::new(at(0)), Seeded::new(1));
        announced.handle_taken(AnnounceStep::Renew, ReplicaHealth::Ready, at(0));
        for start in [5_000, 10_000] {
            announced.handle_fault(&SourceFault::Away("it restarts".to_owned()), at(start - 1_000), &mut entropy);
            assert_eq!(announced.due(&ReplicaHealth::Ready, at(start)), Some(AnnounceStep::Renew));
            announced.handle_fault(&SourceFault::Unknown, at(start), &mut entropy);
            assert!(!announced.is_failing(&SourceFault::Unknown));
            for step in [AnnounceStep::Register, AnnounceStep::Renew] {
                assert_eq!(announced.due(&ReplicaHealth::Ready, at(start)), Some(step), "at once");
                announced.handle_taken(step, ReplicaHealth::Ready, at(start));
            }
            assert_eq!(announced.due(&ReplicaHealth::Ready, at(start + 4_999)), None);
        }
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
