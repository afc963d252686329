//! What one tenant's faults have taught, so that a fact with which folding fails costs that fact alone.
//!
//! After a fault the history is read again from the stream, with every fact that was skipped before: those are remembered here.

use std::collections::BTreeSet;
use std::time::Duration;

use infra::Position;
use model::{Stamped, Timestamp};
use runtime::fact_in_hand::FactInHand;

/// Faults at most this long apart are counted together.
const FAULTS_WITHIN: Duration = Duration::from_secs(3_600);
/// Faults without a fact that is skipped for them, after which the history begins with the present: two are the least at which a fact is
/// skipped, and these are no single fact's.
const FAULTS_MAX: u32 = 5;
/// The most facts that are skipped; then the history begins with the present.
const SKIPPED_MAX: usize = 1_000;

/// The faults of one tenant; they outlive its history.
pub(super) struct FaultMemory {
    fact: FactInHand,
    skipped: BTreeSet<Position>,
    /// Faults since a fact was skipped last.
    faults: u32,
    failed_at: Timestamp,
}

impl FaultMemory {
    pub const fn new(fact: FactInHand) -> Self {
        Self { fact, skipped: BTreeSet::new(), faults: 0, failed_at: Timestamp::ZERO }
    }

    /// The history is built again. Whether it must do without the facts that the stream still has.
    pub fn rebuilds(&mut self) -> bool {
        self.fact.state_rebuilt();
        let are_too_many = self.faults >= FAULTS_MAX || self.skipped.len() > SKIPPED_MAX;
        if are_too_many {
            self.faults = 0;
            self.skipped.clear();
        }
        are_too_many
    }

    /// Folding, or what comes with it, has failed.
    pub fn failed(&mut self, why: &impl std::fmt::Display, now: Timestamp) {
        self.fact.failed(why);
        if self.failed_at + FAULTS_WITHIN < now {
            self.faults = 0;
        }
        self.failed_at = now;
        self.faults += 1;
    }

    /// Runs `work`, which folds a fact; not if that has failed twice.
    pub fn fold(&mut self, (position, fact): (Position, &Stamped), now: Timestamp, work: impl FnOnce()) {
        if self.skipped.contains(&position) {
            return;
        }
        if !self.fact.fold_one((position, fact), now, work) {
            self.skipped.insert(position);
            self.faults = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use model::{ConnId, Event, EventId, EventName, Seq, Subject, TenantId, Token};
    use runtime::fact_in_hand::FactsInHand;

    use super::*;

    fn tenant() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn memory(folder: &tempfile::TempDir) -> FaultMemory {
        let facts = FactsInHand::open(folder.path(), "wfm-1", &runtime::Metrics::default());
        FaultMemory::new(facts.of(&tenant()))
    }

    fn fact(number: u64) -> (Position, Stamped) {
        let id = EventId { subject: Subject::Call(ConnId(number)), token: Token(1), seq: Seq(1) };
        let event = Event::new(EventName::CallCreated);
        let at = Timestamp::from_millis(number);
        (Position { major: 0, minor: number }, Stamped { id, tenant: tenant(), at, trace: None, event })
    }

    /// Reads the stream from its beginning; what was folded, unless a fact has panicked.
    fn one_life(memory: &mut FaultMemory, panics: &[u64]) -> Option<Vec<u64>> {
        let mut folded = Vec::new();
        let life = || {
            for number in 1..=6 {
                let (position, stamped) = fact(number);
                memory.fold((position, &stamped), stamped.at, || {
                    assert!(!panics.contains(&number), "a fact that panics");
                    folded.push(number);
                });
            }
        };
        catch_unwind(AssertUnwindSafe(life)).is_ok().then_some(folded)
    }

    #[test]
    fn every_fact_that_panics_is_left_out_although_all_are_read_again_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = memory(&folder);
        let lives = (0..20).find_map(|life| {
            assert!(!memory.rebuilds(), "a fact that is skipped is no reason to do without the others");
            let folded = one_life(&mut memory, &[2, 5]);
            if folded.is_none() {
                memory.failed(&"a panic", Timestamp::from_millis(life));
            }
            folded
        });
        assert_eq!(lives, Some(vec![1, 3, 4, 6]));
    }

    #[test]
    fn faults_that_are_no_single_facts_end_with_a_new_begin() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = memory(&folder);
        for fault in 0..FAULTS_MAX {
            assert!(!memory.rebuilds());
            memory.failed(&"a panic", Timestamp::from_millis(fault.into()));
        }
        assert!(memory.rebuilds() && !memory.rebuilds());
        memory.failed(&"a panic", Timestamp::from_millis(10));
        memory.failed(&"a panic", Timestamp::from_millis(20) + FAULTS_WITHIN);
        assert_eq!(memory.faults, 1);
    }
}
