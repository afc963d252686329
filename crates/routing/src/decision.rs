//! Why an agent was chosen: the record that travels with the call.

use model::{AgentId, Timestamp};

/// How many candidates a decision names; the others are counted only, so that a record stays small.
pub const CANDIDATES_MAX: usize = 20;

/// Why an agent who could have been considered was not chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PassedOver {
    /// The person is not provisioned or disabled.
    Unknown,
    /// Not logged in.
    LoggedOut,
    /// Logged in, takes no calls.
    NotReady,
    /// Promised to another call.
    Reserved,
    /// On a call.
    OnCall,
    /// The phone is not registered.
    PhoneOutOfService,
    /// Excluded for this call, for example after not answering it.
    Excluded,
    /// The skills do not fit.
    Skills,
    /// Would fit, but has been idle for a shorter time than the chosen one.
    IdleShorter,
}

impl PassedOver {
    /// A short name, stable for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::LoggedOut => "logged-out",
            Self::NotReady => "not-ready",
            Self::Reserved => "reserved",
            Self::OnCall => "on-call",
            Self::PhoneOutOfService => "phone-out-of-service",
            Self::Excluded => "excluded",
            Self::Skills => "skills",
            Self::IdleShorter => "idle-shorter",
        }
    }
}

/// An agent who was considered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The agent.
    pub agent: AgentId,
    /// Since when the agent could take a call; `None` when it cannot.
    pub idle_since: Option<Timestamp>,
    /// Why it was passed over; `None` for the chosen one.
    pub passed_over: Option<PassedOver>,
}

/// A pairing of a request with an agent, explained.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// The agent chosen.
    pub chosen: AgentId,
    /// In words of the field: which rule chose it.
    pub rule: Rule,
    /// Who was considered, the chosen one first; at most [`CANDIDATES_MAX`].
    pub candidates: Vec<Candidate>,
    /// How many more were considered than `candidates` names.
    pub more: u32,
    /// How many requests were waiting for this agent when it was given this one.
    pub waiting: u32,
}

/// The rule that made a pairing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// A call came, and of the fitting agents this one has been idle for longest.
    LongestIdleAgent,
    /// An agent came free, and of the calls that it fits this one has the highest priority and then the longest wait.
    HighestPriorityThenLongestWait,
}

impl Rule {
    /// A short name, stable for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LongestIdleAgent => "longest-idle-agent",
            Self::HighestPriorityThenLongestWait => "highest-priority-then-longest-wait",
        }
    }
}
