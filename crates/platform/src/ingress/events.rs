//! The events of calls, agents and queues for browsers and other machines: `GET /api/voice/v1/{tenant}/events` as server-sent events,
//! `.../events/ws` as WebSocket. They come from port 8000 of tenant (own-22) with the caller's own token, so that tenant decides what the
//! caller may see.

pub(super) mod follow;
mod query;
mod socket;
mod sse;

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::routing::get;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use runtime::token::TokenVerifier;

use super::page_origins::PageOrigins;
use follow::Upstream;
pub(super) use socket::is_socket;
pub(super) use sse::bearer;

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
    origins: Arc<PageOrigins>,
    tokens: TokenVerifier,
    metrics: Metrics,
}

/// The routes of the events, for pages of these origins and programs.
pub(super) fn router(ctx: &RoleContext, origins: &Arc<PageOrigins>) -> Result<Router> {
    let served = EventRoutes {
        upstream: Upstream::new(ctx)?,
        origins: origins.clone(),
        tokens: ctx.tokens.clone(),
        metrics: Metrics::register(&ctx.metrics),
    };
    Ok(Router::new().route(sse::PATH, get(sse::events)).route(socket::PATH, get(socket::events)).with_state(served))
}
