//! Sessions' records that nobody can live with are put aside.

use std::time::Duration;

use infra::{PutAside, Written};

use super::Shared;

/// Pause before a store that is away is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// How often a store is asked that is away, or full.
const TRIES: u32 = 20;

/// Moves a record into quarantine; `false` where it is not ours to end. One that the store does not take stays where it is, for our next life,
/// and its call is helped all the same.
pub(super) async fn put_aside(shared: &Shared, put: PutAside) -> bool {
    let (tenant, session) = (&put.tenant, &put.key);
    tracing::error!(%tenant, session, why = put.why, "a session's record is put aside: see `trunkline quarantine`");
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
        // Somebody else has it, or it is over.
        Ok(answer) => tracing::warn!(session, ?answer, "a session's record is not ours to put aside"),
        Err(error) => {
            tracing::error!(session, %error, "a session's record cannot be put aside: it stays where it is");
            return true;
        }
    }
    false
}
