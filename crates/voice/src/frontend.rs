//! frontend, the only entry point for requests: finds the node that owns the call and forwards the request to it. HTTP 9101.
//!
//! It has no store: a ConnID ends in `@node.epoch`. A request without a call goes to any sip-cluster node, which passes it to agent-state.
//! The outcome of a request is the event with its reference. Each request with its requester and answer is reported to the reporting log
//! (voice-48).

mod forwarder;
mod metrics;
mod repeats;
mod server;
mod spans;
mod under_way;

use anyhow::Result;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

/// The declaration of the frontend role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "frontend",
    number: 7,
    summary: "takes call control and agent requests and finds the node that carries them out",
    listens: &[Listen {
        name: "requests",
        protocol: Protocol::Http,
        port: 9101,
        place: Place::Cluster,
        accepts: &["voice-31", "voice-38", "own-16"],
    }],
    opens: &["voice-39", "voice-48"],
    settings: &[],
    metrics: &[metrics::Metrics::declared, crate::reporting::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let forwarder = forwarder::RequestForwarder::new(ctx.clone(), metrics)?;
    net::http::serve(&ctx, "requests", server::router(forwarder)).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
