//! Facts that were told a moment ago. A Redis that has come back empty is told them again: nobody knows which of them had gone out of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::{Owner, Stamped, Token};
use tokio::time::Instant;

use super::steady::Id;

/// What is older than the last fact by so much has gone out: an exporter is behind by less, unless its log is away.
const KEPT: Duration = Duration::from_secs(5);
/// Facts that are kept at most.
const FACTS_MAX: usize = 50_000;

/// The latest facts of a client's records, in their order.
#[derive(Default)]
pub(super) struct Lately {
    told: VecDeque<Told>,
    facts: usize,
}

/// The facts of one write.
struct Told {
    at: Instant,
    id: Id,
    facts: Vec<Stamped>,
    /// Whose the record was, if it ended with them.
    ended: Option<(Owner, Token)>,
}

/// A record that is over, with its latest facts.
pub(super) struct Over {
    pub(super) id: Id,
    pub(super) owner: Owner,
    pub(super) token: Token,
    pub(super) facts: Vec<Stamped>,
}

impl Lately {
    /// Keeps the facts of a write that is done.
    pub(super) fn tell(&mut self, id: Id, facts: &[Stamped], ended: Option<(Owner, Token)>) {
        if facts.is_empty() && ended.is_none() {
            return;
        }
        let at = Instant::now();
        self.facts += facts.len();
        self.told.push_back(Told { at, id, facts: facts.to_vec(), ended });
        while self.facts > FACTS_MAX || self.told.front().is_some_and(|first| at.duration_since(first.at) > KEPT) {
            let Some(gone) = self.told.pop_front() else { break };
            self.facts -= gone.facts.len();
        }
    }

    /// The latest facts of a record.
    pub(super) fn of(&self, id: &Id) -> Vec<Stamped> {
        self.told.iter().filter(|told| told.id == *id).flat_map(|told| told.facts.iter().cloned()).collect()
    }

    /// Forgets a record that belongs to somebody else, who has gone on from its facts.
    pub(super) fn forget(&mut self, id: &Id) {
        self.told.retain(|told| told.id != *id);
        self.facts = self.told.iter().map(|told| told.facts.len()).sum();
    }

    /// The records that are over.
    pub(super) fn over(&self) -> Vec<Over> {
        let ended = |told: &Told| Some((told.id.clone(), told.ended.clone()?));
        let ended: BTreeMap<Id, (Owner, Token)> = self.told.iter().filter_map(ended).collect();
        let over = |(id, (owner, token))| Over { facts: self.of(&id), id, owner, token };
        ended.into_iter().map(over).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::{ConnId, Event, EventId, EventName, Seq, Subject, TenantId, Timestamp};

    use super::*;

    fn id(call: u64) -> Id {
        ("call", TenantId::parse("acme").unwrap(), call.to_string())
    }

    fn fact(call: u64, seq: u64) -> Stamped {
        Stamped {
            id: EventId { subject: Subject::Call(ConnId(call)), token: Token(1), seq: Seq(seq) },
            tenant: TenantId::parse("acme").unwrap(),
            at: Timestamp::default(),
            trace: None,
            event: Event::new(EventName::Ringing),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_facts_are_kept_by_record_until_they_have_gone_out() {
        let mut lately = Lately::default();
        let tell = |lately: &mut Lately, call, seq, is_over: bool| {
            let ended = is_over.then(|| ("sip-cluster-1.5".parse().unwrap(), Token(1)));
            lately.tell(id(call), &[fact(call, seq)], ended);
        };
        tell(&mut lately, 7, 1, false);
        tokio::time::advance(KEPT).await;
        tell(&mut lately, 7, 2, false);
        tell(&mut lately, 8, 1, true);
        assert_eq!(lately.of(&id(7)), [fact(7, 1), fact(7, 2)]);
        tokio::time::advance(Duration::from_millis(1)).await;
        tell(&mut lately, 9, 1, true);
        assert_eq!(lately.of(&id(7)), [fact(7, 2)], "the first has gone out");
        assert_eq!(lately.over().iter().map(|over| over.id.2.as_str()).collect::<Vec<_>>(), ["8", "9"]);
        lately.forget(&id(8));
        assert_eq!((lately.over().len(), lately.facts), (1, 2));
        // Nothing more is told while Redis is away: what was last is still there, however long that takes.
        tokio::time::advance(KEPT * 100).await;
        assert_eq!(lately.of(&id(9)).len(), 1);
    }

    #[test]
    fn a_flood_of_facts_is_bounded() {
        let mut lately = Lately::default();
        for seq in 0..FACTS_MAX as u64 + 10 {
            lately.tell(id(7), &[fact(7, seq)], None);
        }
        assert_eq!((lately.facts, lately.told.len()), (FACTS_MAX, FACTS_MAX));
    }
}
