//! What roles that take over records have in common when one of them cannot be lived with (`docs/quarantine.md`).

use std::time::Duration;

use infra::Record;

/// A record that changed hands so often without a commit in between was in hand when two processes died.
pub const CLAIMS_MAX: u32 = 3;

/// How long a store that does not answer is left alone.
pub const AGAIN: Duration = Duration::from_millis(250);

/// Whether a record was in hand when a process died: nobody has committed it since it changed hands.
pub const fn is_suspect<K>(record: &Record<K>) -> bool {
    record.claims > 0
}

/// Whether a record that has been claimed was suspect before.
pub const fn is_in_hand_alone<K>(record: &Record<K>) -> bool {
    record.claims > 1
}

/// Asks a store until it answers, or refuses for good.
pub async fn until_answered<'a, T>(what: &'static str, ask: impl Fn() -> infra::Answer<'a, T>) -> Option<T> {
    loop {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(error) if error.passes() => {
                tracing::warn!(%error, what);
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => {
                tracing::error!(%error, what);
                return None;
            }
        }
    }
}
