//! Fair scheduling: tenants share a thread by the time that their sessions take.
//!
//! Each turn is one input or one timer of the tenant that has had the least time. A tenant with slow scripts so
//! delays itself: tenants that need little are served before its next turn.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use model::{ConnId, TenantId, Timestamp};
use tokio::sync::mpsc::{self, error::TryRecvError};

use super::{INBOX_MAX, Key, Posted, Work};

/// Inputs waiting by tenant; beyond this the rest waits in the channel. A tenant's own inputs are bounded where they are sent.
const GATHERED_MAX: usize = 8 * INBOX_MAX;
/// Minimum time charged for a turn: a clock may stand still that long.
const TURN_MIN: Duration = Duration::from_micros(1);

/// The purpose of a turn.
#[expect(clippy::large_enum_variant, reason = "nearly every turn is an input; a box would cost an allocation each")]
pub(super) enum Turn {
    Input(Work),
    Timer,
}

/// The inputs of a worker.
pub(super) struct Inbox {
    receiver: mpsc::Receiver<Posted>,
    waiting: HashMap<TenantId, VecDeque<Posted>>,
    gathered: usize,
    /// Time charged to each tenant that is above [`Inbox::floor`].
    had: HashMap<TenantId, Duration>,
    /// Time charged to the tenant served last: an idle tenant starts from here and saves up nothing.
    floor: Duration,
    timer_was_last: bool,
}

impl Inbox {
    pub fn new(receiver: mpsc::Receiver<Posted>) -> Self {
        Self {
            receiver,
            waiting: HashMap::new(),
            gathered: 0,
            had: HashMap::new(),
            floor: Duration::ZERO,
            timer_was_last: false,
        }
    }

    /// Takes inputs from the channel; returns false when no more can come.
    pub fn gather(&mut self) -> bool {
        while self.gathered < GATHERED_MAX {
            match self.receiver.try_recv() {
                Ok(posted) => self.put(posted),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    /// Waits for the next input; returns false if none can come.
    pub async fn arrive(&mut self) -> bool {
        let posted = self.receiver.recv().await;
        posted.map(|posted| self.put(posted)).is_some()
    }

    fn put(&mut self, posted: Posted) {
        self.gathered += 1;
        self.waiting.entry(posted.work.tenant().clone()).or_default().push_back(posted);
    }

    /// The next turn, for the tenant with the least time among those with an input or a due timer.
    pub fn next<'a>(&mut self, due: impl Iterator<Item = &'a TenantId> + Clone) -> Option<(TenantId, Turn)> {
        let stands = |tenant: &TenantId| (self.standing(tenant), tenant.clone());
        let (standing, tenant) = self.waiting.keys().map(stands).chain(due.clone().map(stands)).min()?;
        let has_timer = due.into_iter().any(|of| *of == tenant);
        self.floor = standing;
        self.timer_was_last = has_timer && !(self.timer_was_last && self.waiting.contains_key(&tenant));
        if self.timer_was_last {
            return Some((tenant, Turn::Timer));
        }
        let waiting = self.waiting.get_mut(&tenant)?;
        let posted = waiting.pop_front()?;
        self.gathered -= 1;
        if waiting.is_empty() {
            self.waiting.remove(&tenant);
        }
        Some((tenant, Turn::Input(posted.work)))
    }

    /// Charges a turn's time to its tenant.
    pub fn took(&mut self, tenant: &TenantId, time: Duration) {
        let now = self.standing(tenant) + time.max(TURN_MIN);
        self.had.retain(|_, had| *had > self.floor);
        self.had.insert(tenant.clone(), now);
    }

    fn standing(&self, tenant: &TenantId) -> Duration {
        self.had.get(tenant).copied().unwrap_or_default().max(self.floor)
    }
}

/// The timers of sessions, by tenant.
#[derive(Default)]
pub(super) struct Timers(BTreeMap<TenantId, BTreeSet<(Timestamp, ConnId)>>);

impl Timers {
    pub fn set(&mut self, key: &Key, due: Timestamp) {
        self.0.entry(key.0.clone()).or_default().insert((due, key.1));
    }

    pub fn unset(&mut self, key: &Key, due: Timestamp) {
        let Some(of_tenant) = self.0.get_mut(&key.0) else { return };
        of_tenant.remove(&(due, key.1));
        if of_tenant.is_empty() {
            self.0.remove(&key.0);
        }
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.values().filter_map(|of_tenant| of_tenant.first()).map(|(due, _)| *due).min()
    }

    /// The tenants that have a timer due.
    pub fn tenants_due(&self, now: Timestamp) -> impl Iterator<Item = &TenantId> + Clone {
        let is_due =
            move |of_tenant: &BTreeSet<(Timestamp, ConnId)>| of_tenant.first().is_some_and(|(due, _)| *due <= now);
        self.0.iter().filter(move |(_, of_tenant)| is_due(of_tenant)).map(|(tenant, _)| tenant)
    }

    /// The tenant's longest overdue timer.
    pub fn first_due(&self, tenant: &TenantId, now: Timestamp) -> Option<ConnId> {
        let (due, conn_id) = self.0.get(tenant)?.first()?;
        (*due <= now).then_some(*conn_id)
    }

    #[cfg(test)]
    pub fn sessions(&self) -> impl Iterator<Item = Key> {
        self.0.iter().flat_map(|(tenant, all)| all.iter().map(|(_, conn_id)| (tenant.clone(), *conn_id)))
    }
}

#[cfg(test)]
mod tests;
