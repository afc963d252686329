//! An explained call as one document: printed by `trunkline trace --json` and shown by the page of a call.
//!
//! Times are milliseconds since 1970 with three decimals. Its schema is a part of the OpenAPI document of the operations API.

use runtime::trace::entry::Summary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An explained call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Trace {
    /// The call.
    pub call: Call,
    /// The verdict in words.
    pub verdict: Verdict,
    /// The SIP messages.
    pub ladder: Ladder,
    /// The facts of the call and of its queues.
    pub events: Vec<Event>,
    /// Who talked with whom, and who moved where, in order of time.
    pub thread: Vec<ThreadTurn>,
    /// The audio of each leg.
    pub media: Vec<Leg>,
    /// The steps of the application.
    pub application: Application,
    /// The decisions of the router.
    pub routing: Vec<Decision>,
    /// The requests about the call.
    pub requests: Vec<Request>,
    /// Other notes of roles.
    pub notes: Vec<Note>,
    /// Missing parts, and why.
    pub missing: Vec<String>,
    /// Whether phone numbers are masked.
    pub masked: bool,
}

/// The call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Call {
    /// As 16 hex digits; empty if a dialog never became a call.
    pub conn_id: String,
    /// The global id, which is also the trace id.
    pub uuid: String,
    /// The ConnID with its owner, as requests name it.
    pub printed: String,
    /// The tenant.
    pub tenant: String,
    /// The caller's number or extension.
    pub from: String,
    /// The dialled number.
    pub to: String,
    /// The trunk that it came by.
    pub trunk: Option<String>,
    /// When it began.
    pub began_at: Option<f64>,
    /// When a party other than a route point answered it.
    pub answered_at: Option<f64>,
    /// When it ended.
    pub ended_at: Option<f64>,
    /// The Call-IDs of its dialogs.
    pub call_ids: Vec<String>,
}

/// The verdict in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Verdict {
    /// Sentences, in order of time.
    pub summary: Vec<String>,
    /// Faults and remarks, the worst first.
    pub findings: Vec<Finding>,
}

/// A fault or a remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// Description.
    pub text: String,
}

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// A party could not do what it wanted.
    Fault,
    /// It worked, but not well.
    Warning,
    /// For information.
    Info,
}

/// The SIP messages between the parties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Ladder {
    /// The parties, from left to right.
    pub parties: Vec<Party>,
    /// Their messages, in order of time.
    pub messages: Vec<Message>,
}

/// A party of the ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// A node's name, or an address outside.
    pub id: String,
    /// The heading above its line.
    pub name: String,
    /// Whether it is a node of ours.
    pub inside: bool,
}

/// A SIP message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// When.
    pub at: f64,
    /// The id of the party that sent it.
    pub from: String,
    /// The id of the party that received it.
    pub to: String,
    /// The method, or status and reason.
    pub label: String,
    /// The method; that of the request for a response.
    pub method: String,
    /// The status of a response.
    pub status: Option<u16>,
    /// The dialog.
    pub call_id: String,
    /// The number of the leg whose dialog it is, as its owner has named it; 0 between nodes.
    #[serde(skip)]
    pub leg: Option<u16>,
    /// `udp` or `tcp`.
    pub transport: String,
    /// Whether it carries a session description.
    pub sdp: bool,
    /// Whether the same message was sent the same way before: it was lost, or its answer was.
    pub repeat: bool,
    /// The whole message.
    pub text: String,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: f64,
    /// The event itself.
    #[serde(flatten)]
    pub event: runtime::trace::entry::Event,
}

/// Something in the course of a thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ThreadTurn {
    /// When, or from when.
    pub at: f64,
    /// Until when those of a talk talked; none while they do.
    pub until: Option<f64>,
    /// The room, as media names it.
    pub room: String,
    /// The kind.
    pub kind: TurnKind,
    /// Who takes part.
    pub who: Vec<String>,
    /// The same in words.
    pub text: String,
}

/// The kind of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TurnKind {
    /// Two or more talk with each other.
    Talk,
    /// Somebody rings, comes, goes or does something that changes who talks.
    #[default]
    Move,
}

