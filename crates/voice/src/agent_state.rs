//! agent-state: logins, readiness and wrap-up of agents. Admin and metrics on 11000.
//!
//! Requests come from the request stream, to which sip-cluster posts those of frontend and of feature codes. Call events come from the
//! tenant's stream, people and places from config (voice-35). The results are an agent's record (voice-37) and its events (voice-54),
//! written in one commit. A tenant's agents have one owner among the replicas. The time in each state is reported to the reporting log
//! (voice-55); no commit waits for it, and finished times stay in the agent's record until they are safe.

mod addresses;
mod handler;
mod intervals;
mod logged_in;
mod metrics;
mod monitoring;
mod one_call;
mod people;
mod phone;
mod phone_settings;
mod profiles;
mod records;
mod requests_in_hand;
mod tenant_loop;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Result;
use model::TenantId;
use runtime::fact_in_hand::FactsInHand;
use runtime::{Drains, Replicas, Role, RoleContext, RoleSpec, Starts};

use crate::served_tenants::ServedTenants;

/// The declaration of the agent-state role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "agent-state",
    number: 8,
    summary: "keeps the sessions of agents: login, ready, not ready, after-call work",
    listens: &[],
    opens: &["voice-35", "voice-37", "voice-54", "voice-55"],
    settings: &[],
    metrics: &[
        metrics::Metrics::declared,
        crate::reporting::Metrics::declared,
        runtime::fact_in_hand::FactCounts::declared,
    ],
    admin_port: 11_000,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// How long to wait for an answer of config.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The condition that config has answered.
const CONFIG: &str = "config";
/// How often the list of tenants is read.
const TENANTS_EVERY: Duration = Duration::from_secs(3);

async fn run(ctx: RoleContext) -> Result<()> {
    ctx.ready.require(CONFIG);
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let reporter = crate::reporting::Reporter::start(&ctx, "voice-55", contracts::reporting::AGENT_INTERVALS);
    let config = net::http::Client::new(&ctx, "voice-35")?;
    let objects = net::configuration::Objects::new(config.clone(), people::KINDS, ANSWER_WITHIN);
    runtime::lease::keep(&ctx);
    ctx.ready.started();
    let facts = FactsInHand::open(&ctx.data_dir, ctx.node.as_str(), &ctx.metrics);
    let mut served = ServedTenants::default();
    let mut tenant_loops = tokio::task::JoinSet::new();
    loop {
        match config.get("/tenants").idempotent().fetch::<Vec<String>>().await {
            Ok(names) => {
                ctx.ready.holds(CONFIG);
                for tenant in names.iter().filter_map(|name| TenantId::parse(name).ok()) {
                    if served.add(&tenant) {
                        let counted_and_told = (metrics.clone(), reporter.clone());
                        let (ctx, objects, fact) = (ctx.clone(), objects.clone(), facts.of(&tenant));
                        tenant_loops.spawn(tenant_loop::serve(ctx, tenant, objects, fact, counted_and_told));
                    }
                }
            }
            Err(error) => ctx.ready.fails(CONFIG, error.to_string()),
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
