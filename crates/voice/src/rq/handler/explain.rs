//! rq's decisions for the explanation of a call: the agents considered, and why the others were not chosen.

use contracts::v1;
use model::{AgentId, ConnId, QueueName, Timestamp};
use routing::{Candidate, Decision, EndReason, KeptAgents, Output, PassedOver, RequestId, Stage, Submission, Target};
use runtime::trace::What;
use runtime::trace::entry::{self, Routing};

use super::TenantQueues;

/// For tenants with more agents the explanation lists only the agents that the router has compared: checking all of them would cost more
/// than the decision.
const EVERYONE_MAX: usize = 300;
/// The most candidates that a trace names; further ones are counted.
const NAMED_MAX: usize = 60;
/// The most agents that are named of a request that waits; all are counted.
const WAITING_NAMED_MAX: usize = 50;
/// The reason of an agent that is free and fits, but was idle for a shorter time than the chosen one.
const FREE: &str = "idle-shorter";

impl TenantQueues {
    /// Why a request of a tenant with so many agents still waits.
    pub(super) fn explain_wait(&self, submission: &Submission, agents: u64) -> v1::Waiting {
        let kept = self.router.kept_from(&submission.id, WAITING_NAMED_MAX);
        let mut by_reason: Vec<(&str, _)> =
            kept.by_reason.iter().map(|of| (of.reason.map_or("", PassedOver::as_str), of)).collect();
        by_reason.sort_by_key(|(reason, _)| interest(Some(*reason).filter(|reason| !reason.is_empty())));
        let candidate = |agent: &AgentId, reason: &str| v1::Candidate {
            agent: agent.to_string(),
            passed_over: reason.to_owned(),
            ready_for_ms: 0,
        };
        let named = by_reason.iter().flat_map(|(reason, of)| of.named.iter().map(|agent| candidate(agent, reason)));
        let counted = |(reason, of): &(&str, &KeptAgents)| v1::KeptAgents {
            passed_over: (*reason).to_owned(),
            agents: of.agents,
        };
        v1::Waiting {
            request_id: submission.id.0.clone(),
            conn_id: submission.call.0,
            skill_expression: submission.targets.iter().map(Target::key).collect::<Vec<_>>().join(" | "),
            priority: submission.priority,
            waiting_since_us: submission.queued_at.as_micros(),
            candidates: named.take(WAITING_NAMED_MAX).collect(),
            kept: by_reason.iter().map(counted).collect(),
            without_skills: agents.saturating_sub(kept.fitting),
        }
    }

    pub(super) fn explain_output(&self, output: &Output, now: Timestamp) {
        if !self.trace.is_on() {
            return;
        }
        let (call, routing) = match output {
            Output::Queued(id, queue, call) => {
                if let Some(request) = self.router.request(id) {
                    self.trace.identify(&self.tenant, *call, request.submission.trace, now);
                }
                (*call, self.waits(id, queue))
            }
            Output::Offered { request, call, queue, agent, dn, decision } => {
                let mut routing = self.decided(request, queue, decision);
                routing.agent = Some(agent.to_string());
                routing.dn = Some(dn.to_string());
                (*call, routing)
            }
            Output::Returned(id, _) => match self.of_request(id, "returned") {
                Some(of_request) => of_request,
                None => return,
            },
            Output::TimedOut(id, _) => match self.of_request(id, "timed-out") {
                Some(of_request) => of_request,
                None => return,
            },
            Output::Ended { request, call, queue, reason, .. } => {
                let outcome = match reason {
                    EndReason::Answered => "answered",
                    EndReason::Abandoned => "abandoned",
                    EndReason::Cancelled => "withdrawn",
                    EndReason::TimedOut => "timed out",
                    EndReason::Redirected => "another queue had an agent",
                };
                (*call, Routing { outcome: Some(outcome.to_owned()), ..plain(request, queue, "ended") })
            }
        };
        self.trace.note(&self.tenant, call, now, What::Routing(Box::new(routing)));
    }

