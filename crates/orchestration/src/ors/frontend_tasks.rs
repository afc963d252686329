//! Requests to frontend (voice-38), in order for each call.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::time::Duration;

use contracts::provisioning;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::{HeaderName, HeaderValue, StatusCode};
use model::request::{RequestKind, RouteTo};
use model::{ConnId, Dn, TenantId};
use net::http::{CallError, Client};
use serde_json::Value as Json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::Shared;
use super::call_session::{Caller, REQUEST_DEADLINE};
use super::intentions::frame;
use super::path::segment;
use super::shares::Shares;
use super::worker::{Step, Work};

/// Calls with requests under way; beyond this, further requests of any call wait.
const CALLS_MAX: usize = 1_024;
/// Requests waiting behind others of their calls.
const BEHIND_MAX: usize = 8_192;
/// Requests not yet examined; beyond this, senders wait.
const TASKS_MAX: usize = 1_024;
/// Tasks of one tenant, with those under way; beyond this, the tenant's own senders wait.
const TASKS_OF_TENANT_MAX: usize = 256;
/// Time that frontend has to accept a request, with all attempts. A request that no node can take now is retried: a
/// takeover takes a second or two, and an application without a transition for the error would end.
const ACCEPT_WITHIN: Duration = Duration::from_secs(6);
/// The same from the moment when its session has asked for it, behind other requests of the call. At the deadline the session considers it
/// lost, and rq has taken back the agent to whom it leads.
const CARRIED_OUT_WITHIN: Duration = Duration::from_secs(REQUEST_DEADLINE.as_secs() - 1);
/// The pause before the next attempt.
const AGAIN: Duration = Duration::from_millis(500);

/// Sends tasks to the runner.
#[derive(Clone)]
pub(super) struct FrontendTasks {
    sender: mpsc::Sender<FrontendTask>,
    shares: Shares,
}

struct FrontendTask {
    tenant: TenantId,
    conn_id: ConnId,
    /// Tells retries of a request apart from new requests.
    key: String,
    since: Instant,
    what: What,
    /// Its part of the tenant's share, until it is done.
    share: OwnedSemaphorePermit,
}

enum What {
    Request {
        reference: u64,
        frame: Json,
    },
    /// With the step that follows.
    DefaultRoute(Box<Caller>, Option<Box<Step>>),
}

impl FrontendTasks {
    /// Starts the runner.
    pub fn start(shared: &Shared, config: Client) -> anyhow::Result<Self> {
        let frontend = Client::new(&shared.ctx, "voice-38")?;
        let (sender, tasks) = mpsc::channel(TASKS_MAX);
        let runner = Runner { shared: shared.clone(), frontend, config };
        shared.ctx.spawn("requests to frontend", async move { runner.run(tasks).await });
        Ok(Self { sender, shares: Shares::of(TASKS_OF_TENANT_MAX) })
    }

    /// Sends a request of a session.
    pub async fn request(&self, step: &Step, reference: u64, kind: RequestKind) {
        let frame = frame(&step.tenant, &step.caller, reference, kind);
        self.send(&step.tenant, step.caller.call.conn_id, &step.session.0, reference, frame).await;
    }

    /// Sends a request from a record.
    pub async fn send(&self, tenant: &TenantId, conn_id: ConnId, session: &str, reference: u64, frame: Json) {
        let key = format!("{session}:{reference}");
        self.put(tenant, conn_id, key, What::Request { reference, frame }).await;
    }

    /// Sends the call to its route point's default; `afterwards` is given to its worker when frontend has answered.
    pub async fn default_route(&self, step: &Step, afterwards: Option<Box<Step>>) {
        self.put_default_route(&step.tenant, step.caller.clone(), &step.session.0, afterwards).await;
    }

    /// Sends a call without a session to its route point's default; then as [`Self::default_route`].
    pub async fn default_route_of(&self, tenant: &TenantId, caller: Caller, key: &str, afterwards: Step) {
        self.put_default_route(tenant, caller, key, Some(Box::new(afterwards))).await;
    }

