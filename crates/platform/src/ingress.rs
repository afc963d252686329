//! ingress, the web edge: pages and APIs for browsers and programs of the tenant. HTTP 8080.
//!
//! `/api/voice/v1/{tenant}/...` goes to frontend (own-16) with the caller's own token, so that frontend decides what
//! the caller may do. `/api/voice/v1/{tenant}/events` comes from tenant (own-22). `/api/operations/v1/...` is answered here, from the roles' own reports (own-21). `/pulse/...` and
//! the pages come from pulse (pulse-20). `/auth/v3/...` goes to auth (own-11), which asks for its own proofs, `/telemetry/...` to telemetry (telemetry-03). `/sip`, the WebSocket of phones in browsers, goes to sip-proxy (own-24).

mod events;
mod forward;
mod hand_on;
mod openapi;
mod operations;
mod phones;
mod sign_in;
mod telemetry;
mod wallboard;
mod webhooks;

pub use openapi::{events_openapi, openapi};

use std::time::Duration;

use anyhow::Result;
use net::http::{Client, Limits, Method};
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
    opens: &["own-11", "own-16", "own-21", "own-22", "own-23", "own-24", "pulse-20", "telemetry-03"],
    settings: Settings::TABLE,
    metrics: &[wallboard::Metrics::declared, events::Metrics::declared, webhooks::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

runtime::settings! {
    /// Settings of ingress.
    pub struct Settings {
        /// Pages of other origins that may follow events, as `https://desk.example`. Pages of the edge itself and programs always may.
        origins: Vec<String> = Vec::new(), |v| events::check_origin(v);
        /// Whether webhooks may be sent to addresses that are not of the public Internet: this machine, its networks.
        webhook_private: bool = false;
        /// How often a webhook's delivery is tried before it is a dead letter.
        webhook_attempts: u32 = 9, |n| if (1..=20).contains(n) { Ok(()) } else { Err("it must be 1 to 20".to_owned()) };
        /// The wait after a delivery's first failure; each further one is four times as long, at most 4 h.
        webhook_first_wait: Duration = Duration::from_secs(5),
            |v| runtime::settings::declare::within(v, &Duration::from_millis(100), &Duration::from_secs(3_600));
    }
}

/// Pages are open; the sockets of events ask for their tokens themselves, and phones prove who they are to sip-proxy.
fn is_open(method: &Method, path: &str) -> bool {
    sign_in::is_open(path)
        || wallboard::is_open(path)
        || path == phones::PATH
        || events::is_socket(path)
        || events::is_preflight(method, path)
        || telemetry::is_preflight(method, path)
}

async fn run(ctx: RoleContext) -> Result<()> {
    let frontend = Client::new(&ctx, "own-16")?;
    let operations = operations::Operations::new(&ctx)?;
    let settings: Settings = ctx.settings()?;
    let configured = webhooks::Configured {
        private: settings.webhook_private,
        attempts: settings.webhook_attempts,
        first_wait: settings.webhook_first_wait,
    };
    let webhooks = webhooks::Webhooks::start(&ctx, &configured)?;
    let router = forward::router(frontend)
        .merge(events::router(&ctx, &settings.origins)?)
        .merge(webhooks.router.clone())
        .merge(operations::router(operations))
        .merge(phones::router(&ctx)?)
        .merge(sign_in::router(&ctx)?)
        .merge(telemetry::router(&ctx)?)
        .merge(wallboard::router(&ctx)?)
        .merge(openapi::router());
    let router = router.merge(crate::trace::serve::router(crate::trace::serve::Traced::of_role(&ctx)?));
    net::http::serve_with(&ctx, "web", router, Limits::default(), is_open).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    webhooks.end().await;
    Ok(())
}
