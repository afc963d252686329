//! From a request to the node that carries it out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::json::RequestFrame;
use http::StatusCode;
use model::event::ErrorCode;
use model::request::{RouteTo, Treatment};
use model::{Owner, RequestKind, TenantId, Timestamp};
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

/// Time for the owner's answer; then the client hears error 57.
const OWNER_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// When the others are asked as well about a call whose node is silent: it stands still, perhaps, and within a second or two its calls are
/// another's.
const SILENT_FOR: Duration = Duration::from_millis(500);
/// Time for their answer, meanwhile.
const OTHERS_ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// The pauses after which the nodes are asked once more for a call whose node has just gone.
const MOVED_WITHIN: [Duration; 5] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];
/// The port on which sip-cluster takes requests.
const OWNER_PORT: u16 = 11300;

/// For so long a node that did not answer is asked last: by then another has its calls, and each request would wait for it again.
const ASKED_LAST_FOR: Duration = Duration::from_secs(5);

/// The topic of what was asked.
const TOPIC: &str = contracts::reporting::REQUESTS;

/// Hands requests on.
#[derive(Clone)]
pub(super) struct Door {
    ctx: RoleContext,
    cluster: Client,
    repeats: Repeats,
    under_way: UnderWay,
    silent: Silent,
    metrics: Metrics,
    reporter: Reporter,
}

/// A request as it came in.
pub(super) struct Incoming {
    pub tenant: TenantId,
    pub requester: String,
    pub idempotency_key: Option<String>,
    /// The span of our own that serves it, where its client has named a trace.
    pub within: Option<TraceParent>,
    pub frame: Value,
}

impl Door {
    pub fn new(ctx: RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        let cluster = Client::new(&ctx, "voice-39")?;
        let reporter = Reporter::start(&ctx, "voice-48", TOPIC);
        let (repeats, under_way, silent) = (Repeats::default(), UnderWay::default(), Silent::default());
        Ok(Self { ctx, cluster, repeats, under_way, silent, metrics, reporter })
    }

    /// Counts a request that is not let in.
    pub fn turned_away(&self, problem: &Problem) {
        self.metrics.request_ended(Some(problem.status));
    }

    /// Hands a request on that was let in; returns its reference. A repeat within half a minute is answered without doing it again. Whoever
    /// hangs up meanwhile has asked all the same.
    pub async fn enter(&self, incoming: Incoming, read: RequestFrame) -> Result<u64, Problem> {
        let reference = read.request.reference.0;
        let (door, tenant) = (self.clone(), incoming.tenant.clone());
        let carried_out =
            self.under_way.to_the_end(&tenant, async move { door.carry_out(&incoming, &read).await }).await;
        carried_out.inspect_err(|problem| self.turned_away(problem))??;
        Ok(reference)
    }

