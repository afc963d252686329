//! Webhooks: `/api/voice/v1/{tenant}/webhooks`. Each gets the events that it asked for (own-22), signed, until it takes them or they are
//! given up; what waits and what was given up is kept in the stores (own-23). One node at a time delivers for a tenant.

mod api;
mod dead_letters;
mod definition;
mod deliveries;
mod kept_key;
mod owner;
mod runner;
mod signature;
mod store;
mod target;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use infra::{Clock, Leases, Outbox};
use model::Owner;
use net::public_address::Reach;
use prometheus_client::metrics::counter::Counter;
use runtime::{Drain, RoleContext};
use tokio::sync::{mpsc, oneshot};

use super::events::follow::Upstream;
use deliveries::Retries;
use store::WebhookStore;
use target::DeliveryClient;

pub(super) use api::openapi;

/// Changes of webhooks that wait to be looked at.
const CHANGES_MAX: usize = 64;
/// How long draining waits for the last writes.
const END_WITHIN: Duration = Duration::from_secs(6);

runtime::metrics! {
    /// Metrics of webhooks.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Deliveries that were taken.
        delivered: Counter = "ingress_webhook_deliveries";
        /// Attempts that failed.
        failed: Counter = "ingress_webhook_attempts_failed";
        /// Deliveries that were given up.
        dead: Counter = "ingress_webhook_dead_letters";
        /// Writes of waiting deliveries and dead letters that failed and are repeated.
        unwritten: Counter = "ingress_webhook_write_failures";
    }
}

/// What all webhooks share.
struct WebhookShop {
    store: WebhookStore,
    outbox: Arc<dyn Outbox>,
    leases: Arc<dyn Leases>,
    owner: Owner,
    upstream: Upstream,
    sender: DeliveryClient,
    reach: Reach,
    retries: Retries,
    clock: Arc<dyn Clock>,
    drain: Drain,
    metrics: Metrics,
}

/// The settings of webhooks.
pub(super) struct Configured {
    /// Whether deliveries may go to addresses that are not of the public Internet.
    pub private: bool,
    pub attempts: u32,
    pub first_wait: Duration,
}

/// The webhooks at work.
pub(super) struct Webhooks {
    pub router: Router,
    ended: oneshot::Receiver<()>,
}

impl Webhooks {
    /// Starts the deliveries.
    pub fn start(ctx: &RoleContext, configured: &Configured) -> Result<Self> {
        let reach = if configured.private { Reach::Everywhere } else { Reach::Public };
        let shared = Arc::new(WebhookShop {
            store: WebhookStore::new(
                ctx.stores.webhooks.clone(),
                ctx.stores.tenant_lives.clone(),
                ctx.installation_key.clone(),
            ),
            outbox: ctx.stores.outbox.clone(),
            leases: ctx.stores.leases.clone(),
            owner: ctx.owner(),
            upstream: Upstream::new(ctx)?,
            sender: DeliveryClient::new(reach)?,
            reach,
            retries: Retries { attempts: configured.attempts, first_wait: configured.first_wait },
            clock: ctx.clock.clone(),
            drain: ctx.drain.clone(),
            metrics: Metrics::register(&ctx.metrics),
        });
        let (tell, changed) = mpsc::channel(CHANGES_MAX);
        let (say, ended) = oneshot::channel();
        let router = api::router(shared.clone(), tell);
        ctx.spawn("webhooks", async move {
            let outcome = owner::run(shared, changed).await;
            let _ = say.send(());
            outcome
        });
        Ok(Self { router, ended })
    }

    /// Waits until what waits is kept.
    pub async fn end(self) {
        let _ = tokio::time::timeout(END_WITHIN, self.ended).await;
    }
}
