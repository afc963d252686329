//! Recorded entries as roles return them: JSON between roles of one installation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One recorded entry about a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Time in microseconds since 1970.
    pub at: u64,
    /// The content.
    #[serde(flatten)]
    pub what: What,
}

/// Content of an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum What {
    /// A SIP message passed sip-proxy.
    Message(Message),
    /// A call arrived at its owner.
    Call(Call),
    /// A leg of the call began.
    Leg(Leg),
    /// A fact of the call.
    Event(Box<Event>),
    /// A leg's audio was agreed.
    Audio(Audio),
    /// First audio of the phone from that address.
    Learned {
        /// The leg.
        leg: u64,
        /// The address.
        from: String,
    },
    /// A phone's audio has stopped although it should send.
    Quiet {
        /// The leg.
        leg: u64,
        /// Its last packet or, if there was none, when one was due first; microseconds since 1970.
        since: u64,
    },
    /// The phone's audio has resumed.
    Resumed {
        /// The leg.
        leg: u64,
    },
    /// The figures of a leg's audio.
    Figures(Box<Figures>),
    /// A step of the application.
    Step(Step),
    /// A step of the router about a call in a queue.
    Routing(Box<Routing>),
    /// A request about the call.
    Request(Request),
    /// Anything else, as text.
    Note {
        /// The text.
        text: String,
    },
}

/// A SIP message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The other end's address.
    pub peer: String,
    /// Its node, if it is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// `udp` or `tcp`.
    pub transport: String,
    /// Whether the peer sent it.
    pub inbound: bool,
    /// The number of the leg whose dialog it belongs to, as the call's owner has named it there; 0 for a dialog between nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<u16>,
    /// The message, without secrets.
    pub text: String,
}

/// A new call at its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The global id.
    pub uuid: String,
    /// The printed ConnID, with its owner.
    pub printed: String,
    /// The caller's number or DN.
    pub caller: String,
    /// The trunk that it came by; none for a phone of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<String>,
    /// The dialled number.
    pub dialled: String,
    /// When the call began, microseconds since 1970.
    pub began: u64,
    /// Whether this node took it over from its previous owner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_over: bool,
}

/// A leg: one party of the call, or one ringing phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// Its number within the call.
    pub leg: u16,
    /// The caller's number, or the DN that rings.
    pub party: String,
    /// Whether it is the caller.
    pub caller: bool,
    /// The contact that rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The trunk by which it is called, if it is a number outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<String>,
}

/// A fact, as far as it explains a call. Only the keys of user data are recorded: values may be sensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "RecordedEvent")]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its call: a thread may have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn_id: Option<String>,
    /// The other call: that which a consultation is about, or that from which a party has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The DN that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub this_dn: Option<String>,
    /// The role of that DN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_dn: Option<String>,
    /// The DN that acted, or the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub third_party_dn: Option<String>,
    /// The queue or route point that delivered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Caller's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ani: Option<String>,
    /// Number dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnis: Option<String>,
    /// Number of digits collected; never the digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digits: Option<usize>,
    /// Number and text of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Technical data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<(String, String)>,
    /// Keys of the call's user data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_data: Vec<String>,
}

/// An agreed stream of a leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audio {
    /// The leg, as media numbers it.
    pub leg: u64,
    /// The Call-ID of its media dialog.
    pub call_id: String,
    /// Where media receives.
    pub local: String,
    /// Where the phone said that it receives; none while it wants no audio.
    pub offered: Option<String>,
    /// `PCMU` or `PCMA`.
    pub codec: String,
    /// From media's side: `sendrecv`, `sendonly`, `recvonly`, `inactive`.
    pub direction: String,
}

/// The figures of a leg's audio so far, or at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Figures {
    /// The leg.
    pub leg: u64,
    /// Whether the leg has ended.
    pub ended: bool,
    /// Where the phone's audio comes from.
    pub learned: Option<String>,
    /// First packet, microseconds since 1970.
    pub first: Option<u64>,
    /// Last packet, microseconds since 1970.
    pub last: Option<u64>,
    /// Packets from the phone.
    pub received: u64,
    /// Packets from the phone that got lost.
    pub lost: i64,
    /// Jitter of the packets from the phone, in microseconds.
    pub jitter_us: u64,
    /// Packets from addresses that are not the phone's; dropped.
    pub strangers: u64,
    /// Packets that are not the agreed audio; dropped.
    pub invalid: u64,
    /// Packets to the phone.
    pub sent: u64,
    /// Recent loss of packets to the phone, as it reports, in 1/256; valid only with `reported`.
    pub remote_lost_256: u8,
    /// Whether the phone has sent a report about received packets.
    pub reported: bool,
    /// Jitter that the phone reports for received packets, in microseconds.
    pub remote_jitter_us: u64,
    /// Packets to the phone lost since the beginning, as it reports.
    pub remote_lost: i64,
    /// Round-trip time in microseconds, from the phone's reports.
    pub round_trip_us: Option<u64>,
    /// Packets of the other party that could not be sent to the phone.
    pub unrelayed: u64,
}

/// A step of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RecordedStep")]
pub struct Step {
    /// `application`, `event`, `state`, `left`, `action`, `log`, `error`, `end`.
    pub step: String,
    /// Name of the state, event or action.
    pub name: String,
    /// Details as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Line of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A step of the router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    /// `queued`, `offered`, `returned`, `timed-out`, `ended`.
    pub step: String,
    /// The request, as ors names it.
    pub request: String,
    /// The virtual queue.
    pub queue: String,
    /// The chosen agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The chosen agent's DN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dn: Option<String>,
    /// The rule of the choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Agents that were considered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// Number of further agents that were considered.
    #[serde(default)]
    pub more: u64,
    /// Number of other calls that waited for the chosen agent.
    #[serde(default)]
    pub waiting: u64,
    /// The outcome, for `ended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

/// An agent whom the router considered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The agent.
    pub agent: String,
    /// Since when the agent could take a call, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<u64>,
    /// Why the agent was passed over; none for the chosen one, or for a free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<String>,
}

