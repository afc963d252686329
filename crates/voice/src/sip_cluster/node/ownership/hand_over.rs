//! Hands a call over to another living node, which joins it with one that it has.
//!
//! The call is dropped here before the ledger gives it away: no two nodes act in it, whatever fails between. Messages of it that come
//! meanwhile wait; then they go to whoever has it.
//!
//! Two nodes may want each other's call. If both gave theirs, the calls would change their places, neither request would find the two together,
//! and both would be made again: the first node by name keeps its own until the other one's has come.

use std::collections::HashMap;

use infra::CallIndex;
use model::{ConnId, Owner, TenantId, Timestamp};

use super::super::Node;
use super::super::calls::call::{Entry, Stored};
use super::super::lookup::{Found, Lookup};
use super::super::order::Order;
use crate::sip_cluster::limits::{HAND_OVERS_MAX, HAND_OVERS_OF_TENANT_MAX, HANDED_WITHIN};

/// The calls that are handed over; at most those that this node has, or had.
#[derive(Default)]
pub struct HandOvers {
    /// Threads that other nodes want, until nothing is under way in them or the time is over.
    wanted: Vec<WantedThread>,
    /// Threads that are here and wait for a call of another node.
    joins: Vec<AwaitedJoin>,
    /// Threads that are no longer here, with the names of their calls, until the ledger has answered.
    under_way: HashMap<ConnId, Vec<ConnId>>,
    /// Threads that may still be ours, whose records cannot be read yet.
    unsure: HashMap<ConnId, TenantId>,
}

/// A thread that another node wants.
struct WantedThread {
    thread: ConnId,
    to: Owner,
    /// When that node no longer counts on it.
    until: Timestamp,
}

/// A thread that is to be joined with a call of another node.
struct AwaitedJoin {
    tenant: TenantId,
    thread: ConnId,
    other: ConnId,
    /// When that call is no longer waited for.
    until: Timestamp,
}

impl HandOvers {
    /// A thread that is here waits for a call of another node.
    pub fn await_join(&mut self, tenant: &TenantId, thread: ConnId, other: ConnId, now: Timestamp) {
        self.joins.retain(|join| now < join.until);
        let until = now + HANDED_WITHIN;
        if let Some(known) = self.joins.iter_mut().find(|join| (join.thread, join.other) == (thread, other)) {
            known.until = until;
            return;
        }
        let of_tenant = self.joins.iter().filter(|join| join.tenant == *tenant).count();
        // One beyond the limits is not kept here: it may change places with the other call.
        if self.joins.len() < HAND_OVERS_MAX && of_tenant < HAND_OVERS_OF_TENANT_MAX {
            self.joins.push(AwaitedJoin { tenant: tenant.clone(), thread, other, until });
        }
    }

    /// That thread waits no longer for the other call.
    pub fn end_join(&mut self, thread: ConnId, other: ConnId) {
        self.joins.retain(|join| (join.thread, join.other) != (thread, other));
    }

    /// Whoever has waited for that call waits no longer.
    pub fn end_wait_for(&mut self, other: ConnId) {
        self.joins.retain(|join| join.other != other);
    }

    /// Whether the ledger is giving that thread away.
    pub fn has(&self, thread: ConnId) -> bool {
        self.under_way.contains_key(&thread)
    }

    /// Whether a lookup must wait until the ledger has answered.
    pub fn concern(&self, named: &CallIndex) -> bool {
        match named {
            CallIndex::Call(call) => self.under_way.values().any(|names| names.contains(call)),
            CallIndex::Invite(_) => false,
        }
    }
}

impl Node {
    /// Another node wants a call. It gets it as soon as nothing is under way in the call, until then or never.
    pub fn hand_over_call(&mut self, conn_id: ConnId, to: Owner, until: Timestamp) {
        let Some(thread) = self.calls.thread_of(conn_id) else { return };
        let wanted = &mut self.hand_overs.wanted;
        if let Some(known) = wanted.iter_mut().find(|known| known.thread == thread && known.to == to) {
            known.until = known.until.max(until);
            return;
        }
        let tenant = |thread: &ConnId| self.calls.get(thread).map(|entry| &entry.tenant);
        let of_tenant = wanted.iter().filter(|known| tenant(&known.thread) == tenant(&thread)).count();
        if wanted.len() >= HAND_OVERS_MAX || of_tenant >= HAND_OVERS_OF_TENANT_MAX {
            tracing::warn!(%thread, %to, "a call is not handed over: another node wants too many of its tenant or of all");
            return;
        }
        wanted.push(WantedThread { thread, to, until });
    }

