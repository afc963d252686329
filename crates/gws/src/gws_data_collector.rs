//! gws-data-collector: whom and what a call can be given to, collected where it is searched, with the states of all that is monitored.
//! HTTP 80 (8080), paths under `/data-collector/v3/{tenant}`, for gws-workspace (gws-15).
//!
//! It owns nothing. Of each tenant in which somebody searches it reads the directory at tenant (tenant-07, port 8888), anew whenever the
//! configuration has another revision, and follows the states of agents, groups, queues and route points (tenant-09, port 2060). Both it
//! keeps in the store of what is searched: in Elasticsearch or OpenSearch (gws-13), where one replica collects for all, or in its own
//! memory. Where a search of somebody goes on is in Redis (gws-12), so that any replica goes on with it.

mod collecting;
mod directory_writer;
mod metrics;
mod monitored;
mod positions;
mod server;
mod states_feed;
mod tenants;

use std::time::Duration;

use anyhow::Result;
use net::http::Limits;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use crate::tenant_reader::CONFIGURATION;

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "gws-data-collector",
    number: 22,
    summary: "the directory as it is searched, and the states of who is in it",
    listens: &[Listen {
        name: "collector",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["gws-15"],
    }],
    opens: &[CONFIGURATION, states_feed::ROW, "gws-12", "gws-13"],
    settings: &[],
    metrics: &[metrics::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The largest body: as many objects as are asked for at once.
const BODY_BYTES_MAX: usize = 512 << 10;
/// Time until an answer begins: more than the store has.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let tenants = tenants::CollectedTenants::new(&ctx, &metrics)?;
    let router = server::router(&ctx, tenants.clone(), metrics);
    let limits = Limits { body_bytes_max: BODY_BYTES_MAX, answer_within: ANSWER_WITHIN, ..Limits::default() };
    net::http::serve_with(&ctx, "collector", router, limits, |_, _| false).await?;
    ctx.spawn("times of tenants", tenants.keep_time());
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
