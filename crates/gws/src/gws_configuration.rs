//! gws-configuration: what desktops need of a tenant's configuration, in the published shapes. HTTP 8080, paths under `/configuration/v3`,
//! for gws-workspace (gws-16), and objects of every kind for gws-provisioning (gws-21).
//!
//! It reads at tenant (tenant-07, port 8888) and owns nothing: people, places and DNs one by one, as they are asked for; what all desktops
//! of a tenant show once in a while for all of them; and the directory, once a minute, in which they search where gws-data-collector is
//! away. What gws-provisioning reads and changes, it does for a person that it names, with what the person's token opened: tenant gives
//! what both may and no more.

mod browser_phone;
mod desktop_configuration;
mod objects;
mod places;
mod properties;
mod remembered;
mod server;
mod shifts;
mod user;

use anyhow::Result;
use net::http::Limits;
use prometheus_client::metrics::counter::Counter;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use crate::tenant_reader::{CONFIGURATION, TenantReader};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "gws-configuration",
    number: 21,
    summary: "people, places and what desktops show, in the published shapes",
    listens: &[Listen {
        name: "configuration",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["gws-16", "gws-21"],
    }],
    opens: &[CONFIGURATION],
    settings: &[],
    metrics: &[Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The largest body: a table of people of 1 MiB, as JSON.
const TABLE_BYTES_MAX: usize = 3 << 20;

runtime::metrics! {
    /// Metrics of gws-configuration.
    #[derive(Clone)]
    struct Metrics {
        /// Configurations of desktops that were read at tenant.
        read: Counter = "gws_configuration_reads";
        /// Configurations of desktops answered from memory.
        remembered: Counter = "gws_configuration_remembered";
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = Metrics::register(&ctx.metrics);
    let router = server::router(TenantReader::new(&ctx)?, metrics);
    let limits = Limits { body_bytes_max: TABLE_BYTES_MAX, ..Limits::default() };
    net::http::serve_with(&ctx, "configuration", router, limits, |_, _| false).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
