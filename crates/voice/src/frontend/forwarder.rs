//! Forwards a request to the node that carries it out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::json::RequestFrame;
use http::StatusCode;
use model::event::ErrorCode;
use model::request::{Concern, RouteTo, Treatment};
use model::{RequestKind, TenantId, Timestamp};
use net::http::{Answer, CallError, Client, Problem};
use runtime::RoleContext;
use runtime::spans::{TRACE_RESPONSE, TraceParent};
use runtime::trace::What;
use runtime::trace::entry::Request as Asked;
use serde_json::{Value, json};
use tracing::info;

use super::metrics::Metrics;
use super::repeats::{Repeats, Reused};
use super::under_way::UnderWay;
use crate::reporting::Reporter;

/// Time for the owner's answer; afterwards the client gets error 57.
const OWNER_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// When the other nodes are queried as well about a call whose node is silent. That node may be stalled, and another takes over its calls
/// within a second or two.
const SILENT_FOR: Duration = Duration::from_millis(200);
/// Time for each of the other nodes' answers.
const OTHERS_ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// The pauses before the nodes are queried again about a call whose node has just failed.
const MOVED_WITHIN: [Duration; 5] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];
/// The port on which sip-cluster accepts requests.
const OWNER_PORT: u16 = 11300;

/// How long a silent node is queried last. Another node has its calls by then, and each request would wait for it again.
const ASKED_LAST_FOR: Duration = Duration::from_secs(5);

/// The reporting topic of requests.
const TOPIC: &str = contracts::reporting::REQUESTS;

/// Forwards requests to sip-cluster.
#[derive(Clone)]
pub(super) struct RequestForwarder {
    ctx: RoleContext,
    cluster: Client,
    repeats: Repeats,
    under_way: UnderWay,
    silent: Silent,
    metrics: Metrics,
    reporter: Reporter,
}

/// A request from a client.
pub(super) struct Incoming {
    pub tenant: TenantId,
    pub requester: String,
    pub idempotency_key: Option<String>,
    /// Our own span that serves it, if its client has named a trace.
    pub within: Option<TraceParent>,
    pub frame: Value,
}

impl RequestForwarder {
    pub fn new(ctx: RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        let cluster = Client::new(&ctx, "voice-39")?;
        let reporter = Reporter::start(&ctx, "voice-48", TOPIC);
        let (repeats, under_way, silent) = (Repeats::default(), UnderWay::default(), Silent::default());
        Ok(Self { ctx, cluster, repeats, under_way, silent, metrics, reporter })
    }

    /// Counts a refused request.
    pub fn turned_away(&self, problem: &Problem) {
        self.metrics.request_ended(Some(problem.status));
    }

    /// Forwards an accepted request and returns its reference. A repeat within half a minute gets the earlier answer. The request continues
    /// even if the client hangs up.
    pub async fn enter(&self, incoming: Incoming, read: RequestFrame) -> Result<u64, Problem> {
        let reference = read.request.reference.0;
        let (forwarder, tenant) = (self.clone(), incoming.tenant.clone());
        let carried_out =
            self.under_way.to_the_end(&tenant, async move { forwarder.carry_out(&incoming, &read).await }).await;
        carried_out.inspect_err(|problem| self.turned_away(problem))??;
        Ok(reference)
    }

    async fn carry_out(&self, incoming: &Incoming, read: &RequestFrame) -> Result<(), Problem> {
        let Some(key) = &incoming.idempotency_key else { return self.hand_on(incoming, read).await };
        // None of the parts contains a line break, so keys of different clients never collide.
        let (tenant, key) = (&incoming.tenant, format!("{}\n{key}", incoming.requester));
        let outcome = self.repeats.outcome(tenant, &key, &incoming.frame, self.ctx.clock.now()).map_err(|Reused| {
            self.metrics.request_ended(Some(422));
            Problem::unprocessable("Idempotency-Key: it was used for another request within the last half minute")
        })?;
        if outcome.initialized() {
            self.metrics.request_repeated();
        }
        let answer = outcome.get_or_init(|| self.hand_on(incoming, read)).await.clone();
        // A failure may be tried again, but a node that has not answered in time may have begun the call, or posted a request about an agent.
        let may_have_begun = |problem: &Problem| {
            problem.status == StatusCode::GATEWAY_TIMEOUT.as_u16()
                && !read.request.kind.request_type().concern.is_of_call()
        };
        if answer.as_ref().is_err_and(|problem| problem.status >= 500 && !may_have_begun(problem)) {
            self.repeats.forget(tenant, &key);
        }
        answer
    }

