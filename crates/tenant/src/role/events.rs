//! gRPC 8000: a tenant's events from a snapshot or a position, and requests forwarded to frontend (voice-31).
//!
//! `filter` says what a subscription gets, `views` reads each tenant's stream once for all, `live` gives each fact to those who get it,
//! `subscription` is one of them.

use std::sync::Arc;

use contracts::v1;
use contracts::v1::events_server::Events;
use contracts::{json, wire};
use http::{HeaderName, HeaderValue};
use infra::{Clock, Position};
use model::TenantId;
use net::grpc::Streams;
use net::http::{CallError, Client};
use runtime::RoleContext;
use tonic::{Request, Response, Status};

use super::filter::SubscriptionFilter;
use super::live::status;
use super::metrics::Metrics;
use super::records::Sources;
use super::subscription::Subscription;
use super::views::Views;

/// The most subscriptions that are open at once: a desk for each of ten thousand agents, and programs beside them.
const SUBSCRIPTIONS_MAX: usize = 12_000;

/// Names the original requester to frontend, from the role that forwards the request.
const REQUESTER: HeaderName = HeaderName::from_static("trunkline-requester");

type Deliveries = net::grpc::Answers<v1::Delivery>;

/// The gRPC service.
pub(super) struct Server {
    views: Views,
    metrics: Metrics,
    streams: Streams,
    frontend: Client,
    clock: Arc<dyn Clock>,
}

impl Server {
    pub fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        let metrics = Metrics::register(&ctx.metrics);
        Ok(Self {
            views: Views::new(Sources::of(&ctx.stores), metrics.clone()),
            metrics,
            streams: Streams::with_max(SUBSCRIPTIONS_MAX),
            frontend: Client::new(ctx, "voice-31")?,
            clock: ctx.clock.clone(),
        })
    }

    /// Begins with the present state.
    async fn with_snapshot(
        &self,
        tenant: &TenantId,
        filter: Arc<SubscriptionFilter>,
    ) -> Result<(Subscription, v1::Snapshot), Status> {
        let kept = self.views.kept(tenant).map_err(status)?;
        let begun = self.views.at_end(&kept, tenant, |view, position, live| {
            let subscription = Subscription::new(kept.clone(), filter.clone(), position);
            // It is at the end already: nothing can be missing.
            if let Some(id) = live.join(subscription.inlet(), position) {
                subscription.joined(id);
            }
            (subscription, view.snapshot(position, &filter))
        });
        let begun = begun.await.map_err(status)?;
        self.views.keeps_reading(&kept, tenant);
        Ok(begun)
    }

    /// Continues after a position. The stream must have reached it: after a later one nothing would come for a long time, and then facts
    /// would be missing.
    async fn continued(
        &self,
        tenant: &TenantId,
        filter: Arc<SubscriptionFilter>,
        after: &str,
    ) -> Result<Subscription, Status> {
        let after: Position = after.parse().map_err(|_| Status::invalid_argument("after: it is not a position"))?;
        let kept = self.views.kept(tenant).map_err(status)?;
        let subscription = Subscription::new(kept.clone(), filter, after);
        let joined = self.views.at_end(&kept, tenant, |_, end, live| match after > end {
            true => Err(end),
            false => Ok(live.join(subscription.inlet(), after)),
        });
        match joined.await.map_err(status)? {
            Err(end) => {
                let fault = format!("after: {after} is beyond the stream's end, {end}: begin again with a snapshot");
                return Err(Status::out_of_range(fault));
            }
            Ok(Some(id)) => {
                subscription.joined(id);
                self.views.keeps_reading(&kept, tenant);
            }
            Ok(None) => subscription.catch_up(self.views.clone(), tenant.clone(), after),
        }
        Ok(subscription)
    }
}

#[tonic::async_trait]
impl Events for Server {
    type SubscribeStream = Deliveries;

    async fn subscribe(&self, request: Request<v1::SubscribeRequest>) -> Result<Response<Deliveries>, Status> {
        let caller = net::grpc::caller(&request)?.clone();
        let tie = caller.may_follow().map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let tenant = net::grpc::tenant(&request)?;
        let filter = Arc::new(SubscriptionFilter::read(request.get_ref(), tie)?);
        let permit = self.streams.open(Some(&tenant), caller.subject())?;
        let after = request.into_inner().after;
        let (subscription, snapshot) = if after.is_empty() {
            let (subscription, snapshot) = self.with_snapshot(&tenant, filter).await?;
            (subscription, Some(snapshot))
        } else {
            (self.continued(&tenant, filter, &after).await?, None)
        };
        let deliveries = subscription.deliveries(snapshot, caller.subject().to_owned());
        let answers = net::grpc::until_token_expires(deliveries, &caller, self.clock.clone());
        Ok(Response::new(permit.with(self.metrics.subscriber(answers))))
    }

    async fn ask(&self, request: Request<v1::AskRequest>) -> Result<Response<v1::AskResponse>, Status> {
        let caller = net::grpc::caller(&request)?.clone();
        let tenant = net::grpc::tenant(&request)?;
        let asked = request.into_inner().request.ok_or_else(|| Status::invalid_argument("request: it is absent"))?;
        let asked = v1::Request { tenant: tenant.to_string(), requester: caller.subject().to_owned(), ..asked };
        let asked = wire::request_from_wire(asked).map_err(|e| Status::invalid_argument(e.to_string()))?;
        caller.may_ask(&asked).map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let frame = json::request_frame(&asked, None);
        let path = format!("/api/voice/v1/{tenant}/requests");
        // Our own token authorises the request. The answering events carry the name of our client.
        let requester = HeaderValue::try_from(caller.subject())
            .map_err(|_| Status::invalid_argument("the token's subject does not fit a header"))?;
        match self.frontend.post(&path).header(REQUESTER, requester).json(&frame).send().await {
            Ok(_) => Ok(Response::new(v1::AskResponse { reference: asked.reference.0 })),
            Err(CallError::Refused(problem)) if problem.status < 500 => {
                Err(Status::failed_precondition(problem.to_string()))
            }
            Err(error) => Err(Status::unavailable(error.to_string())),
        }
    }
}
