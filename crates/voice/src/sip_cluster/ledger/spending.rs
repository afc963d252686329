//! Adds to what is spent in a day on calls outside. Key: the view `spending` of a tenant, `spending:<phone>` of a phone, `spending@<agent>` of
//! an agent; it has the sums of one day, the latest, and what each node has added last.

use contracts::v1;
use infra::{KeptView, Result, ViewStore};
use model::{Owner, Timestamp};
use prost::Message as _;
use tokio::sync::Semaphore;

use crate::sip_cluster::node::spending::day_end::is_too_late;
use crate::sip_cluster::node::spending::{Added, Amount, Amounts, SpentBatch};

/// How often the sums are read again because another node has changed them meanwhile.
const TRIES_MAX: usize = 8;
/// Nodes whose last addition is known. One that is forgotten because so many others have added since would add a batch twice whose answer
/// was lost: a limit is reached too early rather than never.
const NODES_MAX: usize = 64;
/// Batches that are added at once; further ones wait. With each sweep there is one of each phone that talks outside: all of them at once
/// would stand before the commits of calls.
const AT_ONCE: usize = 32;

/// Adds the batches of a node's run, so many at a time.
pub struct Additions {
    owner: Owner,
    turns: Semaphore,
}

impl Additions {
    /// Those of this run.
    pub const fn new(owner: Owner) -> Self {
        Self { owner, turns: Semaphore::const_new(AT_ONCE) }
    }

    /// Adds a batch to a spender's day when it is its turn.
    pub async fn add(&self, views: &dyn ViewStore, batch: &SpentBatch) -> Added {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        add(views, &self.owner, batch).await
    }
}

/// Adds a batch of a node to a spender's day, once: a batch whose answer was lost is known again.
async fn add(views: &dyn ViewStore, owner: &Owner, batch: &SpentBatch) -> Added {
    try_to_add(views, owner, batch).await.unwrap_or_else(|error| {
        let SpentBatch { spender, .. } = batch;
        let (tenant, phone, agent) = (&spender.tenant, &spender.phone, &spender.agent);
        tracing::debug!(%tenant, ?phone, ?agent, %error, "what is spent on calls outside was not stored");
        Added::Unknown(error.to_string())
    })
}

async fn try_to_add(views: &dyn ViewStore, owner: &Owner, batch: &SpentBatch) -> Result<Added> {
    let SpentBatch { spender, amounts, sent_at, .. } = batch;
    let view = match (&spender.agent, &spender.phone) {
        (Some(agent), _) => format!("spending@{agent}"),
        (None, Some(phone)) => format!("spending:{phone}"),
        (None, None) => "spending".to_owned(),
    };
    for _ in 0..TRIES_MAX {
        let kept = views.load(&spender.tenant, &view).await?;
        let mut sums = kept.as_ref().map(read).unwrap_or_default();
        // Where the store's clock says that it can be, ours is behind: what the others have counted is not ours to lose.
        if is_too_late(sums.day_ends, *sent_at) && is_too_late(sums.day_ends, views.time(&spender.tenant).await?) {
            let (tenant, day_ends) = (&spender.tenant, sums.day_ends);
            tracing::warn!(
                %tenant, view, %day_ends, now = %sent_at,
                "the day of what is spent on calls outside cannot end that late: it is counted anew. The clock of a dialplan or a \
                 sip-cluster was wrong, or is"
            );
            sums = Sums::default();
        }
        if sums.day_ends > spender.day_ends {
            // A call of yesterday that still goes on, or our clock is behind.
            return Ok(Added::DayOver);
        }
        if sums.day_ends < spender.day_ends {
            sums = Sums { day_ends: spender.day_ends, ..Sums::default() };
        }
        if sums.have(owner, batch.sequence) {
            return Ok(Added::Sums(sums.amounts));
        }
        for (rule, amount) in amounts {
            let sum = sums.amounts.entry(rule.clone()).or_default();
            sum.calls = sum.calls.saturating_add(amount.calls);
            sum.seconds = sum.seconds.saturating_add(amount.seconds);
        }
        sums.note(owner, batch.sequence);
        let seen = kept.as_ref().map(|kept| kept.position.as_str());
        let version = seen.and_then(|seen| seen.parse::<u64>().ok()).unwrap_or_default() + 1;
        let next = KeptView { position: version.to_string(), state: write(&sums).into() };
        if views.replace(&spender.tenant, &view, seen, next).await? {
            return Ok(Added::Sums(sums.amounts));
        }
    }
    Ok(Added::Unknown("other nodes have been faster each time".to_owned()))
}

