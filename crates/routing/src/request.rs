//! Requests for an agent: their content and their stages.

use model::{AgentId, CallUuid, ConnId, QueueName, Timestamp};

use crate::expression::{ExpressionError, SkillExpression};

/// The most agents that one request may exclude.
pub const EXCLUDED_MAX: usize = 64;
/// The most targets of one request.
pub const TARGETS_MAX: usize = 32;

/// A request's id, given by the submitting application; unique in the tenant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub String);

/// A target of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Any agent with these skills.
    Skills(SkillExpression),
    /// One agent.
    Agent(AgentId),
}

impl Target {
    /// The text that identifies equal targets; [`Target::parse`] parses it.
    pub fn key(&self) -> String {
        match self {
            Self::Skills(expression) => format!("?:{expression}"),
            Self::Agent(agent) => format!("@{agent}"),
        }
    }

    /// Parses `?:EXPRESSION`, `@AGENT` or a bare expression.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        match text.strip_prefix('@') {
            Some(agent) => AgentId::parse(agent)
                .map(Self::Agent)
                .map_err(|error| ExpressionError { column: 2, reason: error.to_string() }),
            None => SkillExpression::parse(text.strip_prefix("?:").unwrap_or(text)).map(Self::Skills),
        }
    }
}

/// A request for an agent, as submitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Submission {
    /// Its id; a second submission with the same id changes nothing.
    pub id: RequestId,
    /// The waiting call.
    pub call: ConnId,
    /// The call's global id, also its trace id.
    pub trace: CallUuid,
    /// The caller's number.
    pub ani: Option<String>,
    /// The dialled number.
    pub dnis: Option<String>,
    /// The virtual queue in which it is counted.
    pub queue: QueueName,
    /// The targets. Agents that fit any of them are equal candidates.
    pub targets: Vec<Target>,
    /// The priority; higher values are served first.
    pub priority: i32,
    /// Since when the call waits.
    pub queued_at: Timestamp,
    /// When to notify the application that no agent was found.
    pub times_out_at: Option<Timestamp>,
    /// Agents that must not get this call.
    pub excluded: Vec<AgentId>,
}

/// The stage of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Waits in its queue.
    Waiting,
    /// An agent is reserved, for a limited time.
    Offered {
        /// The agent.
        agent: AgentId,
        /// When the reservation expires unless the phone rings.
        expires_at: Timestamp,
    },
    /// The agent's phone rings.
    Ringing {
        /// The agent.
        agent: AgentId,
        /// When the reservation expires although the phone rings.
        expires_at: Timestamp,
    },
}

impl Stage {
    /// The agent that is reserved.
    pub const fn agent(&self) -> Option<&AgentId> {
        match self {
            Self::Waiting => None,
            Self::Offered { agent, .. } | Self::Ringing { agent, .. } => Some(agent),
        }
    }
}

/// A request's snapshot, which is stored to survive a restart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestSnapshot {
    /// The submission, with its present exclusions and priority.
    pub submission: Submission,
    /// Order of arrival among equals.
    pub arrival: u64,
    /// Its stage.
    pub stage: Stage,
    /// Agents that were offered it and did not take it; at most [`EXCLUDED_MAX`], then the oldest are removed.
    pub declined: Vec<Declined>,
}

/// An agent that was offered a call and did not take it. The call passes the agent over until `until`, or until the agent becomes ready
/// again. Not for ever: it may be the only agent that fits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declined {
    /// The agent.
    pub agent: AgentId,
    /// When the agent may be offered the call again.
    pub until: Timestamp,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EndReason {
    /// The chosen agent answered.
    Answered,
    /// The caller left.
    Abandoned,
    /// The application cancelled it.
    Cancelled,
    /// The application's timeout passed, and it wanted the request ended then.
    TimedOut,
    /// Another request of the same call got an agent.
    Redirected,
}
