//! salesforce-adapter: the softphone page that a Salesforce org has in its utility bar, and the call centre definition file by which the
//! org learns of it (Open CTI for Lightning Experience). HTTP 8080, paths under `/salesforce`, through ingress (own-31) and gws-proxy
//! (gws-04).
//!
//! The page has the agents' desktop in a frame, or opens it, and translates in the browser between its messages and Open CTI
//! (`web/src/apps/salesforce`). No call and no record of the org passes this role, and it asks nothing of any server of Salesforce. Which
//! orgs may frame the page the tenant says by the setting by which it lets pages ask its desktops; the role reads it at tenant (own-35).

mod call_center;
mod org_origins;
mod server;
mod softphone_page;
mod tenant_orgs;

use anyhow::Result;
use net::http::Limits;
use prometheus_client::metrics::counter::Counter;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use call_center::SoftphoneSize;
use server::ServedSoftphone;
use tenant_orgs::TenantOrgs;

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "salesforce-adapter",
    number: 46,
    summary: "the softphone of agents in a Salesforce org",
    listens: &[Listen {
        name: "softphone",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["gws-04"],
    }],
    opens: &[CONFIGURATION],
    settings: Settings::TABLE,
    metrics: &[Metrics::declared, net::tenant::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The connection to tenant, and its port.
const CONFIGURATION: &str = "own-35";
const CONFIGURATION_PORT: u16 = 8888;
/// The least and the most pixels that a softphone is high and wide.
const PIXELS_MIN: u32 = 100;
const PIXELS_MAX: u32 = 2_560;

runtime::settings! {
    /// Settings of salesforce-adapter.
    pub struct Settings {
        /// Domains whose hosts may be Salesforce orgs: of the origins that a tenant lets in, those of other domains do not get the
        /// softphone page. It runs the Open CTI library of the org at the address of this installation: name no domain whose hosts serve
        /// what others have written.
        org_domains: Vec<String> = vec!["lightning.force.com".to_owned()], |v| org_origins::check_domains(v);
        /// The version of Salesforce's API whose Open CTI library the page takes from the org.
        open_cti_version: String = "62.0".to_owned(), |v| softphone_page::check_version(v);
        /// How high the softphone is in the utility bar, in pixels.
        softphone_height: u32 = 600, |v| runtime::settings::declare::within(v, &PIXELS_MIN, &PIXELS_MAX);
        /// How wide it is.
        softphone_width: u32 = 480, |v| runtime::settings::declare::within(v, &PIXELS_MIN, &PIXELS_MAX);
    }
}

runtime::metrics! {
    /// Metrics of salesforce-adapter.
    #[derive(Clone)]
    struct Metrics {
        /// Softphone pages that an org may frame.
        pages: Counter = "salesforce_pages";
        /// Softphone pages that nobody may frame: there is no such tenant, or it lets no org in.
        pages_for_nobody: Counter = "salesforce_pages_for_nobody";
        /// Times that tenant did not tell whom a tenant lets in.
        orgs_unread: Counter = "salesforce_orgs_unread";
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let settings: Settings = ctx.settings()?;
    let metrics = Metrics::register(&ctx.metrics);
    let served = ServedSoftphone {
        orgs: TenantOrgs::start(&ctx, settings.org_domains, metrics.orgs_unread.clone())?,
        open_cti_version: settings.open_cti_version,
        size: SoftphoneSize { height: settings.softphone_height, width: settings.softphone_width },
        metrics,
    };
    let router = server::router(served);
    net::http::serve_with(&ctx, "softphone", router, Limits::default(), |_, path| server::is_open(path)).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
