//! Repeats: a request with the idempotency key of an earlier one gets the earlier one's answer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Timestamp;
use net::http::Problem;
use tokio::sync::OnceCell;

/// How long an answer is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);
/// Answers that are remembered: 30 s of 2,000 requests a second. Beyond, the oldest are forgotten early.
const REMEMBERED_MAX: usize = 60_000;

/// What a request was answered; shared by those who wait for the same one.
pub(super) type Outcome = Arc<OnceCell<Result<(), Problem>>>;

#[derive(Default)]
struct Memory {
    outcomes: HashMap<String, (Timestamp, Outcome)>,
    order: VecDeque<(Timestamp, String)>,
}

/// The answers of the last half minute.
#[derive(Clone, Default)]
pub(super) struct Repeats(Arc<Mutex<Memory>>);

impl Repeats {
    /// The place for the outcome of the request with this key; filled, or being filled, when it is a repeat.
    pub fn outcome(&self, key: &str, now: Timestamp) -> Outcome {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((until, oldest)) = memory.order.front().cloned()
            && (until <= now || memory.order.len() >= REMEMBERED_MAX)
        {
            memory.order.pop_front();
            if memory.outcomes.get(&oldest).is_some_and(|(kept_until, _)| *kept_until == until) {
                memory.outcomes.remove(&oldest);
            }
        }
        if let Some((_, outcome)) = memory.outcomes.get(key) {
            return Arc::clone(outcome);
        }
        let (until, outcome) = (now + REMEMBERED_FOR, Outcome::default());
        memory.outcomes.insert(key.to_owned(), (until, Arc::clone(&outcome)));
        memory.order.push_back((until, key.to_owned()));
        outcome
    }

    /// Forgets a key: its request failed without an answer, and the next one with the key is a new attempt.
    pub fn forget(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).outcomes.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_finds_the_answer_until_it_is_forgotten() {
        let repeats = Repeats::default();
        let first = repeats.outcome("k", Timestamp::from_millis(0));
        first.set(Ok(())).unwrap();
        assert!(repeats.outcome("k", Timestamp::from_millis(29_999)).initialized());
        assert!(!repeats.outcome("k", Timestamp::from_millis(30_000)).initialized());
        repeats.outcome("k", Timestamp::from_millis(30_000)).set(Ok(())).unwrap();
        repeats.forget("k");
        assert!(!repeats.outcome("k", Timestamp::from_millis(30_001)).initialized());
    }

    #[test]
    fn memory_is_bounded() {
        let repeats = Repeats::default();
        for number in 0..REMEMBERED_MAX + 10 {
            repeats.outcome(&number.to_string(), Timestamp::from_millis(1));
        }
        assert!(repeats.0.lock().unwrap().outcomes.len() <= REMEMBERED_MAX);
    }
}
