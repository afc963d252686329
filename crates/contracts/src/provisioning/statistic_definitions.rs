//! Statistics that a tenant defines. The names of categories, subjects, objects and actions are those of the statistics engine.

use serde::{Deserialize, Serialize};

use super::wire_names::wire_names;

/// A statistic: what is counted, of which objects, over which time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticDefinition {
    /// Its name.
    pub name: String,
    /// How the value is computed from actions, as `TotalNumber`.
    pub category: String,
    /// What is counted: actions (`DNAction`), or the status of an agent (`AgentStatus`).
    pub subject: String,
    /// The kinds of objects that may have it, as `Agent` and `Queue`.
    #[serde(default)]
    pub objects: Vec<String>,
    /// The actions that are counted, as `CallInbound`.
    #[serde(default)]
    pub main: Vec<String>,
    /// The actions to compare with, for ratios.
    #[serde(default)]
    pub relative: Vec<String>,
    /// The time over which it counts. Categories of the present moment have none.
    #[serde(default)]
    pub profile: StatisticProfile,
    /// For a growing profile: the times of day at which the count restarts, as `00:00` or `00:00+0:30`; none: midnight.
    #[serde(default)]
    pub resets: Option<String>,
    /// For a sliding profile: its length, in seconds.
    #[serde(default)]
    pub window_s: Option<u32>,
    /// For a sliding profile: by how much it moves at a time, in seconds.
    #[serde(default)]
    pub step_s: Option<u32>,
    /// The shortest duration of what counts, in seconds; none: 0.
    #[serde(default)]
    pub range_from_s: Option<u32>,
    /// The longest duration of what counts, in seconds.
    #[serde(default)]
    pub range_to_s: Option<u32>,
    /// For `ServiceFactor1`: abandoned calls of at most that length do not count, in seconds.
    #[serde(default)]
    pub short_abandon_s: Option<u32>,
    /// Counts only what fits, as `PairExists("Language","de")`.
    #[serde(default)]
    pub filter: Option<String>,
    /// What people read of it.
    #[serde(default)]
    pub description: Option<String>,
}

wire_names! {
    /// The time over which a statistic counts.
    #[derive(Default)]
    StatisticProfile {
        /// From the last reset to now.
        #[default]
        Growing "growing",
        /// The last stretch of a length.
        Sliding "sliding",
        /// Since the agent's last login.
        SinceLogin "since_login",
    }
}
