//! HTTP between roles: listeners that demand a token of every caller, and clients that send one.

mod client;
mod etag;
mod json;
mod limits;
mod shares;
mod socket_pass;

use anyhow::Context as _;
use axum::Router;
use runtime::RoleContext;

pub use ::http::{Method, StatusCode};

pub use client::{Answer, Call, CallError, Client, get_once, send_once};
pub use etag::has_already;
pub use json::JsonBody;
pub use limits::{Limits, SocketPlace, Turn};
pub use runtime::{Caller, Problem, Query};
pub use shares::{Capacity, Place};
pub use socket_pass::SocketPass;

/// Serves `router` on the declared listener `name`, behind the caller-token gate and the default [`Limits`].
///
/// Returns when the listener is bound; it serves until the role has ended. A listener that shares the admin port is mounted
/// there. `/live` and `/ready` answer (only the status) without a token.
pub async fn serve(ctx: &RoleContext, name: &str, router: Router) -> anyhow::Result<()> {
    serve_with(ctx, name, router, Limits::default(), |_, _| false).await
}

/// [`serve`] with its own limits; `open` selects the requests that need no token (static page files).
pub async fn serve_with(
    ctx: &RoleContext,
    name: &str,
    router: Router,
    limits: Limits,
    open: fn(&Method, &str) -> bool,
) -> anyhow::Result<()> {
    let listen = ctx.listen(name)?;
    let gated = limits::router(router, ctx, ctx.gate(listen, open), limits);
    if listen.place == runtime::Place::Cluster && listen.port == ctx.spec.admin_port {
        ctx.mount_on_admin(gated);
        return Ok(());
    }
    bind_and_serve(ctx, name, gated).await
}

/// Binds the declared listener and serves a router that already has its gate.
pub(crate) async fn bind_and_serve(ctx: &RoleContext, name: &str, router: Router) -> anyhow::Result<()> {
    let bound = ctx.bound(name)?;
    let listener = runtime::listener::bind_tcp(bound.listen)
        .await
        .with_context(|| format!("listener {name} of {}", ctx.spec.name))?;
    tracing::info!(role = ctx.spec.name, node = %ctx.node, listener = name, address = %bound.listen, "listening");
    let (drain, own) = (ctx.drain.clone(), ctx.own.clone());
    ctx.spawn("http listener", async move {
        runtime::server::serve(listener, router, drain, own).await;
        Ok(())
    });
    Ok(())
}
