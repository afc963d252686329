//! The facts that this client's readers have received lately, and where. It tells which repeats are news to a reader.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use infra::Position;
use model::{Stamped, TenantId};

/// After that many facts the oldest may be forgotten: as many as an owner repeats at most.
const FACTS_MIN: usize = 50_000;
/// Readers that were behind. Beyond that number all are forgotten, which costs them what others of this client have received.
const BEHIND_MAX: usize = 1_000;

/// The places of received facts by their identities as hashes, in two maps: the older one is dropped when the newer one is full. Exact
/// identities, for two writers may number the facts of one DN, each in a range of its own.
#[derive(Default)]
pub(in crate::redis) struct ReceivedFacts {
    newer: HashMap<u64, EntryNumber>,
    older: HashMap<u64, EntryNumber>,
    /// For facts that some readers received before they were lost, and others did not: the repeat that the others take.
    repeats: HashMap<u64, EntryNumber>,
    /// Readers that were behind when their stream was lost, by where they are now.
    behind: HashMap<(TenantId, Position), Gap>,
    hasher: RandomState,
}

/// The places that a stream has lost before a reader came to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gap {
    after: EntryNumber,
    /// The first entry of the present stream.
    born: EntryNumber,
}

/// A position in less space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct EntryNumber(u64);

impl From<Position> for EntryNumber {
    fn from(position: Position) -> Self {
        // A millisecond has far fewer entries.
        const MINOR_BITS: u32 = 20;
        Self((position.major << MINOR_BITS) | position.minor.min((1 << MINOR_BITS) - 1))
    }
}

impl Gap {
    fn contains(self, place: EntryNumber) -> bool {
        self.after < place && place < self.born
    }
}

impl ReceivedFacts {
    /// What a reader has missed that goes on after that position of a stream. A reader that begins has missed nothing.
    pub(super) fn gap(&self, tenant: &TenantId, after: Position, born: Position) -> Gap {
        let born = EntryNumber::from(born);
        let earlier = self.behind.get(&(tenant.clone(), after)).filter(|gap| gap.born == born);
        let after = if after == Position::START { born } else { after.into() };
        earlier.copied().unwrap_or(Gap { after, born })
    }

    /// The reader goes on after that position.
    pub(super) fn go_on(&mut self, tenant: &TenantId, after: Position, gap: Gap) {
        if gap.after >= gap.born {
            return;
        }
        if self.behind.len() >= BEHIND_MAX {
            self.behind.clear();
        }
        self.behind.insert((tenant.clone(), after), gap);
    }

    /// Notes a fact that a reader receives.
    pub(super) fn note(&mut self, fact: &Stamped, at: Position) {
        let id = self.id(fact);
        self.insert(id, at.into());
    }

    /// Whether a repeated fact is news to a reader with that gap: no reader has received it before, or others have where this one has missed
    /// it. Of several repeats of a fact one is news.
    pub(super) fn is_news(&mut self, fact: &Stamped, at: Position, gap: Gap) -> bool {
        let (id, at) = (self.id(fact), at.into());
        let Some(place) = self.newer.get(&id).or_else(|| self.older.get(&id)).copied() else {
            self.insert(id, at);
            return true;
        };
        if !gap.contains(place) {
            return place == at;
        }
        if self.repeats.len() >= FACTS_MIN {
            self.repeats.clear();
        }
        let repeat = self.repeats.entry(id).or_insert(at);
        if gap.contains(*repeat) {
            *repeat = at;
        }
        *repeat == at
    }

    fn id(&self, fact: &Stamped) -> u64 {
        self.hasher.hash_one((&fact.tenant, &fact.id))
    }

    fn insert(&mut self, id: u64, place: EntryNumber) {
        if self.newer.len() >= FACTS_MIN {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(id, place);
    }
}

#[cfg(test)]
mod tests {
    use model::{ConnId, Event, EventId, EventName, Seq, Subject, Timestamp, Token};

    use super::*;

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn fact(call: usize, token: u64, seq: u64) -> Stamped {
        Stamped {
            id: EventId { subject: Subject::Call(ConnId(call as u64)), token: Token(token), seq: Seq(seq) },
            tenant: acme(),
            at: Timestamp::default(),
            trace: None,
            event: Event::new(EventName::Ringing),
        }
    }

    const fn at(major: u64) -> Position {
        Position { major, minor: 0 }
    }

    #[test]
    fn a_fact_is_news_once() {
        let mut received = ReceivedFacts::default();
        let gap = received.gap(&acme(), at(10), at(5));
        received.note(&fact(7, 5, 2), at(11));
        assert!(!received.is_news(&fact(7, 5, 2), at(12), gap));
        assert!(received.is_news(&fact(7, 5, 3), at(13), gap));
        assert!(!received.is_news(&fact(7, 5, 3), at(14), gap), "a second repeat");
        assert!(received.is_news(&fact(7, 5, 3), at(13), gap), "the same is read again");
        assert!(received.is_news(&fact(8, 5, 2), at(15), gap));
        assert!(received.is_news(&fact(7, 1, 1), at(16), gap), "another writer numbers from a range of its own");
    }

    #[test]
    fn each_reader_receives_what_was_lost_before_it_had_come_there() {
        let mut received = ReceivedFacts::default();
        (1..=3).for_each(|seq| received.note(&fact(7, 1, seq), at(seq)));
        // The stream was lost; one reader had read all of it, two had read the first fact, and one begins.
        let (all, first, begins) = (
            received.gap(&acme(), at(3), at(10)),
            received.gap(&acme(), at(1), at(10)),
            received.gap(&acme(), Position::START, at(10)),
        );
        let mut read =
            |gap| (1..=3).map(|seq| received.is_news(&fact(7, 1, seq), at(9 + seq), gap)).collect::<Vec<_>>();
        assert_eq!(read(first), [false, true, true]);
        assert_eq!(read(all), [false; 3]);
        assert_eq!(read(first), [false, true, true]);
        assert_eq!(read(begins), [false; 3]);
        let mut repeated = |gap| received.is_news(&fact(7, 1, 2), at(20), gap);
        assert!(!repeated(first) && !repeated(all), "it was repeated before");
    }

    #[test]
    fn a_reader_that_was_behind_remembers_it_until_the_stream_is_lost_again() {
        let mut received = ReceivedFacts::default();
        let gap = received.gap(&acme(), at(1), at(10));
        received.go_on(&acme(), at(11), gap);
        assert_eq!(received.gap(&acme(), at(11), at(10)), gap);
        assert_eq!(received.gap(&acme(), at(11), at(30)).after, EntryNumber::from(at(11)));
        let none = received.gap(&acme(), at(12), at(10));
        received.go_on(&acme(), at(13), none);
        assert_eq!(received.behind.len(), 1, "nothing is kept of readers that have missed nothing");
        (0..BEHIND_MAX as u64 * 2).for_each(|place| received.go_on(&acme(), at(place), gap));
        assert!(received.behind.len() <= BEHIND_MAX);
    }

    #[test]
    fn the_latest_facts_are_remembered_and_their_number_is_bounded() {
        let mut received = ReceivedFacts::default();
        let gap = received.gap(&acme(), at(10), at(5));
        (0..FACTS_MIN * 3).for_each(|call| assert!(received.is_news(&fact(call, 1, 1), at(11), gap)));
        (FACTS_MIN * 2..FACTS_MIN * 3).for_each(|call| assert!(!received.is_news(&fact(call, 1, 1), at(12), gap)));
        assert!(received.newer.len() + received.older.len() <= FACTS_MIN * 2);
    }
}
