//! `GET /sip` and `GET /webrtc`: SIP over WebSocket (RFC 7118) for phones in browsers, at the address of the pages. sip-proxy serves the
//! first; webrtc the second, to which desktops have tickets.

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use net::http::SocketPass;
use runtime::RoleContext;

use super::routes;

pub(super) fn router(ctx: &RoleContext) -> Result<Router> {
    let pass = |path| SocketPass::new(ctx, routes::leads_to(path)?.connection);
    let to_sip_proxy = Router::new().route(routes::PHONES, get(passed_on)).with_state(pass(routes::PHONES)?);
    let to_webrtc = Router::new().route(routes::BROWSER_PHONES, get(passed_on));
    Ok(to_sip_proxy.merge(to_webrtc.with_state(pass(routes::BROWSER_PHONES)?)))
}

async fn passed_on(State(pass): State<SocketPass>, request: Request) -> Response {
    pass.pass(request).await
}
