//! Rules about dialled numbers, and schedules of numbers.

use serde::{Deserialize, Serialize};

/// When numbers are open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The IANA name of its time zone; none means the tenant's.
    pub time_zone: Option<String>,
    /// Lines of hours, as `Mon-Fri 08:00-18:00`.
    pub open: Vec<String>,
    /// Dates that differ, as `2026-12-25 closed`.
    pub exceptions: Vec<String>,
}

/// A rule about dialled numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialRule {
    /// Its name.
    pub name: String,
    /// Its place among the rules: of each action, the first that is about a number applies; of limits, all do.
    pub place: u32,
    /// The numbers that it is about, in the pattern language of the dial plan.
    pub pattern: String,
    /// What it does.
    #[serde(flatten)]
    pub action: DialAction,
}

/// What a rule about dialled numbers does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum DialAction {
    /// Nothing of the dial plan stops these numbers.
    Emergency {
        /// The trunk that is tried first.
        trunk: Option<String>,
    },
    /// These numbers are not called.
    Block {
        /// Why, for who calls.
        reason: String,
    },
    /// These numbers stand for others.
    Translate {
        /// How many characters are removed at the beginning.
        remove: u32,
        /// What is put before the rest.
        add: String,
    },
    /// Who is called at these numbers is shown another number.
    CallerId {
        /// The number.
        shows: String,
        /// The trunk for which that applies; none: for all.
        trunk: Option<String>,
    },
    /// A trunk by which these numbers are called. Trunks with such rules go before those with a prefix.
    Route {
        /// The trunk.
        trunk: String,
        /// What a call costs, in a unit of the tenant's: of several trunks the cheapest is tried first.
        cost: u32,
        /// When the rule applies; none: always.
        schedule: Option<String>,
    },
    /// How these numbers are written for a trunk.
    Send {
        /// How many characters are removed at the beginning.
        remove: u32,
        /// What is put before the rest.
        add: String,
        /// The trunk for which that applies; none: for all.
        trunk: Option<String>,
    },
    /// What these numbers mean in calls of a trunk, both who is called and who calls.
    Receive {
        /// How many characters are removed at the beginning.
        remove: u32,
        /// What is put before the rest.
        add: String,
        /// The trunk for which that applies; none: for all.
        trunk: Option<String>,
    },
    /// What may be spent in a day on calls to these numbers.
    Limit {
        /// Who may spend that much.
        per: Spender,
        /// The most calls.
        calls: Option<u32>,
        /// The most minutes.
        minutes: Option<u32>,
    },
}

/// Who may spend what a rule allows for a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spender {
    /// Each phone for itself.
    Phone,
    /// Each agent, at whichever phone; a phone at which nobody is logged in counts for itself.
    Agent,
    /// All calls of the tenant together.
    Tenant,
}

impl Spender {
    /// Its name in the tenant's file and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Agent => "agent",
            Self::Tenant => "tenant",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Phone, Self::Agent, Self::Tenant].into_iter().find(|spender| spender.as_str() == name)
    }
}

impl DialAction {
    /// Its name in the tenant's file and in the store.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Emergency { .. } => "emergency",
            Self::Block { .. } => "block",
            Self::Translate { .. } => "translate",
            Self::CallerId { .. } => "caller_id",
            Self::Limit { .. } => "limit",
            Self::Route { .. } => "route",
            Self::Send { .. } => "send",
            Self::Receive { .. } => "receive",
        }
    }

    /// The trunk that it names.
    pub fn trunk(&self) -> Option<&str> {
        match self {
            Self::Emergency { trunk }
            | Self::CallerId { trunk, .. }
            | Self::Send { trunk, .. }
            | Self::Receive { trunk, .. } => trunk.as_deref(),
            Self::Route { trunk, .. } => Some(trunk),
            Self::Block { .. } | Self::Translate { .. } | Self::Limit { .. } => None,
        }
    }
}