    /// The next call to be given away, once the turn is stored and its messages are sent: it is not here any more.
    pub(in crate::sip_cluster::node) fn next_hand_over(&mut self, now: Timestamp) -> Option<Order> {
        self.hand_overs.wanted.retain(|wanted| now < wanted.until && self.calls.get(&wanted.thread).is_some());
        self.hand_overs.joins.retain(|join| now < join.until);
        let may_go = |wanted: &WantedThread| self.may_go(wanted.thread) && !self.stays_for_join(wanted);
        let next = self.hand_overs.wanted.iter().position(may_go)?;
        let WantedThread { thread, to, .. } = self.hand_overs.wanted.swap_remove(next);
        let entry = self.calls.get(&thread)?;
        let (tenant, token) = (entry.tenant.clone(), entry.thread.token());
        tracing::info!(%thread, %to, "a call is handed over");
        let names = self.calls.names_of(thread);
        self.drop_call(thread);
        self.calls.unmark(thread);
        self.hand_overs.under_way.insert(thread, names);
        Some(Order::HandOver { tenant, thread, token, to })
    }

    /// Whether a thread is stored as it is here and nothing is under way in it.
    fn may_go(&self, thread: ConnId) -> bool {
        let is_idle = |entry: &Entry| {
            let is_stored = entry.stored == Stored::Live && entry.settled && !entry.dirty && entry.absorbs.is_none();
            is_stored && entry.thread.is_settled() && !self.confirmations.is_in_doubt(thread)
        };
        self.calls.get(&thread).is_some_and(is_idle)
    }

    /// Whether a thread stays here for now because it is to be joined with another call.
    fn stays_for_join(&self, wanted: &WantedThread) -> bool {
        self.hand_overs.joins.iter().any(|join| {
            let other = self.calls.thread_of(join.other);
            let is_first = *self.ids.owner() < wanted.to;
            other == Some(wanted.thread) || (join.thread == wanted.thread && (is_first || other.is_some()))
        })
    }

    /// The ledger has answered: the call is the other node's, or it goes on here.
    pub fn handed_over(&mut self, tenant: &TenantId, thread: ConnId, is_given: bool) {
        let Some(names) = self.hand_overs.under_way.remove(&thread) else { return };
        for name in names {
            if self.held.has(&CallIndex::Call(name)) || (name == thread && !is_given) {
                self.orders.push_back(Order::Find(Lookup::of_call(tenant.clone(), name, None)));
            }
        }
        if !is_given {
            self.hand_overs.unsure.insert(thread, tenant.clone());
        }
    }

    /// A call that could not be given away is looked up until the ledger answers: no other node does that for a living one.
    pub(super) fn keep_looking(&mut self, named: &CallIndex, found: &Found) {
        let CallIndex::Call(thread) = named else { return };
        if let Some(tenant) = self.hand_overs.unsure.remove(thread)
            && *found == Found::Unanswered
        {
            self.orders.push_back(Order::Find(Lookup::of_call(tenant.clone(), *thread, None)));
            self.hand_overs.unsure.insert(*thread, tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenants_joins_leave_places_for_those_of_the_others() {
        let now = Timestamp::from_millis(1_000);
        let tenant = |name| TenantId::parse(name).expect("a tenant");
        let mut hand_overs = HandOvers::default();
        for thread in 0..HAND_OVERS_MAX as u64 {
            hand_overs.await_join(&tenant("greedy"), ConnId(thread), ConnId(1_000_000), now);
        }
        assert_eq!(hand_overs.joins.len(), HAND_OVERS_OF_TENANT_MAX);
        hand_overs.await_join(&tenant("modest"), ConnId(2_000_000), ConnId(2_000_001), now);
        assert_eq!(hand_overs.joins.len(), HAND_OVERS_OF_TENANT_MAX + 1);
        // Those that nobody waits for any more make room.
        hand_overs.await_join(&tenant("greedy"), ConnId(3_000_000), ConnId(3_000_001), now + HANDED_WITHIN);
        assert_eq!(hand_overs.joins.len(), 1);
    }
}
