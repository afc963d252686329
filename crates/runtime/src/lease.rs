//! A node's lease: while it is valid, other nodes must not take over what it owns.

use std::time::Duration;

use anyhow::bail;
use infra::StoreError;

use crate::context::RoleContext;

/// How often the lease is renewed: four times within its validity, so that one lost answer does not end it.
const RENEW_EVERY: Duration = Duration::from_millis(500);

/// Renews the node's lease until the role has drained, then releases it.
///
/// The role fails if the node has a later epoch: then this run is over.
pub fn keep(ctx: &RoleContext) {
    ctx.spawn("lease", renew(ctx.clone()));
}

async fn renew(ctx: RoleContext) -> anyhow::Result<()> {
    let owner = ctx.owner();
    loop {
        match ctx.stores.leases.renew(&owner, ctx.spec.name, infra::bounds::LEASE).await {
            Ok(()) => {}
            Err(StoreError::Fenced { owner: later, .. }) => bail!("{owner} lost its lease: {later} holds it"),
            // The owner continues: it ceases to own only when it sees a higher token.
            Err(error) => tracing::warn!(%owner, %error, "the lease was not renewed"),
        }
        tokio::select! {
            () = ctx.drain.ended() => {
                if let Err(error) = ctx.stores.leases.release(&owner).await {
                    tracing::debug!(%owner, %error, "the lease runs out by itself");
                }
                return Ok(());
            }
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
    }
}