/// A request about a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RecordedRequest")]
pub struct Request {
    /// Its name, as `RouteCall`.
    pub name: String,
    /// The client that made the request.
    pub requester: String,
    /// Its reference.
    pub reference: u64,
    /// `accepted`, or the reason of the refusal.
    pub outcome: String,
}

/// Everything that one replica has recorded about a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleTrace {
    /// The role.
    pub role: String,
    /// The replica.
    pub node: String,
    /// Since when it records, microseconds since 1970; none if it does not record.
    pub since: Option<u64>,
    /// How long it keeps entries, in seconds.
    pub keeps: u64,
    /// The calls, as 16 hex digits.
    pub conn_ids: Vec<String>,
    /// Their global ids.
    pub uuids: Vec<String>,
    /// The SIP Call-IDs of their dialogs.
    pub call_ids: Vec<String>,
    /// Entries that were left out because the call had too many.
    pub left_out: u64,
    /// The entries, in order of time.
    pub entries: Vec<Entry>,
}

/// Summary of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The call, as 16 hex digits.
    pub conn_id: String,
    /// Its global id.
    pub uuid: String,
    /// When it arrived, microseconds since 1970.
    pub began: u64,
    /// When it ended; none if it has not, or if the end was not recorded.
    pub ended: Option<u64>,
    /// The caller.
    pub from: String,
    /// The dialled number.
    pub to: String,
    /// The DN that answered last.
    pub answered_by: Option<String>,
    /// The last event.
    pub last_event: Option<String>,
}

impl What {
    /// The number outside that a leg calls by a trunk.
    pub fn party_outside(&self) -> Option<&str> {
        match self {
            Self::Leg(Leg { party, trunk: Some(_), .. }) => Some(party),
            _ => None,
        }
    }

    /// Approximate size in bytes.
    pub(crate) fn weight(&self) -> usize {
        const EACH: usize = 160;
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        EACH + match self {
            Self::Message(message) => message.text.len() + 64,
            Self::Call(call) => 160 + call.caller.len() + call.dialled.len(),
            Self::Event(event) => {
                let pairs: usize = event.extensions.iter().map(|(k, v)| k.len() + v.len() + 48).sum();
                let keys: usize = event.user_data.iter().map(|key| key.len() + 24).sum();
                400 + pairs + keys + text(&event.ani) + text(&event.dnis) + text(&event.error)
            }
            Self::Leg(leg) => 64 + text(&leg.contact) + text(&leg.trunk),
            Self::Audio(audio) => 160 + audio.call_id.len(),
            Self::Figures(_) => 220,
            Self::Step(step) => step.name.len() + step.text.len() + 48,
            Self::Routing(routing) => 240 + routing.candidates.len() * 96,
            Self::Request(request) => 96 + request.outcome.len() + request.requester.len(),
            Self::Note { text } => text.len(),
            Self::Learned { from, .. } => from.len(),
            Self::Quiet { .. } | Self::Resumed { .. } => 0,
        }
    }
}

impl Event {
    /// Who has answered, if this says that a called party has: not a route point, which answers by itself. A number outside has no facts of
    /// its own: those of the party that calls it name it. `outside` are the numbers that the call has gone out to.
    pub fn answered_by(&self, outside: &[&str]) -> Option<&str> {
        if self.name != "EventEstablished" {
            return None;
        }
        match self.role.as_deref() {
            Some("Destination") => self.this_dn.as_deref(),
            _ => self.other_dn.as_deref().filter(|other| outside.contains(other)),
        }
    }
}

impl From<&model::Event> for Event {
    fn from(event: &model::Event) -> Self {
        let text = |dn: &Option<model::Dn>| dn.as_ref().map(ToString::to_string);
        let pair = |(key, value): (&str, &model::Value)| match value {
            _ if is_secret(key) => None,
            model::Value::Text(text) => Some((key.to_owned(), text.clone())),
            model::Value::Int(number) => Some((key.to_owned(), number.to_string())),
            // The router reports its candidates itself.
            _ => None,
        };
        Self {
            name: event.name.as_str().to_owned(),
            conn_id: event.call.as_ref().map(|call| call.conn_id.to_string()),
            previous: event.call.as_ref().and_then(|call| call.previous).map(|call| call.to_string()),
            this_dn: text(&event.this_dn),
            role: event.this_role.map(|role| role.as_str().to_owned()),
            other_dn: event.other_dn.clone(),
            third_party_dn: event.third_party_dn.clone(),
            queue: event.this_queue.clone(),
            agent: event.agent.as_ref().map(ToString::to_string),
            state: event.call_state.map(|state| state.as_str().to_owned()),
            ani: event.call.as_ref().and_then(|call| call.ani.clone()),
            dnis: event.call.as_ref().and_then(|call| call.dnis.clone()),
            digits: event.collected_digits.as_ref().map(|digits| digits.chars().count()),
            error: event.error.as_ref().map(|(code, text)| format!("{} {text}", code.0)),
            extensions: event.extensions.iter().filter_map(pair).collect(),
            user_data: event.user_data.iter().map(|(key, _)| key.to_owned()).collect(),
        }
    }
}

/// Keys whose values may be pressed digits or a PIN.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["digit", "pin", "password", "token"].iter().any(|part| key.contains(part))
}
