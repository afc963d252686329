//! One tenant's queues: commands and facts go in; records, events and outcomes come out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use contracts::v1::{self, queue_outcome::Outcome};
use infra::{Consumed, Numbers, Position, QueueBatch, QueueRecord};
use model::event::CallRef;
use model::plan::AgentProfile;
use model::{AgentId, CallUuid, ConnId, Owner, QueueName, TenantId, Timestamp, Token};
use routing::{EndReason, Output, RequestId, Router, RouterSnapshot, Submission};

use super::metrics::Metrics;
use super::records;

mod calls;
mod commands;
mod explain;
mod facts;
mod outcome;
mod queue_events;

use calls::Calls;
use outcome::selected;
pub(super) use queue_events::request_of;
use queue_events::{OfCall, QueueEvents};

/// The view's name in the ledger.
const VIEW: &str = "rq";
/// The most decisions kept for explanations; the oldest are dropped.
const DECISIONS_MAX: usize = 1_000;
/// The most requests of a call that are explained at once. A normal application has a handful.
pub(super) const EXPLAINED_OF_CALL_MAX: usize = 16;
/// How many events may be folded without effect before their position is written anyway.
const POSITION_LAG_MAX: usize = 500;

/// The result of a turn: commit the batch first, then send the outcomes.
pub(super) struct Turn {
    /// The batch to commit; `None` if nothing changed.
    pub batch: Option<QueueBatch>,
    /// The outcomes to send afterwards, in order.
    pub outcomes: Vec<(RequestId, Outcome)>,
}

impl Turn {
    /// The requests that are over, including answered ones: no further outcome follows.
    pub fn ended(&self) -> Vec<RequestId> {
        let written = self.batch.iter().flat_map(|batch| &batch.requests);
        written.filter(|(_, record)| record.is_none()).map(|(id, _)| RequestId(id.clone())).collect()
    }
}

/// Attributes of a request that are needed after the router has ended it.
struct Asked {
    /// Since when its call waits.
    since: Timestamp,
    /// The call's global id.
    trace: CallUuid,
    /// The caller's number.
    ani: Option<String>,
    /// The dialled number.
    dnis: Option<String>,
}

impl From<&Submission> for Asked {
    fn from(submission: &Submission) -> Self {
        let Submission { queued_at, trace, ani, dnis, .. } = submission;
        Self { since: *queued_at, trace: *trace, ani: ani.clone(), dnis: dnis.clone() }
    }
}

/// One tenant's queues, owned by this node.
pub(super) struct TenantQueues {
    tenant: TenantId,
    owner: Owner,
    token: Token,
    router: Router,
    calls: Calls,
    /// Calls that ended in this turn.
    over: Vec<ConnId>,
    /// Provisioned agents for whom the router has no room yet.
    without_room: BTreeMap<AgentId, AgentProfile>,
    events: QueueEvents,
    decisions: VecDeque<(ConnId, routing::Decision)>,
    outcomes: Vec<(RequestId, Outcome)>,
    asked: HashMap<RequestId, Asked>,
    position: Position,
    numbers: Numbers,
    unwritten: usize,
    metrics: Metrics,
    trace: runtime::Recorder,
}