#[derive(Default)]
struct Sums {
    day_ends: Timestamp,
    amounts: Amounts,
    /// What each node has added last, in the order in which they did.
    last: Vec<v1::SpentBatchRecord>,
}

impl Sums {
    /// Whether they have this addition of a node's run.
    fn have(&self, owner: &Owner, sequence: u64) -> bool {
        let of_run = |last: &&v1::SpentBatchRecord| last.node == owner.node.as_str() && last.epoch == owner.epoch.0;
        self.last.iter().find(of_run).is_some_and(|last| last.sequence >= sequence)
    }

    fn note(&mut self, owner: &Owner, sequence: u64) {
        let (node, epoch) = (owner.node.as_str().to_owned(), owner.epoch.0);
        self.last.retain(|last| last.node != node);
        let surplus = (self.last.len() + 1).saturating_sub(NODES_MAX);
        self.last.drain(..surplus);
        self.last.push(v1::SpentBatchRecord { node, epoch, sequence });
    }
}

/// Sums that cannot be read begin anew.
fn read(kept: &KeptView) -> Sums {
    let record = v1::SpendingRecord::decode(kept.state.clone()).unwrap_or_else(|error| {
        tracing::error!(%error, "what was spent on calls outside cannot be read: it is counted anew");
        v1::SpendingRecord::default()
    });
    let amount = |spent: v1::SpentRecord| (spent.rule, Amount { calls: spent.calls, seconds: spent.seconds });
    Sums {
        day_ends: Timestamp::from_micros(record.day_ends_us),
        amounts: record.spent.into_iter().map(amount).collect(),
        last: record.last,
    }
}

