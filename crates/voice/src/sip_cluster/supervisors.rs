//! Reads which supervisors monitor calls of agents, for the tenants that have calls here. agent-state keeps them (voice-37).

use std::collections::HashMap;
use std::ops::Bound;
use std::time::Duration;

use model::TenantId;
use runtime::RoleContext;

use super::inbox::Inbox;
use crate::monitors::{self, Monitor};

/// How often they are read: how late a supervisor may be rung for a call in progress.
const EVERY: Duration = Duration::from_millis(500);
/// Tenants that are read in one round; the others follow in the next ones.
const TENANTS_PER_ROUND: usize = 200;

/// Reads them until the role ends.
pub fn watch(ctx: &RoleContext, inbox: Inbox) {
    let own = ctx.clone();
    ctx.spawn("supervisors", async move {
        let ctx = own;
        let mut last = None;
        let mut read: HashMap<TenantId, Vec<Monitor>> = HashMap::new();
        loop {
            let tenants = inbox.tenants().await;
            read.retain(|tenant, _| tenants.contains(tenant));
            let after = tenants.range((last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
            let round: Vec<_> = after.take(TENANTS_PER_ROUND).cloned().collect();
            last = round.last().filter(|_| round.len() == TENANTS_PER_ROUND).cloned();
            for tenant in round {
                match monitors::read(&ctx.stores, &tenant).await {
                    Ok(monitors) if read.get(&tenant) == Some(&monitors) => {}
                    Ok(monitors) => {
                        read.insert(tenant.clone(), monitors.clone());
                        inbox.monitors(tenant, monitors).await;
                    }
                    Err(error) => tracing::debug!(%tenant, %error, "who monitors calls cannot be read"),
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = ctx.drain.ended() => return Ok(()),
            }
        }
    });
}
