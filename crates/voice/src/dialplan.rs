//! dialplan: resolves dialled numbers (8800). The rules are `call::dial_plan`; numbers come from config (voice-22), phones from the
//! registrations, and whether they forward calls, and who is logged in there, from the records of agent-state (voice-12).
//!
//! `POST /tenants/{tenant}/resolve` with `{"caller": {"phone": "7101"}, "dialled": "*50"}` or
//! `{"caller": {"trunk": "carrier", "number": "+15550199"}, "dialled": "+15550100"}`.
//! `instance` names the one phone of the number that is called (RFC 5627).
//! `occasion` says why it is asked (`called`, `own_phone`, `routed_to_agent`, `busy`, `no_answer`), `forwarded_by` and `forward_modes` who has forwarded the
//! call so far.

mod metrics;
mod phones;
mod plans;
mod server;

use contracts::provisioning::TenantObjects;
use model::plan::Way;
use net::configuration::TenantConfig;
use runtime::spec::{Listen, Place, Protocol};
use runtime::{Drains, Replicas, Role, RoleContext, RoleSpec, Starts};

/// The declaration of the dialplan role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "dialplan",
    number: 5,
    summary: "says where a dialled number leads",
    listens: &[Listen {
        name: "http",
        protocol: Protocol::Http,
        port: 8800,
        place: Place::Cluster,
        accepts: &["voice-27"],
    }],
    opens: &["voice-12", "voice-22"],
    settings: &[],
    metrics: &[metrics::Metrics::declared, net::configuration::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// How a number is called by one trunk of a tenant, for whoever tries that trunk; `None` if no call goes out by it.
pub fn way_by(objects: &TenantObjects, trunk: &str, dialled: &str) -> Option<Way> {
    call::dial_plan::way_by(&plans::plan(&TenantConfig::of(objects)), trunk, dialled)
}

async fn run(ctx: RoleContext) -> anyhow::Result<()> {
    let configuration = net::configuration::Configuration::follow(&ctx, "voice-22", plans::KINDS)?;
    let plans = plans::Plans::new(configuration);
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let state = server::Resolver::new(&ctx, plans, metrics);
    net::http::serve(&ctx, "http", server::router(state)).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
