//! Hands what workforce tools ask below `/wfm` to wfm-adapter (own-26), with the caller's own token.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, header};
use axum::response::Response;
use axum::routing::get;
use runtime::RoleContext;

use super::hand_on::RoleBehind;
use super::routes;

static PASSED_ON: [HeaderName; 2] = [header::AUTHORIZATION, header::ACCEPT];

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    let adapter = RoleBehind::new(ctx, routes::WORKFORCE, &PASSED_ON)?;
    Ok(Router::new().route(&routes::all_below(routes::WORKFORCE), get(to_adapter)).with_state(adapter))
}

async fn to_adapter(State(adapter): State<RoleBehind>, request: Request) -> Response {
    adapter.hand_on(request, []).await
}
