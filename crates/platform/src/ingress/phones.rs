//! `GET /sip` and `GET /webrtc`: SIP over WebSocket (RFC 7118) for phones in browsers, at the address of the pages. sip-proxy serves the
//! first; webrtc the second, to which desktops have tickets. A replica of either that hangs is found out by looks at it: its WebSockets are
//! cut off, so that phones open others, at another one.

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use net::http::{Client, SocketPass};
use runtime::RoleContext;

use super::routes;

pub(super) fn router(ctx: &RoleContext) -> Result<Router> {
    let to_sip_proxy = Router::new().route(routes::PHONES, get(passed_on)).with_state(pass(ctx, routes::PHONES)?);
    let to_webrtc = Router::new().route(routes::BROWSER_PHONES, get(passed_on));
    Ok(to_sip_proxy.merge(to_webrtc.with_state(pass(ctx, routes::BROWSER_PHONES)?)))
}

/// The way to the role behind that path, whose replicas are looked at.
fn pass(ctx: &RoleContext, path: &str) -> Result<SocketPass> {
    let connection = routes::leads_to(path)?.connection;
    let looks = Client::new(ctx, connection)?;
    looks.watch_replicas();
    Ok(SocketPass::new(ctx, connection)?.knowing(&looks))
}

async fn passed_on(State(pass): State<SocketPass>, request: Request) -> Response {
    pass.pass(request).await
}
