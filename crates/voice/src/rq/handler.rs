//! One tenant's queues: commands and facts go in; records, events and outcomes come out.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use contracts::v1::{self, queue_command::Command, queue_outcome::Outcome};
use infra::{Consumed, EventEntry, Numbers, Position, QueueBatch, QueueRecord, Repair};
use model::event::CallRef;
use model::id::NAME_MAX;
use model::plan::AgentProfile;
use model::{
    AgentId, CallUuid, ConnId, Event, EventName, Owner, QueueName, SessionName, SkillName, Subject, TenantId,
    Timestamp, Token,
};
use routing::{EndReason, Output, RequestId, Router, RouterSnapshot, Stage, Status, Submission, Target};

use super::metrics::Metrics;
use super::records;

mod calls;
mod explain;
mod outcome;
mod queue_events;

use calls::Calls;
use outcome::{explain_candidates, refused, selected};
use queue_events::QueueEvents;

/// The view's name in the ledger.
const VIEW: &str = "rq";
/// The virtual queue of a request without a queue name.
const UNNAMED_QUEUE: &str = "VQ_Default";
/// The most decisions kept for explanations; the oldest are dropped.
const DECISIONS_MAX: usize = 1_000;
/// The published error number of a request that cannot be stored now.
const NOT_STORED: u32 = 58;
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
#[derive(Clone, Copy)]
struct Asked {
    /// Since when its call waits.
    since: Timestamp,
    /// The call's global id.
    trace: CallUuid,
}

