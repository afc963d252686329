//! Moves records of sessions that cannot be restored to quarantine.

use std::time::Duration;

use infra::{QuarantineRequest, Written};

use super::Shared;

/// Pause before an unavailable store is retried.
const AGAIN: Duration = Duration::from_millis(500);

/// Attempts at a store that is unavailable or full.
const TRIES: u32 = 20;

/// Moves a record to quarantine; returns `false` if this node may not end it. A record that the store refuses stays
/// for our next run, and its call is handled all the same.
pub(super) async fn put_aside(shared: &Shared, put: QuarantineRequest) -> bool {
    let (tenant, session) = (&put.tenant, &put.key);
    tracing::error!(%tenant, session, why = put.why, "a session's record is quarantined: see `trunkline quarantine`");
    let mut tries = 1..TRIES;
    let answer = loop {
        match shared.ctx.stores.quarantine.put_aside(put.clone()).await {
            Err(error) if error.passes() && tries.next().is_some() => {
                tracing::warn!(%tenant, %error, "a record waits for its quarantine");
                tokio::time::sleep(AGAIN).await;
            }
            answer => break answer,
        }
    };
    match answer {
        Ok(Written::Done { .. }) => {
            shared.metrics.record_put_aside();
            return true;
        }
        // Another node owns it, or it is over.
        Ok(answer) => tracing::warn!(session, ?answer, "another node owns the session: its record is not quarantined"),
        Err(error) => {
            tracing::error!(session, %error, "a session's record cannot be quarantined: it stays where it is");
            return true;
        }
    }
    false
}
