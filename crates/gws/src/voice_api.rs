//! What gws-voice tells gws-workspace of a DN: messages of the channel `/voice/v3/dns/<dn>`, as JSON.
//!
//! `dn` and `call` have the form in which agents' desktops get them, so gws-workspace passes them on as they are.

use serde::{Deserialize, Serialize};

use crate::kv::KvPair;

/// Something that is told of a DN.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DnMessage {
    /// The place in the tenant's events; several messages of a DN may have the same one, and are told one after the other.
    pub position: String,
    /// The request that this answers; 0 without one.
    #[serde(default)]
    pub reference: u64,
    /// Who asked for it; empty without a request.
    #[serde(default)]
    pub requester: String,
    /// What is told.
    pub news: DnNews,
}

/// What is told of a DN.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DnNews {
    /// All of it; takes the place of what was told before.
    Picture {
        /// The DN.
        dn: DnState,
        /// Its calls, those that began first at the beginning.
        calls: Vec<CallState>,
    },
    /// The DN is in another state, or a request about it was carried out.
    Dn {
        /// The DN.
        dn: DnState,
    },
    /// A call of the DN is in another state. In the state `Released` the DN has left it; with `previousConnId` it is the call of that
    /// id under another one.
    Call {
        /// The call as the DN has it.
        call: CallState,
        /// What has changed.
        notification: CallNotification,
    },
    /// The DN, a supervisor's, will monitor calls of another one, or will not any more.
    Monitoring {
        /// Whether it will.
        started: bool,
        /// The agent's DN.
        #[serde(rename = "otherDN")]
        other_dn: String,
        /// How, if it is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<String>,
        /// Which calls, if it is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_call_type: Option<String>,
    },
    /// A program has sent pairs to those who follow the DN.
    UserEvent {
        /// The pairs.
        user_data: Vec<KvPair>,
    },
    /// There is no picture of the DN, and this is why: nothing is told of it before one.
    NoPicture {
        /// The published number.
        code: u32,
        /// In words.
        message: String,
    },
    /// A request was refused.
    Error {
        /// The published number.
        code: u32,
        /// In words.
        message: String,
    },
}

/// What has changed of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CallNotification {
    /// Its state, or what can be done with it.
    StateChange,
    /// Who is in it.
    ParticipantsUpdated,
    /// Its user data.
    AttachedDataChanged,
    /// Nothing: it was there before the desktop was.
    CallRecovered,
    /// Its recording.
    CallRecordingStateChange,
}

/// The published `dn` object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnState {
    /// The number.
    pub number: String,
    /// The switch; the desktop's session knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_name: Option<String>,
    /// The agent who is logged in; absent when nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The agent's state.
    pub agent_state: DnAgentState,
    /// How the agent works: a published name of a work mode.
    pub agent_work_mode: String,
    /// Do-not-disturb; absent while it is not known. Never null: clients stop at that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnd: Option<bool>,
    /// The number to which calls go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_to: Option<String>,
    /// Why the agent is in that state.
    #[serde(default)]
    pub reasons: Vec<KvPair>,
    /// What can be asked for.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Since when, in milliseconds since 1970, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// When after-call work ends by itself, in milliseconds since 1970; absent where it does not, and in any other state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrap_up_until: Option<u64>,
}

/// The state of a DN's agent as published: after-call work is `NotReady` with a work mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum DnAgentState {
    /// Nobody is logged in.
    #[default]
    LoggedOut,
    /// Has logged in; ready or not ready comes next.
    LoggedIn,
    /// Takes calls.
    Ready,
    /// Takes no calls.
    NotReady,
    /// Somebody is logged in, but no phone is registered there.
    OutOfService,
}

