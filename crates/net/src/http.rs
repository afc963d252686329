//! HTTP between roles: listeners that demand a token of every caller, and clients that send one.

mod answer_body;
mod client;
pub mod cookies;
mod etag;
mod failing_replicas;
mod https;
mod https_pass;
mod json;
mod known_replicas;
mod large_answers;
mod limits;
mod meant_person;
mod published_refusals;
mod ranked_replicas;
mod replica_watch;
mod request_body;
mod shares;
mod socket_pass;
mod trusted_proxies;
mod untaken_body;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use runtime::RoleContext;
use runtime::around::Entrance;
use runtime::server::BoundListener;
use tokio::net::TcpListener;

pub use ::http::{Method, StatusCode};

pub use crate::forwarded_for::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO};
pub use answer_body::{AnswerReader, SMALL_BYTES_MAX, is_small, passed_back};
pub use client::{Answer, Call, CallError, Client, get_once, send_once};
pub use etag::has_already;
pub use https::HttpsHandshakes;
pub use https_pass::{HttpsPass, ServerAnswers};
pub use json::JsonBody;
pub use large_answers::AnswerPlaces;
pub use limits::{Limits, LongPolls, SocketPlace, Turn, WiderLimits};
pub use meant_person::is_meant_for;
pub use published_refusals::with_published_refusals;
pub use runtime::{Caller, Problem, Query};
pub use shares::{Capacity, Place};
pub use socket_pass::{PassedSocket, SocketPass, opens_socket};
pub use trusted_proxies::{TrustedProxies, WebClient};
pub use untaken_body::untaken_tells;

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
    let gated = gated(ctx, name, router, limits, open)?;
    if listen.place == runtime::Place::Cluster && listen.port == ctx.spec.admin_port {
        ctx.mount_on_admin(gated.into());
        return Ok(());
    }
    bind_and_serve(ctx, name, gated).await
}

/// A router, or what is around one, behind the caller-token gate and the limits of the declared listener `name`.
///
/// # Errors
/// If the role declares no such listener.
pub fn gated(
    ctx: &RoleContext,
    name: &str,
    behind: impl Into<Entrance>,
    limits: Limits,
    open: fn(&Method, &str) -> bool,
) -> anyhow::Result<Entrance> {
    Ok(limits::gated(behind, ctx, ctx.gate(ctx.listen(name)?, open), limits))
}

/// Binds the declared listener and serves by HTTPS what already has its gate.
///
/// # Errors
/// If it cannot be bound.
pub async fn bind_and_serve_https(
    ctx: &RoleContext,
    name: &str,
    gated: Entrance,
    handshakes: HttpsHandshakes,
) -> anyhow::Result<()> {
    let listener = behind(bind(ctx, name).await?, handshakes.trusted().clone());
    let (drain, own) = (ctx.drain.clone(), ctx.own.clone());
    ctx.spawn("https listener", async move {
        runtime::server::serve_secure(Arc::new(handshakes), listener, gated, drain, own).await;
        Ok(())
    });
    Ok(())
}

async fn bind(ctx: &RoleContext, name: &str) -> anyhow::Result<TcpListener> {
    let bound = ctx.bound(name)?;
    let listener = runtime::listener::bind_tcp(bound.listen)
        .await
        .with_context(|| format!("listener {name} of {}", ctx.spec.name))?;
    tracing::info!(role = ctx.spec.name, node = %ctx.node, listener = name, address = %bound.listen, "listening");
    Ok(listener)
}

/// A listener behind web servers: of them it takes more connections that have not brought a request yet than of others.
fn behind(listener: TcpListener, trusted: TrustedProxies) -> BoundListener {
    BoundListener::from(listener).with_wider_limits_for(move |peer| trusted.contains(peer))
}

/// Binds the declared listener and serves what already has its gate.
///
/// # Errors
/// If it cannot be bound.
pub async fn bind_and_serve(ctx: &RoleContext, name: &str, gated: Entrance) -> anyhow::Result<()> {
    bind_and_serve_behind(ctx, name, gated, TrustedProxies::default()).await
}

/// [`bind_and_serve`] behind these web servers.
///
/// # Errors
/// If it cannot be bound.
pub async fn bind_and_serve_behind(
    ctx: &RoleContext,
    name: &str,
    gated: Entrance,
    trusted: TrustedProxies,
) -> anyhow::Result<()> {
    let listener = behind(bind(ctx, name).await?, trusted);
    let (drain, own) = (ctx.drain.clone(), ctx.own.clone());
    ctx.spawn("http listener", async move {
        runtime::server::serve(listener, gated, drain, own).await;
        Ok(())
    });
    Ok(())
}
