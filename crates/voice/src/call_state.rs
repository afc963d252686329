//! call-state: call threads for reporting, and the auditor that repairs stuck calls and agents. Admin and metrics on 11900.
//!
//! All input comes from the tenant's event stream and from reads of the stores (voice-42). The open threads are stored with the position in
//! the stream, so a restarted node or another one continues with them. Call records go to the reporting log (voice-56), repairs to the
//! request stream of the faulty subject's owner. One node at a time follows a tenant.

mod audit;
mod job;
mod log_records;
mod metrics;
mod ownership;
mod records;
mod snapshot;
mod tenant_loop;
#[cfg(test)]
mod tests;
mod thread;
mod threads;
mod view;

use std::time::Duration;

use anyhow::Result;
use runtime::{Drains, Replicas, Role, RoleContext, RoleSpec, Starts};

use crate::served_tenants::ServedTenants;

/// The declaration of the call-state role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "call-state",
    number: 9,
    summary: "builds call records and repairs what is stuck",
    listens: &[],
    opens: &["voice-42", "voice-56"],
    settings: &[],
    metrics: &[metrics::Metrics::declared, crate::reporting::Metrics::declared],
    admin_port: 11_900,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// How often the list of tenants with a stream is read.
const TENANTS_EVERY: Duration = Duration::from_secs(1);

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let reporter = crate::reporting::Reporter::start(&ctx, "voice-56", contracts::reporting::CALL_THREAD);
    runtime::lease::keep(&ctx);
    ctx.ready.started();
    let mut followed = ServedTenants::default();
    let mut tenant_loops = tokio::task::JoinSet::new();
    loop {
        match ctx.stores.outbox.tenants().await {
            Ok(tenants) => {
                for tenant in tenants {
                    if followed.add(&tenant) {
                        tenant_loops.spawn(tenant_loop::serve(ctx.clone(), tenant, metrics.clone(), reporter.clone()));
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the tenants with a stream cannot be read"),
        }
        tokio::select! {
            () = ctx.drain.begun() => break,
            // A tenant loop ends only with the drain.
            Some(ended) = tenant_loops.join_next() => ended??,
            () = tokio::time::sleep(TENANTS_EVERY) => {}
        }
    }
    while let Some(ended) = tenant_loops.join_next().await {
        ended??;
    }
    Ok(())
}