    async fn put_default_route(&self, tenant: &TenantId, caller: Caller, key: &str, afterwards: Option<Box<Step>>) {
        let conn_id = caller.call.conn_id;
        let key = format!("{key}:default");
        let what = What::DefaultRoute(Box::new(caller), afterwards);
        self.put(tenant, conn_id, key, what).await;
    }

    async fn put(&self, tenant: &TenantId, conn_id: ConnId, key: String, what: What) {
        let Some(share) = self.shares.take(tenant).await else { return };
        let task = FrontendTask { tenant: tenant.clone(), conn_id, key, since: Instant::now(), what, share };
        // The receiver ends only with the role.
        let _ = self.sender.send(task).await;
    }
}

/// Runs the tasks: those of one call in order, those of different calls concurrently. A call whose node does not
/// answer delays no other.
struct Runner {
    shared: Shared,
    frontend: Client,
    config: Client,
}

impl Runner {
    async fn run(&self, mut tasks: mpsc::Receiver<FrontendTask>) -> anyhow::Result<()> {
        // For each call with a task under way, the tasks waiting behind it.
        let mut behind: HashMap<(TenantId, ConnId), VecDeque<FrontendTask>> = HashMap::new();
        let mut waiting = 0;
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = self.shared.ctx.drain.ended() => return Ok(()),
                Some(call) = under_way.next() => match behind.get_mut(&call).and_then(VecDeque::pop_front) {
                    Some(next) => {
                        waiting -= 1;
                        under_way.push(self.perform(next));
                    }
                    None => drop(behind.remove(&call)),
                },
                task = tasks.recv(), if behind.len() < CALLS_MAX && waiting < BEHIND_MAX => {
                    let Some(task) = task else { return Ok(()) };
                    match behind.entry((task.tenant.clone(), task.conn_id)) {
                        Entry::Occupied(mut call) => {
                            waiting += 1;
                            call.get_mut().push_back(task);
                        }
                        Entry::Vacant(call) => {
                            call.insert(VecDeque::new());
                            under_way.push(self.perform(task));
                        }
                    }
                }
            }
        }
    }

    /// Runs one task; returns its call.
    async fn perform(&self, task: FrontendTask) -> (TenantId, ConnId) {
        let FrontendTask { tenant, conn_id, key, since, what, share } = task;
        match what {
            What::Request { reference, .. } if since.elapsed() >= REQUEST_DEADLINE => {
                // Its session has considered it lost, and has gone on as if it were not done.
                tracing::warn!(call = %conn_id, reference, "a request waited too long behind others: not made");
                self.shared.metrics.request_refused();
            }
            What::Request { reference, frame } => {
                let until = (since + CARRIED_OUT_WITHIN).min(Instant::now() + ACCEPT_WITHIN);
                if let Err(error) = self.post(&tenant, conn_id, &key, &frame, until).await {
                    self.refused(tenant.clone(), conn_id, reference, &error);
                }
            }
            What::DefaultRoute(caller, afterwards) => {
                let to = self.default_of(&tenant, &caller.this_dn).await;
                tracing::info!(call = %conn_id, %tenant, to = ?to, "call takes its route point's default");
                let frame = frame(&tenant, &caller, 0, RequestKind::RouteCall(conn_id, to));
                let until = Instant::now() + ACCEPT_WITHIN;
                if let Err(error) = self.post(&tenant, conn_id, &key, &frame, until).await {
                    // The call's owner applies the default by itself if it receives no instruction.
                    tracing::warn!(call = %conn_id, %error, "the default route could not be asked for");
                }
                // A lane that waits for the share must not wait for a worker that waits for the lane.
                drop(share);
                if let Some(step) = afterwards {
                    self.shared.workers.give_back(conn_id, Work::Afterwards(step)).await;
                }
            }
        }
        (tenant, conn_id)
    }

    /// Makes a request until it is accepted, or refused for good, or the time is over.
    async fn post(
        &self,
        tenant: &TenantId,
        conn_id: ConnId,
        key: &str,
        frame: &Json,
        until: Instant,
    ) -> Result<(), CallError> {
        const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
        let value = HeaderValue::from_str(key).map_err(|e| CallError::Shape(e.to_string()))?;
        loop {
            let call = self.frontend.post(&format!("/api/voice/v1/{tenant}/requests")).json(frame);
            let call = call.within(self.shared.ctx.trace.spans().doing_in(conn_id));
            let call = call
                .header(IDEMPOTENCY_KEY, value.clone())
                .deadline(until.saturating_duration_since(Instant::now()))
                .idempotent();
            match call.send().await {
                Ok(_) => return Ok(()),
                Err(error) if !passes(&error) || Instant::now() + AGAIN >= until => return Err(error),
                Err(error) => tracing::debug!(call = %conn_id, %error, "a request is made again"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The default destination of a route point.
    async fn default_of(&self, tenant: &TenantId, point: &Dn) -> RouteTo {
        let path = format!("/tenants/{tenant}/dns/{}", segment(point.as_str()));
        match self.config.get(&path).idempotent().fetch::<provisioning::Dn>().await {
            Ok(provisioning::Dn { kind: provisioning::DnKind::RoutePoint { default_dn: Some(dn), .. }, .. }) => {
                Dn::parse(&dn).map_or(RouteTo::Disconnect, |dn| RouteTo::Dn { dn, agent: None })
            }
            Ok(_) => RouteTo::Disconnect,
            Err(error) => {
                tracing::warn!(%tenant, dn = %point, %error, "the default of a route point is not known");
                RouteTo::Disconnect
            }
        }
    }

    fn refused(&self, tenant: TenantId, conn_id: ConnId, reference: u64, error: &CallError) {
        self.shared.metrics.request_refused();
        let code = match error {
            CallError::Refused(problem) => problem.code.map_or_else(|| problem.status.to_string(), |c| c.to_string()),
            CallError::Deadline(_) => "timeout".to_owned(),
            _ => "unreachable".to_owned(),
        };
        let description = error.to_string();
        tracing::warn!(call = %conn_id, reference, code, description, "request refused");
        // If the worker has no room, the session's own deadline for the request reports the failure.
        if !self
            .shared
            .workers
            .try_send(conn_id, Work::Refused { tenant, conn_id, reference, error: code, description })
        {
            self.shared.metrics.overflowed();
        }
    }
}

/// Whether the request may be made again and the obstacle is likely to pass soon. A call whose node is silent gets another one within
/// seconds. The repeat of a request that the silent one has accepted does nothing while that is under way; a treatment or a route that has
/// ended by then would be made again.
fn passes(error: &CallError) -> bool {
    match error {
        CallError::Nowhere(_) | CallError::Connect(..) => true,
        CallError::Refused(problem) => [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT]
            .iter()
            .any(|status| problem.status == status.as_u16()),
        CallError::Deadline(_) | CallError::Broken(..) | CallError::Shape(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use net::http::Problem;

    use super::*;

    #[test]
    fn a_request_is_made_again_when_nobody_could_take_it_and_not_when_it_is_refused_for_good() {
        for (problem, again) in [
            (Problem::unavailable("the call is just changing hands"), true),
            (Problem::not_found("no such call here").code(56), false),
            (Problem::unprocessable("not a request"), false),
            (Problem::new(StatusCode::GATEWAY_TIMEOUT, "owner-silent", "another node takes the call"), true),
        ] {
            assert_eq!(passes(&CallError::Refused(problem.clone())), again, "{problem:?}");
        }
        assert!(passes(&CallError::Nowhere("frontend")));
        assert!(!passes(&CallError::Deadline("127.0.0.1:9101".parse().unwrap())));
    }
}
