//! Port 8000 of a node: the contract of tenant's port 8000, restricted to what the node owns.
//!
//! A node's facts are those of the tenant's stream, and so are its positions: a client that loses a node resumes at another. What a node owns,
//! and which facts it delivers, is the role's matter ([`Ownership`], [`Sieve`]).

mod subscription;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use contracts::v1;
use contracts::v1::delivery::What;
use contracts::v1::events_server::Events;
use contracts::wire;
use infra::{Clock, EventEntry, EventStream, Position, StoreError};
use model::{EventId, Seq, Subject, TenantId, Timestamp, Token};
use net::grpc::Streams;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use subscription::NodeSubscription;

/// The most deliveries that wait for a slow reader. Later facts wait in the stream.
const WAITING_MAX: usize = 16;
/// The most DNs of one subscription: each fact is compared with each of them.
const DNS_MAX: usize = 1_000;
/// The most facts that a client names as known: a client with more subjects begins with a snapshot.
const KNOWN_MAX: usize = 10_000;

runtime::metrics! {
    /// The metrics of the events on 8000.
    #[derive(Clone)]
    pub struct Metrics {
        /// Subscriptions that are open.
        subscriptions: Gauge = "events_subscriptions_open";
        /// Facts delivered to subscribers.
        delivered: Counter = "events_delivered";
        /// Subscriptions ended because their reader took nothing for too long.
        slow: Counter = "events_subscriptions_slow";
        /// Facts of nodes that do not run any more, delivered in their place.
        adopted: Counter = "events_adopted";
    }
}

impl Metrics {
    /// Counts facts of nodes that do not run any more.
    pub fn facts_adopted(&self, count: usize) {
        self.adopted.inc_by(count as u64);
    }
}

/// What the node owns of a tenant.
#[tonic::async_trait]
pub trait Ownership: Send + Sync + 'static {
    /// Chooses the facts of one subscription.
    type Sieve: Sieve;

    /// The state, as of its position, of all DNs. Its `known` names the facts that it contains although they may stand after the position.
    ///
    /// # Errors
    /// Those of the stores.
    async fn snapshot(&self, tenant: &TenantId) -> infra::Result<v1::Snapshot>;

    /// The choice of a new subscription.
    fn sieve(&self, tenant: &TenantId) -> Self::Sieve;
}

/// Chooses the facts that a node delivers, in their order.
pub trait Sieve: Send + Sync + 'static {
    /// Takes the next fact of the stream, and adds to `out` what is to be delivered now.
    fn take(&mut self, entry: EventEntry, now: Timestamp, out: &mut Vec<EventEntry>);

    /// Takes a fact that stands before the subscription's beginning.
    fn take_earlier(&mut self, entry: EventEntry, now: Timestamp) {
        let _ = (entry, now);
    }

    /// Adds what is to be delivered now although no fact has come. Called at least every [`subscription::LOOK_EVERY`].
    fn look(&mut self, now: Timestamp, out: &mut Vec<EventEntry>) {
        let _ = (now, out);
    }
}

