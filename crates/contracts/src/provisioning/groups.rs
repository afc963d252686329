//! Groups of agents, and of places.

use serde::{Deserialize, Serialize};

/// Agents that are meant together: those that it names, or all whose skills fit an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentGroup {
    /// Its name.
    pub name: String,
    /// Its agents, by the names by which they sign in; none if it has an expression.
    #[serde(default)]
    pub agents: Vec<String>,
    /// The skill expression that its agents fit, as `Sales >= 5 & French >= 1`; none if it names them.
    #[serde(default)]
    pub expression: Option<String>,
    /// The people who look after it, by the names by which they sign in.
    #[serde(default)]
    pub managers: Vec<String>,
}

impl AgentGroup {
    /// The skill that stands for membership of the group of that name where agents are chosen: who is in it has level 1. The names of
    /// skills do not begin so.
    pub fn member_skill(name: &str) -> String {
        format!("{}{name}", Self::SKILL_PREFIX)
    }

    /// Whether a group may have that name: what would end it where an expression has it in quotation marks is not in it.
    pub fn may_be_name(name: &str) -> bool {
        !name.contains('"')
    }

    /// What the names of those skills begin with.
    pub const SKILL_PREFIX: &'static str = "group:";
}

/// Places that are meant together, as those of a floor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceGroup {
    /// Its name.
    pub name: String,
    /// Its places, by their names. A place may be in several groups.
    #[serde(default)]
    pub places: Vec<String>,
}
