//! Requests for an agent: what is asked, and where each stands.

use model::{AgentId, CallUuid, ConnId, QueueName, Timestamp};

use crate::expression::{ExpressionError, SkillExpression};

/// The most agents that one request may exclude.
pub const EXCLUDED_MAX: usize = 64;
/// The most targets of one request.
pub const TARGETS_MAX: usize = 32;

/// A request's id, given by the submitting application; unique in the tenant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub String);

/// Whom a call may go to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Anybody with these skills.
    Skills(SkillExpression),
    /// One person.
    Agent(AgentId),
}

impl Target {
    /// The text by which equal targets are recognised; [`Target::parse`] reads it back.
    pub fn key(&self) -> String {
        match self {
            Self::Skills(expression) => format!("?:{expression}"),
            Self::Agent(agent) => format!("@{agent}"),
        }
    }

    /// Reads `?:EXPRESSION`, `@AGENT` or a bare expression.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        match text.strip_prefix('@') {
            Some(agent) => AgentId::parse(agent)
                .map(Self::Agent)
                .map_err(|error| ExpressionError { column: 2, reason: error.to_string() }),
            None => SkillExpression::parse(text.strip_prefix("?:").unwrap_or(text)).map(Self::Skills),
        }
    }
}

/// A request for an agent as it comes in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Submission {
    /// Its id; a second submission with the same id changes nothing.
    pub id: RequestId,
    /// The call that waits.
    pub call: ConnId,
    /// Its global id, which is its trace.
    pub trace: CallUuid,
    /// The virtual queue that counts it.
    pub queue: QueueName,
    /// Whom it may go to, as one set.
    pub targets: Vec<Target>,
    /// Higher is served first.
    pub priority: i32,
    /// Since when the call waits: its age.
    pub queued_at: Timestamp,
    /// When the application wants to hear that nobody was found.
    pub times_out_at: Option<Timestamp>,
    /// Agents who are not to get this call.
    pub excluded: Vec<AgentId>,
}

/// Where a request stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Waits in its queue.
    Waiting,
    /// Promised to an agent; the promise expires.
    Offered {
        /// The agent.
        agent: AgentId,
        /// When the promise ends unless the phone rings.
        expires_at: Timestamp,
    },
    /// The agent's phone rings.
    Ringing {
        /// The agent.
        agent: AgentId,
        /// When even a ringing phone is given up.
        expires_at: Timestamp,
    },
}

/// A request as it outlives a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestSnapshot {
    /// What was asked, with the exclusions and the priority of now.
    pub submission: Submission,
    /// Order of arrival among equals.
    pub arrival: u64,
    /// Where it stands.
    pub stage: Stage,
    /// Agents who were offered it and did not take it; at most [`EXCLUDED_MAX`], the oldest drop out.
    pub declined: Vec<Declined>,
}

/// An agent who was offered a call and did not take it. The call passes the agent over until then, or until the
/// agent says "ready" again; not for ever, for it may be the only one who fits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declined {
    /// The agent.
    pub agent: AgentId,
    /// Until when.
    pub until: Timestamp,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EndReason {
    /// The chosen agent answered.
    Answered,
    /// The caller left.
    Abandoned,
    /// The application took it back.
    Cancelled,
    /// The application's time was over, and it wanted the request cleared then.
    TimedOut,
}
