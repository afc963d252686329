//! What gws-voice tells gws-workspace of what a call has come through, and of the calls that wait at route points, as JSON. Desktops get it
//! as it is.

use serde::{Deserialize, Serialize};

/// What a call has come through.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallCourse {
    /// The steps, in the order in which they began.
    pub steps: Vec<CourseStep>,
    /// How many further ones there were, for which there was no room.
    pub left_out: u32,
    /// Whether it is known from the beginning of the call.
    pub is_whole: bool,
}

/// A part of a call's course.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CourseStep {
    /// What it was.
    pub kind: StepKind,
    /// The number of the route point or the phone, the name of the queue, or the type of the treatment, as `PlayAnnouncement`.
    pub name: String,
    /// When it began, in milliseconds since 1970.
    pub began_at: u64,
    /// How long it was, in milliseconds; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// How it ended, by the published names, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// How many keys the caller pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_count: Option<u32>,
    /// Which one, where it is a choice of a menu: more of them, or one after the other, may be a PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// Of a queue: the agent who was chosen there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Box<ChosenAgent>>,
}

/// What a step of a call's course was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// It was at a route point, whose application decided on it.
    RoutePoint,
    /// The caller heard something there.
    Treatment,
    /// It waited in a virtual queue.
    Queue,
    /// A phone to which it was sent did not take it.
    NotTaken,
    /// Somebody talked with the caller.
    Phone,
}

/// Who was chosen, and by what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChosenAgent {
    /// The agent.
    pub agent: String,
    /// The rule, as `longest-idle-agent`.
    pub rule: String,
    /// The others who were compared, each with why it was passed over.
    pub passed_over: Vec<PassedOverAgent>,
    /// How many further ones were.
    pub more: u64,
    /// How many other calls waited for that agent.
    pub waiting: u64,
    /// What the agent has of the skills that were asked for.
    #[serde(default)]
    pub skills: Vec<MatchedSkill>,
    /// For how long the agent could have taken a call, in milliseconds; absent where it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_for: Option<u64>,
    /// For how long the call had waited, in milliseconds; absent where it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<u64>,
}

/// A skill that was asked for, with the agent's level.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchedSkill {
    /// The skill.
    pub skill: String,
    /// The level.
    pub level: i64,
}

/// An agent who was not chosen, or cannot be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassedOverAgent {
    /// The agent.
    pub agent: String,
    /// Why, as `not-ready`, `on-call`, `skills`; empty where nothing keeps the agent from the call.
    pub why: String,
}

/// The calls that wait at route points.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingCallList {
    /// Those that have waited for longest.
    pub calls: Vec<WaitingCall>,
    /// How many there are in all.
    pub total_matches: u64,
}

/// A call that waits.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingCall {
    /// The call: 16 hex digits.
    pub id: String,
    /// The caller's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ani: Option<String>,
    /// The number that was dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnis: Option<String>,
    /// The route point; absent where it is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_point: Option<String>,
    /// The virtual queues where it waits.
    pub queues: Vec<String>,
    /// For how long it has waited, in seconds.
    pub waiting: u64,
}

/// Why a call waits.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedWait {
    /// The call.
    pub call: WaitingCall,
    /// What it has come through.
    pub course: CallCourse,
    /// What it waits for. Where there is nothing, its application has not asked for an agent.
    pub requests: Vec<WaitingRequest>,
}

/// A request for an agent that waits.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingRequest {
    /// What the agent must have, as `French >= 4`.
    pub asks_for: String,
    /// Bigger ones come first.
    pub priority: i32,
    /// For how long it has waited, in seconds.
    pub waiting: u64,
    /// Agents who have the skills, those that are nearest to taking it first; 50 at most.
    pub agents: Vec<PassedOverAgent>,
    /// All who have the skills, counted by what keeps them from it, in the same order.
    pub reasons: Vec<KeptAgents>,
    /// How many of the agents lack the skills.
    pub without_skills: u64,
}

/// Agents whom the same reason keeps from a call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptAgents {
    /// Why, as of one of them; empty where nothing does.
    pub why: String,
    /// How many they are.
    pub agents: u64,
}
