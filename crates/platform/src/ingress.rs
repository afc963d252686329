//! ingress, the web edge: pages and APIs for browsers and programs of the tenant. HTTP 8080.
//!
//! `/api/voice/v1/{tenant}/...` goes to frontend (own-16). The caller's own token travels on, so that frontend decides what
//! the caller may do.

mod forward;

use anyhow::Result;
use net::http::{Client, Limits};
use runtime::{Listen, Place, Protocol, RoleContext, RoleSpec};

/// The role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "ingress",
    number: 40,
    summary: "the web edge: hands requests of browsers and programs to the roles that serve them",
    listens: &[Listen {
        name: "web",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Edge,
        accepts: &["pulse-27", "telemetry-01", "telemetry-02"],
    }],
    opens: &["own-16"],
    settings: &[],
    metrics: &[],
    admin_port: 9090,
    start: |ctx| Box::pin(run(ctx)),
};

async fn run(ctx: RoleContext) -> Result<()> {
    let frontend = Client::new(&ctx, "own-16")?;
    net::http::serve_with(&ctx, "web", forward::router(frontend), Limits::default(), |_| false).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
