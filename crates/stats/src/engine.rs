//! The engine of one tenant: facts in, changed statistics out, values on demand.

mod agents;
mod calls;
mod join;
mod order;
mod snapshot;
mod statistic;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::{ConnId, EventName, Stamped, Timestamp};

use crate::definition::{Refused, Request};
use crate::profile::Zone;
use crate::value::Value;
use agents::Agents;
use calls::Call;
use order::{Admitted, Order};
use store::Store;

pub use join::{Joined, JoinedAgent, JoinedCall, JoinedParty, PartyState};
pub use snapshot::{
    AgentSnapshot, BucketSnapshot, CallSnapshot, HeldSnapshot, MarkSnapshot, PartySnapshot, Snapshot,
    StatisticSnapshot, VisitSnapshot, VisitStage,
};
pub use statistic::{Bin, StatisticId};

/// The most calls that are followed at once; a new one takes the place of the one that was silent for longest.
const CALLS_MAX: usize = 200_000;
/// How long a call that is over waits for the last word of its virtual queues.
const AFTER_THE_END: Duration = Duration::from_secs(60);

/// What the shell is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// The value of a statistic has changed by an event, as far as its holder wants to know.
    Changed(StatisticId),
    /// An interval has ended: values of profiles may have changed without an event.
    Rolled,
}

/// The statistics of one tenant.
#[derive(Clone, Debug)]
pub struct Engine {
    order: Order,
    store: Store,
    calls: HashMap<ConnId, Call>,
    /// Calls that are over and wait for their virtual queues, in the order of their ends.
    ending: VecDeque<(Timestamp, ConnId)>,
    agents: Agents,
    /// Route targets that answer by themselves: prompts and echo.
    services: std::collections::HashSet<String>,
    /// When the oldest fact happened that was folded and not asked for yet.
    oldest: Option<Timestamp>,
    dropped_calls: u64,
}

impl Engine {
    /// An engine without statistics, in the tenant's time zone.
    pub fn new(zone: Zone) -> Self {
        Self {
            order: Order::default(),
            store: Store::new(zone),
            calls: HashMap::new(),
            ending: VecDeque::new(),
            agents: Agents::default(),
            services: std::collections::HashSet::new(),
            oldest: None,
            dropped_calls: 0,
        }
    }

    /// The tenant's clocks from now on; what is counted in intervals of the old ones begins anew where they differ.
    pub fn set_zone(&mut self, zone: Zone) {
        self.store.zone = zone;
    }

    /// The DNs that answer by themselves: a call that is routed there and hung up was not abandoned.
    pub fn set_services(&mut self, dns: impl IntoIterator<Item = String>) {
        self.services = dns.into_iter().collect();
    }

    // === statistics ===

    /// Opens a statistic; one that is open already is shared. It begins to count with the next fact, or goes on where a snapshot left it.
    ///
    /// # Errors
    /// When the definition has something that is not implemented, or contradicts itself.
    pub fn open(&mut self, request: Request) -> Result<StatisticId, Refused> {
        request.check()?;
        self.store.open(request)
    }

    /// Closes a statistic; the last of those who opened it ends it.
    pub fn close(&mut self, id: StatisticId) {
        self.store.close(id);
    }

    /// Forgets what a snapshot held of statistics that nobody has opened since.
    pub fn forget_unopened(&mut self) {
        self.store.forget_unopened();
    }

    /// How many statistics are open.
    pub fn statistics(&self) -> usize {
        self.store.open_count()
    }

    /// The value of a statistic; [`Value::None`] of one that is not open.
    pub fn value(&self, id: StatisticId, now: Timestamp) -> Value {
        self.store.value(id, now, &self.agents)
    }

    /// The buckets of a statistic with a sliding profile, oldest first, the present one last; empty for any other.
    pub fn bins(&self, id: StatisticId, now: Timestamp) -> Vec<Bin> {
        self.store.bins(id, now)
    }

    /// Since when the interval of a statistic runs that holds `now`.
    pub fn since(&self, id: StatisticId, now: Timestamp) -> Option<Timestamp> {
        self.store.since(id, now, &self.agents)
    }

    // === input ===

    /// Folds a fact in. A fact that was folded already changes nothing; one that came before its predecessors waits for them.
    pub fn handle_event(&mut self, stamped: &Stamped, now: Timestamp) {
        // What an application does is counted by the facts of its call.
        if matches!(stamped.id.subject, model::Subject::Session(_)) {
            return;
        }
        match self.order.admit(stamped, now, &self.calls) {
            Admitted::Repeated | Admitted::Held => {}
            Admitted::Next => {
                self.fold(stamped);
                while let Some(next) = self.order.released(&stamped.id.subject) {
                    self.fold(&next);
                }
            }
        }
        self.expire(now);
    }

    /// Does what is due: facts whose predecessors do not come are folded, intervals end.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for stamped in self.order.overdue(now) {
            self.fold(&stamped);
        }
        self.expire(now);
        self.store.roll(now);
    }

    /// When something is due next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let ending = self.ending.front().map(|(at, _)| *at + AFTER_THE_END);
        [self.order.next_timeout(), ending, self.store.next_roll()].into_iter().flatten().min()
    }

    /// What has changed.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.store.outputs.pop_front()
    }

    /// The route points in which a call waits.
    pub fn route_points_of(&self, conn_id: ConnId) -> Vec<String> {
        self.calls.get(&conn_id).map(Call::waits_in).unwrap_or_default()
    }

    /// When the oldest fact happened of those that were folded since this was asked last: whoever publishes what changed asks
    /// each time, and knows how long the slowest of the facts has waited. A fact that came late counts by its own time.
    pub fn take_oldest(&mut self) -> Option<Timestamp> {
        self.oldest.take()
    }

    /// Facts that were dropped as repeated, and calls that were dropped for want of room.
    pub fn dropped(&self) -> (u64, u64) {
        (self.order.repeated, self.dropped_calls)
    }

    /// Subjects whose last fact was forgotten for want of room, since this was asked last.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.order.forgotten)
    }

    fn fold(&mut self, stamped: &Stamped) {
        self.oldest = Some(self.oldest.map_or(stamped.at, |oldest| oldest.min(stamped.at)));
        match stamped.event.name {
            EventName::AgentLogin | EventName::AgentLogout | EventName::AgentReady | EventName::AgentNotReady => {
                self.fold_agent(&stamped.event, stamped.at);
            }
            _ => self.fold_call(stamped),
        }
        self.store.settle(stamped.at);
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((at, conn_id)) = self.ending.front().copied() {
            if at + AFTER_THE_END > now {
                break;
            }
            self.ending.pop_front();
            if self.calls.get(&conn_id).is_some_and(|call| call.is_over()) {
                self.drop_call(conn_id, at);
            }
        }
        self.order.forget(now);
    }
}