impl From<&Submission> for Asked {
    fn from(submission: &Submission) -> Self {
        Self { since: submission.queued_at, trace: submission.trace }
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
        let requests = record.requests.iter().filter_map(|(id, bytes)| {
            records::decode_request(bytes).inspect_err(|error| left_out("request", id, error)).ok()
        });
        let agents = record.reservations.iter().filter_map(|(agent, bytes)| {
            records::decode_agent(bytes).inspect_err(|error| left_out("agent", agent.as_str(), error)).ok()
        });
        let phones = records::decode_phones(&record.state).inspect_err(|error| left_out("phones", "", error));
        let snapshot = RouterSnapshot {
            requests: requests.collect(),
            agents: agents.collect(),
            out_of_service: phones.unwrap_or_default(),
            ..RouterSnapshot::default()
        };
        let asked = snapshot.requests.iter().map(|r| (r.submission.id.clone(), Asked::from(&r.submission))).collect();
        metrics.open_changed(i64::try_from(snapshot.requests.len()).unwrap_or(i64::MAX));
        Self {
            tenant: record.tenant.clone(),
            owner: record.owner.clone(),
            token: record.token,
            router: Router::restore(snapshot),
            calls: Calls::default(),
            over: Vec::new(),
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

    // === Requests ===

    /// Carries out a command. Returns the request's id, for routing its outcomes.
    pub fn command(&mut self, command: Command, now: Timestamp) -> RequestId {
        match command {
            Command::Submit(submit) => self.submit(submit, now),
            Command::Update(update) => {
                let id = RequestId(update.request_id);
                if let Ok(false) | Err(_) = self.router.update(&id, Some(update.priority), None, now) {
                    self.outcomes.push((id.clone(), Outcome::Refused(refused(53, "no such request", None))));
                }
                id
            }
            Command::Cancel(cancel) => {
                let id = RequestId(cancel.request_id);
                if !self.router.cancel(&id, now) {
                    // It has already ended; for the client the result is the same.
                    self.outcomes.push((id.clone(), Outcome::Cancelled(v1::Cancelled {})));
                }
                id
            }
            Command::Return(back) => {
                let id = RequestId(back.request_id);
                if let Ok(agent) = AgentId::parse(&back.agent) {
                    self.router.decline(&id, &agent, now);
                }
                id
            }
        }
    }

    /// Ends a request that the store does not take, and notifies its client of the reason.
    pub fn refuse(&mut self, id: &RequestId, reason: &str, now: Timestamp) {
        self.metrics.request_refused();
        let why = format!("the request cannot be stored: {reason}");
        self.outcomes.push((id.clone(), Outcome::Refused(refused(NOT_STORED, &why, None))));
        // Its end follows in the same turn, after this outcome.
        self.router.cancel(id, now);
    }

    fn submit(&mut self, submit: v1::Submit, now: Timestamp) -> RequestId {
        let id = RequestId(submit.request_id.clone());
        let known = self.router.status(&id).is_some();
        let priority = submit.priority;
        match submission(submit, now).and_then(|submission| {
            self.asked.insert(id.clone(), Asked::from(&submission));
            self.router.submit(submission, now).map_err(|error| refused(53, &error.to_string(), None))
        }) {
            Ok(status) if known => {
                // An update may have been lost with the stream.
                if self.router.request(&id).is_some_and(|request| request.submission.priority != priority)
                    && let Err(error) = self.router.update(&id, Some(priority), None, now)
                {
                    tracing::warn!(request = id.0, %error, "a request keeps its priority");
                }
                self.restate(&id, &status);
            }
            Ok(status) => {
                self.metrics.request_submitted();
                self.metrics.open_changed(1);
                self.accept(&id, &status);
            }
            Err(refusal) => {
                self.asked.remove(&id);
                self.metrics.request_refused();
                self.outcomes.push((id.clone(), Outcome::Refused(refusal)));
            }
        }
        id
    }

    fn accept(&mut self, id: &RequestId, status: &Status) {
        let accepted = v1::Accepted {
            position: u32::try_from(status.position).unwrap_or(u32::MAX),
            agents_logged_in: u32::try_from(status.logged_in).unwrap_or(u32::MAX),
        };
        self.outcomes.push((id.clone(), Outcome::Accepted(accepted)));
    }

    /// The client has lost its stream and submits again: report the request's state.
    fn restate(&mut self, id: &RequestId, status: &Status) {
        self.accept(id, status);
        let (Stage::Offered { agent, expires_at } | Stage::Ringing { agent, expires_at }) = &status.stage else {
            return;
        };
        let Some(dn) = self.router.agent(agent).and_then(|row| row.dn) else { return };
        let Some(request) = self.router.request(id) else { return };
        let decided = self.decisions.iter().rev().find(|(call, _)| *call == request.submission.call);
        let decision = decided.map(|(_, decision)| decision);
        let waited_since = request.submission.queued_at;
        let queue = &request.submission.queue;
        self.outcomes.push((id.clone(), selected(agent, &dn, queue, *expires_at, decision, waited_since)));
    }

    // === Facts ===

    /// Folds entries of the tenant's event stream.
    pub fn observe(&mut self, entries: &[EventEntry], now: Timestamp) {
        for entry in entries {
            let stamped = &entry.event;
            self.position = entry.position;
            // An application's actions reach us through its requests. Its events may also come after the end of its call.
            if let Subject::Session(session) = &stamped.id.subject {
                self.application_told(session, &stamped.event, now);
                continue;
            }
            // Only the call's own facts: events that we have published about it may follow its end.
            if matches!(stamped.id.subject, Subject::Call(_)) {
                self.remember(&stamped.event);
            }
            self.router.observe(&stamped.event, stamped.at, now);
        }
        self.unwritten += entries.len();
    }

    /// Cancels the requests of an ended application. It does so itself, but the message is lost if its node fails first.
    fn application_told(&mut self, session: &SessionName, event: &Event, now: Timestamp) {
        let Some(call) = event.call.as_ref().filter(|_| event.name == EventName::SessionEnded) else { return };
        let is_of = |id: &&RequestId| id.0.strip_prefix(session.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let left: Vec<RequestId> = self.router.of_call(call.conn_id).filter(is_of).cloned().collect();
        for id in left {
            self.router.cancel(&id, now);
        }
    }

    fn remember(&mut self, event: &model::Event) {
        let Some(call) = &event.call else { return };
        if event.name == model::EventName::CallDeleted {
            // Kept until the end of the turn: this fact ends the call's requests, and their events name the call.
            self.over.push(call.conn_id);
        } else {
            self.calls.remember(call);
        }
    }

    /// Takes over agents and skills from provisioning.
    pub fn take_agents(&mut self, update: &v1::AgentsUpdate, now: Timestamp) {
        let named: Vec<AgentProfile> = update.agents.iter().filter_map(|agent| profile(&self.tenant, agent)).collect();
        let mut gone: Vec<AgentId> = update.gone.iter().filter_map(|name| AgentId::parse(name).ok()).collect();
        if update.whole {
            let present: std::collections::HashSet<&AgentId> = named.iter().map(|profile| &profile.agent).collect();
            gone.extend(self.router.profiles().filter(|agent| !present.contains(agent)).cloned());
        }
        for agent in &gone {
            self.router.forget_profile(agent);
        }
        for profile in &named {
            self.router.set_profile(profile, now);
        }
    }

    /// Takes over details of a call from its owner.
    pub fn take_call(&mut self, details: v1::CallDetails, now: Timestamp) {
        let Some(call) = details.call.and_then(|call| contracts::wire::call_ref_from_wire(call).ok()) else { return };
        if details.ended {
            // Choose no agent for a caller that has left. Whether an already chosen agent still took the call is known from the stream.
            self.over.push(call.conn_id);
            self.router.abandon_waiting(call.conn_id, now);
            return;
        }
        let bytes = details.user_data.as_ref().map_or(0, prost::Message::encoded_len);
        if let Ok(data) = contracts::wire::user_data_from_wire(details.user_data) {
            self.calls.tell(call, data, bytes);
        }
    }

    /// Carries out a repair: a call that does not exist is over for routing, too.
    pub fn repair(&mut self, repair: &Repair, now: Timestamp) {
        let Subject::Call(conn_id) = repair.subject else { return };
        let request = self.router.of_call(conn_id).next().cloned().unwrap_or_else(|| RequestId(String::new()));
        let end = Event { call: Some(self.call_ref(&request, conn_id)), ..Event::new(EventName::CallDeleted) };
        self.router.observe(&end, now, now);
        self.calls.forget(conn_id);
        let before = self.events.len();
        while let Some(output) = self.router.poll_output() {
            self.perform(output, now);
        }
        self.events.explain(before, &repair.why);
    }

    // === A turn ===

    /// Handles due timers and collects the turn's results.
    pub fn turn(&mut self, now: Timestamp) -> Turn {
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
        let request = |id: &RequestId| self.router.request(id).map(|request| records::encode_request(&request));
        let agent = |id: &AgentId| self.router.agent(id).map(|agent| records::encode_agent(&agent));
        let mut batch = QueueBatch {
            tenant: self.tenant.clone(),
            owner: self.owner.clone(),
            token: self.token,
            requests: changes.requests.into_iter().map(|id| (id.0.clone(), request(&id))).collect(),
            reservations: changes.agents.into_iter().map(|id| (id.clone(), agent(&id))).collect(),
            state: changes.phones.then(|| records::encode_phones(&self.router.phones_out_of_service())),
            events,
            consumed: Some(Consumed { view: VIEW, position: self.position }),
            number: 0,
        };
        batch.number = self.numbers.take(batch.parts_max(), now);
        Turn { batch: Some(batch), outcomes }
    }

    fn perform(&mut self, output: Output, now: Timestamp) {
        self.explain_output(&output, now);
        match output {
            Output::Queued(id, queue, call) => {
                let call = (self.call_ref(&id, call), self.calls.data(call));
                self.events.queued(call, &queue, now);
            }
            Output::Offered { request, call, queue, agent, dn, decision } => {
                self.metrics.agent_offered();
                let call_ref = (self.call_ref(&request, call), self.calls.data(call));
                self.events.diverted(call_ref, &queue, &dn, &agent, &decision, now);
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
                let call_ref = (self.call_ref(&request, call), self.calls.data(call));
                self.asked.remove(&request);
                if queued {
                    self.events.left(call_ref, &queue, reason, now);
                }
                if reason != EndReason::Answered {
                    self.outcomes.push((request, Outcome::Cancelled(v1::Cancelled {})));
                }
            }
        }
    }

    /// The call's attributes; only its ids if the call is unknown.
    fn call_ref(&self, request: &RequestId, conn_id: ConnId) -> CallRef {
        if let Some(call) = self.calls.call(conn_id) {
            return call.clone();
        }
        // All facts of a call have the same key in the reporting log, even if the call ended before the request was submitted.
        let uuid = self.asked.get(request).map_or(CallUuid(0), |asked| asked.trace);
        CallRef {
            conn_id,
            uuid,
            thread: uuid,
            previous: None,
            call_type: model::CallType::Inbound,
            propagated_type: None,
            ani: None,
            dnis: None,
        }
    }

    /// The call's waiting requests, and why no agent takes them.
    pub fn explain(&self, call: ConnId) -> v1::ExplainResponse {
        let waiting = self.router.of_call(call).filter_map(|id| self.router.request(id));
        let decisions = self.decisions.iter().filter(|(of, _)| *of == call);
        v1::ExplainResponse {
            waiting: waiting
                .map(|request| v1::Waiting {
                    request_id: request.submission.id.0.clone(),
                    conn_id: request.submission.call.0,
                    skill_expression: request
                        .submission
                        .targets
                        .iter()
                        .map(Target::key)
                        .collect::<Vec<_>>()
                        .join(" | "),
                    priority: request.submission.priority,
                    waiting_since_us: request.submission.queued_at.as_micros(),
                    candidates: explain_candidates(&self.router.candidates_of(&request.submission.id)),
                })
                .collect(),
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

fn submission(submit: v1::Submit, now: Timestamp) -> Result<Submission, v1::Refused> {
    if !(1..=NAME_MAX).contains(&submit.request_id.len()) {
        return Err(refused(53, &format!("request_id: it has not 1 to {NAME_MAX} bytes"), None));
    }
    let target = Target::parse(&submit.skill_expression).map_err(|error| {
        let at = submit.skill_expression.chars().take(error.column - 1).map(char::len_utf8).sum::<usize>();
        refused(53, &format!("skill expression, {error}"), u32::try_from(at).ok())
    })?;
    let name = if submit.queue.is_empty() { UNNAMED_QUEUE } else { &submit.queue };
    let queue = QueueName::parse(name).map_err(|error| refused(53, &format!("queue: {error}"), None))?;
    let trace = contracts::wire::uuid_from_wire(&submit.trace, "trace")
        .map_err(|error| refused(53, &error.to_string(), None))?;
    let excluded = submit.excluded_agents.iter().map(|name| AgentId::parse(name));
    let excluded =
        excluded.collect::<Result<_, _>>().map_err(|error| refused(53, &format!("excluded_agents: {error}"), None))?;
    let times_out_at = (submit.timeout_ms > 0).then(|| now + Duration::from_millis(submit.timeout_ms));
    let queued_at = match submit.waiting_since_us {
        0 => now,
        since => Timestamp::from_micros(since).min(now),
    };
    Ok(Submission {
        id: RequestId(submit.request_id),
        call: ConnId(submit.conn_id),
        trace,
        queue,
        targets: vec![target],
        priority: submit.priority,
        queued_at,
        times_out_at,
        excluded,
    })
}

fn profile(tenant: &TenantId, agent: &v1::AgentProfile) -> Option<AgentProfile> {
    let skills = agent.skills.iter().filter_map(|skill| {
        Some((SkillName::parse(&skill.skill).ok()?, u16::try_from(skill.level).unwrap_or(u16::MAX)))
    });
    Some(AgentProfile { tenant: tenant.clone(), agent: AgentId::parse(&agent.agent).ok()?, skills: skills.collect() })
}

/// The DN that stands for a virtual queue in events.
fn queue_dn(queue: &QueueName) -> Option<model::Dn> {
    model::Dn::parse(queue.as_str()).ok()
}

#[cfg(test)]
mod tests;
