//! The API of the operator's pages: `/api/operations/v1/...`. It queries the roles over own-21.
//!
//! Who signs in to a tenant does not have the scope: what the document says of addresses, processes and counts is of all tenants together.
//!
//! | path | scope | answer |
//! |---|---|---|
//! | `/topology` | `topology:read` | every connection of the instance: the document of `trunkline topology --json` |

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use net::admin::AdminClient;
use net::http::{Caller, Problem};
use runtime::{RoleContext, scope};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Maximum age of an answer: the roles are queried at most once in this time, however many pages are open.
const FRESH: Duration = Duration::from_millis(900);

/// Queries the roles, and keeps the latest answer.
#[derive(Clone)]
pub(super) struct Operations {
    ctx: RoleContext,
    admin: AdminClient,
    /// Locked during a query, so that concurrent requests get the same answer.
    latest: Arc<Mutex<Option<(Instant, Bytes)>>>,
}

impl Operations {
    /// Queries as the role ingress.
    ///
    /// # Errors
    /// If the role does not declare the connection.
    pub fn new(ctx: &RoleContext) -> Result<Self> {
        Ok(Self { ctx: ctx.clone(), admin: AdminClient::of_role(ctx, "own-21")?, latest: Arc::default() })
    }

    async fn topology(&self) -> Result<Bytes, Problem> {
        let mut latest = self.latest.lock().await;
        if let Some((asked, document)) = &*latest
            && asked.elapsed() < FRESH
        {
            return Ok(document.clone());
        }
        let ctx = &self.ctx;
        let topology = net::topology::observe(&self.admin, ctx.instance, ctx.table, &*ctx.clock).await;
        let document = serde_json::to_vec(&topology)
            .map_err(|error| Problem::unavailable(format!("the topology cannot be written: {error}")))?;
        let document = Bytes::from(document);
        *latest = Some((Instant::now(), document.clone()));
        Ok(document)
    }
}

/// The routes.
pub(super) fn router(operations: Operations) -> Router {
    Router::new().route(super::openapi::TOPOLOGY.path, get(topology)).with_state(operations)
}

async fn topology(State(operations): State<Operations>, caller: Caller) -> Result<Response, Problem> {
    caller.needs_scope(scope::TOPOLOGY_READ)?;
    let document = operations.topology().await?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, document).into_response())
}
