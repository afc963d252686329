//! The wallboard as JSON: the contract of `/pulse/api/v1/{tenant}/wallboard`. The OpenAPI document and the types of the pages come from
//! these types; times are milliseconds since the Unix epoch.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use stats::Action;

/// Numbers of the day, of one queue or of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Numbers {
    /// Visits that wait now, without those for which an agent's phone rings.
    pub waiting: u64,
    /// The start of the visit that has waited longest; null if nobody waits.
    pub longest_wait_since: Option<u64>,
    /// Visits that began.
    pub entered: u64,
    /// Visits whose target has answered.
    pub answered: u64,
    /// Visits whose caller gave up: in the queue, while a phone rang, or before it began to ring.
    pub abandoned: u64,
    /// Abandoned visits that lasted `short_abandon_s` or less.
    pub short_abandoned: u64,
    /// Answered within `service_level_s`, in percent of answered and abandoned without short; null while the divisor is 0.
    pub service_level: Option<f64>,
    /// `service_level_s`; for all queues together only if all have the same.
    pub service_level_threshold: Option<u32>,
    /// Waits of the answered visits, from the entry to the answer, divided by their number; null while that is 0.
    pub average_speed_of_answer_ms: Option<u64>,
}

/// One minute of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Minute {
    /// Its start.
    pub from: u64,
    /// Visits that began in it.
    pub entered: u64,
    /// Visits that were answered in it.
    pub answered: u64,
    /// Visits whose caller gave up in it.
    pub abandoned: u64,
    /// The maximum of waiting visits.
    pub waiting_max: u64,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct QueueRow {
    /// The route point's number.
    pub id: String,
    /// Its name.
    pub name: String,
    #[serde(flatten)]
    pub numbers: Numbers,
    /// The last 30 minutes, the present one last.
    pub history: Vec<Minute>,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct AgentRow {
    /// The employee id.
    pub id: String,
    /// First and last name.
    pub name: String,
    /// The phone at which the agent is logged in, else that of the agent's place; null without either.
    pub extension: Option<String>,
    /// The state.
    pub state: AgentState,
    /// Why the agent is not ready, if that is known; else null.
    pub reason: Option<String>,
    /// The start of the state.
    pub since: u64,
}

/// The highest of an agent's activities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum AgentState {
    Ready,
    NotReady,
    AfterCallWork,
    Ringing,
    Dialing,
    OnHold,
    Inbound,
    Outbound,
    Internal,
    Consult,
    Unknown,
    LoggedOut,
}

impl AgentState {
    /// As the statistics engine names it.
    pub(super) const fn of(status: Action) -> Self {
        match status {
            Action::WaitForNextCall => Self::Ready,
            Action::NotReadyForNextCall | Action::LoggedIn => Self::NotReady,
            Action::AfterCallWork => Self::AfterCallWork,
            Action::CallRinging => Self::Ringing,
            Action::CallDialing => Self::Dialing,
            Action::CallOnHold => Self::OnHold,
            Action::CallInbound => Self::Inbound,
            Action::CallOutbound => Self::Outbound,
            Action::CallInternal => Self::Internal,
            Action::CallConsult => Self::Consult,
            Action::LoggedOut => Self::LoggedOut,
            _ => Self::Unknown,
        }
    }
}

/// How many agents are in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct States {
    pub ready: u64,
    pub not_ready: u64,
    pub after_call_work: u64,
    pub ringing: u64,
    pub dialing: u64,
    pub on_hold: u64,
    pub inbound: u64,
    pub outbound: u64,
    pub internal: u64,
    pub consult: u64,
    pub unknown: u64,
    pub logged_out: u64,
}

impl States {
    pub(super) fn count<'a>(agents: impl Iterator<Item = &'a AgentRow>) -> Self {
        let mut states = Self::default();
        for agent in agents {
            *states.of(agent.state) += 1;
        }
        states
    }

    const fn of(&mut self, state: AgentState) -> &mut u64 {
        match state {
            AgentState::Ready => &mut self.ready,
            AgentState::NotReady => &mut self.not_ready,
            AgentState::AfterCallWork => &mut self.after_call_work,
            AgentState::Ringing => &mut self.ringing,
            AgentState::Dialing => &mut self.dialing,
            AgentState::OnHold => &mut self.on_hold,
            AgentState::Inbound => &mut self.inbound,
            AgentState::Outbound => &mut self.outbound,
            AgentState::Internal => &mut self.internal,
            AgentState::Consult => &mut self.consult,
            AgentState::Unknown => &mut self.unknown,
            AgentState::LoggedOut => &mut self.logged_out,
        }
    }
}

/// The whole wallboard; the first message of the stream.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot<'a> {
    /// The tenant's id.
    pub tenant: &'a str,
    /// The tenant's name.
    pub name: &'a str,
    #[serde(flatten)]
    pub head: &'a Head,
    /// All queues.
    pub queues: Vec<&'a QueueRow>,
    /// All agents.
    pub agents: Vec<&'a AgentRow>,
}

/// The common head of every message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    /// The position on port 8000 up to which facts are counted; the id of the message.
    pub position: String,
    /// The present time, in milliseconds.
    pub at: u64,
    /// The time of the oldest fact that no earlier message has counted; null if only time has passed.
    pub event_at: Option<u64>,
    /// Since when the numbers count: midnight by the tenant's clocks, or later if earlier facts are unknown.
    pub counts_since: u64,
    /// The numbers of all queues.
    pub totals: Numbers,
    /// How many agents are in each state.
    pub states: States,
}

/// A removed row.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Gone<'a> {
    /// Its id.
    pub id: &'a str,
    /// Always true.
    #[schemars(extend("const" = true))]
    pub removed: bool,
}

/// A row of a change.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Row<'a, T> {
    Changed(&'a T),
    Gone(Gone<'a>),
}

/// A change.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change<'a> {
    #[serde(flatten)]
    pub head: &'a Head,
    /// The changed queues, whole, and the removed ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<Row<'a, QueueRow>>,
    /// The changed agents, whole, and the removed ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Row<'a, AgentRow>>,
}

/// Nothing has changed: a sign of life.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Reached {
    /// The present time.
    pub at: u64,
}

/// The rows that differ, in order of their ids: new and changed rows complete, removed ones by id.
pub(super) fn difference<'a, T: PartialEq>(
    before: &'a BTreeMap<String, T>,
    now: &'a BTreeMap<String, T>,
) -> Vec<Row<'a, T>> {
    let changed = now.iter().filter(|(id, row)| before.get(*id) != Some(row)).map(|(_, row)| Row::Changed(row));
    let gone = before.keys().filter(|id| !now.contains_key(*id));
    changed.chain(gone.map(|id| Row::Gone(Gone { id, removed: true }))).collect()
}
