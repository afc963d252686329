//! rq, the routing queue: matches waiting calls with free agents. gRPC 12100.
//!
//! A tenant's queues have one owner among the rq replicas; the owner keeps them in memory and in the ledger. Requests come from ors
//! (voice-30), agents and skills from tenant (voice-16), details of calls from sip-cluster (voice-25), and facts about agents, phones and
//! calls from the tenant's event stream (voice-06).

mod explaining;
mod gathering;
mod handler;
mod metrics;
mod open_loops;
mod parts;
mod records;
mod server;
mod tenant_loop;
mod writes;

use anyhow::Result;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

/// The declaration of the rq role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "rq",
    number: 10,
    summary: "matches waiting calls with free agents, by skill, priority and waiting time",
    listens: &[Listen {
        name: "routing",
        protocol: Protocol::Grpc,
        port: 12100,
        place: Place::Cluster,
        accepts: &["voice-16", "voice-20", "voice-25", "voice-30"],
    }],
    opens: &["voice-06"],
    settings: &[],
    metrics: &[metrics::Metrics::declared, runtime::fact_in_hand::FactCounts::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::CallService,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let tenant_loops = tenant_loop::TenantLoops::new(ctx.clone(), metrics);
    let server = server::Server::new(tenant_loops.clone(), ctx.clock.clone());
    let service = contracts::v1::routing_server::RoutingServer::new(server);
    net::grpc::serve(&ctx, "routing", tonic::service::Routes::new(service)).await?;
    runtime::lease::keep(&ctx);
    ctx.ready.started();
    ctx.drain.begun().await;
    tenant_loops.finished().await;
    Ok(())
}
