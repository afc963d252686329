//! agent-setup: administrators' changes of people, phones and the rest of a tenant's configuration. HTTP 8080 (80 in the table), paths
//! under `/agent-setup/api/v1` and, for provisioning agents, `/scim/v2`, through ingress (own-27). Its pages are at `/ui/provisioning`,
//! too, through gws-proxy (gws-05).
//!
//! It holds nothing: each request becomes one to tenant (own-28) with the caller's own token, so that tenant decides what the caller may.

mod answers;
mod api_keys;
mod changes;
mod history;
mod objects;
mod openapi;
mod people;
mod prompt_audio;
mod provisioning;
mod published_pages;
mod scim;
mod sign_ins;
mod uses;

use anyhow::Result;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use net::http::{Caller, Limits, Method};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

pub use openapi::openapi;
use provisioning::Provisioning;
pub use scim::scim_openapi;

use crate::{people_table, prompt_upload};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "agent-setup",
    number: 45,
    summary: "administrators' changes of people, phones and the rest of the configuration",
    listens: &[Listen {
        name: "agent-setup",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["own-27", "gws-05"],
    }],
    opens: &["own-28"],
    settings: &[],
    metrics: &[],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The largest body of a request, in bytes: below what tenant takes.
const BODY_BYTES_MAX: usize = 1_000_000;
async fn run(ctx: RoleContext) -> Result<()> {
    let wider = |method: &Method, path: &str| {
        people_table::limits(method, path, 1).or_else(|| prompt_upload::limits(method, path, 1))
    };
    let limits = Limits { body_bytes_max: BODY_BYTES_MAX, wider, ..Limits::default() };
    let router = router(Provisioning::new(&ctx)?);
    net::http::serve_with(&ctx, "agent-setup", router, limits, |_, path| published_pages::is_open(path)).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}

fn router(provisioning: Provisioning) -> Router {
    let scim = scim::router(provisioning.clone());
    Router::new()
        .route(openapi::OBJECTS.path, get(objects::list))
        .route(openapi::OBJECT.path, get(objects::show))
        .route(openapi::CHANGES.path, post(changes::carry_out))
        .route(openapi::HISTORY.path, get(history::show))
        .route(openapi::SIGN_INS.path, get(sign_ins::show))
        .route(openapi::API_KEYS.path, get(api_keys::list).post(api_keys::create))
        .route(openapi::API_KEY.path, delete(api_keys::revoke))
        .route(openapi::RESTORE.path, post(changes::restore))
        .route(openapi::USES.path, get(uses::show))
        .route(openapi::PEOPLE.path, get(people::export).head(people::no_head).post(people::import))
        .route(openapi::KEEP_AUDIO.path, post(prompt_audio::keep))
        .route(openapi::AUDIO.path, get(prompt_audio::give))
        .route("/agent-setup/api/v1/openapi.json", get(async |_: Caller| Json(openapi())))
        .with_state(provisioning)
        .merge(scim)
        .fallback(published_pages::page)
}
