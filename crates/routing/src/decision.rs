//! The record of a decision: why an agent was chosen. It travels with the call.

use std::time::Duration;

use model::{AgentId, Timestamp};

/// The most candidates that a decision names; further ones are only counted, so that a record stays small.
pub const CANDIDATES_MAX: usize = 20;

/// The most skills that a decision names.
pub const SKILLS_MAX: usize = 8;

/// Why a candidate was not chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PassedOver {
    /// The agent is not provisioned, or is disabled.
    Unknown,
    /// Not logged in.
    LoggedOut,
    /// Logged in, but not ready.
    NotReady,
    /// The agent's capacity rule lets the agent have no calls.
    NoCapacity,
    /// Reserved for another call.
    Reserved,
    /// On a call, or on as many as the agent's capacity rule allows.
    OnCall,
    /// The phone is not registered.
    PhoneOutOfService,
    /// The phone does not want to be disturbed.
    DoNotDisturb,
    /// All calls to the phone go elsewhere.
    Forwarded,
    /// Excluded for this call, for example after not answering it.
    Excluded,
    /// The skills do not fit.
    Skills,
    /// The agent fits, but has more calls than the chosen one, or as many and has been idle for a shorter time.
    IdleShorter,
}

impl PassedOver {
    /// A short name, stable for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::LoggedOut => "logged-out",
            Self::NotReady => "not-ready",
            Self::NoCapacity => "no-capacity",
            Self::Reserved => "reserved",
            Self::OnCall => "on-call",
            Self::PhoneOutOfService => "phone-out-of-service",
            Self::DoNotDisturb => "do-not-disturb",
            Self::Forwarded => "forwarded",
            Self::Excluded => "excluded",
            Self::Skills => "skills",
            Self::IdleShorter => "idle-shorter",
        }
    }
}

/// An agent that was considered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The agent.
    pub agent: AgentId,
    /// Since when the agent could take a call; `None` if it cannot.
    pub idle_since: Option<Timestamp>,
    /// Why it was passed over; `None` for the chosen agent.
    pub passed_over: Option<PassedOver>,
}

/// A skill that a request asks for, with the level that the chosen agent has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MatchedSkill {
    /// The skill.
    pub skill: String,
    /// The level.
    pub level: i64,
}

/// What keeps the agents that fit from a request that waits.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeptFromRequest {
    /// How many agents fit.
    pub fitting: u64,
    /// All of these, by reason.
    pub by_reason: Vec<KeptAgents>,
}

/// Agents that the same reason keeps from a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptAgents {
    /// The reason; `None` if nothing keeps them from it.
    pub reason: Option<PassedOver>,
    /// How many they are.
    pub agents: u64,
    /// Some of them.
    pub named: Vec<AgentId>,
}

/// The choice of an agent for a request, with its reasons.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// When the agent was chosen.
    pub at: Timestamp,
    /// The agent chosen.
    pub chosen: AgentId,
    /// The rule that chose it.
    pub rule: Rule,
    /// The agents considered, the chosen one first; at most [`CANDIDATES_MAX`].
    pub candidates: Vec<Candidate>,
    /// The number of agents considered beyond those in `candidates`.
    pub more: u32,
    /// The number of other calls that waited for this agent when it was given this one.
    pub waiting: u32,
    /// What the agent has of the skills that were asked for; at most [`SKILLS_MAX`].
    pub skills: Vec<MatchedSkill>,
    /// How long the call had waited.
    pub waited: Duration,
}

impl Decision {
    /// For how long the chosen agent could have taken a call.
    pub fn ready_for(&self) -> Duration {
        let chosen = self.candidates.iter().find(|candidate| candidate.agent == self.chosen);
        let since = chosen.and_then(|candidate| candidate.idle_since);
        since.map_or(Duration::ZERO, |since| self.at.since(since))
    }
}

/// The rule that matched a request and an agent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// A call came in. Of the fitting agents with the fewest calls this one has been idle for longest.
    LongestIdleAgent,
    /// An agent became free. Of the calls that it fits this one has the highest priority and then the longest wait.
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