/// The gRPC service.
pub struct EventServer<O> {
    ownership: O,
    events: Arc<dyn EventStream>,
    streams: Streams,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl<O: Ownership> EventServer<O> {
    /// Serves what the node owns.
    pub fn new(ctx: &RoleContext, ownership: O, metrics: Metrics) -> Self {
        let (events, clock) = (ctx.stores.events.clone(), ctx.clock.clone());
        Self { ownership, events, streams: Streams::default(), clock, metrics }
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
        StoreError::Invalid(_) => Status::not_found(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}

#[tonic::async_trait]
impl<O: Ownership> Events for EventServer<O> {
    type SubscribeStream = net::grpc::Answers<v1::Delivery>;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let caller = net::grpc::caller(&request)?;
        caller
            .needs_scope(runtime::scope::CALLS_READ)
            .map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let caller = caller.clone();
        let tenant = net::grpc::tenant(&request)?;
        let permit = self.streams.open(Some(&tenant), caller.subject())?;
        let asked = request.into_inner();
        let dns = chosen_dns(&asked)?;
        let mut known = KnownFacts::read(asked.known)?;
        let (deliveries, stream) = mpsc::channel(WAITING_MAX);
        let after = if asked.after.is_empty() {
            let mut snapshot = self.ownership.snapshot(&tenant).await.map_err(status)?;
            let position = snapshot.position.parse().map_err(|_| Status::internal("the snapshot has no position"))?;
            known = KnownFacts::read(snapshot.known.clone()).unwrap_or_default();
            restrict(&mut snapshot, &dns);
            // The channel is empty, so this send does not wait.
            let _ = deliveries.send(Ok(v1::Delivery { what: Some(What::Snapshot(snapshot)) })).await;
            position
        } else {
            self.existing(&tenant, &asked.after).await?
        };
        let answers = net::grpc::until_token_expires(ReceiverStream::new(stream), &caller, self.clock.clone());
        let subscription = NodeSubscription {
            sieve: self.ownership.sieve(&tenant),
            events: self.events.clone(),
            clock: self.clock.clone(),
            tenant,
            subject: caller.subject().to_owned(),
            dns,
            known,
            shown: after,
            deliveries,
            metrics: self.metrics.clone(),
        };
        let open = OpenSubscription::new(self.metrics.subscriptions.clone());
        tokio::spawn(async move {
            subscription.run(after).await;
            drop(open);
        });
        Ok(Response::new(permit.with(answers)))
    }

    async fn ask(&self, _: Request<v1::AskRequest>) -> Result<Response<v1::AskResponse>, Status> {
        Err(Status::unimplemented("requests go to tenant, or to frontend"))
    }
}

/// The DNs that are asked for. To choose by anything else is refused: it would have no effect.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn chosen_dns(asked: &v1::SubscribeRequest) -> Result<HashSet<String>, Status> {
    let others = [
        ("agents", asked.agents.len()),
        ("queues", asked.queues.len()),
        ("calls", asked.calls.len()),
        ("names", asked.names.len()),
    ];
    if let Some((field, _)) = others.into_iter().find(|(_, count)| *count > 0) {
        let rule = format!("{field}: a node chooses by dns alone; port 8000 of tenant knows the others");
        return Err(Status::invalid_argument(rule));
    }
    if asked.dns.len() > DNS_MAX {
        return Err(Status::invalid_argument(format!("dns: there are more than {DNS_MAX}")));
    }
    Ok(asked.dns.iter().cloned().collect())
}

/// Counts an open subscription while it lives.
struct OpenSubscription(Gauge);

impl OpenSubscription {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for OpenSubscription {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Keeps what concerns these DNs; everything if none is named.
fn restrict(snapshot: &mut v1::Snapshot, dns: &HashSet<String>) {
    if dns.is_empty() {
        return;
    }
    snapshot.calls.retain(|call| call.parties.iter().any(|party| dns.contains(&party.dn)));
    snapshot.dns_in_service.retain(|dn| dns.contains(dn));
}

/// The last fact of each subject that the reader has.
#[derive(Default)]
struct KnownFacts(HashMap<Subject, (Token, Seq)>);

impl KnownFacts {
    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    fn read(named: Vec<v1::FactId>) -> Result<Self, Status> {
        if named.len() > KNOWN_MAX {
            return Err(Status::invalid_argument(format!("known: there are more than {KNOWN_MAX}")));
        }
        let mut known = HashMap::with_capacity(named.len());
        for id in named {
            let id = wire::fact_id_from_wire(id).map_err(|e| Status::invalid_argument(format!("known: {e}")))?;
            let last = known.entry(id.subject).or_default();
            *last = (id.token, id.seq).max(*last);
        }
        Ok(Self(known))
    }

    fn contains(&self, id: &EventId) -> bool {
        self.0.get(&id.subject).is_some_and(|last| (id.token, id.seq) <= *last)
    }
}
