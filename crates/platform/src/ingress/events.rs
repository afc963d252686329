//! The events of calls, agents and queues for browsers and other machines: `GET /api/voice/v1/{tenant}/events` as server-sent events,
//! `.../events/ws` as WebSocket. They come from port 8000 of tenant (own-22) with the caller's own token, so that tenant decides what the
//! caller may see.

pub(super) mod follow;
mod origin;
mod query;
mod socket;
mod sse;

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use runtime::token::TokenVerifier;

use follow::Upstream;
use origin::Origins;
pub(super) use socket::is_socket;
pub(super) use sse::is_preflight;

runtime::metrics! {
    /// Metrics of the events at the web edge.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Streams of events that are open now.
        followers: Gauge = "ingress_event_streams";
        /// Streams of events that were closed because their readers took nothing for a minute.
        stuck: Counter = "ingress_event_streams_stuck";
    }
}

/// What the routes share.
#[derive(Clone)]
struct EventRoutes {
    upstream: Upstream,
    origins: Arc<Origins>,
    tokens: TokenVerifier,
    metrics: Metrics,
}

/// The routes of the events.
pub(super) fn router(ctx: &RoleContext, origins: &[String]) -> Result<Router> {
    let served = EventRoutes {
        upstream: Upstream::new(ctx)?,
        origins: Arc::new(Origins::new(origins)),
        tokens: ctx.tokens.clone(),
        metrics: Metrics::register(&ctx.metrics),
    };
    let of_pages = from_fn_with_state(served.origins.clone(), origin::of_pages);
    Ok(Router::new()
        .route(sse::PATH, get(sse::events).layer(of_pages))
        .route(socket::PATH, get(socket::events))
        .with_state(served))
}

/// Checks the setting of origins.
pub(super) use origin::check as check_origin;
