//! The value of a statistic.

use std::time::Duration;

use model::Timestamp;

use crate::action::Action;

/// The value of a statistic at a point in time.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// No value: the divisor is zero, or no action is in progress.
    None,
    /// A count.
    Number(u64),
    /// A duration.
    Time(Duration),
    /// A ratio. Percentages are out of 100.
    Ratio(f64),
    /// The state of an agent.
    State(StateValue),
}

impl Value {
    /// The count; 0 for any other kind.
    pub const fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            _ => 0,
        }
    }

    /// The duration, if it is one.
    pub const fn time(&self) -> Option<Duration> {
        match self {
            Self::Time(time) => Some(*time),
            _ => None,
        }
    }

    /// The ratio, if it is one.
    pub const fn ratio(&self) -> Option<f64> {
        match self {
            Self::Ratio(ratio) => Some(*ratio),
            _ => None,
        }
    }
}

/// The state of an agent: its highest action in progress.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateValue {
    /// The highest action in progress; [`Action::LoggedOut`] if there is none.
    pub status: Action,
    /// When the state began; `None` if no event ever concerned the agent.
    pub since: Option<Timestamp>,
    /// The reason code of a not-ready state.
    pub reason: Option<String>,
    /// The phone at which the agent is logged in.
    pub dn: Option<String>,
}
