//! How a supervisor takes part in a call of others.

/// What a supervisor does in a call that it monitors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MonitorMode {
    /// It listens; nobody hears it.
    #[default]
    Mute,
    /// The agent alone hears it.
    Coach,
    /// All hear it.
    Connect,
}

impl MonitorMode {
    /// All modes, in the order of their published numbers.
    pub const ALL: [Self; 3] = [Self::Mute, Self::Coach, Self::Connect];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Coach => "coach",
            Self::Connect => "connect",
        }
    }

    /// The mode of a published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// Which calls of an agent a supervisor monitors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MonitorType {
    /// The next one.
    #[default]
    OneCall,
    /// Each that begins from now on.
    AllCalls,
    /// The one in progress; without one, the next.
    Current,
}

impl MonitorType {
    /// All types, in the order of their published numbers.
    pub const ALL: [Self; 3] = [Self::OneCall, Self::AllCalls, Self::Current];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneCall => "OneCall",
            Self::AllCalls => "AllCalls",
            Self::Current => "Current",
        }
    }

    /// The type of a published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == name)
    }
}
