//! What the sessions of an API share at a replica.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use infra::Clock;
use model::{Entropy, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;

use super::record::SessionRecord;
use super::store::SessionStore;

/// How long a record outlasts the time without a request after which a session ends: whoever has the session does then what its end asks
/// for.
const KEPT_BEYOND: Duration = Duration::from_secs(300);

/// Counts of sessions.
#[derive(Clone, Default)]
pub(crate) struct SessionCounts {
    /// Sessions in memory.
    pub sessions: Gauge,
    /// Sessions that have begun.
    pub begun: Counter,
    /// Sessions that were taken over from the store.
    pub adopted: Counter,
    /// Times that a session could not be written to the store.
    pub unwritten: Counter,
}

/// What they share.
pub(crate) struct ReplicaParts<R> {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where sessions are kept.
    pub store: SessionStore<R>,
    /// Randomness.
    pub entropy: Mutex<Box<dyn Entropy>>,
    /// This run of the replica: what records say of who has them.
    pub holder: String,
    /// How long a session may be without a request.
    pub idle_max: Duration,
    /// Counts.
    pub counts: SessionCounts,
}

impl<R: SessionRecord> ReplicaParts<R> {
    /// Those of a role.
    pub(crate) fn new(ctx: &RoleContext, idle_max: Duration, counts: SessionCounts) -> Arc<Self> {
        Arc::new(Self {
            clock: ctx.clock.clone(),
            store: SessionStore::new(ctx.stores.sign_ins.clone(), ctx.installation_key.clone()),
            entropy: Mutex::new(ctx.entropy()),
            holder: ctx.owner().to_string(),
            idle_max,
            counts,
        })
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Randomness.
    pub(crate) fn entropy(&self) -> MutexGuard<'_, Box<dyn Entropy>> {
        self.entropy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new secret, as text.
    pub(crate) fn secret(&self) -> String {
        identity::secret::drawn(&mut **self.entropy())
    }

    /// When the record of a session ends that was used then.
    pub(crate) fn kept_until(&self, used_at: Timestamp) -> Timestamp {
        used_at + self.idle_max + KEPT_BEYOND
    }
}

#[cfg(test)]
impl<R: SessionRecord> ReplicaParts<R> {
    /// Those of a run that tells half an hour.
    pub(crate) fn of_test(clock: &Arc<infra::conformance::SetClock>, store: &SessionStore<R>, holder: &str) -> Self {
        Self {
            clock: clock.clone(),
            store: store.clone(),
            entropy: Mutex::new(Box::new(model::entropy::Seeded::new(holder.len() as u64))),
            holder: holder.to_owned(),
            idle_max: Duration::from_secs(1_800),
            counts: SessionCounts::default(),
        }
    }
}