/// The published `call` object: a call as one DN has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallState {
    /// The call: 16 hex digits.
    pub id: String,
    /// The same.
    pub conn_id: String,
    /// The call for the rest of the world: 32 hex digits.
    pub call_uuid: String,
    /// `Inbound`, `Outbound`, `Internal`, `Consult` or `Unknown`.
    pub call_type: String,
    /// Its state at the DN.
    pub state: CallPhase,
    /// The number of the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// The caller's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ani: Option<String>,
    /// The number that was dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnis: Option<String>,
    /// The others in it. Never absent: clients stop at that.
    pub participants: Vec<CallParticipant>,
    /// Its user data.
    #[serde(default)]
    pub user_data: Vec<KvPair>,
    /// Technical data of what happened last.
    #[serde(default)]
    pub extensions: Vec<KvPair>,
    /// What can be asked for.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Of a consultation: the call that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_conn_id: Option<String>,
    /// The id under which the DN had the call before a transfer or conference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_conn_id: Option<String>,
    /// Whether it is recorded.
    pub recording_state: CallRecording,
    /// For how long the DN has had it, in seconds, when this was told.
    pub duration: u64,
    /// Since when the DN has had it (RFC 3339, milliseconds).
    pub started_at: String,
    /// Since when it is in its state (RFC 3339, milliseconds); beyond the published fields. Empty from a release that did not tell it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state_since: String,
    /// Whether the DN, a supervisor's, monitors it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_monitored_by_me: bool,
    /// There: whom, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring_info: Option<Box<MonitoringInfo>>,
    /// How a supervisor monitors it: `Mute`, `Coach` or `Connect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor_monitoring_state: Option<String>,
    /// Whether a supervisor listens, and does not speak to all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub supervisor_listening_in: bool,
    /// Whether a supervisor speaks to all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub supervisor_barged_in: bool,
}

/// The state of a call at a DN, as published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CallPhase {
    /// The DN calls a number.
    Dialing,
    /// The DN rings.
    Ringing,
    /// It has answered, or is through.
    Established,
    /// It has put the others on hold.
    Held,
    /// It has left the call, or the call is over.
    Released,
    /// The agent is through with a call that was released. gws-voice never tells it: the desktop's session does.
    Completed,
}

/// Whether a call is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum CallRecording {
    /// Not, or no more.
    #[default]
    Stopped,
    /// It is.
    Recording,
    /// It is kept out of the recording for now.
    Paused,
}

/// Somebody in a call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallParticipant {
    /// The DN, or the number outside.
    pub number: String,
    /// `RoleOrigination`, `RoleDestination`, `RoleNewParty`, `RoleObserver` and so on.
    pub role: String,
}

/// Whom a supervisor monitors in a call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringInfo {
    /// The agent's DN.
    #[serde(rename = "monitoredDN")]
    pub monitored_dn: String,
    /// `Mute`, `Coach` or `Connect`.
    pub monitor_mode: String,
    /// Always `Call`: a supervisor here monitors an agent in a call.
    pub monitor_scope: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_have_the_form_that_both_sides_know() {
        let dn = DnState {
            number: "7101".to_owned(),
            switch_name: None,
            agent_id: Some("1001".to_owned()),
            agent_state: DnAgentState::NotReady,
            agent_work_mode: "AuxWork".to_owned(),
            dnd: Some(false),
            forward_to: None,
            reasons: vec![KvPair::Text { key: "ReasonCode".to_owned(), value: "1".to_owned() }],
            capabilities: vec!["ready".to_owned()],
            timestamp: Some(7),
            wrap_up_until: None,
        };
        let news = DnNews::Dn { dn };
        let message = DnMessage { position: "1-0".to_owned(), reference: 3, requester: "person/ann".to_owned(), news };
        let told = json!({
            "position": "1-0", "reference": 3, "requester": "person/ann",
            "news": {"type": "dn", "dn": {
                "number": "7101", "agentId": "1001", "agentState": "NotReady", "agentWorkMode": "AuxWork", "dnd": false,
                "reasons": [{"key": "ReasonCode", "type": "str", "value": "1"}], "capabilities": ["ready"], "timestamp": 7,
            }},
        });
        assert_eq!(serde_json::to_value(&message).unwrap(), told);
        assert_eq!(serde_json::from_value::<DnMessage>(told).unwrap(), message);
    }

    #[test]
    fn news_are_told_apart_by_their_type() {
        let monitoring =
            DnNews::Monitoring { started: true, other_dn: "7101".to_owned(), mode: None, next_call_type: None };
        let event = DnNews::UserEvent { user_data: Vec::new() };
        let error = DnNews::Error { code: 415, message: "no".to_owned() };
        let no_picture = DnNews::NoPicture { code: 59, message: "no".to_owned() };
        for (news, told) in [
            (monitoring, json!({"type": "monitoring", "started": true, "otherDN": "7101"})),
            (event, json!({"type": "userEvent", "userData": []})),
            (error, json!({"type": "error", "code": 415, "message": "no"})),
            (no_picture, json!({"type": "noPicture", "code": 59, "message": "no"})),
        ] {
            assert_eq!(serde_json::to_value(&news).unwrap(), told);
            assert_eq!(serde_json::from_value::<DnNews>(told).unwrap(), news);
        }
    }
}
