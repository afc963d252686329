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
use model::request::NOTE_OF_CALL;
use net::grpc::Streams;
use net::http::{CallError, Client, Problem};
use net::requester;
use runtime::{Caller, RoleContext};
use tonic::{Request, Response, Status};

use super::filter::SubscriptionFilter;
use super::metrics::Metrics;
use super::subscription::{SeenReferences, Subscription};
use super::views::Views;

/// The most subscriptions that are open at once: a desk for each of ten thousand agents, and programs beside them.
const SUBSCRIPTIONS_MAX: usize = 12_000;

/// Names the original requester to frontend, from the role that forwards the request.
const REQUESTER: HeaderName = HeaderName::from_static(requester::REQUESTER);
/// The role that asks for the people at desktops, and gives each of them the outcome of their own requests alone.
const VOICE_OF_DESKTOPS: &str = "gws-voice";

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
    pub fn new(ctx: &RoleContext, views: Views, metrics: Metrics) -> anyhow::Result<Self> {
        Ok(Self {
            views,
            metrics,
            streams: Streams::with_max(SUBSCRIPTIONS_MAX),
            frontend: Client::new(ctx, "voice-31")?,
            clock: ctx.clock.clone(),
        })
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
            let (subscription, snapshot) = Subscription::with_snapshot(&self.views, &tenant, filter).await?;
            (subscription, Some(snapshot))
        } else {
            let after: Position = after.parse().map_err(|_| Status::invalid_argument("after: it is not a position"))?;
            (Subscription::after(&self.views, &tenant, filter, after).await?, None)
        };
        let deliveries = subscription.deliveries(snapshot, seen_references(&caller));
        let answers = net::grpc::until_token_expires(deliveries, &caller, self.clock.clone());
        Ok(Response::new(permit.with(self.metrics.subscriber(answers))))
    }

    async fn ask(&self, request: Request<v1::AskRequest>) -> Result<Response<v1::AskResponse>, Status> {
        let caller = net::grpc::caller(&request)?.clone();
        let tenant = net::grpc::tenant(&request)?;
        let requester = requester(&caller, &request)?;
        // Our own token authorises the request. The answering events carry the name of our client.
        let named = requester::encoded(&requester).and_then(|written| HeaderValue::try_from(written).ok());
        let rule = || Status::invalid_argument(format!("the token's subject: {}", requester::rule()));
        let named = named.ok_or_else(rule)?;
        let asked = request.into_inner().request.ok_or_else(|| Status::invalid_argument("request: it is absent"))?;
        let asked = v1::Request { tenant: tenant.to_string(), requester, ..asked };
        let asked = wire::request_from_wire(asked).map_err(|e| Status::invalid_argument(e.to_string()))?;
        caller.may_ask(&asked).map_err(|problem| Status::permission_denied(problem.to_string()))?;
        check_note(&caller, &asked)?;
        let frame = json::request_frame(&asked, None);
        let path = format!("/api/voice/v1/{tenant}/requests");
        match self.frontend.post(&path).header(REQUESTER, named).json(&frame).send().await {
            Ok(_) => Ok(Response::new(v1::AskResponse { reference: asked.reference.0 })),
            Err(error) => Err(not_taken(&error)),
        }
    }
}

/// Why frontend has not taken a request. `Unavailable` where it was certainly not sent, or frontend says that it was not; where it may have
/// been carried out all the same, the deadline is said to be over: who repeats it then may do it twice.
fn not_taken(error: &CallError) -> Status {
    match error {
        CallError::Refused(problem) if problem.status < 500 => refused(problem),
        CallError::Refused(Problem { status: 503, .. })
        | CallError::Nowhere(_)
        | CallError::Connect(..)
        | CallError::Shape(_) => Status::unavailable(error.to_string()),
        CallError::Refused(_) | CallError::Deadline(_) | CallError::Broken(..) => {
            Status::deadline_exceeded(error.to_string())
        }
    }
}

/// A refusal of frontend, with the published number if it has one.
fn refused(problem: &Problem) -> Status {
    let status = Status::failed_precondition(problem.to_string());
    match problem.code {
        Some(code) => net::grpc::with_error_code(status, code),
        None => status,
    }
}

/// Who asks: the token's subject or, where the role gws-voice asks for somebody, whom it names. What any other caller says of that is
/// ignored.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn requester<T>(caller: &Caller, request: &Request<T>) -> Result<String, Status> {
    let is_for_others = caller.role() == Some(VOICE_OF_DESKTOPS);
    let named = request.metadata().get(requester::REQUESTER).filter(|_| is_for_others);
    let Some(named) = named else { return Ok(caller.subject().to_owned()) };
    let rule = || Status::invalid_argument(format!("{}: {}", requester::REQUESTER, requester::rule()));
    named.to_str().ok().and_then(requester::read).ok_or_else(rule)
}

/// Only from desktops comes what is marked as noted there of a released call: frontend takes our word for it.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn check_note(caller: &Caller, asked: &model::Request) -> Result<(), Status> {
    if asked.is_note_of_call() && caller.role() != Some(VOICE_OF_DESKTOPS) {
        return Err(Status::permission_denied(format!("extensions: {NOTE_OF_CALL} is set by desktops alone")));
    }
    Ok(())
}

/// Of which requests a subscriber sees the references in their outcomes.
fn seen_references(caller: &Caller) -> SeenReferences {
    match caller.role() {
        Some(VOICE_OF_DESKTOPS) => SeenReferences::OfAll,
        _ => SeenReferences::Of(caller.subject().to_owned()),
    }
}

#[cfg(test)]
mod tests;
