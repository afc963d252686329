//! call-state: call threads as reporting wants them, and the auditor that lets nothing stay stuck. Admin and metrics on 11900.
//!
//! Everything comes from the tenant's event stream and from reads of the stores (voice-42); call records go to the reporting log
//! (voice-56), repairs to the request stream of whoever owns what is wrong. A tenant is followed by one node at a time.

mod audit;
mod desk;
mod metrics;
mod picture;
mod record;
#[cfg(test)]
mod tests;
mod threads;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use model::TenantId;
use runtime::{RoleContext, RoleSpec};

/// The role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "call-state",
    number: 9,
    summary: "builds call records and repairs what is stuck",
    listens: &[],
    opens: &["voice-42", "voice-56"],
    settings: &[],
    metrics: &[metrics::Metrics::declared, crate::reporting::Metrics::declared],
    admin_port: 11_900,
    start: |ctx| Box::pin(run(ctx)),
};

/// How often tenants with a stream are looked for.
const TENANTS_EVERY: Duration = Duration::from_secs(1);
/// Tenants that one node follows.
const TENANTS_MAX: usize = 1_000;

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let reporter = crate::reporting::Reporter::start(&ctx, "voice-56", contracts::reporting::CALL_THREAD);
    runtime::lease::keep(&ctx);
    ctx.ready.started();
    let mut followed: HashSet<TenantId> = HashSet::new();
    let mut desks = tokio::task::JoinSet::new();
    loop {
        match ctx.stores.outbox.tenants().await {
            Ok(tenants) => {
                for tenant in tenants {
                    if followed.len() < TENANTS_MAX && followed.insert(tenant.clone()) {
                        desks.spawn(desk::serve(ctx.clone(), tenant, metrics.clone(), reporter.clone()));
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the tenants with a stream cannot be read"),
        }
        tokio::select! {
            () = ctx.drain.begun() => break,
            // A desk ends only with the drain.
            Some(ended) = desks.join_next() => ended??,
            () = tokio::time::sleep(TENANTS_EVERY) => {}
        }
    }
    while let Some(ended) = desks.join_next().await {
        ended??;
    }
    Ok(())
}
