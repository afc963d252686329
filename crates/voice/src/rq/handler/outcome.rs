//! The outcomes that a client receives for its request.

use contracts::v1::{self, queue_outcome::Outcome};
use model::{AgentId, Dn, QueueName, Timestamp};
use routing::Decision;

pub(super) fn refused(code: u32, message: &str, at: Option<u32>) -> v1::Refused {
    v1::Refused { code, message: message.to_owned(), at }
}

pub(super) fn selected(
    agent: &AgentId,
    dn: &Dn,
    queue: &QueueName,
    until: Timestamp,
    decided: Option<&Decision>,
    waiting_since: Timestamp,
) -> Outcome {
    Outcome::Selected(v1::Selected {
        agent: agent.to_string(),
        dn: dn.to_string(),
        queue: queue.to_string(),
        reserved_until_us: until.as_micros(),
        decision: decided.map(|decided| decision(decided, waiting_since)),
    })
}

pub(super) fn decision(decision: &Decision, waiting_since: Timestamp) -> v1::Decision {
    v1::Decision {
        at_us: decision.at.as_micros(),
        waited_ms: millis(decision.at.since(waiting_since)),
        candidates: decision
            .candidates
            .iter()
            .map(|candidate| v1::Candidate {
                agent: candidate.agent.to_string(),
                passed_over: candidate.passed_over.map(|reason| reason.as_str().to_owned()).unwrap_or_default(),
                ready_for_ms: candidate.idle_since.map_or(0, |since| millis(decision.at.since(since))),
            })
            .collect(),
        agent: decision.chosen.to_string(),
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
