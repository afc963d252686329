//! wfm-adapter: agents, their states and the history of queues, in the shapes that workforce tools read, and the shifts that they plan. HTTP
//! 8080, paths under `/wfm/v1`, through ingress (own-26).
//!
//! It folds the tenants' events (tenant-13, port 8000) with the same engine as the wallboard, so that both say the same, and knows agents and
//! queues from their configuration (tenant-12, port 8888). It owns nothing: shifts go to tenant, and after a start it reads again what the
//! stream of events has.

mod agent_states;
mod fault_memory;
mod feed;
mod history;
mod openapi;
mod pages;
mod queue_steps;
mod refusals;
mod server;
mod shared_history;
mod shifts;
mod tenants;
mod time_query;
mod workforce;

use anyhow::Result;
use net::http::{Limits, Method};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

pub use openapi::openapi;

use crate::shift_table;

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "wfm-adapter",
    number: 44,
    summary: "agents, their states and the history of queues for workforce tools, and the shifts that they plan",
    listens: &[Listen {
        name: "workforce",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["own-26"],
    }],
    opens: &[CONFIGURATION, EVENTS],
    settings: &[],
    metrics: &[Metrics::declared, net::tenant::Metrics::declared, runtime::fact_in_hand::FactCounts::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The connections to tenant, and their ports.
const CONFIGURATION: &str = "tenant-12";
const CONFIGURATION_PORT: u16 = 8888;
const EVENTS: &str = "tenant-13";
const EVENTS_PORT: u16 = 8000;

runtime::metrics! {
    /// Metrics of wfm-adapter.
    #[derive(Clone)]
    struct Metrics {
        /// Facts folded into the history.
        facts: Counter = "wfm_facts";
        /// Facts that are unreadable.
        facts_unreadable: Counter = "wfm_facts_unreadable";
        /// Subscriptions of event streams that broke; they are continued.
        subscriptions_broken: Counter = "wfm_subscriptions_broken";
        /// Number of times a tenant's history began anew, because the stream no longer had the position.
        begun_anew: Counter = "wfm_begun_anew";
        /// Agents and queues without a history, for lack of room.
        refused: Counter = "wfm_histories_refused";
        /// States of agents that went before their time, for lack of room.
        states_evicted: Counter = "wfm_states_evicted";
        /// Faults that ended the history of a tenant; it was read again from the stream.
        faults: Counter = "wfm_tenant_faults";
        /// Tenants whose events are followed.
        tenants: Gauge = "wfm_tenants";
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = Metrics::register(&ctx.metrics);
    let listed = net::tenant::follow_list(&ctx, CONFIGURATION);
    let followed = tenants::FollowedTenants::default();
    let router =
        server::router(followed.clone(), ctx.clock.clone()).merge(shifts::router(&ctx)?).merge(openapi::router());
    let wider = |method: &Method, path: &str| shift_table::limits(method, path, 1);
    let limits = Limits { wider, ..Limits::default() };
    net::http::serve_with(&ctx, "workforce", router, limits, |_, _| false).await?;
    ctx.ready.started();
    tenants::follow_all(&ctx, &metrics, &followed, listed).await
}
