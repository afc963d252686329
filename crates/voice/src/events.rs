//! Reads a tenant's facts, for roles that fold them.

use std::time::Duration;

use anyhow::Result;
use infra::{EventEntry, Position, StoreError};
use model::TenantId;
use runtime::RoleContext;
use tracing::warn;

/// The most facts of one read.
const BATCH: usize = 500;
/// How long a read waits for the first fact.
const WAIT: Duration = Duration::from_secs(1);
/// The pause between attempts while the store is unavailable.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// The facts after that position, at least one; retries while the store is unavailable.
pub async fn next(ctx: RoleContext, tenant: TenantId, mut after: Position) -> Result<Vec<EventEntry>> {
    loop {
        match ctx.stores.events.read(&tenant, after, BATCH, WAIT).await {
            Ok(entries) if entries.is_empty() => {}
            Ok(entries) => return Ok(entries),
            Err(StoreError::Trimmed { gone }) => {
                warn!(%tenant, %after, %gone, "events were trimmed before they were read; continuing after the last of them");
                after = gone;
            }
            Err(error @ StoreError::Unavailable { .. }) => {
                warn!(%tenant, %error, "events cannot be read yet");
                tokio::time::sleep(ASK_AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
