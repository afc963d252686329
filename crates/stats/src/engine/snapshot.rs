//! The engine's snapshot as plain data, and the engine restored from it.

use model::{CallType, ConnId, Seq, Stamped, Subject, Timestamp, Token};

use crate::action::Action;
use crate::definition::ObjectType;

/// The state of an engine. It identifies statistics by their definition: opening the same definition continues the statistic.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "plain data: the names are those of the engine's parts")]
pub struct Snapshot {
    pub marks: Vec<MarkSnapshot>,
    pub held: Vec<HeldSnapshot>,
    pub calls: Vec<CallSnapshot>,
    pub agents: Vec<AgentSnapshot>,
    pub statistics: Vec<StatisticSnapshot>,
    pub repeated: u64,
    pub dropped_calls: u64,
}

/// The last fact of a subject.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain data")]
pub struct MarkSnapshot {
    pub subject: Subject,
    pub token: Token,
    pub seq: Seq,
    /// The stream's time when it came.
    pub heard: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// A fact that waits for its predecessors.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain data")]
pub struct HeldSnapshot {
    pub since: Timestamp,
    pub stamped: Stamped,
}

/// A call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain data")]
pub struct CallSnapshot {
    pub conn_id: ConnId,
    pub call_type: CallType,
    pub changed: Timestamp,
    pub over: Option<Timestamp>,
    pub parties: Vec<PartySnapshot>,
    pub visits: Vec<VisitSnapshot>,
    pub observers: Vec<ObserverSnapshot>,
}

/// A supervisor who monitors a call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain data")]
pub struct ObserverSnapshot {
    pub dn: String,
    pub agent: Option<String>,
    pub of_dn: String,
    pub of_agent: Option<String>,
    pub coaches: bool,
    pub since: Timestamp,
}

/// A phone in a call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain data")]
pub struct PartySnapshot {
    pub dn: String,
    pub agent: Option<String>,
    pub action: Action,
    pub since: Timestamp,
    pub held: Option<Timestamp>,
}

/// A call's stay in a route point or queue.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain data")]
pub struct VisitSnapshot {
    pub of: ObjectType,
    pub name: String,
    pub entered: Timestamp,
    pub stage: VisitStage,
    /// When the stage began.
    pub since: Timestamp,
    /// The target of an offer, the phone of a conversation.
    pub dn: String,
}

/// The stage of a visit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain data")]
pub enum VisitStage {
    Waiting,
    Offered,
    Talking,
}

/// An agent: its session, if there is one, and its status.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain data")]
pub struct AgentSnapshot {
    pub agent: String,
    pub status: Option<(Action, Timestamp)>,
    /// When the agent last logged in.
    pub last_login: Option<Timestamp>,
    /// Absent while logged out.
    pub dn: Option<String>,
    pub login: Timestamp,
    /// The action of the agent's mode.
    pub mode: Option<Action>,
    pub since: Timestamp,
    pub waits: Option<Timestamp>,
    pub reason: Option<String>,
    pub calls: u32,
    pub wrapped: Vec<(ObjectType, String)>,
}

/// The counts of a statistic.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain data")]
pub struct StatisticSnapshot {
    pub key: String,
    pub buckets: Vec<BucketSnapshot>,
    pub level: u64,
}

/// The counts of one interval: slot, number, time, longest, shortest, number in the range; number, time and number in the second range of
/// the relative mask; portion within the interval. Times are microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketSnapshot {
    /// The counts in that order.
    pub counts: [u64; 10],
}