impl TenantQueues {
    /// Continues from the ledger's record. An unreadable row costs only its own request or agent. It is left out and stays in the ledger
    /// until it is written again, by the session that waits for the request, or by provisioning and facts of the agent.
    pub fn restore(record: &QueueRecord, metrics: Metrics, trace: runtime::Recorder) -> Self {
        let tenant = &record.tenant;
        let left_out = |what: &'static str, row: &str, error: &records::RecordError| {
            tracing::error!(%tenant, what, row, %error, "a row of rq cannot be read: it is left out");
            metrics.row_unreadable();
        };
        let mut calls = Calls::default();
        let requests = record.requests.iter().filter_map(|(id, bytes)| {
            let read = records::decode_request(id, bytes).inspect_err(|error| left_out("request", id, error));
            let (request, call) = read.ok()?;
            call.iter().for_each(|call| calls.remember(call));
            Some(request)
        });
        let agents = record.reservations.iter().filter_map(|(agent, bytes)| {
            records::decode_agent(bytes).inspect_err(|error| left_out("agent", agent.as_str(), error)).ok()
        });
        let phones = records::decode_phones(&record.state).inspect_err(|error| left_out("phones", "", error));
        let phones = phones.unwrap_or_default();
        let snapshot = RouterSnapshot {
            requests: requests.collect(),
            agents: agents.collect(),
            out_of_service: phones.out_of_service,
            do_not_disturb: phones.do_not_disturb,
            forwarded: phones.forwarded,
            ..RouterSnapshot::default()
        };
        let asked = snapshot.requests.iter().map(|r| (r.submission.id.clone(), Asked::from(&r.submission))).collect();
        metrics.open_changed(i64::try_from(snapshot.requests.len()).unwrap_or(i64::MAX));
        Self {
            tenant: record.tenant.clone(),
            owner: record.owner.clone(),
            token: record.token,
            router: Router::restore(snapshot),
            calls,
            over: Vec::new(),
            without_room: BTreeMap::new(),
            events: QueueEvents::new(record.tenant.clone(), record.token),
            decisions: VecDeque::new(),
            outcomes: Vec::new(),
            asked,
            position: record.consumed,
            numbers: Numbers::default(),
            unwritten: 0,
            metrics,
            trace,
        }
    }

    /// Offers nothing until [`Self::serve`], so that those who submit again keep their places.
    pub const fn gather(&mut self) {
        self.router.gather();
    }

    /// Those who submit again have come, and the facts of the time without an owner are known.
    pub fn serve(&mut self, now: Timestamp) {
        self.router.serve(now);
    }

    /// The stream position up to which the tenant's events are folded.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether there is no open request and no reservation.
    pub fn is_idle(&self) -> bool {
        self.router.is_empty()
    }

    /// When [`TenantQueues::turn`] must be called without input: at once while outcomes wait to be sent.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        if self.outcomes.is_empty() { self.router.next_timeout() } else { Some(Timestamp::from_micros(0)) }
    }

    // === A turn ===

    /// Handles due timers and collects the turn's results.
    pub fn turn(&mut self, now: Timestamp) -> Turn {
        self.place_agents(now);
        self.router.handle_timeout(now);
        while let Some(output) = self.router.poll_output() {
            self.perform(output, now);
        }
        for call in std::mem::take(&mut self.over) {
            self.calls.forget(call);
        }
        let changes = self.router.take_changes();
        let events = self.events.take();
        let nothing = changes == routing::router::Changes::default() && events.is_empty();
        let outcomes = std::mem::take(&mut self.outcomes);
        if nothing && self.unwritten < POSITION_LAG_MAX {
            return Turn { batch: None, outcomes };
        }
        self.unwritten = 0;
        let phones = || records::Phones {
            out_of_service: self.router.phones_out_of_service(),
            do_not_disturb: self.router.phones_not_disturbed(),
            forwarded: self.router.phones_forwarded(),
        };
        let request = |id: &RequestId| {
            self.router.request(id).map(|request| {
                let call = self.calls.call(request.submission.call);
                records::encode_request(&request, call)
            })
        };
        let agent = |id: &AgentId| self.router.agent(id).map(|agent| records::encode_agent(&agent));
        let mut batch = QueueBatch {
            tenant: self.tenant.clone(),
            owner: self.owner.clone(),
            token: self.token,
            requests: changes.requests.into_iter().map(|id| (id.0.clone(), request(&id))).collect(),
            reservations: changes.agents.into_iter().map(|id| (id.clone(), agent(&id))).collect(),
            state: changes.phones.then(|| records::encode_phones(&phones())),
            events,
            consumed: Some(Consumed { view: VIEW, position: self.position }),
            number: 0,
        };
        batch.number = self.numbers.take(batch.parts_max(), now);
        Turn { batch: Some(batch), outcomes }
    }

    /// The rows of these agents are not stored as they are: the next turn writes them.
    pub fn write_again(&mut self, agents: &[AgentId]) {
        agents.iter().for_each(|agent| self.router.touch_agent(agent));
    }

    fn perform(&mut self, output: Output, now: Timestamp) {
        self.explain_output(&output, now);
        match output {
            Output::Queued(id, queue, call) => {
                let of_call = self.of_call(id, call);
                self.events.queued(of_call, &queue, now);
            }
            Output::Offered { request, call, queue, agent, dn, decision } => {
                self.metrics.agent_offered();
                let of_call = self.of_call(request.clone(), call);
                self.events.diverted(of_call, &queue, &dn, &agent, &decision, now);
                let since = self.asked.get(&request).map_or(now, |asked| asked.since);
                let until = now + routing::router::OFFER_EXPIRY;
                self.outcomes.push((request, selected(&agent, &dn, &queue, until, Some(&decision), since)));
                if self.decisions.len() >= DECISIONS_MAX {
                    self.decisions.pop_front();
                }
                self.decisions.push_back((call, decision));
            }
            Output::Returned(id, _) => {
                self.metrics.request_returned();
                if let Some(status) = self.router.status(&id) {
                    self.accept(&id, &status);
                }
            }
            Output::TimedOut(id, _) => {
                self.metrics.request_timed_out();
                let waited = self.asked.get(&id).map_or(Duration::ZERO, |asked| now.since(asked.since));
                let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                self.outcomes.push((id, Outcome::TimedOut(v1::TimedOut { waited_ms })));
            }
            Output::Ended { request, call, queue, queued, reason } => {
                self.metrics.request_ended();
                self.metrics.open_changed(-1);
                let of_call = self.of_call(request.clone(), call);
                self.asked.remove(&request);
                if queued {
                    self.events.left(of_call, &queue, reason, now);
                }
                if reason != EndReason::Answered {
                    self.outcomes.push((request, Outcome::Cancelled(v1::Cancelled {})));
                }
            }
        }
    }

    /// What an event of a request tells of.
    fn of_call(&self, request: RequestId, conn_id: ConnId) -> OfCall {
        OfCall { call: self.call_ref(&request, conn_id), user_data: self.calls.data(conn_id), request }
    }

    /// The call's attributes; those that its request names if the call is unknown.
    fn call_ref(&self, request: &RequestId, conn_id: ConnId) -> CallRef {
        if let Some(call) = self.calls.call(conn_id) {
            return call.clone();
        }
        // All facts of a call have the same key in the reporting log, even if the call ended before the request was submitted.
        let asked = self.asked.get(request);
        let uuid = asked.map_or(CallUuid(0), |asked| asked.trace);
        CallRef {
            conn_id,
            uuid,
            thread: uuid,
            previous: None,
            call_type: model::CallType::Inbound,
            propagated_type: None,
            ani: asked.and_then(|asked| asked.ani.clone()),
            dnis: asked.and_then(|asked| asked.dnis.clone()),
        }
    }

    /// The call's waiting requests, some of them where there are many, and why no agent takes them.
    pub fn explain(&self, call: ConnId) -> v1::ExplainResponse {
        let waiting = self.router.of_call(call).take(EXPLAINED_OF_CALL_MAX).filter_map(|id| self.router.request(id));
        let decisions = self.decisions.iter().filter(|(of, _)| *of == call);
        let agents = self.router.agents();
        v1::ExplainResponse {
            waiting: waiting.map(|request| self.explain_wait(&request.submission, agents)).collect(),
            decisions: decisions.map(|(_, decision)| outcome::decision(decision, decision.at)).collect(),
        }
    }
}

/// Subtracts open requests that the tenant's next owner counts.
impl Drop for TenantQueues {
    fn drop(&mut self) {
        self.metrics.open_changed(-i64::try_from(self.router.len()).unwrap_or(i64::MAX));
    }
}

/// The DN that stands for a virtual queue in events.
fn queue_dn(queue: &QueueName) -> Option<model::Dn> {
    model::Dn::parse(queue.as_str()).ok()
}

#[cfg(test)]
mod tests;
