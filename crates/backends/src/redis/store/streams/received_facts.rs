//! The facts that this client's readers have received lately. It tells which repeats are news to them.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use model::Stamped;

/// After that many facts the oldest may be forgotten: as many as an owner repeats at most.
const FACTS_MIN: usize = 50_000;

/// The identities of received facts as hashes, in two sets: the older one is dropped when the newer one is full. Exact identities, for
/// two writers may number the facts of one DN, each in a range of its own.
#[derive(Default)]
pub(in crate::redis) struct ReceivedFacts {
    newer: HashSet<u64>,
    older: HashSet<u64>,
    hasher: RandomState,
}

impl ReceivedFacts {
    /// Notes a fact that a reader receives. False if one has received it before.
    pub(super) fn note(&mut self, fact: &Stamped) -> bool {
        if self.newer.len() >= FACTS_MIN {
            self.older = std::mem::take(&mut self.newer);
        }
        let id = self.hasher.hash_one((&fact.tenant, &fact.id));
        !self.older.contains(&id) && self.newer.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use model::{ConnId, Event, EventId, EventName, Seq, Subject, TenantId, Timestamp, Token};

    use super::*;

    fn fact(call: usize, token: u64, seq: u64) -> Stamped {
        Stamped {
            id: EventId { subject: Subject::Call(ConnId(call as u64)), token: Token(token), seq: Seq(seq) },
            tenant: TenantId::parse("acme").unwrap(),
            at: Timestamp::default(),
            trace: None,
            event: Event::new(EventName::Ringing),
        }
    }

    #[test]
    fn a_fact_is_news_once() {
        let mut received = ReceivedFacts::default();
        assert!(received.note(&fact(7, 5, 2)));
        assert!(!received.note(&fact(7, 5, 2)));
        assert!(received.note(&fact(7, 5, 3)));
        assert!(received.note(&fact(8, 5, 2)));
        assert!(received.note(&fact(7, 1, 1)), "another writer numbers from a range of its own");
    }

    #[test]
    fn the_latest_facts_are_remembered_and_their_number_is_bounded() {
        let mut received = ReceivedFacts::default();
        (0..FACTS_MIN * 3).for_each(|call| assert!(received.note(&fact(call, 1, 1))));
        (FACTS_MIN * 2..FACTS_MIN * 3).for_each(|call| assert!(!received.note(&fact(call, 1, 1))));
        assert!(received.newer.len() + received.older.len() <= FACTS_MIN * 2);
    }
}