    async fn hand_on(&self, incoming: &Incoming, read: &RequestFrame) -> Result<(), Problem> {
        let asking = super::spans::Asking::begin(&self.ctx, incoming.within);
        let answer = self.ask_owner(incoming, read, asking.context()).await;
        asking.end(&self.ctx, &incoming.frame, &read.request, &answer);
        let answer = answer.map(|_| ());
        self.metrics.request_ended(answer.as_ref().err().map(|problem| problem.status));
        self.explain(&incoming.frame, &read.request, answer.as_ref().err());
        self.report(&incoming.frame, &read.request, answer.as_ref().err());
        if let Err(problem) = &answer {
            let request = &read.request;
            let why = problem.detail.as_deref().unwrap_or(&problem.title);
            info!(tenant = %request.tenant, call = ?request.kind.conn_id(), requester = request.requester,
                reference = request.reference.0, status = problem.status, why, "request refused");
        }
        answer
    }

    /// Records the request for the explanation of its call.
    fn explain(&self, frame: &Value, request: &model::Request, refused: Option<&Problem>) {
        let Some(conn_id) = request.kind.conn_id() else { return };
        self.ctx.trace.note_with(&request.tenant, conn_id, self.ctx.clock.now(), || {
            let because = |problem: &Problem| problem.detail.clone().unwrap_or_else(|| problem.title.clone());
            What::Request(Asked {
                name: in_words(frame, request),
                requester: request.requester.clone(),
                reference: request.reference.0,
                outcome: refused.map_or_else(|| "accepted".to_owned(), because),
            })
        });
    }

    /// Reports the request, its requester and the answer to the reporting log.
    fn report(&self, frame: &Value, request: &model::Request, refused: Option<&Problem>) {
        let conn_id = request.kind.conn_id().map(|id| id.to_string());
        let subject = conn_id.as_ref().map_or_else(|| request.requester.clone(), |id| format!("call:{id}"));
        let data = json!({
            "Request": frame.get("req"),
            "Requester": request.requester,
            "ReferenceID": request.reference.0,
            "ConnID": conn_id,
            "Status": refused.map_or(StatusCode::ACCEPTED.as_u16(), |problem| problem.status),
            "Reason": refused.map(|problem| problem.detail.as_ref().unwrap_or(&problem.title)),
        });
        self.reporter.report(&request.tenant, "RequestAnswered", &subject, self.ctx.clock.now(), data);
    }

