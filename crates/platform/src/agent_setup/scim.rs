//! SCIM 2.0 (RFC 7643, RFC 7644): Okta, Entra ID and others provision a tenant's people. HTTP below `/scim/v2/{tenant}`, through ingress
//! (own-27). A user is a person, whose name is the id; a group is a privilege. It holds nothing: each request becomes some to tenant
//! (own-28) with the caller's own token.

mod answers;
mod discovery;
mod group;
mod groups;
mod listing;
mod openapi;
mod patch;
mod people;
mod syntax;
mod user;
mod user_filter;
mod users;

use axum::routing::{any, get};
use axum::{Json, Router};
use net::http::Caller;

use super::provisioning::Provisioning;
pub use openapi::scim_openapi;

/// The router of its paths.
pub(super) fn router(provisioning: Provisioning) -> Router {
    let one_user = get(users::show).put(users::put).patch(users::patch).delete(users::delete);
    let one_group = get(groups::show).put(groups::put).patch(groups::patch).delete(discovery::not_implemented);
    Router::new()
        .route(openapi::PATH, get(async |_: Caller| Json(scim_openapi())))
        .route("/scim/v2/{tenant}/ServiceProviderConfig", get(discovery::configuration))
        .route("/scim/v2/{tenant}/ResourceTypes", get(discovery::resource_types))
        .route("/scim/v2/{tenant}/ResourceTypes/{id}", get(discovery::resource_type))
        .route("/scim/v2/{tenant}/Schemas", get(discovery::schemas))
        .route("/scim/v2/{tenant}/Schemas/{id}", get(discovery::schema))
        .route("/scim/v2/{tenant}/Users", get(users::list).post(users::create))
        .route("/scim/v2/{tenant}/Users/{id}", one_user)
        .route("/scim/v2/{tenant}/Groups", get(groups::list).post(discovery::not_implemented))
        .route("/scim/v2/{tenant}/Groups/{id}", one_group)
        .route("/scim/v2/{tenant}/Me", any(discovery::not_implemented))
        .route("/scim/v2/{tenant}/Bulk", any(discovery::not_implemented))
        .with_state(provisioning)
}
