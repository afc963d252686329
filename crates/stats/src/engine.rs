//! The engine of one tenant: facts in, changed statistics out, values on demand.

mod agents;
mod calls;
mod join;
mod order;
mod restore;
mod running;
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
    AgentSnapshot, BucketSnapshot, CallSnapshot, HeldSnapshot, MarkSnapshot, ObserverSnapshot, PartySnapshot, Snapshot,
    StatisticSnapshot, VisitSnapshot, VisitStage,
};
pub use statistic::{Bin, StatisticId};

/// The most calls followed at once; a new one replaces the call that has been silent for longest.
const CALLS_MAX: usize = 200_000;
/// How long a call that is over waits for the last facts of its virtual queues.
const AFTER_THE_END: Duration = Duration::from_secs(60);

/// A notification of the shell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// An event has changed the value of a statistic by enough to notify its holder.
    Changed(StatisticId),
    /// An interval has ended. Statistics whose values may be others by that are told as changed; what else moves with time, as the buckets
    /// of a sliding profile, has moved for all.
    Rolled,
}

/// The statistics of one tenant.
#[derive(Clone, Debug)]
pub struct Engine {
    order: Order,
    store: Store,
    calls: HashMap<ConnId, Call>,
    /// Calls that are over and wait for their virtual queues, by time of their end.
    ending: VecDeque<(Timestamp, ConnId)>,
    agents: Agents,
    /// Route targets that answer automatically: prompts and echo.
    services: std::collections::HashSet<String>,
    /// The time of the oldest fact that was folded since [`Engine::take_oldest`] was last called.
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

    /// Sets the tenant's time zone. A count restarts where its interval begins at no boundary of the new zone.
    pub fn set_zone(&mut self, zone: Zone) {
        self.store.set_zone(zone);
    }

    /// Sets the DNs that answer automatically: a call that was routed there and hung up was not abandoned.
    pub fn set_services(&mut self, dns: impl IntoIterator<Item = String>) {
        self.services = dns.into_iter().collect();
    }

    // === statistics ===

    /// Opens a statistic, or shares it if it is open. It counts from the next fact, or continues from a snapshot.
    ///
    /// # Errors
    /// When the definition contains an unsupported part, or contradicts itself.
    pub fn open(&mut self, request: Request) -> Result<StatisticId, Refused> {
        request.check()?;
        self.store.open(request)
    }

    /// Whether no open statistic has its profile yet, and it counts over another time than the day.
    pub fn needs_profile(&self, request: &Request) -> bool {
        self.store.needs_profile(request)
    }

    /// Whether a statistic with this profile can be opened: there are only so many different ones.
    pub fn has_room_for(&self, request: &Request) -> bool {
        self.store.has_room_for(request)
    }

    /// Closes a statistic. It ends when its last holder closes it.
    pub fn close(&mut self, id: StatisticId) {
        self.store.close(id);
    }

    /// Forgets the restored statistics that nobody has opened since.
    pub fn forget_unopened(&mut self) {
        self.store.forget_unopened();
    }

    /// The number of open statistics.
    pub fn statistics(&self) -> usize {
        self.store.open_count()
    }

    /// The value of a statistic; [`Value::None`] if it is not open.
    pub fn value(&self, id: StatisticId, now: Timestamp) -> Value {
        self.store.value(id, now, &self.agents)
    }

    /// The buckets of a statistic with a sliding profile, oldest first, the present one last; empty for any other profile.
    pub fn bins(&self, id: StatisticId, now: Timestamp) -> Vec<Bin> {
        self.store.bins(id, now)
    }

    /// The start of the statistic's interval that contains `now`.
    pub fn since(&self, id: StatisticId, now: Timestamp) -> Option<Timestamp> {
        self.store.since(id, now, &self.agents)
    }

    // === input ===

    /// Folds a fact in. A repeated fact changes nothing; an early fact waits for its predecessors.
    pub fn handle_event(&mut self, stamped: &Stamped, now: Timestamp) {
        // The actions of an application are counted by the facts of its call.
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

    /// Handles due timers: folds facts whose predecessors are overdue, and ends intervals.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for stamped in self.order.overdue(now) {
            self.fold(&stamped);
        }
        self.expire(now);
        self.store.roll(now);
    }

    /// When [`Engine::handle_timeout`] must be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.next_expiry().into_iter().chain(self.store.next_roll()).min()
    }

    /// When a fact or a call has waited for long enough: then [`Engine::handle_timeout`] changes what a snapshot has. The end of an
    /// interval changes nothing in it.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let ending = self.ending.front().map(|(at, _)| *at + AFTER_THE_END);
        self.order.next_timeout().into_iter().chain(ending).min()
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.store.outputs.pop_front()
    }

    /// The route points on which a call waits.
    pub fn route_points_of(&self, conn_id: ConnId) -> Vec<String> {
        self.calls.get(&conn_id).map(Call::waits_in).unwrap_or_default()
    }

    /// The time of the oldest fact folded since the last call of this function. The publisher calls it each time it publishes, to learn how
    /// long the slowest fact has waited. A late fact counts by its own time.
    pub fn take_oldest(&mut self) -> Option<Timestamp> {
        self.oldest.take()
    }

    /// The number of repeated facts dropped, and of calls dropped for lack of room.
    pub fn dropped(&self) -> (u64, u64) {
        (self.order.repeated, self.dropped_calls)
    }

    /// Subjects whose last fact was forgotten for lack of room, since the last call of this function.
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
