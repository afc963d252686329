//! Hands what is below `/salesforce` to salesforce-adapter, by gws-proxy (own-31): its page, which whoever it lets may frame,
//! and what asks for the caller's token. Of the browser's cookies none goes on.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, header};
use axum::response::Response;
use axum::routing::get;
use net::http::FORWARDED_HOST;
use runtime::RoleContext;

use super::hand_on::RoleBehind;
use super::routes;

static PASSED_ON: [HeaderName; 3] = [header::AUTHORIZATION, header::ACCEPT, header::IF_NONE_MATCH];

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    // One of the rows stands for both: each leads to the same role by the same connection.
    let role = RoleBehind::new(ctx, routes::SALESFORCE, &PASSED_ON)?;
    Ok(Router::new()
        .route(&routes::all_below(routes::SALESFORCE), get(to_gws_proxy))
        .route(&routes::all_below(routes::SALESFORCE_PAGE), get(to_gws_proxy))
        .with_state(role))
}

async fn to_gws_proxy(State(role): State<RoleBehind>, request: Request) -> Response {
    // The address that an org learns is the one that was asked.
    let host = request.headers().get(header::HOST).cloned();
    role.hand_on(request, host.map(|host| (FORWARDED_HOST, host))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_rows_lead_to_the_same_role_by_the_same_connection() {
        let [first, second] = [routes::SALESFORCE, routes::SALESFORCE_PAGE].map(|path| routes::leads_to(path).unwrap());
        assert_eq!((first.role, first.connection), (second.role, second.connection));
    }
}
