//! Repeats: a request with the idempotency key of an earlier one gets the earlier answer.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Timestamp;
use net::http::Problem;
use serde_json::Value;
use tokio::sync::OnceCell;

/// How long an answer is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);
/// The most remembered answers: 30 s of 2,000 requests per second. Beyond it the oldest are forgotten early.
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

#[derive(Default)]
struct Memory {
    outcomes: HashMap<String, Kept>,
    order: VecDeque<(Timestamp, String)>,
}

/// The answers of the last half minute.
#[derive(Clone, Default)]
pub(super) struct Repeats(Arc<Mutex<Memory>>);

impl Repeats {
    /// The outcome cell of the request with this key; filled, or being filled, if it is a repeat of `frame`.
    pub fn outcome(&self, key: &str, frame: &Value, now: Timestamp) -> Result<Outcome, Reused> {
        let mut hasher = DefaultHasher::new();
        frame.to_string().hash(&mut hasher);
        let asked = hasher.finish();
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((until, oldest)) = memory.order.front().cloned()
            && (until <= now || memory.order.len() >= REMEMBERED_MAX)
        {
            memory.order.pop_front();
            if memory.outcomes.get(&oldest).is_some_and(|kept| kept.until == until) {
                memory.outcomes.remove(&oldest);
            }
        }
        if let Some(kept) = memory.outcomes.get(key) {
            return if kept.asked == asked { Ok(Arc::clone(&kept.outcome)) } else { Err(Reused) };
        }
        let (until, outcome) = (now + REMEMBERED_FOR, Outcome::default());
        memory.outcomes.insert(key.to_owned(), Kept { until, asked, outcome: Arc::clone(&outcome) });
        memory.order.push_back((until, key.to_owned()));
        Ok(outcome)
    }

    /// Forgets a key whose request failed without an answer: the next request with it is a new attempt.
    pub fn forget(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).outcomes.remove(key);
    }
}

#[cfg(test)]
mod tests;
