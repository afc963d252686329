//! The latest fact of each subject that this client's readers have received. It tells which repeats are news to them.

use std::collections::HashMap;

use model::{Seq, Stamped, Subject, TenantId, Token};

/// After that many subjects the oldest may be forgotten. A fact is repeated if it is a few seconds old at most.
const SUBJECTS_MIN: usize = 10_000;

type Latest = HashMap<(TenantId, Subject), (Token, Seq)>;

/// The latest facts by subject, in two maps: the older one is dropped when the newer one is full.
#[derive(Default)]
pub(in crate::redis) struct ReceivedFacts {
    newer: Latest,
    older: Latest,
}

impl ReceivedFacts {
    /// Notes a fact that a reader receives. False if one has received it before, or a later one of the same subject.
    pub(super) fn note(&mut self, fact: &Stamped) -> bool {
        if self.newer.len() >= SUBJECTS_MIN {
            self.older = std::mem::take(&mut self.newer);
        }
        let subject = (fact.tenant.clone(), fact.id.subject.clone());
        let number = (fact.id.token, fact.id.seq);
        let latest = self.newer.get(&subject).or_else(|| self.older.get(&subject));
        let is_news = latest.is_none_or(|latest| *latest < number);
        if is_news {
            self.newer.insert(subject, number);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use model::{ConnId, Event, EventId, EventName, Timestamp};

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
        assert!(received.note(&fact(7, 1, 2)));
        assert!(!received.note(&fact(7, 1, 2)));
        assert!(!received.note(&fact(7, 1, 1)));
        assert!(received.note(&fact(7, 1, 3)));
        assert!(received.note(&fact(8, 1, 1)));
        assert!(received.note(&fact(7, 2, 1)), "a successor counts from 1 again");
    }

    #[test]
    fn the_latest_subjects_are_remembered_and_their_number_is_bounded() {
        let mut received = ReceivedFacts::default();
        (0..SUBJECTS_MIN * 5).for_each(|call| assert!(received.note(&fact(call, 1, 1))));
        (SUBJECTS_MIN * 4..SUBJECTS_MIN * 5).for_each(|call| assert!(!received.note(&fact(call, 1, 1))));
        assert!(received.newer.len() + received.older.len() <= SUBJECTS_MIN * 2);
    }
}
