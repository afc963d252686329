//! A call explained, as one document: what `trunkline trace --json` prints and the page of a call reads.
//!
//! Times are milliseconds since 1970 with three decimals.

use runtime::trace::entry::Summary;
use serde::{Deserialize, Serialize};

/// A call explained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trace {
    /// The call.
    pub call: Call,
    /// What happened, in words.
    pub verdict: Verdict,
    /// The SIP messages.
    pub ladder: Ladder,
    /// The facts of the call and of its queues.
    pub events: Vec<Event>,
    /// The audio of each leg.
    pub media: Vec<Leg>,
    /// What the application did.
    pub application: Application,
    /// What the router decided.
    pub routing: Vec<Decision>,
    /// What was asked of the call, and by whom.
    pub requests: Vec<Request>,
    /// Anything else that a role has to say.
    pub notes: Vec<Note>,
    /// What is not known, and why.
    pub missing: Vec<String>,
    /// Whether phone numbers are masked.
    pub masked: bool,
}

/// The call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Call {
    /// As 16 hex digits; empty where a dialog never became a call.
    pub conn_id: String,
    /// The global id, which is also the trace id.
    pub uuid: String,
    /// The ConnID with its owner, as requests name it.
    pub printed: String,
    /// The tenant.
    pub tenant: String,
    /// The caller's number or extension.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// The trunk that it came by.
    pub trunk: Option<String>,
    /// When it began.
    pub began_at: Option<f64>,
    /// When somebody answered it who is no route point.
    pub answered_at: Option<f64>,
    /// When it ended.
    pub ended_at: Option<f64>,
    /// The Call-IDs of its dialogs.
    pub call_ids: Vec<String>,
}

/// What happened, in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Verdict {
    /// Sentences, in the order of what happened.
    pub summary: Vec<String>,
    /// What is wrong or worth knowing, the worst first.
    pub findings: Vec<Finding>,
}

/// Something that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What, in words.
    pub text: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Somebody could not do what they wanted.
    Fault,
    /// It went, but not well.
    Warning,
    /// Nothing is wrong; it helps to know.
    Info,
}

/// The SIP messages between those who took part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ladder {
    /// Who took part, from left to right.
    pub parties: Vec<Party>,
    /// What they sent each other, in the order of time.
    pub messages: Vec<Message>,
}

/// Who took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// A node's name, or an address outside.
    pub id: String,
    /// What to print above its line.
    pub name: String,
    /// Whether it is a node of ours.
    pub inside: bool,
}

/// A SIP message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// When.
    pub at: f64,
    /// The id of the party that sent it.
    pub from: String,
    /// The id of the party that got it.
    pub to: String,
    /// The method, or status and reason.
    pub label: String,
    /// The method; that of the request for a response.
    pub method: String,
    /// The status of a response.
    pub status: Option<u16>,
    /// The dialog.
    pub call_id: String,
    /// `udp` or `tcp`.
    pub transport: String,
    /// Whether it carries a session description.
    pub sdp: bool,
    /// Whether the same message went the same way before: it was lost, or its answer was.
    pub repeat: bool,
    /// The whole message.
    pub text: String,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: f64,
    /// The event itself.
    #[serde(flatten)]
    pub event: runtime::trace::entry::Event,
}

/// The audio of a leg.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Leg {
    /// Its number within the call; 1 is the caller's.
    pub leg: u16,
    /// Whose it is: the caller's number, or a DN.
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
    /// Who sends, from media's side, as it was agreed last.
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
    /// From us to the phone; loss and jitter only where the phone tells them.
    pub to_phone: Stream,
    /// There and back, where the phone's reports tell.
    pub round_trip_ms: Option<f64>,
    /// Packets of other addresses, which were dropped.
    pub strangers: u64,
    /// Packets that are no audio that was agreed.
    pub invalid: u64,
    /// Whether media has told any figures.
    pub measured: bool,
    /// What there is to say of it.
    pub verdict: String,
    /// How bad that is.
    pub severity: Option<Severity>,
}

/// Audio in one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stream {
    /// Packets.
    pub packets: u64,
    /// Packets lost; none: nobody has told.
    pub lost: Option<i64>,
    /// The same in percent.
    pub loss_percent: Option<f64>,
    /// Jitter.
    pub jitter_ms: Option<f64>,
    /// Mean opinion score, 1 to 4.5, estimated by the E-model (ITU-T G.107).
    pub mos: Option<f64>,
}

/// What the application did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Application {
    /// Its name; the last one where several ran.
    pub name: Option<String>,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// A step of an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When.
    pub at: f64,
    /// The step itself.
    #[serde(flatten)]
    pub step: runtime::trace::entry::Step,
}

/// A word of the router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When.
    pub at: f64,
    /// `queued`, `offered`, `returned`, `timed-out`, `ended`.
    pub step: String,
    /// The virtual queue.
    pub queue: String,
    /// Whom it chose.
    pub agent: Option<String>,
    /// The chosen agent's extension.
    pub dn: Option<String>,
    /// The rule, as a name.
    pub rule: Option<String>,
    /// In words, what was decided and why.
    pub text: String,
    /// Of `returned`: why the call never reached the agent's phone, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<String>,
    /// Who was considered.
    pub candidates: Vec<Candidate>,
    /// How many more were considered.
    pub more: u64,
    /// How many calls waited for the chosen agent.
    pub waiting: u64,
}

/// Somebody who was considered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The agent.
    pub agent: String,
    /// For how long it had been free.
    pub idle_ms: Option<f64>,
    /// Why not, as a name; none for the chosen one, or one that is free.
    pub passed_over: Option<String>,
    /// The same in words.
    pub text: String,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// When.
    pub at: f64,
    /// The request itself.
    #[serde(flatten)]
    pub request: runtime::trace::entry::Request,
}

/// Words of a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// When.
    pub at: f64,
    /// Which node says it.
    pub node: String,
    /// The words.
    pub text: String,
}

/// A list of calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Traces {
    /// The tenant.
    pub tenant: String,
    /// The calls, newest first.
    pub calls: Vec<Brief>,
    /// What is not known, and why.
    pub missing: Vec<String>,
}

/// A call in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Brief {
    /// The call.
    pub conn_id: String,
    /// Its global id.
    pub uuid: String,
    /// When it came.
    pub began_at: f64,
    /// When it ended.
    pub ended_at: Option<f64>,
    /// Who called.
    pub from: String,
    /// What was dialled.
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
