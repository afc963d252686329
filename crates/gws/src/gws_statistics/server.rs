//! The routes of the Statistics API. All but those for roles are open at the gate: each asks for a token itself.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Extension, Router};

use super::endpoints::{StatisticsAsker, documents, notifications, subscriptions, values};
use super::{PATH, ServedStatistics};
use crate::bayeux_socket::SocketDoor;
use crate::sessions::answers::ApiRefusal;

/// The last part of the path for roles: `/statistics/v3/{tenant}/values`.
const FOR_ROLES: &str = "values";
/// First parts of paths of the published API, which no tenant has for a name there.
const PUBLISHED: [&str; 4] = ["notifications", "subscriptions", "statistic-values", "operations"];

/// Callers whose token is not one of the gate's are served: gws-proxy passes on what clients show. What is for roles is not open.
pub(super) fn is_open(_: &Method, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(PATH).filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return false;
    };
    let segments: Vec<&str> = rest.split('/').skip(1).take(3).collect();
    !matches!(segments.as_slice(), [tenant, FOR_ROLES] if !PUBLISHED.contains(tenant))
}

type StatisticsRoute = MethodRouter<Arc<ServedStatistics>>;

/// The paths that are known, each with and without a slash at its end.
fn routes() -> Vec<(&'static str, StatisticsRoute)> {
    vec![
        ("/subscriptions", post(subscriptions::create)),
        ("/subscriptions/{id}", delete(subscriptions::remove)),
        ("/subscriptions/{id}/statistic-values", get(subscriptions::peek)),
        ("/statistic-values/{name}", get(values::one)),
        ("/operations/get-statistic-ex", post(values::several)),
        ("/notifications", get(notifications::open).post(notifications::take)),
        ("/notifications/handshake", post(notifications::take)),
        ("/notifications/connect", post(notifications::take)),
        ("/notifications/disconnect", post(notifications::take)),
        ("/notifications/subscribe", post(notifications::take)),
        ("/notifications/unsubscribe", post(notifications::take)),
        ("/info", get(documents::info)),
        ("/version", get(documents::info)),
        ("/doc", get(documents::doc)),
    ]
}

pub(super) fn router(served: Arc<ServedStatistics>) -> Router {
    let mut router = Router::new().route(&format!("{PATH}/{{tenant}}/{FOR_ROLES}"), post(values::for_role));
    for (path, methods) in routes() {
        router = router.route(&format!("{PATH}{path}"), methods.clone()).route(&format!("{PATH}{path}/"), methods);
    }
    let door = SocketDoor::new(served.parts.metrics.of_sockets(), served.sessions.drain.clone());
    router.fallback(not_served).with_state(served).layer(Extension(door))
}

/// There is no such operation; only whoever shows a token is told so.
async fn not_served(_: StatisticsAsker) -> ApiRefusal {
    ApiRefusal::unknown_operation()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_roles_is_closed_at_the_gate_and_all_else_asks_for_a_token_itself() {
        let is_open = |path: &str| is_open(&Method::POST, path);
        for open in [
            "/statistics/v3",
            "/statistics/v3/",
            "/statistics/v3/subscriptions",
            "/statistics/v3/subscriptions/values",
            "/statistics/v3/subscriptions/1/statistic-values",
            "/statistics/v3/statistic-values/values",
            "/statistics/v3/nothing",
        ] {
            assert!(is_open(open), "{open}");
        }
        for closed in ["/statistics/v3/acme/values", "/statistics/v30/x", "/", "/anything"] {
            assert!(!is_open(closed), "{closed}");
        }
    }
}
