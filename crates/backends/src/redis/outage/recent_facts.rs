//! Recently published facts. If Redis comes back empty, they are published again: nobody knows which of them had been exported, or
//! read by those who follow the stream.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use model::TenantId;
use tokio::time::Instant;

use crate::redis::store::Facts;
use crate::redis::store::records::RecordId;

/// Older facts have been exported: an exporter is behind by less, unless its log is unavailable.
const KEPT: Duration = Duration::from_secs(5);
/// Facts that are kept at most.
const FACTS_MAX: usize = 50_000;

/// The latest facts of a client's records, in their order.
#[derive(Default)]
pub(in crate::redis) struct RecentFacts {
    told: VecDeque<Told>,
    facts: usize,
}

/// The facts of one write, as encoded in the stream.
struct Told {
    at: Instant,
    id: RecordId,
    facts: Facts,
}

impl RecentFacts {
    /// Keeps the facts of a write that is done.
    pub(in crate::redis) fn add(&mut self, id: RecordId, facts: Facts) {
        if facts.is_empty() {
            return;
        }
        let at = Instant::now();
        self.facts += facts.len();
        self.told.push_back(Told { at, id, facts });
        while self.facts > FACTS_MAX {
            self.forget_first();
        }
    }

    /// Called while Redis keeps its generation: old facts have been exported. After an outage, the latest facts may have to be published
    /// again, however old they are by then.
    pub(in crate::redis) fn forget_what_is_out(&mut self) {
        while self.told.front().is_some_and(|first| first.at.elapsed() > KEPT) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(gone) = self.told.pop_front() {
            self.facts -= gone.facts.len();
        }
    }

    /// The latest facts of a record.
    pub(in crate::redis) fn of(&self, id: &RecordId) -> Vec<Bytes> {
        self.told.iter().filter(|told| told.id == *id).flat_map(|told| told.facts.iter().cloned()).collect()
    }

    /// Those of all, by tenant.
    pub(in crate::redis) fn all(&self) -> BTreeMap<TenantId, Vec<Bytes>> {
        let mut all: BTreeMap<TenantId, Vec<Bytes>> = BTreeMap::new();
        for Told { id: (_, tenant, _), facts, .. } in &self.told {
            all.entry(tenant.clone()).or_default().extend(facts.iter().cloned());
        }
        all
    }

    /// Forgets a record that now belongs to another owner, which has continued from its facts.
    pub(in crate::redis) fn forget(&mut self, id: &RecordId) {
        self.told.retain(|told| told.id != *id);
        self.facts = self.told.iter().map(|told| told.facts.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn id(call: u64) -> RecordId {
        ("call", tenant(), call.to_string())
    }

    fn fact(call: u64, seq: u64) -> Bytes {
        format!("{call}/{seq}").into()
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_facts_are_kept_by_record_until_they_have_gone_out() {
        let mut recent_facts = RecentFacts::default();
        recent_facts.add(id(7), [fact(7, 1)].into());
        tokio::time::advance(KEPT).await;
        recent_facts.add(id(7), [fact(7, 2)].into());
        recent_facts.add(id(8), [fact(8, 1)].into());
        assert_eq!(recent_facts.of(&id(7)), [fact(7, 1), fact(7, 2)]);
        tokio::time::advance(Duration::from_millis(1)).await;
        recent_facts.add(id(9), [fact(9, 1)].into());
        recent_facts.forget_what_is_out();
        assert_eq!(recent_facts.of(&id(7)), [fact(7, 2)], "the first has gone out");
        assert_eq!(recent_facts.all()[&tenant()], [fact(7, 2), fact(8, 1), fact(9, 1)]);
        recent_facts.forget(&id(8));
        assert_eq!((recent_facts.of(&id(8)).len(), recent_facts.facts), (0, 2));
        // An outage, and the first fact after it: it is not known yet whether Redis has kept the latest facts.
        tokio::time::advance(KEPT * 100).await;
        recent_facts.add(id(9), [fact(9, 2)].into());
        assert_eq!(recent_facts.of(&id(9)), [fact(9, 1), fact(9, 2)]);
    }

    #[test]
    fn a_flood_of_facts_is_bounded() {
        let mut recent_facts = RecentFacts::default();
        for seq in 0..FACTS_MAX as u64 + 10 {
            recent_facts.add(id(7), [fact(7, seq)].into());
        }
        assert_eq!((recent_facts.facts, recent_facts.told.len()), (FACTS_MAX, FACTS_MAX));
    }
}
