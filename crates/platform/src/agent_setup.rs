//! agent-setup: administrators' changes of people, phones and the rest of a tenant's configuration. HTTP 8080 (80 in the table), paths
//! under `/agent-setup/api/v1` and, for provisioning agents, `/scim/v2`, through ingress (own-27).
//!
//! It holds nothing: each request becomes one to tenant (own-28) with the caller's own token, so that tenant decides what the caller may.

mod answers;
mod changes;
mod history;
mod objects;
mod openapi;
mod people;
mod provisioning;
mod scim;
mod sign_ins;
mod uses;

use std::time::Duration;

use anyhow::Result;
use axum::routing::{get, post};
use axum::{Json, Router};
use net::http::{Caller, Limits, Method, WiderLimits};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

pub use openapi::openapi;
use provisioning::Provisioning;

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
        accepts: &["own-27"],
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
/// The largest table of people, in bytes: as tenant takes it.
const TABLE_BYTES_MAX: usize = 32 << 20;
/// The time within which a table must arrive.
const TABLE_WITHIN: Duration = Duration::from_secs(60);
/// The time that tenant has for a table.
const IMPORT_WITHIN: Duration = Duration::from_secs(120);
/// What a hop towards the browser waits longer than the one behind it, so that the innermost one says what is late.
const HOP: Duration = Duration::from_secs(5);

/// The limits of a request that brings a table of people, at the listener that is `hops` hops before tenant.
pub(crate) fn table_limits(method: &Method, path: &str, hops: u32) -> Option<WiderLimits> {
    let is_table = method == Method::POST && path.starts_with("/agent-setup/api/") && path.ends_with("/people.csv");
    let answer_within = IMPORT_WITHIN + HOP * hops;
    is_table.then_some(WiderLimits { body_bytes_max: TABLE_BYTES_MAX, body_within: TABLE_WITHIN, answer_within })
}

async fn run(ctx: RoleContext) -> Result<()> {
    let wider = |method: &Method, path: &str| table_limits(method, path, 1);
    let limits = Limits { body_bytes_max: BODY_BYTES_MAX, wider, ..Limits::default() };
    net::http::serve_with(&ctx, "agent-setup", router(Provisioning::new(&ctx)?), limits, |_, _| false).await?;
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
        .route(openapi::RESTORE.path, post(changes::restore))
        .route(openapi::USES.path, get(uses::show))
        .route(openapi::PEOPLE.path, get(people::export).post(people::import))
        .route("/agent-setup/api/v1/openapi.json", get(async |_: Caller| Json(openapi())))
        .with_state(provisioning)
        .merge(scim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_table_that_comes_in_has_wider_limits_and_outer_hops_wait_longer() {
        let table = "/agent-setup/api/v1/example/people.csv";
        let [inner, outer] = [1, 3].map(|hops| table_limits(&Method::POST, table, hops).unwrap());
        assert!(inner.body_bytes_max == TABLE_BYTES_MAX && IMPORT_WITHIN < inner.answer_within);
        assert!(inner.answer_within < outer.answer_within);
        let other = "/agent-setup/api/v1/example/changes";
        for (method, path) in [(Method::GET, table), (Method::POST, other), (Method::POST, "/x/people.csv")] {
            assert!(table_limits(&method, path, 1).is_none(), "{method} {path}");
        }
    }
}
