//! sip-vq: the source of virtual queues' events. gRPC 8000, for pulse-lds-vq (pulse-13).
//!
//! rq distributes the calls and tells of it in the tenant's stream. Each node reads that stream and, when it begins, rq's rows (own-02): so every
//! node serves every virtual queue, and the loss of a node loses none. Which virtual queues there are, config says (own-03).

mod begin;
mod metrics;
mod ownership;
mod tenant_loop;
mod view;

use std::time::Duration;

use anyhow::Result;
use contracts::provisioning::ObjectKind;
use contracts::v1::events_server::EventsServer;
use net::configuration::Configuration;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};
use tonic::service::Routes;

use crate::node_events;
use crate::served_tenants::ServedTenants;
use ownership::{Views, VirtualQueues};

/// What sip-vq declares.
pub const SPEC: RoleSpec = RoleSpec {
    name: "sip-vq",
    number: 3,
    summary: "events of virtual queues: which calls wait in them, and how they leave",
    listens: &[Listen {
        name: "events",
        protocol: Protocol::Grpc,
        port: 8_000,
        place: Place::Cluster,
        accepts: &["pulse-13"],
    }],
    opens: &["own-02", "own-03"],
    settings: &[],
    metrics: &[metrics::Metrics::declared, node_events::Metrics::declared, net::configuration::Metrics::declared],
    admin_port: 9_090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The kinds of objects that are read.
const KINDS: &[ObjectKind] = &[ObjectKind::Dn];
/// How often it is looked whether every tenant's queues are known, until they are.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The readiness condition: the virtual queues of every tenant are known, or a fault of the tenant keeps them from being.
const CONDITION: &str = "virtual queues";

async fn run(ctx: RoleContext) -> Result<()> {
    ctx.ready.require(CONDITION);
    let configuration = Configuration::follow(&ctx, "own-03", KINDS)?;
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let views = Views::default();
    let ownership = VirtualQueues { views: views.clone(), configuration: configuration.clone() };
    let server = node_events::EventServer::new(&ctx, ownership, node_events::Metrics::register(&ctx.metrics));
    net::grpc::serve(&ctx, "events", Routes::new(EventsServer::new(server))).await?;
    ctx.ready.started();
    let mut changes = configuration.changes();
    let mut followed = ServedTenants::default();
    let mut tenant_loops = tokio::task::JoinSet::new();
    let mut is_ready = false;
    loop {
        let tenants = configuration.tenants();
        for tenant in tenants.keys() {
            if followed.add(tenant) {
                tenant_loops.spawn(tenant_loop::serve(ctx.clone(), tenant.clone(), views.clone(), metrics.clone()));
            }
        }
        if !is_ready && configuration.has_answered() && followed.iter().all(|tenant| views.is_settled(tenant)) {
            is_ready = true;
            ctx.ready.holds(CONDITION);
        }
        tokio::select! {
            () = ctx.drain.begun() => break,
            // A tenant loop ends only with the drain.
            Some(ended) = tenant_loops.join_next() => ended??,
            changed = changes.changed() => changed?,
            () = tokio::time::sleep(LOOK_EVERY), if !is_ready => {}
        }
    }
    while let Some(ended) = tenant_loops.join_next().await {
        ended??;
    }
    Ok(())
}
