//! The snapshot of a tenant's calls, agents and phones as JSON, with the names of the event frame.

use model::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::event::rfc3339;
use super::user_data::user_data_to_json;
use crate::v1;
use crate::wire::{self, WireError};

/// What the facts up to a position add up to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TenantSnapshot {
    /// The facts after this position come next.
    pub position: String,
    /// The calls.
    pub calls: Vec<CallShown>,
    /// The agents who are logged in.
    pub agents: Vec<AgentShown>,
    /// The phones that are in service, by their DNs.
    pub dns_in_service: Vec<String>,
}

/// A call.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CallShown {
    /// The call: 16 hex digits.
    #[serde(rename = "ConnID")]
    pub conn_id: String,
    /// The call for the rest of the world: 32 hex digits.
    #[serde(rename = "CallUUID")]
    pub uuid: String,
    /// The chain of calls that began with one: 32 hex digits.
    #[serde(rename = "CallThreadID")]
    pub thread: String,
    /// The type of the call.
    #[serde(rename = "CallType")]
    pub call_type: String,
    /// The other call of a consultation.
    #[serde(rename = "PreviousConnID", skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The caller's number.
    #[serde(rename = "ANI", skip_serializing_if = "Option::is_none")]
    pub ani: Option<String>,
    /// The number that was dialled.
    #[serde(rename = "DNIS", skip_serializing_if = "Option::is_none")]
    pub dnis: Option<String>,
    /// Its parties that have a DN, and the queues where it waits.
    pub parties: Vec<PartyShown>,
    /// The call's data.
    #[serde(rename = "UserData")]
    pub user_data: Map<String, Json>,
    /// When its last fact happened.
    pub changed_at: String,
}

/// A party of a call.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PartyShown {
    /// Its DN, or the queue's.
    #[serde(rename = "ThisDN")]
    pub dn: String,
    /// Its role.
    #[serde(rename = "ThisDNRole", skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What it does.
    pub state: PartyState,
    /// The peer.
    #[serde(rename = "OtherDN", skip_serializing_if = "Option::is_none")]
    pub other_dn: Option<String>,
    /// The route point or queue that delivered the call.
    #[serde(rename = "ThisQueue", skip_serializing_if = "Option::is_none")]
    pub this_queue: Option<String>,
    /// Since when it is in this state.
    pub since: String,
}

/// The state of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum PartyState {
    /// It calls.
    Dialing,
    /// It rings.
    Alerting,
    /// It talks.
    Connected,
    /// It has put the call on hold.
    Held,
    /// The call waits there.
    Queued,
    /// The number is busy.
    Failed,
    /// Another one.
    Unknown,
}

/// An agent who is logged in.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AgentShown {
    /// The agent.
    #[serde(rename = "AgentID")]
    pub agent: String,
    /// The DN.
    #[serde(rename = "ThisDN")]
    pub dn: String,
    /// Whether the agent takes calls.
    pub ready: bool,
    /// How the agent works.
    #[serde(rename = "AgentWorkMode", skip_serializing_if = "Option::is_none")]
    pub work_mode: Option<String>,
    /// Since when.
    pub since: String,
}

/// Nothing has happened up to a position.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReachedPosition {
    /// The position.
    pub position: String,
}

/// Events are lost: they are not kept any more. A snapshot follows.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EventsGap {
    /// Those after this position are lost.
    pub after: String,
    /// Why, in words.
    pub detail: String,
}

/// A stream is over.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StreamEnd {
    /// Why.
    pub reason: EndReason,
    /// In words.
    pub detail: String,
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndReason {
    /// Its reader was too slow: continue after the last position.
    Slow,
    /// The token that opened it is over: continue with another one.
    Token,
    /// This server is going to restart: continue after the last position.
    Restart,
    /// The events cannot be read now: try again later.
    Unavailable,
}

/// Takes a snapshot out of its message.
///
/// # Errors
/// Names the field that is absent or not known.
pub fn snapshot_from_wire(snapshot: v1::Snapshot) -> Result<TenantSnapshot, WireError> {
    Ok(TenantSnapshot {
        position: snapshot.position,
        calls: snapshot.calls.into_iter().map(call).collect::<Result<_, _>>()?,
        agents: snapshot.agents.into_iter().map(agent).collect(),
        dns_in_service: snapshot.dns_in_service,
    })
}

fn call(status: v1::CallStatus) -> Result<CallShown, WireError> {
    let absent = || WireError::field("call", "it is absent");
    let call = wire::call_ref_from_wire(status.call.ok_or_else(absent)?)?;
    let Json::Object(user_data) = user_data_to_json(&wire::user_data_from_wire(status.user_data)?) else {
        return Err(WireError::field("user_data", "it is not a list"));
    };
    Ok(CallShown {
        conn_id: call.conn_id.to_string(),
        uuid: call.uuid.to_string(),
        thread: call.thread.to_string(),
        call_type: call.call_type.to_string(),
        previous: call.previous.map(|id| id.to_string()),
        ani: call.ani,
        dnis: call.dnis,
        parties: status.parties.into_iter().map(party).collect::<Result<_, _>>()?,
        user_data,
        changed_at: time(status.changed_at_us),
    })
}

fn party(party: v1::PartyStatus) -> Result<PartyShown, WireError> {
    let state = match party.state() {
        v1::PartyState::Dialing => PartyState::Dialing,
        v1::PartyState::Alerting => PartyState::Alerting,
        v1::PartyState::Connected => PartyState::Connected,
        v1::PartyState::Held => PartyState::Held,
        v1::PartyState::Queued => PartyState::Queued,
        v1::PartyState::Failed => PartyState::Failed,
        v1::PartyState::Unspecified => PartyState::Unknown,
    };
    let role = party.role.map(wire::dn_role_from_wire).transpose()?;
    Ok(PartyShown {
        dn: party.dn,
        role: role.map(|role| role.to_string()),
        state,
        other_dn: party.other_dn,
        this_queue: party.this_queue,
        since: time(party.since_us),
    })
}

fn agent(status: v1::AgentStatus) -> AgentShown {
    let work_mode = status.work_mode.and_then(|mode| wire::work_mode_from_wire(mode).ok());
    AgentShown {
        agent: status.agent,
        dn: status.dn,
        ready: status.ready,
        work_mode: work_mode.map(|mode| wire::work_mode_name(mode).to_owned()),
        since: time(status.since_us),
    }
}

fn time(us: u64) -> String {
    rfc3339(Timestamp::from_micros(us))
}
