//! Which refusals of roles the log was told of a moment ago: a role that repeats its request does not fill it.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long the same refusal is not told again.
const PAUSE: Duration = Duration::from_secs(60);
/// The most refusals that are remembered; then all are forgotten. There are as many as roles, connections and scopes that do not fit.
const TOLD_MAX: usize = 1_024;

/// When a role, by its name, was refused what, in this process.
static TOLD: LazyLock<Mutex<HashMap<(String, String), Instant>>> = LazyLock::new(Mutex::default);

/// Whether the log is to be told that the role is refused this: the first time, and once a minute after that.
pub(crate) fn is_told_now(role: &str, refused: &str) -> bool {
    let now = Instant::now();
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (role.to_owned(), refused.to_owned());
    if told.get(&key).is_some_and(|last| now.saturating_duration_since(*last) < PAUSE) {
        return false;
    }
    if told.len() >= TOLD_MAX {
        told.clear();
    }
    told.insert(key, now);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_refusal_is_told_once_a_minute() {
        assert!(is_told_now("ors", "a test's scope") && !is_told_now("ors", "a test's scope"));
        assert!(is_told_now("ors", "another scope of a test") && is_told_now("rq", "a test's scope"));
        tokio::time::advance(PAUSE).await;
        assert!(is_told_now("ors", "a test's scope"));
    }
}
