//! Facts: what happened, to which DN, of which call; with the published names and attributes.

mod names;

use std::fmt;

use crate::agent::WorkMode;
use crate::id::{AgentId, CallUuid, ConnId, Dn, QueueName, ReferenceId, SessionName, TenantId};
use crate::owner::{Seq, Token};
use crate::time::Timestamp;
use crate::userdata::UserData;

pub use names::{CallState, CallType, DnRole, EventName};

/// The subject of an event. With token and number it identifies the event.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    /// A call.
    Call(ConnId),
    /// An agent.
    Agent(AgentId),
    /// A virtual queue.
    Queue(QueueName),
    /// A phone's registration.
    Dn(Dn),
    /// A session of an application. Its facts name the call that it runs for, and may come after the call's end. They say nothing
    /// about the call's parties.
    Session(SessionName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(id) => write!(f, "call:{id}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::Queue(name) => write!(f, "queue:{name}"),
            Self::Dn(dn) => write!(f, "dn:{dn}"),
            Self::Session(name) => write!(f, "session:{name}"),
        }
    }
}

/// The identity of an event. Two records with the same identity are the same event.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventId {
    /// Its subject.
    pub subject: Subject,
    /// The owner's fencing token when it was given.
    pub token: Token,
    /// Its number within the token.
    pub seq: Seq,
}

/// The parts of an event that name its call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallRef {
    /// The call.
    pub conn_id: ConnId,
    /// Its global id, kept through transfers.
    pub uuid: CallUuid,
    /// Id of the chain of calls that began with one original call.
    pub thread: CallUuid,
    /// The other call: consultation, or the one absorbed by a merge.
    pub previous: Option<ConnId>,
    /// The type of the call.
    pub call_type: CallType,
    /// For a consultation: the type of the original call.
    pub propagated_type: Option<CallType>,
    /// The caller's number.
    pub ani: Option<String>,
    /// The number that was dialled.
    pub dnis: Option<String>,
}

/// A fact with its attributes (`docs/events.md`, Attributes). Absent attributes are `None` or empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its name.
    pub name: EventName,
    /// The call, for events about calls.
    pub call: Option<CallRef>,
    /// The cause, on released, diverted, party-changed and busy events.
    pub call_state: Option<CallState>,
    /// The DN (or queue) that the event is for.
    pub this_dn: Option<Dn>,
    /// The role of that DN.
    pub this_role: Option<DnRole>,
    /// The peer: present if there is exactly one other party, or the one concerned.
    pub other_dn: Option<String>,
    /// The peer's role.
    pub other_role: Option<DnRole>,
    /// The party that acted, or to which the call went.
    pub third_party_dn: Option<String>,
    /// The role of that party.
    pub third_party_role: Option<DnRole>,
    /// The queue or route point that delivered the call.
    pub this_queue: Option<String>,
    /// Digits that a treatment collected.
    pub collected_digits: Option<String>,
    /// Whether these are a secret: the tenant's application reads them in the stream, and nobody else is told them.
    pub secret_digits: bool,
    /// The agent on this DN.
    pub agent: Option<AgentId>,
    /// The agent's work mode, on agent events.
    pub work_mode: Option<WorkMode>,
    /// The request that caused it; only the requesting client sees it.
    pub reference: ReferenceId,
    /// The sender of that request.
    pub requester: Option<String>,
    /// Business data of the call, always complete.
    pub user_data: UserData,
    /// The client's reasons for the request.
    pub reasons: UserData,
    /// Technical data, not propagated with the call.
    pub extensions: UserData,
    /// Number and text, for [`EventName::Error`].
    pub error: Option<(ErrorCode, String)>,
}

impl Event {
    /// An event without attributes.
    pub fn new(name: EventName) -> Self {
        Self {
            name,
            call: None,
            call_state: None,
            this_dn: None,
            this_role: None,
            other_dn: None,
            other_role: None,
            third_party_dn: None,
            third_party_role: None,
            this_queue: None,
            collected_digits: None,
            secret_digits: false,
            agent: None,
            work_mode: None,
            reference: ReferenceId(0),
            requester: None,
            user_data: UserData::new(),
            reasons: UserData::new(),
            extensions: UserData::new(),
            error: None,
        }
    }
}

/// An event in a stream, with its identity, tenant, time and trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamped {
    /// Its identity.
    pub id: EventId,
    /// The tenant.
    pub tenant: TenantId,
    /// When it happened, by the owner's wall clock.
    pub at: Timestamp,
    /// The trace that it belongs to: the call's global id where there is a call.
    pub trace: Option<CallUuid>,
    /// The fact.
    pub event: Event,
}

/// The numbers of [`EventName::Error`] that clients test (`docs/requests.md`, When it goes wrong).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// Unknown error.
    pub const UNKNOWN: Self = Self(50);
    /// Unsupported operation.
    pub const UNSUPPORTED: Self = Self(51);
    /// Internal error.
    pub const INTERNAL: Self = Self(52);
    /// Invalid attribute value.
    pub const INVALID_ATTRIBUTE: Self = Self(53);
    /// Invalid ConnID.
    pub const INVALID_CONN_ID: Self = Self(56);
    /// Timeout.
    pub const TIMEOUT: Self = Self(57);
    /// Out of service.
    pub const OUT_OF_SERVICE: Self = Self(58);
    /// DN not configured.
    pub const DN_NOT_CONFIGURED: Self = Self(59);
    /// Invalid called DN.
    pub const INVALID_CALLED_DN: Self = Self(71);
    /// Invalid call state.
    pub const INVALID_CALL_STATE: Self = Self(93);
    /// A conference cannot be completed.
    pub const CANNOT_COMPLETE_CONFERENCE: Self = Self(96);
    /// A transfer cannot begin.
    pub const CANNOT_INITIATE_TRANSFER: Self = Self(97);
    /// A transfer cannot be completed.
    pub const CANNOT_COMPLETE_TRANSFER: Self = Self(98);
    /// Wrong password.
    pub const WRONG_PASSWORD: Self = Self(119);
    /// DN busy.
    pub const DN_BUSY: Self = Self(231);
    /// No answer at DN.
    pub const NO_ANSWER: Self = Self(232);
    /// The digits are not valid.
    pub const INVALID_DTMF: Self = Self(302);
    /// Invalid destination.
    pub const INVALID_DESTINATION: Self = Self(415);
    /// The agent id is in use elsewhere.
    pub const AGENT_IN_USE: Self = Self(527);
}
