//! `GET /sip`: SIP over WebSocket (RFC 7118) for phones in browsers, at the address of the pages. sip-proxy serves it.

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use net::http::SocketPass;
use runtime::RoleContext;

use super::routes;

pub(super) fn router(ctx: &RoleContext) -> Result<Router> {
    Ok(Router::new()
        .route(routes::PHONES, get(to_sip_proxy))
        .with_state(SocketPass::new(ctx, routes::leads_to(routes::PHONES)?.connection)?))
}

async fn to_sip_proxy(State(pass): State<SocketPass>, request: Request) -> Response {
    pass.pass(request).await
}
