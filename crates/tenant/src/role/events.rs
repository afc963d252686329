//! gRPC 8000: a tenant's events from a snapshot or a position, and requests forwarded to frontend (voice-31).

use std::sync::Arc;
use std::time::Duration;

use contracts::v1;
use contracts::v1::delivery::What;
use contracts::v1::events_server::Events;
use contracts::{json, wire};
use http::{HeaderName, HeaderValue};
use infra::{Clock, EventEntry, EventStream, Position, StoreError};
use model::{Stamped, TenantId};
use net::grpc::Streams;
use net::http::{CallError, Client};
use runtime::RoleContext;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::metrics::Metrics;
use super::records::Sources;
use super::view::View;
use super::views::Views;

/// The most deliveries that wait for a slow reader: a few megabytes if each carries the most user data of a call. Later events wait in the
/// stream.
const WAITING_MAX: usize = 16;
/// Events per read: few, since all of them are in memory for each reader.
const BATCH: usize = 64;
/// The longest pause between deliveries.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// The most DNs of one subscription: each fact is compared with each of them.
const DNS_MAX: usize = 1_000;

/// Names the original requester to frontend, from the role that forwards the request.
const REQUESTER: HeaderName = HeaderName::from_static("trunkline-requester");

type Deliveries = net::grpc::Answers<v1::Delivery>;

/// The gRPC service.
pub(super) struct Server {
    events: Arc<dyn EventStream>,
    views: Views,
    streams: Streams,
    frontend: Client,
    clock: Arc<dyn Clock>,
}

impl Server {
    pub fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        Ok(Self {
            events: ctx.stores.events.clone(),
            views: Views::new(Sources::of(&ctx.stores), Metrics::register(&ctx.metrics)),
            streams: Streams::default(),
            frontend: Client::new(ctx, "voice-31")?,
            clock: ctx.clock.clone(),
        })
    }

    /// Parses a position and checks that the stream has reached it. After a later one nothing would come for a long time, and then facts
    /// would be missing.
    async fn existing(&self, tenant: &TenantId, after: &str) -> Result<Position, Status> {
        let position = after.parse().map_err(|_| Status::invalid_argument("after: it is not a position"))?;
        let end = self.events.end(tenant).await.map_err(status)?;
        if position > end {
            let fault = format!("after: {position} is beyond the stream's end, {end}: begin again with a snapshot");
            return Err(Status::out_of_range(fault));
        }
        Ok(position)
    }
}

fn status(error: StoreError) -> Status {
    match error {
        StoreError::Trimmed { .. } => Status::out_of_range(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}

#[tonic::async_trait]
impl Events for Server {
    type SubscribeStream = Deliveries;

    async fn subscribe(&self, request: Request<v1::SubscribeRequest>) -> Result<Response<Deliveries>, Status> {
        let caller = net::grpc::caller(&request)?;
        caller
            .needs_scope(runtime::scope::CALLS_READ)
            .map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let caller = caller.clone();
        let tenant = net::grpc::tenant(&request)?;
        let permit = self.streams.open(Some(&tenant), caller.subject())?;
        let asked = request.into_inner();
        if asked.dns.len() > DNS_MAX {
            return Err(Status::invalid_argument(format!("dns: there are more than {DNS_MAX}")));
        }
        let (deliveries, stream) = mpsc::channel(WAITING_MAX);
        let after = if asked.after.is_empty() {
            let of_dns = |view: &View, position| (view.snapshot(position, &asked.dns), position);
            let (snapshot, position) = self.views.snapshot(&tenant, of_dns).await.map_err(status)?;
            // The channel is empty, so this send does not wait.
            let _ = deliveries.send(Ok(v1::Delivery { what: Some(What::Snapshot(snapshot)) })).await;
            position
        } else {
            self.existing(&tenant, &asked.after).await?
        };
        let answers = net::grpc::until_token_expires(ReceiverStream::new(stream), &caller, self.clock.clone());
        let subject = caller.subject().to_owned();
        let subscription = Subscription { events: self.events.clone(), tenant, subject, dns: asked.dns, deliveries };
        tokio::spawn(subscription.run(after));
        Ok(Response::new(permit.with(answers)))
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

/// A subscription in progress.
struct Subscription {
    events: Arc<dyn EventStream>,
    tenant: TenantId,
    /// The reader: references of others' requests are hidden from it.
    subject: String,
    dns: Vec<String>,
    deliveries: mpsc::Sender<Result<v1::Delivery, Status>>,
}

impl Subscription {
    /// Delivers until the reader disconnects or the stream fails.
    async fn run(self, mut after: Position) {
        loop {
            let read = self.events.read(&self.tenant, after, BATCH, SILENCE_MAX);
            let entries = tokio::select! {
                () = self.deliveries.closed() => return,
                entries = read => entries,
            };
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => return drop(self.deliveries.send(Err(status(error))).await),
            };
            let mut shown = false;
            for entry in &entries {
                after = entry.position;
                if let Some(event) = self.show(entry) {
                    shown = true;
                    if self.send(What::Event(event)).await.is_err() {
                        return;
                    }
                }
            }
            if !shown && self.send(What::Reached(after.to_string())).await.is_err() {
                return;
            }
        }
    }

    async fn send(&self, what: What) -> Result<(), ()> {
        self.deliveries.send(Ok(v1::Delivery { what: Some(what) })).await.map_err(|_| ())
    }

    fn show(&self, entry: &EventEntry) -> Option<v1::PositionedEvent> {
        if !self.concerns(&entry.event) {
            return None;
        }
        let mut envelope = wire::stamped_to_wire(&entry.event);
        if let Some(event) = &mut envelope.event
            && event.requester.as_deref() != Some(&self.subject)
        {
            event.reference = 0;
        }
        Some(v1::PositionedEvent { position: entry.position.to_string(), envelope: Some(envelope) })
    }

    fn concerns(&self, stamped: &Stamped) -> bool {
        let named = |dn: &model::Dn| self.dns.iter().any(|wanted| wanted == dn.as_str());
        self.dns.is_empty() || stamped.event.this_dn.as_ref().is_some_and(named)
    }
}
