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
