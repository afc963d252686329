//! Repeats: a request with the idempotency key of an earlier one gets the earlier answer.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{TenantId, Timestamp};
use net::http::Problem;
use serde_json::Value;
use tokio::sync::OnceCell;

/// How long an answer is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);
/// The most remembered answers: 30 s of 2,000 requests per second. Beyond it the tenant with the most loses its oldest early.
const REMEMBERED_MAX: usize = 60_000;

/// The answer to a request, shared by all clients that wait for it.
pub(super) type Outcome = Arc<OnceCell<Result<(), Problem>>>;

struct Kept {
    until: Timestamp,
    /// A digest of the request, in place of 60,000 whole requests.
    asked: u64,
    outcome: Outcome,
}

/// The key was used for a different request: this is no repeat.
#[derive(Debug)]
pub(super) struct Reused;

/// The answers to one tenant.
#[derive(Default)]
struct Memory {
    outcomes: HashMap<String, Kept>,
    order: VecDeque<(Timestamp, String)>,
}

impl Memory {
    fn forget_oldest(&mut self) {
        let Some((until, oldest)) = self.order.pop_front() else { return };
        if self.outcomes.get(&oldest).is_some_and(|kept| kept.until == until) {
            self.outcomes.remove(&oldest);
        }
    }

    fn forget_old(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_oldest();
        }
    }
}

/// The answers of the last half minute.
#[derive(Clone, Default)]
pub(super) struct Repeats(Arc<Mutex<HashMap<TenantId, Memory>>>);

impl Repeats {
    /// The outcome cell of the tenant's request with this key; filled, or being filled, if it is a repeat of `frame`.
    pub fn outcome(&self, tenant: &TenantId, key: &str, frame: &Value, now: Timestamp) -> Result<Outcome, Reused> {
        let mut hasher = DefaultHasher::new();
        frame.to_string().hash(&mut hasher);
        let asked = hasher.finish();
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = memories.get_mut(tenant) {
            memory.forget_old(now);
            if let Some(kept) = memory.outcomes.get(key) {
                return if kept.asked == asked { Ok(Arc::clone(&kept.outcome)) } else { Err(Reused) };
            }
        }
        make_room(&mut memories, now);
        let memory = memories.entry(tenant.clone()).or_default();
        let (until, outcome) = (now + REMEMBERED_FOR, Outcome::default());
        memory.outcomes.insert(key.to_owned(), Kept { until, asked, outcome: Arc::clone(&outcome) });
        memory.order.push_back((until, key.to_owned()));
        Ok(outcome)
    }

    /// Forgets a key whose request failed without an answer: the next request with it is a new attempt.
    pub fn forget(&self, tenant: &TenantId, key: &str) {
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = memories.get_mut(tenant) {
            memory.outcomes.remove(key);
        }
    }
}

/// A tenant's many requests push out its own answers, never those of another that has fewer.
fn make_room(memories: &mut HashMap<TenantId, Memory>, now: Timestamp) {
    if memories.values().map(|memory| memory.order.len()).sum::<usize>() < REMEMBERED_MAX {
        return;
    }
    memories.retain(|_, memory| {
        memory.forget_old(now);
        !memory.order.is_empty()
    });
    if memories.values().map(|memory| memory.order.len()).sum::<usize>() >= REMEMBERED_MAX
        && let Some(largest) = memories.values_mut().max_by_key(|memory| memory.order.len())
    {
        largest.forget_oldest();
    }
}

#[cfg(test)]
mod tests;
