//! The testimony of the robots.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The robots' result.
#[derive(Clone, Debug, Deserialize)]
pub struct Robots {
    pub run: Run,
    pub totals: Totals,
    pub agents: Vec<Agent>,
    pub calls: Vec<Call>,
    /// Calls to numbers outside.
    #[serde(default)]
    pub outgoing: Vec<OutsideCall>,
    pub faults: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// Prefix of the numbers of all its callers.
    pub callers: String,
    /// Skills with the minimum level that a call of a service requires.
    pub services: BTreeMap<String, BTreeMap<String, u16>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    pub offered: u64,
    pub answered: u64,
    pub abandoned: u64,
    pub refused: u64,
    pub consultations: u64,
    pub transfers: u64,
    pub conferences: u64,
    /// Calls to numbers outside, those of phones that encrypt among them, and those that were answered.
    #[serde(default)]
    pub outgoing: u64,
    #[serde(default)]
    pub outgoing_encrypted: u64,
    #[serde(default)]
    pub outgoing_answered: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Agent {
    pub agent: String,
    pub extension: String,
    pub skills: BTreeMap<String, u16>,
    pub answered: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    pub caller: String,
    pub service: String,
    pub outcome: String,
    pub status: Option<u16>,
    pub agent: Option<String>,
    pub extension: Option<String>,
    pub answers: u32,
    pub caller_heard_ms: Option<u64>,
    pub agent_heard_ms: Option<u64>,
    /// All agents who answered it, in their order.
    pub parties: Vec<CallParty>,
    /// What agents did with it, in order.
    pub moves: Vec<RobotMove>,
    pub faults: Vec<String>,
}

/// A call to a number outside, as the phone that called and the robots' carrier have it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideCall {
    /// The number: unique within the run.
    pub number: String,
    pub extension: String,
    pub encrypted: bool,
    pub outcome: String,
    pub desk_heard_ms: Option<u64>,
    pub outside_heard_ms: Option<u64>,
    pub faults: Vec<String>,
}

impl OutsideCall {
    /// Whether both sides were connected, and one of them hung up.
    pub fn is_answered(&self) -> bool {
        self.outcome == "answered"
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallParty {
    pub agent: String,
    pub extension: String,
    pub came: String,
    pub heard_ms: Option<u64>,
}

impl CallParty {
    /// Whether it answered a consultation, which is a call of its own.
    pub fn was_consulted(&self) -> bool {
        self.came == "consulted"
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct RobotMove {
    pub kind: String,
    pub by: String,
    pub to: String,
}