/// The audio of a leg.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Leg {
    /// Its number within the call; 1 is the caller's.
    pub leg: u16,
    /// The party: the caller's number, or a DN.
    pub party: String,
    /// Whether it is the caller's.
    pub caller: bool,
    /// The media node.
    pub node: String,
    /// Where the phone said that it receives.
    pub offered: Option<String>,
    /// Where its audio came from.
    pub learned: Option<String>,
    /// Where its signalling came from.
    pub signalling: Option<String>,
    /// Where media received it.
    pub local: String,
    /// The codec.
    pub codec: String,
    /// Direction from media's side, as agreed last.
    pub direction: String,
    /// When audio was agreed.
    pub agreed_at: Option<f64>,
    /// When the leg ended.
    pub ended_at: Option<f64>,
    /// The first packet of the phone.
    pub first_packet_at: Option<f64>,
    /// The last packet of the phone.
    pub last_packet_at: Option<f64>,
    /// From the phone to us.
    pub from_phone: Stream,
    /// From us to the phone; loss and jitter only if the phone reports them.
    pub to_phone: Stream,
    /// Round-trip time, if the phone reports it.
    pub round_trip_ms: Option<f64>,
    /// Packets from other addresses; dropped.
    pub strangers: u64,
    /// Packets that are not the agreed audio.
    pub invalid: u64,
    /// Whether media has reported figures.
    pub measured: bool,
    /// The evaluation in words.
    pub verdict: String,
    /// Severity of the evaluation.
    pub severity: Option<Severity>,
}

/// Audio in one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Stream {
    /// Packets.
    pub packets: u64,
    /// Packets lost; none if not reported.
    pub lost: Option<i64>,
    /// Loss in percent.
    pub loss_percent: Option<f64>,
    /// Jitter.
    pub jitter_ms: Option<f64>,
    /// Mean opinion score, 1 to 4.5, estimated by the E-model (ITU-T G.107).
    pub mos: Option<f64>,
}

/// The steps of the application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Application {
    /// Its name; the last one if several ran.
    pub name: Option<String>,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// A step of an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When.
    pub at: f64,
    /// The step itself.
    #[serde(flatten)]
    pub step: runtime::trace::entry::Step,
}

/// A step of the router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When.
    pub at: f64,
    /// `queued`, `offered`, `returned`, `timed-out`, `ended`.
    pub step: String,
    /// The virtual queue.
    pub queue: String,
    /// The chosen agent.
    pub agent: Option<String>,
    /// The chosen agent's extension.
    pub dn: Option<String>,
    /// The rule, as a name.
    pub rule: Option<String>,
    /// The decision and its reason, in words.
    pub text: String,
    /// Only for `returned`: why the call never reached the agent's phone, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<String>,
    /// Agents that were considered.
    pub candidates: Vec<Candidate>,
    /// Number of further agents that were considered.
    pub more: u64,
    /// Number of other calls that waited for the chosen agent.
    pub waiting: u64,
}

/// An agent that was considered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The agent.
    pub agent: String,
    /// How long the agent had been free.
    pub idle_ms: Option<f64>,
    /// Why the agent was passed over, as a name; none for the chosen one, or for a free one.
    pub passed_over: Option<String>,
    /// The reason in words.
    pub text: String,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// When.
    pub at: f64,
    /// The request itself.
    #[serde(flatten)]
    pub request: runtime::trace::entry::Request,
}

/// A note of a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// When.
    pub at: f64,
    /// The node that wrote it.
    pub node: String,
    /// The text.
    pub text: String,
}

/// A list of calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Traces {
    /// The tenant.
    pub tenant: String,
    /// The calls, newest first.
    pub calls: Vec<Brief>,
    /// The dialogs that were refused before they became calls, newest first: each with its Call-ID as `connId`, and the status as `lastEvent`.
    pub refused: Vec<Brief>,
    /// Missing parts, and why.
    pub missing: Vec<String>,
}

/// Summary of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Brief {
    /// The call.
    pub conn_id: String,
    /// Its global id.
    pub uuid: String,
    /// When it arrived.
    pub began_at: f64,
    /// When it ended.
    pub ended_at: Option<f64>,
    /// The caller.
    pub from: String,
    /// The dialled number.
    pub to: String,
    /// The extension that answered.
    pub answered_by: Option<String>,
    /// Its last event.
    pub last_event: Option<String>,
}

impl From<Summary> for Brief {
    fn from(call: Summary) -> Self {
        Self {
            conn_id: call.conn_id,
            uuid: call.uuid,
            began_at: ms(call.began),
            ended_at: call.ended.map(ms),
            from: call.from,
            to: call.to,
            answered_by: call.answered_by,
            last_event: call.last_event,
        }
    }
}

/// Microseconds as milliseconds.
pub(super) fn ms(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}
