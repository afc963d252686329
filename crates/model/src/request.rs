//! Requests of a client, an application or an auditor about a call or an agent.

use crate::agent::WorkMode;
use crate::id::{AgentId, ConnId, Dn, ReferenceId, TenantId};
use crate::userdata::UserData;

/// A request as it enters at the single entry point (domain section 1.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The tenant.
    pub tenant: TenantId,
    /// The requester: the token's subject.
    pub requester: String,
    /// Returned in the answering event.
    pub reference: ReferenceId,
    /// The DN for which the request is made: a phone, or the route point that holds the call.
    pub this_dn: Dn,
    /// The requested action.
    pub kind: RequestKind,
    /// The client's reasons.
    pub reasons: UserData,
    /// Technical data.
    pub extensions: UserData,
}

/// The requested action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestKind {
    /// Answers an alerting call (where the phone allows it).
    AnswerCall(ConnId),
    /// Releases this DN from the call.
    ReleaseCall(ConnId),
    /// Releases every party.
    ClearCall(ConnId),
    /// Refuses an alerting call and sends it elsewhere.
    RedirectCall(ConnId, Dn),
    /// Puts the call on hold.
    HoldCall(ConnId),
    /// Takes the call back from hold.
    RetrieveCall(ConnId),
    /// Routes a call that waits on a route point.
    RouteCall(ConnId, RouteTo),
    /// Applies a treatment to a call that waits on a route point.
    ApplyTreatment(ConnId, Treatment),
    /// Ends the treatment in progress.
    StopTreatment(ConnId),
    /// Adds or replaces pairs of the user data.
    UpdateUserData(ConnId, UserData),
    /// Removes a pair.
    DeletePair(ConnId, String),
    /// Removes all pairs.
    DeleteUserData(ConnId),
    /// Queries a call's parties; answered by `PartyInfo`.
    QueryCall(ConnId),
    /// Logs an agent in on this DN.
    AgentLogin {
        /// The agent; none means the one whose default place holds this DN.
        agent: Option<AgentId>,
        /// The state to begin in.
        work_mode: WorkMode,
    },
    /// Logs the agent on this DN out.
    AgentLogout,
    /// The agent on this DN takes calls.
    AgentReady(WorkMode),
    /// The agent on this DN takes no calls.
    AgentNotReady(WorkMode),
    /// Queries the state of a DN and its agent; answered by `AddressInfo`.
    QueryAddress,
}

impl RequestKind {
    /// The call that it concerns.
    pub const fn conn_id(&self) -> Option<ConnId> {
        match self {
            Self::AnswerCall(id)
            | Self::ReleaseCall(id)
            | Self::ClearCall(id)
            | Self::RedirectCall(id, _)
            | Self::HoldCall(id)
            | Self::RetrieveCall(id)
            | Self::RouteCall(id, _)
            | Self::ApplyTreatment(id, _)
            | Self::StopTreatment(id)
            | Self::UpdateUserData(id, _)
            | Self::DeletePair(id, _)
            | Self::DeleteUserData(id)
            | Self::QueryCall(id) => Some(*id),
            Self::AgentLogin { .. }
            | Self::AgentLogout
            | Self::AgentReady(_)
            | Self::AgentNotReady(_)
            | Self::QueryAddress => None,
        }
    }
}

/// The destination of a waiting call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteTo {
    /// To a DN, for the named agent if one was selected.
    Dn {
        /// The number.
        dn: Dn,
        /// The agent that routing reserved.
        agent: Option<AgentId>,
    },
    /// Refused with a SIP status (or released, if it is answered already).
    Reject(u16),
    /// Released.
    Disconnect,
}

/// Audio for a waiting caller, and digits to collect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Treatment {
    /// Plays prompts one after the other, then ends.
    PlayAnnouncement {
        /// Names of prompts.
        prompts: Vec<String>,
    },
    /// Music until it is stopped or the time is up.
    Music {
        /// The prompt.
        resource: String,
        /// How long, in milliseconds; none means until stopped.
        duration_ms: Option<u64>,
    },
    /// Plays prompts that a digit interrupts, then collects digits.
    PlayAndCollect {
        /// Names of prompts.
        prompts: Vec<String>,
        /// How many digits end it.
        max_digits: u8,
        /// How long to wait for the first digit after the prompts, in milliseconds.
        first_digit_timeout_ms: u64,
        /// How long to wait between digits, in milliseconds.
        inter_digit_timeout_ms: u64,
        /// A digit that ends it early and is not part of the result.
        terminator: Option<char>,
    },
    /// The caller hears itself.
    Echo,
    /// The tone of a ringing phone.
    RingBack,
    /// Nothing.
    Silence,
}

impl Treatment {
    /// The most prompts that one treatment may name.
    pub const PROMPTS_MAX: usize = 32;
    /// The longest name of a prompt, in bytes: it is that of a file, with the `{Key}`s that are completed when it is played.
    pub const PROMPT_BYTES_MAX: usize = 255;
    /// The longest wait for a digit, in milliseconds: nobody types for ten minutes.
    pub const DIGIT_TIMEOUT_MS_MAX: u64 = 600_000;
    /// The longest time for which music is requested, in milliseconds: no call lasts longer than twelve hours.
    pub const DURATION_MS_MAX: u64 = 12 * 3_600_000;
    /// The shortest, in milliseconds: music requested for no time at all still has a beginning and an end.
    pub const DURATION_MS_MIN: u64 = 100;

    /// The names of the prompts played.
    pub fn prompts(&self) -> &[String] {
        match self {
            Self::PlayAnnouncement { prompts } | Self::PlayAndCollect { prompts, .. } => prompts,
            Self::Music { resource, .. } => std::slice::from_ref(resource),
            Self::Echo | Self::RingBack | Self::Silence => &[],
        }
    }

    /// Limits the treatment's times to the ranges above.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        match &mut self {
            Self::Music { duration_ms: Some(ms), .. } => {
                *ms = (*ms).clamp(Self::DURATION_MS_MIN, Self::DURATION_MS_MAX)
            }
            Self::PlayAndCollect { first_digit_timeout_ms, inter_digit_timeout_ms, .. } => {
                for ms in [first_digit_timeout_ms, inter_digit_timeout_ms] {
                    *ms = (*ms).min(Self::DIGIT_TIMEOUT_MS_MAX);
                }
            }
            _ => {}
        }
        self
    }
}
