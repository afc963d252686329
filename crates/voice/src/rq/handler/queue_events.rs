//! The events of virtual queues: entries, departures to an agent with the decision, and departures without one.

use std::collections::HashMap;
use std::time::Duration;

use model::event::CallRef;
use model::{
    AgentId, CallState, Dn, DnRole, Event, EventId, EventName, QueueName, Seq, Stamped, Subject, TenantId, Timestamp,
    Token, UserData, Value,
};
use routing::{Decision, EndReason, RequestId};

/// The extension that names the stay of a call in a virtual queue: the request's id.
const STAY: &str = "RVQID";

/// The request that a fact of a virtual queue tells of.
pub(in crate::rq) fn request_of(fact: &Stamped) -> Option<&str> {
    fact.event.extensions.text(STAY)
}

/// What an event tells of: a request's call with its business data.
pub(super) struct OfCall {
    pub request: RequestId,
    pub call: CallRef,
    pub user_data: UserData,
}

/// Numbers and collects the queue events of a turn.
pub(super) struct QueueEvents {
    tenant: TenantId,
    token: Token,
    last: HashMap<QueueName, u64>,
    collected: Vec<Stamped>,
}

impl QueueEvents {
    pub fn new(tenant: TenantId, token: Token) -> Self {
        Self { tenant, token, last: HashMap::new(), collected: Vec::new() }
    }

    /// The number of events in this turn so far.
    pub fn len(&self) -> usize {
        self.collected.len()
    }

    /// Marks the events from `first` on as part of a repair, with its reason.
    pub fn explain(&mut self, first: usize, why: &str) {
        for stamped in self.collected.iter_mut().skip(first) {
            stamped.event.extensions.push("Repair", why);
        }
    }

    pub fn take(&mut self) -> Vec<Stamped> {
        std::mem::take(&mut self.collected)
    }

    pub fn queued(&mut self, call: OfCall, queue: &QueueName, at: Timestamp) {
        self.add(call, queue, at, Event { call_state: Some(CallState::Ok), ..Event::new(EventName::Queued) });
    }

    pub fn diverted(
        &mut self,
        call: OfCall,
        queue: &QueueName,
        to: &Dn,
        agent: &AgentId,
        decision: &Decision,
        at: Timestamp,
    ) {
        let event = Event {
            call_state: Some(CallState::Ok),
            third_party_dn: Some(to.to_string()),
            third_party_role: Some(DnRole::Destination),
            agent: Some(agent.clone()),
            extensions: explained(decision),
            ..Event::new(EventName::Diverted)
        };
        self.add(call, queue, at, event);
    }

    /// Publishes that the request has left its queue without an agent.
    pub fn left(&mut self, call: OfCall, queue: &QueueName, reason: EndReason, at: Timestamp) {
        let event = match reason {
            EndReason::Abandoned => {
                Event { call_state: Some(CallState::Abandoned), ..Event::new(EventName::Abandoned) }
            }
            EndReason::Cancelled | EndReason::TimedOut | EndReason::Answered => {
                Event { call_state: Some(CallState::Cleared), ..Event::new(EventName::Diverted) }
            }
            EndReason::Redirected => {
                Event { call_state: Some(CallState::Redirected), ..Event::new(EventName::Diverted) }
            }
        };
        self.add(call, queue, at, event);
    }

    fn add(&mut self, of: OfCall, queue: &QueueName, at: Timestamp, mut event: Event) {
        let OfCall { request, call, user_data } = of;
        event.extensions.push(STAY, request.0.as_str());
        let last = self.last.entry(queue.clone()).or_default();
        *last += 1;
        let id = EventId { subject: Subject::Queue(queue.clone()), token: self.token, seq: Seq(*last) };
        let event = Event {
            other_dn: call.ani.clone(),
            other_role: Some(DnRole::Origination),
            this_dn: super::queue_dn(queue),
            this_role: Some(DnRole::Destination),
            this_queue: Some(queue.to_string()),
            call: Some(call),
            user_data,
            ..event
        };
        let trace = event.call.as_ref().map(|call| call.uuid);
        self.collected.push(Stamped { id, tenant: self.tenant.clone(), at, trace, event });
    }
}

/// The decision as extensions of the event, which travel with the call.
fn explained(decision: &Decision) -> UserData {
    let mut candidates = UserData::new();
    for candidate in &decision.candidates {
        let reason = candidate.passed_over.map_or("chosen", |reason| reason.as_str());
        candidates.push(candidate.agent.as_str(), reason);
    }
    let mut extensions = UserData::new();
    extensions.push("Rule", decision.rule.as_str());
    extensions.push("Candidates", Value::List(candidates));
    extensions.push("CandidatesMore", i64::from(decision.more));
    extensions.push("Waiting", i64::from(decision.waiting));
    let mut skills = UserData::new();
    for matched in &decision.skills {
        skills.push(matched.skill.as_str(), matched.level);
    }
    extensions.push("MatchedSkills", Value::List(skills));
    extensions.push("ReadyFor", millis(decision.ready_for()));
    extensions.push("WaitedFor", millis(decision.waited));
    extensions
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use routing::MatchedSkill;
    use routing::decision::{Candidate, Rule};

    use super::*;

    #[test]
    fn a_decision_travels_with_what_matched_how_long_the_agent_was_ready_and_how_long_the_call_waited() {
        let agent = AgentId::parse("1001").unwrap();
        let candidate =
            Candidate { agent: agent.clone(), idle_since: Some(Timestamp::from_millis(5_000)), passed_over: None };
        let decision = Decision {
            at: Timestamp::from_millis(130_000),
            chosen: agent,
            rule: Rule::LongestIdleAgent,
            candidates: vec![candidate],
            more: 0,
            waiting: 0,
            skills: vec![MatchedSkill { skill: "French".to_owned(), level: 4 }],
            waited: Duration::from_secs(41),
        };
        let told = explained(&decision);
        let mut skills = UserData::new();
        skills.push("French", 4_i64);
        assert_eq!(told.get("MatchedSkills"), Some(&Value::List(skills)));
        assert_eq!(
            (told.get("ReadyFor"), told.get("WaitedFor")),
            (Some(&Value::Int(125_000)), Some(&Value::Int(41_000)))
        );
        let busy = Candidate { idle_since: None, ..decision.candidates[0].clone() };
        assert_eq!(Decision { candidates: vec![busy], ..decision }.ready_for(), Duration::ZERO);
    }
}
