//! The routes of the Provisioning API. All are open at the gate: each asks for its own proof, the cookie of a session or a token.

use std::sync::Arc;

use axum::http::{Method, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post, put};
use axum::{Extension, Router};

use super::endpoints::{
    imports, named_settings, notifications, objects, operations, rules, session, settings, statistic_files, transfers,
    users, whitelist,
};
use super::request::ProvisioningRequest;
use super::{PATH, Provisioning, unserved_operations};
use crate::bayeux_socket::SocketDoor;

/// Callers without a token of their own are served: gws-proxy passes on what programs show.
pub(super) fn is_open(_: &Method, path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

type ProvisioningRoute = MethodRouter<Arc<Provisioning>>;

/// The paths that are known, each with and without a slash at its end.
fn routes() -> Vec<(&'static str, ProvisioningRoute)> {
    vec![
        ("/initialize-provisioning", get(session::initialise).post(session::initialise)),
        ("/login", get(session::login).post(session::password)),
        ("/logout", get(session::logout).post(session::logout)),
        ("/info", get(session::info)),
        ("/version", get(session::info)),
        ("/doc", get(session::doc)),
        ("/notifications", get(notifications::open).post(notifications::take)),
        ("/notifications/handshake", get(notifications::unposted).post(notifications::take)),
        ("/notifications/connect", post(notifications::take)),
        ("/notifications/disconnect", post(notifications::take)),
        ("/notifications/subscribe", post(notifications::take)),
        ("/notifications/unsubscribe", post(notifications::take)),
        ("/users", get(users::list).post(users::add)),
        ("/users/me", get(users::me)),
        ("/users/{dbid}", get(users::one).put(users::update).delete(users::remove)),
        ("/objects/users", get(users::list).post(users::add)),
        ("/objects/users/me", get(users::me)),
        ("/objects/users/permissions", get(objects::permissions_of_people).post(objects::permissions_of_named)),
        ("/objects/users/{dbid}", get(users::one).put(users::update).delete(users::remove)),
        ("/objects/{type}", get(objects::list)),
        ("/objects/{type}/permissions", get(objects::permissions).post(objects::permissions_of_many)),
        ("/operations/watch-objects", post(operations::watch).delete(operations::unwatch)),
        ("/operations/delete-users/{dbid}", post(users::remove_by_operation)),
        ("/operations/stub", get(operations::stub)),
        ("/operations/put-users", put(operations::put_users)),
        ("/operations/{operation}", post(operations::begin)),
        ("/options", get(settings::read).post(settings::replace).put(settings::update)),
        ("/capacity-rules", get(rules::capacity_rules).post(rules::add_capacity_rule)),
        ("/capacity-rules/{number}", put(rules::update_capacity_rule).delete(rules::remove_capacity_rule)),
        ("/statistic-definitions", get(rules::statistic_definitions).post(rules::put_statistic_definitions)),
        ("/statistic-definitions/migrate-check-for-conflicts", get(rules::conflicts_of_migration)),
        ("/statistic-definitions/migrate", post(rules::migrate)),
        ("/statistic-definitions/operations/update-reset-times", post(statistic_files::update_reset_times)),
        (
            "/statistic-definitions/{type}/{name}",
            get(rules::statistic_definition)
                .put(rules::put_statistic_definition)
                .delete(rules::remove_statistic_definition),
        ),
        ("/export-statistic-definitions", get(statistic_files::export)),
        ("/import-statistic-definitions", post(statistic_files::import)),
        ("/settings", post(settings::set)),
        (
            "/settings/templates",
            get(named_settings::templates)
                .post(named_settings::add_templates)
                .put(named_settings::replace_templates)
                .delete(named_settings::remove_template),
        ),
        (
            "/settings/api-endpoints",
            get(named_settings::api_endpoints)
                .post(named_settings::add_api_endpoints)
                .delete(named_settings::remove_api_endpoint),
        ),
        ("/whitelist", get(whitelist::read).post(whitelist::add).put(whitelist::update).delete(whitelist::remove)),
        ("/whitelist/status", post(whitelist::set_status)),
        ("/export-users", get(transfers::exported).post(transfers::export)),
        ("/import-users/csv", post(transfers::import).delete(transfers::stop_import)),
        ("/import-users/validate-csv", post(transfers::validate)),
        ("/import-users/check-status", get(imports::status)),
        ("/import-users/history", get(imports::history)),
    ]
}

pub(super) fn router(provisioning: Arc<Provisioning>) -> Router {
    let mut router = Router::new();
    for (path, methods) in routes() {
        router = router.route(&format!("{PATH}{path}"), methods.clone()).route(&format!("{PATH}{path}/"), methods);
    }
    let door = SocketDoor::new(provisioning.parts.metrics.of_sockets(), provisioning.sessions.drain.clone());
    router.fallback(not_served).with_state(provisioning).layer(Extension(door))
}

/// An operation that is not served, or that there is not. Only whoever has a session learns which of them it is.
async fn not_served(_: ProvisioningRequest, method: Method, uri: Uri) -> Response {
    unserved_operations::answer(&method, uri.path())
}
