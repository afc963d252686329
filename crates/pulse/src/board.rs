//! pulse: the wallboard. It folds the tenants' events (voice-02, port 8000) into statistics and serves the numbers as JSON and as a stream
//! of changes. It also serves the web pages. HTTP 8080, admin 8090.

mod configuration;
mod metrics;
mod numbers;
mod pages;
mod publish;
mod reaching;
mod rows;
mod server;
mod tenant_loop;
mod tenants;

pub use server::openapi;

use anyhow::Result;
use net::http::Limits;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

/// The declaration of the pulse role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "pulse",
    number: 30,
    summary: "the wallboard: numbers of queues and agents as they change, and the web pages",
    listens: &[Listen {
        name: "web",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["pulse-20"],
    }],
    opens: &[tenant_loop::CONNECTION, "pulse-22"],
    settings: &[],
    metrics: &[metrics::Metrics::declared, runtime::fact_in_hand::FactCounts::declared, net::tenant::Metrics::declared],
    admin_port: 8090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

async fn run(ctx: RoleContext) -> Result<()> {
    ctx.ready.require(tenants::CONDITION);
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let boards = publish::Boards::new(metrics.clone());
    let listed = net::tenant::follow_list(&ctx, tenant_loop::CONNECTION);
    ctx.spawn("tenants", tenants::follow_all(ctx.clone(), boards.clone(), metrics, listed));
    let router = server::router(boards, ctx.drain.clone(), ctx.clock.clone());
    net::http::serve_with(&ctx, "web", router, Limits::default(), |_, path| server::is_open(path)).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