    async fn carry_out(&self, incoming: &Incoming, read: &RequestFrame) -> Result<(), Problem> {
        let Some(key) = &incoming.idempotency_key else { return self.hand_on(incoming, read).await };
        // A line break stands in none of them, so nobody's key is another's.
        let key = format!("{}\n{}\n{key}", incoming.tenant, incoming.requester);
        let outcome = self.repeats.outcome(&key, &incoming.frame, self.ctx.clock.now()).map_err(|Reused| {
            self.metrics.request_ended(Some(422));
            Problem::unprocessable("Idempotency-Key: it was used for another request within the last half minute")
        })?;
        if outcome.initialized() {
            self.metrics.request_repeated();
        }
        let answer = outcome.get_or_init(|| self.hand_on(incoming, read)).await.clone();
        if answer.as_ref().is_err_and(|problem| problem.status >= 500) {
            self.repeats.forget(&key);
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

    /// Remembers the request, so that its call can be explained.
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

    /// Tells the reporting log who asked for what, and the answer.
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

    /// The answer names the call's span, where spans are wanted.
    async fn ask_owner(
        &self,
        incoming: &Incoming,
        read: &RequestFrame,
        within: Option<TraceParent>,
    ) -> Result<Option<TraceParent>, Problem> {
        let mut body =
            json!({"tenant": incoming.tenant.as_str(), "requester": incoming.requester, "frame": incoming.frame});
        let asked = (read.owner.as_ref(), read.request.kind.conn_id().is_some());
        let mut pauses = MOVED_WITHIN.into_iter();
        loop {
            let mut refusals = Refusals::default();
            if let Some(answer) = self.ask_each(&mut body, asked, within, &mut refusals).await {
                return answer;
            }
            // A call changes hands in milliseconds once it is said who is gone.
            let Some(pause) = pauses.next().filter(|_| refusals.is_moving()) else { return Err(refusals.sum()) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks one node after the other; none of them may have the call.
    async fn ask_each(
        &self,
        body: &mut Value,
        (owner, about_a_call): (Option<&Owner>, bool),
        within: Option<TraceParent>,
        refusals: &mut Refusals,
    ) -> Option<Result<Option<TraceParent>, Problem>> {
        let nodes = self.nodes(owner);
        for (at, node) in nodes.iter().enumerate() {
            let others = nodes.get(1..).filter(|_| at == 0 && about_a_call).unwrap_or_default();
            let (node, answer) = self.ask_beside(body, *node, others, within).await;
            self.silent.note(node, &answer, self.ctx.clock.now());
            match answer {
                Ok(answer) => return Some(Ok(TraceParent::of(&answer.headers, TRACE_RESPONSE))),
                // Not the owner, or not any more: the call may have moved.
                Err(CallError::Refused(problem)) if problem.status == StatusCode::NOT_FOUND.as_u16() => {
                    refusals.not_here(problem);
                }
                Err(CallError::Refused(problem)) => return Some(Err(problem)),
                // What was this node's is taken over by the next one that is asked.
                Err(CallError::Connect(..)) => {
                    refusals.unreachable = true;
                    body["unreachable"] = Value::from(self.ctx.directory.node_at(node.ip()));
                }
                // With its process, mostly: whether that lives shows when it is asked again. A call begins no treatment and
                // no route twice for a repeat.
                Err(error @ CallError::Broken(..)) => {
                    refusals.broken = true;
                    refusals.silent(&error);
                }
                // It may stand still, and its calls be another's by now: whoever has the call does it, and what the silent one
                // does late is fenced.
                Err(error) => {
                    refusals.late = true;
                    refusals.silent(&error);
                }
            }
        }
        None
    }

    /// Asks a node, and when it has been silent for a moment the others as well: it may stand still, and its call be theirs by now.
    /// Only the one that has the call does what is asked.
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

    /// The nodes to ask: the owner that the ConnID names first, then the others, and last those that have just been silent.
    fn nodes(&self, owner: Option<&Owner>) -> Vec<SocketAddr> {
        let mut nodes = self.ctx.directory.addresses("sip-cluster", OWNER_PORT);
        let is_owner =
            |node: &SocketAddr| owner.is_some_and(|owner| self.ctx.directory.node_at(node.ip()) == owner.node.as_str());
        let now = self.ctx.clock.now();
        nodes.sort_by_key(|node| (self.silent.is_silent(*node, now), !is_owner(node)));
        nodes
    }
}

/// Whether it has done what was asked, or as the call's owner has refused it.
fn has_the_call(answer: &Result<Answer, CallError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(CallError::Refused(problem)) => problem.status == StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
        Err(_) => false,
    }
}

/// Nodes that did not answer, and until when they are asked last; one answer ends it.
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
        // Whole after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What those have answered that have not got the call.
#[derive(Default)]
struct Refusals {
    /// One does not answer.
    silent: Option<Problem>,
    /// Its owner, or the ledger, says that there is no such call any more.
    over: Option<Problem>,
    /// One says that another has it.
    elsewhere: bool,
    /// The connection to one broke while it was asked.
    broken: bool,
    /// One cannot be connected to.
    unreachable: bool,
    /// One has not answered in time, and would not the next time.
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

    /// Whether a node has just gone whose call another one is about to have.
    const fn is_moving(&self) -> bool {
        !self.late && (self.broken || (self.elsewhere && self.unreachable))
    }

    /// What whoever asks is told.
    fn sum(self) -> Problem {
        // Each says that another one has it: it changes hands in this moment.
        let moving = self.elsewhere.then(|| Problem::unavailable("the call is just changing hands"));
        self.silent.or(self.over).or(moving).unwrap_or_else(|| {
            Problem::unavailable("no sip-cluster node can be reached").code(u32::from(ErrorCode::OUT_OF_SERVICE.0))
        })
    }
}

/// A request by its name, and where it leads.
fn in_words(frame: &Value, request: &model::Request) -> String {
    let name = frame.get("req").and_then(Value::as_str).unwrap_or_default();
    match &request.kind {
        RequestKind::RouteCall(_, RouteTo::Dn { dn, agent: Some(agent) }) => format!("{name} to {dn} ({agent})"),
        RequestKind::RouteCall(_, RouteTo::Dn { dn, agent: None }) => format!("{name} to {dn}"),
        RequestKind::RouteCall(_, RouteTo::Disconnect) => format!("{name}: disconnect"),
        RequestKind::ApplyTreatment(_, treatment) => match treatment {
            Treatment::PlayAnnouncement { prompts } => format!("{name}: play {}", prompts.join(", ")),
            Treatment::PlayAndCollect { max_digits, .. } => format!("{name}: collect up to {max_digits} digits"),
            Treatment::Music { resource, .. } => format!("{name}: music {resource}"),
            Treatment::RingBack => format!("{name}: ringing tone"),
            Treatment::Echo => format!("{name}: echo"),
            Treatment::Silence => format!("{name}: silence"),
        },
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_did_not_answer_is_asked_last_for_a_while_or_until_it_does() {
        let (silent, node) = (Silent::default(), "127.0.0.1:11300".parse().unwrap());
        let at = Timestamp::from_millis;
        silent.note::<()>(node, &Err(CallError::Deadline(node)), at(0));
        assert!(silent.is_silent(node, at(4_999)) && !silent.is_silent(node, at(5_000)));
        silent.note(node, &Ok(()), at(1));
        assert!(!silent.is_silent(node, at(2)));
        silent.note::<()>(node, &Err(CallError::Nowhere("sip-cluster")), at(3));
        assert!(!silent.is_silent(node, at(4)), "one that cannot be connected to costs no time");
    }

    #[test]
    fn nodes_are_asked_again_while_a_call_whose_node_has_gone_changes_hands() {
        let elsewhere = || Refusals { elsewhere: true, ..Refusals::default() };
        assert!(Refusals { broken: true, ..elsewhere() }.is_moving());
        assert!(Refusals { unreachable: true, ..elsewhere() }.is_moving());
        assert!(!elsewhere().is_moving(), "its owner may live");
        assert!(!Refusals { broken: true, late: true, ..elsewhere() }.is_moving(), "it would take too long");
    }

    #[test]
    fn that_a_call_is_over_is_the_last_word_and_that_each_names_another_is_not() {
        let sum = |refusals: &[Problem]| {
            let mut all = Refusals::default();
            refusals.iter().for_each(|problem| all.not_here(problem.clone()));
            let told = all.sum();
            (told.status, told.code)
        };
        let over = Problem::not_found("no such call here").code(u32::from(ErrorCode::INVALID_CONN_ID.0));
        let elsewhere = Problem::not_found("another node has the call");
        // The owner of a call that is just ending, then one that sees in the ledger whose it is.
        assert_eq!(sum(&[over.clone(), elsewhere.clone()]), (404, over.code));
        assert_eq!(sum(&[elsewhere.clone(), elsewhere]), (503, None));
        assert_eq!(sum(&[over.clone(), over.clone()]), (404, over.code));
        assert_eq!(sum(&[]), (503, Some(u32::from(ErrorCode::OUT_OF_SERVICE.0))));
    }
}