    fn of_request(&self, id: &RequestId, step: &str) -> Option<(ConnId, Routing)> {
        let submission = self.router.request(id)?.submission;
        Some((submission.call, plain(id, &submission.queue, step)))
    }

    fn waits(&self, id: &RequestId, queue: &QueueName) -> Routing {
        let everyone = if self.router.profiles().take(EVERYONE_MAX + 1).count() > EVERYONE_MAX {
            Vec::new()
        } else {
            self.router.everyone_for(id, EVERYONE_MAX)
        };
        let mut candidates: Vec<entry::Candidate> = everyone.iter().map(candidate).collect();
        // Without a chosen agent there is none to compare a free agent with. An agent chosen at once is reserved for this very call.
        let chosen = match self.router.status(id).map(|status| status.stage) {
            Some(Stage::Offered { agent, .. }) => Some(agent),
            _ => None,
        };
        let is_free = |one: &entry::Candidate| match one.passed_over.as_deref() {
            Some(FREE) => true,
            Some("reserved") => chosen.as_ref().is_some_and(|agent| agent.as_str() == one.agent),
            _ => false,
        };
        for free in candidates.iter_mut().filter(|one| is_free(one)) {
            free.passed_over = None;
        }
        candidates.sort_by_key(|one| interest(one.passed_over.as_deref()));
        let more = candidates.len().saturating_sub(NAMED_MAX) as u64;
        candidates.truncate(NAMED_MAX);
        Routing { candidates, more, ..plain(id, queue, "queued") }
    }

    /// The router's own record, with the agents that it did not need to check.
    fn decided(&self, id: &RequestId, queue: &QueueName, decision: &Decision) -> Routing {
        let mut candidates: Vec<entry::Candidate> = decision.candidates.iter().map(candidate).collect();
        let everyone = self.waits(id, queue);
        let more = if everyone.candidates.is_empty() { u64::from(decision.more) } else { everyone.more };
        for mut other in everyone.candidates {
            if !candidates.iter().any(|known| known.agent == other.agent) {
                // As free as the chosen agent: the router's rule compares the idle time.
                other.passed_over.get_or_insert_with(|| FREE.to_owned());
                candidates.push(other);
            }
        }
        // The chosen agent comes first, then those nearest to being chosen.
        if let Some(others) = candidates.get_mut(1..) {
            others.sort_by_key(|one| interest(one.passed_over.as_deref()));
        }
        Routing {
            rule: Some(decision.rule.as_str().to_owned()),
            candidates,
            more,
            waiting: u64::from(decision.waiting),
            ..plain(id, queue, "offered")
        }
    }
}

fn plain(id: &RequestId, queue: &QueueName, step: &str) -> Routing {
    Routing {
        step: step.to_owned(),
        request: id.0.clone(),
        queue: queue.to_string(),
        agent: None,
        dn: None,
        rule: None,
        candidates: Vec::new(),
        more: 0,
        waiting: 0,
        outcome: None,
    }
}

/// The rank of a candidate, nearest to being chosen first: a long list is cut at its end.
fn interest(passed_over: Option<&str>) -> usize {
    const ORDER: [&str; 11] = [
        FREE,
        "reserved",
        "on-call",
        "excluded",
        "not-ready",
        "no-capacity",
        "do-not-disturb",
        "forwarded",
        "phone-out-of-service",
        "logged-out",
        "skills",
    ];
    passed_over.map_or(0, |reason| ORDER.iter().position(|known| *known == reason).map_or(ORDER.len(), |at| at + 1))
}

fn candidate(candidate: &Candidate) -> entry::Candidate {
    entry::Candidate {
        agent: candidate.agent.to_string(),
        idle_since: candidate.idle_since.map(Timestamp::as_micros),
        passed_over: candidate.passed_over.map(|reason| reason.as_str().to_owned()),
    }
}