    /// Returns the answer, with the call's span if tracing is on.
    async fn ask_owner(
        &self,
        incoming: &Incoming,
        read: &RequestFrame,
        within: Option<TraceParent>,
    ) -> Result<Option<TraceParent>, Problem> {
        let mut body =
            json!({"tenant": incoming.tenant.as_str(), "requester": incoming.requester, "frame": incoming.frame});
        let mut pauses = MOVED_WITHIN.into_iter();
        loop {
            let mut refusals = Refusals::default();
            if let Some(answer) = self.ask_each(&mut body, read, within, &mut refusals).await {
                return answer;
            }
            // A call changes its owner within milliseconds after a node is reported as failed.
            let Some(pause) = pauses.next().filter(|_| refusals.is_moving()) else { return Err(refusals.sum()) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Queries one node after the other; possibly none of them has the call.
    async fn ask_each(
        &self,
        body: &mut Value,
        read: &RequestFrame,
        within: Option<TraceParent>,
        refusals: &mut Refusals,
    ) -> Option<Result<Option<TraceParent>, Problem>> {
        let concern = read.request.kind.request_type().concern;
        let nodes = self.nodes(read);
        for (at, node) in nodes.iter().enumerate() {
            let others = nodes.get(1..).filter(|_| at == 0 && concern.is_of_call()).unwrap_or_default();
            let (node, answer) = self.ask_beside(body, *node, others, within).await;
            self.silent.note(node, &answer, self.ctx.clock.now());
            match answer {
                Ok(answer) => return Some(Ok(TraceParent::of(&answer.headers, TRACE_RESPONSE))),
                // Not the owner, or no longer: the call may have moved.
                Err(CallError::Refused(problem)) if problem.status == StatusCode::NOT_FOUND.as_u16() => {
                    refusals.not_here(problem);
                }
                // Another node may take the call.
                Err(CallError::Refused(problem))
                    if concern == Concern::NewCall && problem.status == StatusCode::SERVICE_UNAVAILABLE.as_u16() =>
                {
                    refusals.full = Some(problem);
                }
                Err(CallError::Refused(problem)) => return Some(Err(problem)),
                // The next queried node takes over the calls of this one.
                Err(CallError::Connect(..)) => {
                    refusals.unreachable = true;
                    body["unreachable"] = Value::from(self.ctx.directory.node_at(node.ip()));
                }
                // The node may have opened the call: a second one would ring the same phones. Or it may have posted a request about an
                // agent, which would be carried out twice.
                Err(error) if !concern.is_of_call() => {
                    refusals.silent(&error);
                    return Some(Err(std::mem::take(refusals).sum()));
                }
                // Usually the node's process has ended; the next query shows whether it runs. A repeat starts no treatment and no route
                // twice.
                Err(error @ CallError::Broken(..)) => {
                    refusals.broken = true;
                    refusals.silent(&error);
                }
                // The node may be stalled while another has its calls. The present owner carries out the request; late writes of the
                // stalled node are fenced.
                Err(error) => {
                    refusals.late = true;
                    refusals.silent(&error);
                }
            }
        }
        None
    }

    /// Queries a node, and after [`SILENT_FOR`] without an answer also the others: the node may be stalled, and another may have its call.
    /// Only the call's present owner carries out the request.
    async fn ask_beside(
        &self,
        body: &Value,
        node: SocketAddr,
        others: &[SocketAddr],
        within: Option<TraceParent>,
    ) -> (SocketAddr, Result<Answer, CallError>) {
        let beside = async {
            tokio::time::sleep(SILENT_FOR).await;
            for other in others {
                let answer = self.ask(body, *other, within, OTHERS_ANSWER_WITHIN).await;
                if has_the_call(&answer) {
                    return (*other, answer);
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            answer = self.ask(body, node, within, OWNER_ANSWERS_WITHIN) => (node, answer),
            answered = beside => {
                self.silent.is_passed_over(node, self.ctx.clock.now());
                answered
            }
        }
    }

    async fn ask(
        &self,
        body: &Value,
        node: SocketAddr,
        within: Option<TraceParent>,
        deadline: Duration,
    ) -> Result<Answer, CallError> {
        self.cluster.post("/requests").json(body).at(node).deadline(deadline).within(within).send().await
    }

    /// The nodes to query: the owner that the ConnID names first, then the others, and nodes that were silent recently last. New calls
    /// begin at different nodes, by the DN that makes them.
    fn nodes(&self, read: &RequestFrame) -> Vec<SocketAddr> {
        let owner = read.owner.as_ref();
        let mut nodes = self.ctx.directory.addresses("sip-cluster", OWNER_PORT);
        let turns = read.request.this_dn.as_str().bytes().map(usize::from).sum::<usize>();
        let turns = turns.checked_rem(nodes.len()).unwrap_or(0);
        nodes.rotate_left(turns);
        let is_owner =
            |node: &SocketAddr| owner.is_some_and(|owner| self.ctx.directory.node_at(node.ip()) == owner.node.as_str());
        let now = self.ctx.clock.now();
        nodes.sort_by_key(|node| (self.silent.is_silent(*node, now), !is_owner(node)));
        nodes
    }
}

/// Whether the node carried out the request, or refused it as the call's owner.
fn has_the_call(answer: &Result<Answer, CallError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(CallError::Refused(problem)) => problem.status == StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
        Err(_) => false,
    }
}

/// Silent nodes, and until when they are queried last; one answer removes a node.
#[derive(Clone, Default)]
struct Silent(Arc<Mutex<HashMap<SocketAddr, Timestamp>>>);

impl Silent {
    fn note<T>(&self, node: SocketAddr, answer: &Result<T, CallError>, now: Timestamp) {
        if matches!(answer, Err(CallError::Deadline(_))) {
            return self.is_passed_over(node, now);
        }
        let mut silent = self.nodes();
        if !silent.is_empty() {
            silent.remove(&node);
        }
    }

    fn is_passed_over(&self, node: SocketAddr, now: Timestamp) {
        self.nodes().insert(node, now + ASKED_LAST_FOR);
    }

    fn is_silent(&self, node: SocketAddr, now: Timestamp) -> bool {
        self.nodes().get(&node).is_some_and(|until| now < *until)
    }

    fn nodes(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Timestamp>> {
        // The map is consistent after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answers of nodes that do not have the call.
#[derive(Default)]
struct Refusals {
    /// A node did not answer.
    silent: Option<Problem>,
    /// The call's owner, or the ledger, reports that the call no longer exists.
    over: Option<Problem>,
    /// A node takes no new calls.
    full: Option<Problem>,
    /// A node reports that another node has the call.
    elsewhere: bool,
    /// The connection to a node broke during the query.
    broken: bool,
    /// A node refused the connection.
    unreachable: bool,
    /// A node did not answer in time, and would not do so the next time.
    late: bool,
}

impl Refusals {
    fn not_here(&mut self, problem: Problem) {
        if problem.code == Some(u32::from(ErrorCode::INVALID_CONN_ID.0)) {
            self.over = Some(problem);
        } else {
            self.elsewhere = true;
        }
    }

    fn silent(&mut self, error: &CallError) {
        let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "owner-silent", "The call's node does not answer");
        self.silent = Some(problem.detail(error.to_string()).code(u32::from(ErrorCode::TIMEOUT.0)));
    }

    /// Whether a node has just failed and another is about to take over the call.
    const fn is_moving(&self) -> bool {
        !self.late && (self.broken || (self.elsewhere && self.unreachable))
    }

    /// The answer for the client.
    fn sum(self) -> Problem {
        // Each node reports another owner: the call is being taken over.
        let moving = self.elsewhere.then(|| Problem::unavailable("the call is just changing hands"));
        self.silent.or(self.over).or(moving).or(self.full).unwrap_or_else(|| {
            Problem::unavailable("no sip-cluster node can be reached").code(u32::from(ErrorCode::OUT_OF_SERVICE.0))
        })
    }
}

/// A request by its name and its target.
fn in_words(frame: &Value, request: &model::Request) -> String {
    let name = frame.get("req").and_then(Value::as_str).unwrap_or_default();
    match &request.kind {
        RequestKind::RouteCall(_, RouteTo::Dn { dn, agent: Some(agent) }) => format!("{name} to {dn} ({agent})"),
        RequestKind::RouteCall(_, RouteTo::Dn { dn, agent: None }) => format!("{name} to {dn}"),
        RequestKind::RouteCall(_, RouteTo::Disconnect) => format!("{name}: disconnect"),
        RequestKind::CollectDigits(_, digits, _) => format!("{name}: up to {} digits", digits.max_digits),
        RequestKind::ApplyTreatment(_, treatment, _) => match treatment {
            Treatment::PlayAnnouncement { prompts } => format!("{name}: play {}", prompts.join(", ")),
            Treatment::PlayAndCollect { max_digits, .. } => format!("{name}: collect up to {max_digits} digits"),
            Treatment::Music { resource, .. } => format!("{name}: music {resource}"),
            Treatment::RingBack => format!("{name}: ringing tone"),
            Treatment::Busy => format!("{name}: busy tone"),
            Treatment::FastBusy => format!("{name}: fast busy tone"),
            Treatment::Echo => format!("{name}: echo"),
            Treatment::Silence => format!("{name}: silence"),
            Treatment::RecordUserAnnouncement { max_ms, .. } => format!("{name}: record up to {max_ms} ms"),
            Treatment::DeleteUserAnnouncement { announcement } => format!("{name}: delete {announcement}"),
        },
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
