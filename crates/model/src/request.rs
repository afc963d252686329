//! Requests of a client, an application or an auditor about a call or an agent.

mod field;
mod forced;
mod forward;
mod kind;
mod login_password;
mod monitor;
mod treatment;

use crate::id::{AgentId, Dn, ReferenceId, TenantId};
use crate::userdata::UserData;

pub use field::{FrameField, Shape};
pub use forced::ForcedState;
pub use forward::ForwardMode;
pub use kind::{Concern, RequestKind, RequestType};
pub use login_password::LoginPassword;
pub use monitor::{MonitorMode, MonitorType};
pub use treatment::{DigitsWanted, Treatment};

/// The extension by which gws-workspace marks what it notes of a released call for an agent, with the call's `ConnID`
/// (`docs/workspace-api.md`, Data after a call). Nobody else may set it.
pub const NOTE_OF_CALL: &str = "NoteOfCall";
/// The extension that names the agent for whom a request about the agent at a DN is (`docs/requests.md`, Agents): nobody else is logged
/// out, or set ready, who sits there by then.
pub const OF_AGENT: &str = "AgentID";

/// A request as it enters at the single entry point (`docs/requests.md`).
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
    /// What is requested.
    pub kind: RequestKind,
    /// The client's reasons.
    pub reasons: UserData,
    /// Technical data.
    pub extensions: UserData,
}

impl Request {
    /// Whether it is marked as a note of a released call.
    pub fn is_note_of_call(&self) -> bool {
        self.extensions.get(NOTE_OF_CALL).is_some()
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
