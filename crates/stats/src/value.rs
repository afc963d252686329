//! What a statistic says.

use std::time::Duration;

use model::Timestamp;

use crate::action::Action;

/// The value of a statistic at a moment.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// There is none: nothing to divide by, or nothing that lasts.
    None,
    /// A count.
    Number(u64),
    /// A duration.
    Time(Duration),
    /// A ratio; percentages are of 100.
    Ratio(f64),
    /// The state of an agent.
    State(StateValue),
}

impl Value {
    /// The count; 0 where it is none.
    pub const fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            _ => 0,
        }
    }

    /// The duration, where it is one.
    pub const fn time(&self) -> Option<Duration> {
        match self {
            Self::Time(time) => Some(*time),
            _ => None,
        }
    }

    /// The ratio, where it is one.
    pub const fn ratio(&self) -> Option<f64> {
        match self {
            Self::Ratio(ratio) => Some(*ratio),
            _ => None,
        }
    }
}

/// The state of an agent: its highest action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateValue {
    /// The highest action that lasts; [`Action::LoggedOut`] if there is none.
    pub status: Action,
    /// Since when; none where nothing was ever told of the agent.
    pub since: Option<Timestamp>,
    /// The reason code of a not-ready state.
    pub reason: Option<String>,
    /// The phone at which the agent is logged in.
    pub dn: Option<String>,
}
