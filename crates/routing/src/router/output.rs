//! What the router says: its outputs, the state of a request, why a submission was refused, and which records changed.

use model::{AgentId, ConnId, Dn, QueueName};

use super::{REQUESTS_MAX, REQUESTS_OF_CALL_MAX};
use crate::decision::Decision;
use crate::pool::POOLS_MAX;
use crate::request::{EXCLUDED_MAX, EndReason, RequestId, Stage, TARGETS_MAX};

/// An output of the router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// The request entered its virtual queue (also again, after an agent did not answer).
    Queued(RequestId, QueueName, ConnId),
    /// An agent is reserved: route the call to it.
    Offered {
        /// The request.
        request: RequestId,
        /// The call.
        call: ConnId,
        /// The virtual queue that it leaves.
        queue: QueueName,
        /// The agent.
        agent: AgentId,
        /// The agent's phone.
        dn: Dn,
        /// Why this agent was chosen.
        decision: Decision,
    },
    /// The reservation has ended without an answer; the request waits again and keeps its age.
    Returned(RequestId, ConnId),
    /// The application's timeout has passed; the request still waits.
    TimedOut(RequestId, ConnId),
    /// The request is over.
    Ended {
        /// The request.
        request: RequestId,
        /// The call.
        call: ConnId,
        /// The virtual queue.
        queue: QueueName,
        /// Whether it was still in its virtual queue.
        queued: bool,
        /// Why it ended.
        reason: EndReason,
    },
}

/// Why a submission was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The request has no target or too many.
    #[error("a request needs 1 to {TARGETS_MAX} targets")]
    Targets,
    /// The request excludes too many agents.
    #[error("a request may exclude at most {EXCLUDED_MAX} agents")]
    Excluded,
    /// The tenant's limit of waiting requests is reached.
    #[error("{REQUESTS_MAX} requests wait already")]
    Full,
    /// The call's limit of requests is reached.
    #[error("{REQUESTS_OF_CALL_MAX} requests of this call wait already")]
    TooManyOfCall,
    /// Too many different targets are in use.
    #[error("{POOLS_MAX} different targets are in use already")]
    TooManyTargets,
}

/// The changes since the last query: the records that a turn must write.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Requests that changed or ended.
    pub requests: Vec<RequestId>,
    /// Agents whose row changed.
    pub agents: Vec<AgentId>,
    /// Whether a phone's service changed.
    pub phones: bool,
}

/// The state of a request, for the application that submitted it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its position in its virtual queue, from 1; 0 when an agent is reserved already.
    pub position: usize,
    /// The number of fitting agents that are logged in.
    pub logged_in: u64,
    /// Its stage.
    pub stage: Stage,
}
