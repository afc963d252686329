//! The states that a supervisor gives an agent.

/// The state that a supervisor gives an agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForcedState {
    /// Logged out.
    LoggedOut,
    /// Takes no calls.
    NotReady,
    /// Takes calls.
    Ready,
}

impl ForcedState {
    /// All of them, in the order of their numbers on the wire.
    pub const ALL: [Self; 3] = [Self::LoggedOut, Self::NotReady, Self::Ready];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "LoggedOut",
            Self::NotReady => "NotReady",
            Self::Ready => "Ready",
        }
    }

    /// The state of a published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == name)
    }
}
