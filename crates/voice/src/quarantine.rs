//! Common parts of the roles that take over records, for a record that a process cannot handle (`docs/quarantine.md`).

use std::time::Duration;

use infra::Record;

/// A record with this number of claims and no commit in between was being processed when two processes died.
pub const CLAIMS_MAX: u32 = 3;

/// The pause before a store that does not answer is queried again.
pub const AGAIN: Duration = Duration::from_millis(250);

/// Whether a record was being processed when a process died: it was claimed and not committed since.
pub const fn is_suspect<K>(record: &Record<K>) -> bool {
    record.claims > 0
}

/// Whether a claimed record was suspect before the claim.
pub const fn was_suspect_before_claim<K>(record: &Record<K>) -> bool {
    record.claims > 1
}

/// Repeats a query until the store answers, or refuses for good.
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
