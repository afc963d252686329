//! The wallboard as JSON: the contract of `/pulse/api/v1/{tenant}/wallboard`.

use std::collections::BTreeMap;

use serde::Serialize;

/// Numbers since midnight of one queue, or of all queues.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Numbers {
    pub waiting: u64,
    pub longest_wait_since: Option<u64>,
    pub entered: u64,
    pub answered: u64,
    pub abandoned: u64,
    pub short_abandoned: u64,
    /// The service level in percent.
    pub service_level: Option<f64>,
    /// The threshold in seconds; for all queues together only if all have the same.
    pub service_level_threshold: Option<u32>,
    pub average_speed_of_answer_ms: Option<u64>,
}

/// One minute of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Minute {
    pub from: u64,
    pub entered: u64,
    pub answered: u64,
    pub abandoned: u64,
    pub waiting_max: u64,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct QueueRow {
    pub id: String,
    pub name: String,
    #[serde(flatten)]
    pub numbers: Numbers,
    pub history: Vec<Minute>,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct AgentRow {
    pub id: String,
    pub name: String,
    pub extension: Option<String>,
    pub state: &'static str,
    pub reason: Option<String>,
    pub since: u64,
}

/// How many agents are in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
            let place = match agent.state {
                "ready" => &mut states.ready,
                "notReady" => &mut states.not_ready,
                "afterCallWork" => &mut states.after_call_work,
                "ringing" => &mut states.ringing,
                "dialing" => &mut states.dialing,
                "onHold" => &mut states.on_hold,
                "inbound" => &mut states.inbound,
                "outbound" => &mut states.outbound,
                "internal" => &mut states.internal,
                "consult" => &mut states.consult,
                "loggedOut" => &mut states.logged_out,
                _ => &mut states.unknown,
            };
            *place += 1;
        }
        states
    }
}

/// The first message to the page.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot<'a> {
    pub tenant: &'a str,
    pub name: &'a str,
    #[serde(flatten)]
    pub head: &'a Head,
    pub queues: Vec<&'a QueueRow>,
    pub agents: Vec<&'a AgentRow>,
}

/// The common head of every message.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    /// The position on port 8000 up to which facts are counted.
    pub position: String,
    /// The present time, in milliseconds.
    pub at: u64,
    /// The time of the oldest fact that this message counts first; absent if only time has passed.
    pub event_at: Option<u64>,
    /// Since when the numbers count: midnight by the tenant's clocks, or later if earlier facts are unknown.
    pub counts_since: u64,
    pub totals: Numbers,
    pub states: States,
}

/// A removed row.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Gone<'a> {
    pub id: &'a str,
    pub removed: bool,
}

/// A row of a change.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Row<'a, T> {
    Changed(&'a T),
    Gone(Gone<'a>),
}

/// A change.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change<'a> {
    #[serde(flatten)]
    pub head: &'a Head,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<Row<'a, QueueRow>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Row<'a, AgentRow>>,
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
