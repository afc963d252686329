//! ingress, the web edge: pages and APIs for browsers and programs of the tenant. HTTP 8080.
//!
//! `/api/voice/v1/{tenant}/...` goes to frontend (own-16) with the caller's own token, so that frontend decides what
//! the caller may do. `/api/operations/v1/...` is answered here, from the roles' own reports (own-21). `/pulse/...` and
//! the pages come from pulse (pulse-20).

mod forward;
mod openapi;
mod operations;
mod wallboard;

pub use openapi::openapi;

use anyhow::Result;
use net::http::{Client, Limits};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "ingress",
    number: 40,
    summary: "the web edge: hands requests of browsers and programs to the roles that serve them",
    listens: &[Listen {
        name: "web",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Edge,
        accepts: &["pulse-27"],
    }],
    opens: &["own-16", "own-21", "pulse-20"],
    settings: &[],
    metrics: &[wallboard::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

async fn run(ctx: RoleContext) -> Result<()> {
    let frontend = Client::new(&ctx, "own-16")?;
    let operations = operations::Operations::new(&ctx)?;
    let router = forward::router(frontend)
        .merge(operations::router(operations))
        .merge(wallboard::router(&ctx)?)
        .merge(openapi::router());
    let router = router.merge(crate::trace::serve::router(crate::trace::serve::Traced::of_role(&ctx)?));
    net::http::serve_with(&ctx, "web", router, Limits::default(), wallboard::is_open).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
