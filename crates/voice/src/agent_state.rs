//! agent-state: logins, readiness and wrap-up of agents. Admin and metrics on 11000.
//!
//! Requests come from the request stream, to which sip-cluster posts those of frontend and of feature codes. Call events come from the
//! tenant's stream, people and places from config (voice-35). The results are an agent's record (voice-37) and its events (voice-54),
//! written in one commit. A tenant's agents have one owner among the replicas. The time in each state is reported to the reporting log
//! (voice-55); no commit waits for it, and finished times stay in the agent's record until they are safe.

mod addresses;
mod handler;
mod intervals;
mod listed_versions;
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
use contracts::configuration::Versions;
use model::TenantId;
use net::http::{CallError, Client};
use runtime::fact_in_hand::FactsInHand;
use runtime::{Drains, Replicas, Role, RoleContext, RoleSpec, Starts};
use tokio::sync::watch;

use crate::served_tenants::ServedTenants;
use listed_versions::{ListedVersions, TenantVersions};
use tenant_loop::PeopleSource;

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
/// How long config holds the question for the tenants' versions while none changes, in seconds.
const WAIT_S: u64 = 5;
/// The deadline for that question.
const VERSIONS_WITHIN: Duration = Duration::from_secs(WAIT_S + 5);
/// Pause after config has not answered it, or had nothing new to tell.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// The condition that config has answered.
const CONFIG: &str = "config";

async fn run(ctx: RoleContext) -> Result<()> {
    ctx.ready.require(CONFIG);
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let reporter = crate::reporting::Reporter::start(&ctx, "voice-55", contracts::reporting::AGENT_INTERVALS);
    let config = Client::new(&ctx, "voice-35")?;
    let objects = net::configuration::Objects::new(config.clone(), people::KINDS, ANSWER_WITHIN);
    let (tell, versions) = watch::channel(TenantVersions::default());
    let source = PeopleSource { objects, versions };
    runtime::lease::keep(&ctx);
    ctx.ready.started();
    let facts = FactsInHand::open(&ctx.data_dir, ctx.node.as_str(), &ctx.metrics);
    let mut served = ServedTenants::default();
    let mut tenant_loops = tokio::task::JoinSet::new();
    let mut known = ListedVersions::default();
    loop {
        let listed = tokio::select! {
            () = ctx.drain.begun() => break,
            // A tenant loop ends only with the drain.
            Some(ended) = tenant_loops.join_next() => {
                ended??;
                continue;
            }
            listed = list_versions(&config, known.etag()) => listed,
        };
        let may_ask_at_once = match listed {
            Ok(listed) => {
                ctx.ready.holds(CONFIG);
                for tenant in listed.tenants.keys().filter_map(|name| TenantId::parse(name).ok()) {
                    if served.add(&tenant) {
                        let counted_and_told = (metrics.clone(), reporter.clone());
                        let (ctx, source, fact) = (ctx.clone(), source.clone(), facts.of(&tenant));
                        tenant_loops.spawn(tenant_loop::serve(ctx, tenant, source, fact, counted_and_told));
                    }
                }
                let may_ask_at_once = known.take(listed);
                tell.send_replace(known.latest().clone());
                may_ask_at_once
            }
            Err(error) => {
                ctx.ready.fails(CONFIG, error.to_string());
                false
            }
        };
        if !may_ask_at_once {
            tokio::select! {
                () = ctx.drain.begun() => break,
                () = tokio::time::sleep(ASK_AGAIN) => {}
            }
        }
    }
    while let Some(ended) = tenant_loops.join_next().await {
        ended??;
    }
    Ok(())
}

/// The tenants' versions as soon as they differ from those of an etag.
async fn list_versions(config: &Client, etag: Option<&str>) -> Result<Versions, CallError> {
    let path = match etag {
        Some(etag) => format!("/versions?wait_s={WAIT_S}&etag={etag}"),
        None => "/versions".to_owned(),
    };
    config.get(&path).idempotent().deadline(VERSIONS_WITHIN).fetch().await
}