fn write(sums: &Sums) -> Vec<u8> {
    let spent = |(rule, amount): (&String, &Amount)| v1::SpentRecord {
        rule: rule.clone(),
        calls: amount.calls,
        seconds: amount.seconds,
    };
    let record = v1::SpendingRecord {
        day_ends_us: sums.day_ends.as_micros(),
        spent: sums.amounts.iter().map(spent).collect(),
        last: sums.last.clone(),
    };
    record.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Duration;

    use infra::conformance::SetClock;
    use infra::{Answer, Clock as _, Stores};
    use model::{AgentId, Dn, Epoch, NodeId, TenantId};

    use super::*;
    use crate::sip_cluster::node::spending::Spender;
    use crate::test_stores;

    /// A store with its clock, and the nodes' numbers of batches.
    struct Lab {
        stores: Stores,
        clock: Arc<SetClock>,
        sequence: u64,
    }

    impl Lab {
        fn new() -> Self {
            let clock = test_stores::set_clock();
            Self { stores: test_stores::stores(clock.clone()), clock, sequence: 0 }
        }

        async fn add(&mut self, spender: Spender, amounts: Amounts) -> Added {
            self.sequence += 1;
            self.add_as("sip-cluster-1.1", self.sequence, (spender, amounts), Timestamp::ZERO).await
        }

        async fn add_as(
            &self,
            owner: &str,
            sequence: u64,
            (spender, amounts): (Spender, Amounts),
            sent_at: Timestamp,
        ) -> Added {
            let owner: Owner = owner.parse().expect("an owner");
            super::add(&*self.stores.spendings, &owner, &SpentBatch { spender, amounts, sequence, sent_at }).await
        }
    }

    fn spender(day_ends: Timestamp) -> Spender {
        let (tenant, phone) = (TenantId::parse("case").expect("a tenant"), Dn::parse("7101").ok());
        Spender { tenant, phone, agent: None, day_ends }
    }

    fn micros(day_ends: u64) -> Spender {
        spender(Timestamp::from_micros(day_ends))
    }

    fn amounts(calls: u64, seconds: u64) -> Amounts {
        Amounts::from([("premium".to_owned(), Amount { calls, seconds })])
    }

    fn sums(calls: u64, seconds: u64) -> Added {
        Added::Sums(amounts(calls, seconds))
    }

    #[tokio::test]
    async fn nodes_add_to_the_sums_of_one_day() {
        let mut lab = Lab::new();
        assert_eq!(lab.add(micros(1), amounts(2, 0)).await, sums(2, 0));
        assert_eq!(lab.add(micros(1), amounts(1, 30)).await, sums(3, 30));
        assert_eq!(lab.add(micros(2), amounts(1, 0)).await, sums(1, 0), "a new day");
        assert_eq!(lab.add(micros(1), amounts(0, 2)).await, Added::DayOver);
        assert_eq!(lab.add(micros(2), amounts(1, 0)).await, sums(2, 0));
        let one = |node| lab.add_as(node, 1, (micros(2), amounts(1, 0)), Timestamp::ZERO);
        futures::join!(one("sip-cluster-2.1"), one("sip-cluster-3.1"));
        assert_eq!(lab.add(micros(2), amounts(0, 0)).await, sums(4, 0));
        let of_agent = Spender { agent: AgentId::parse("7101").ok(), phone: None, ..micros(2) };
        assert_eq!(lab.add(of_agent, amounts(1, 0)).await, sums(1, 0), "an agent is not the phone of that number");
    }

    #[tokio::test]
    async fn a_batch_whose_answer_was_lost_is_not_added_again() {
        let lab = Lab::new();
        let add = async |owner: &str, sequence| {
            lab.add_as(owner, sequence, (micros(1), amounts(1, 2)), Timestamp::ZERO).await
        };
        assert_eq!(add("sip-cluster-1.7", 1).await, sums(1, 2));
        assert_eq!(add("sip-cluster-1.7", 1).await, sums(1, 2), "again");
        assert_eq!(add("sip-cluster-2.7", 1).await, sums(2, 4), "another node's");
        assert_eq!(add("sip-cluster-1.7", 1).await, sums(2, 4), "another node has added meanwhile");
        assert_eq!(add("sip-cluster-1.7", 2).await, sums(3, 6), "the next one");
        assert_eq!(add("sip-cluster-1.8", 1).await, sums(4, 8), "the node's next run");
        assert_eq!(add("sip-cluster-1.8", 1).await, sums(4, 8));
    }

    #[test]
    fn the_last_additions_of_so_many_nodes_are_known() {
        let owner = |number: usize| Owner {
            node: NodeId::parse(&format!("sip-cluster-{number}")).expect("a node"),
            epoch: Epoch(1),
        };
        let mut sums = Sums::default();
        for number in 0..=NODES_MAX {
            sums.note(&owner(number), 1);
        }
        assert_eq!((sums.last.len(), sums.have(&owner(0), 1), sums.have(&owner(1), 1)), (NODES_MAX, false, true));
    }

    #[tokio::test]
    async fn a_day_that_ends_too_late_to_be_one_keeps_nobody_from_counting() {
        let lab = Lab::new();
        let now = lab.clock.now();
        let [today, next_month] = [6, 30 * 24].map(|hours| now + Duration::from_secs(hours * 3_600));
        let add = async |owner: &str, day_ends, sent_at| {
            lab.add_as(owner, 1, (spender(day_ends), amounts(1, 0)), sent_at).await
        };
        assert_eq!(add("sip-cluster-1.1", next_month, next_month - Duration::from_secs(60)).await, sums(1, 0));
        assert_eq!(add("sip-cluster-2.1", today, now).await, sums(1, 0), "its clock was wrong");
        assert_eq!(add("sip-cluster-3.1", today, now).await, sums(2, 0));
        let tomorrow = today + Duration::from_secs(86_400);
        assert_eq!(add("sip-cluster-3.1", tomorrow, today).await, sums(1, 0));
        assert_eq!(add("sip-cluster-2.1", today, today - Duration::from_secs(1)).await, Added::DayOver);
    }

    #[tokio::test]
    async fn a_node_whose_clock_is_behind_takes_nothing_from_what_the_others_have_counted() {
        let lab = Lab::new();
        let now = lab.clock.now();
        let (today, day) = (now + Duration::from_secs(6 * 3_600), Duration::from_secs(86_400));
        let add = async |owner: &str, day_ends, sent_at| {
            lab.add_as(owner, 1, (spender(day_ends), amounts(1, 0)), sent_at).await
        };
        assert_eq!(add("sip-cluster-1.1", today, now).await, sums(1, 0));
        for days in [1, 2, 30] {
            assert_eq!(add("sip-cluster-2.1", today - day * days, now - day * days).await, Added::DayOver, "{days}");
        }
        assert_eq!(add("sip-cluster-1.1", today, now).await, sums(1, 0), "what a node has added last is known, too");
        assert_eq!(add("sip-cluster-3.1", today, now).await, sums(2, 0));
    }

    /// A store that notes how many read from it at once.
    struct Busy {
        store: Arc<dyn ViewStore>,
        reading: AtomicUsize,
        most: AtomicUsize,
    }

    impl ViewStore for Busy {
        fn load<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, Option<KeptView>> {
            Box::pin(async move {
                self.most.fetch_max(self.reading.fetch_add(1, Relaxed) + 1, Relaxed);
                tokio::task::yield_now().await;
                self.reading.fetch_sub(1, Relaxed);
                self.store.load(tenant, view).await
            })
        }

        fn keep<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView) -> Answer<'a, ()> {
            self.store.keep(tenant, view, kept)
        }

        fn keep_for<'a>(
            &'a self,
            tenant: &'a TenantId,
            view: &'a str,
            kept: KeptView,
            within: Duration,
        ) -> Answer<'a, ()> {
            self.store.keep_for(tenant, view, kept, within)
        }

        fn remove<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, ()> {
            self.store.remove(tenant, view)
        }

        fn replace<'a>(
            &'a self,
            tenant: &'a TenantId,
            view: &'a str,
            seen: Option<&'a str>,
            kept: KeptView,
        ) -> Answer<'a, bool> {
            self.store.replace(tenant, view, seen, kept)
        }

        fn time<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Timestamp> {
            self.store.time(tenant)
        }
    }

    #[tokio::test]
    async fn so_many_batches_are_added_at_once_and_the_others_in_their_turn() {
        let store = Lab::new().stores.spendings;
        let busy = Busy { store, reading: AtomicUsize::new(0), most: AtomicUsize::new(0) };
        let additions = Additions::new("sip-cluster-1.1".parse().expect("an owner"));
        let batches = (0..200_u64).map(|number| {
            let phone = Dn::parse(&(7_000 + number).to_string()).ok();
            let (spender, sequence) = (Spender { phone, ..micros(1) }, number + 1);
            SpentBatch { spender, amounts: amounts(1, 0), sequence, sent_at: Timestamp::ZERO }
        });
        let batches: Vec<SpentBatch> = batches.collect();
        let added = futures::future::join_all(batches.iter().map(|batch| additions.add(&busy, batch))).await;
        assert!(added.iter().all(|added| *added == sums(1, 0)));
        assert_eq!(busy.most.load(Relaxed), AT_ONCE);
    }
}
