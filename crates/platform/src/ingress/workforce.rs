//! Hands what workforce tools ask below `/wfm` to wfm-adapter (own-26), with the caller's own token.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, header};
use axum::response::Response;
use axum::routing::get;
use runtime::RoleContext;

use super::hand_on::RoleBehind;
use super::routes;
use crate::shift_table;

static PASSED_ON: [HeaderName; 3] = [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT];

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    // A table of shifts changes something, and is sent once.
    let adapter = RoleBehind::new(ctx, routes::WORKFORCE, &PASSED_ON)?;
    Ok(Router::new().route(&routes::all_below(routes::WORKFORCE), get(to_adapter).put(to_adapter)).with_state(adapter))
}

async fn to_adapter(State(adapter): State<RoleBehind>, request: Request) -> Response {
    let Some(table) = shift_table::limits(request.method(), request.uri().path(), 2) else {
        return adapter.hand_on(request, []).await;
    };
    adapter.answering_within(table.answer_within).hand_on(request, []).await
}
