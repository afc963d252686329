//! Agents: states and work modes.

/// The meaning of an agent's ready or not-ready state. Numbers as published.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum WorkMode {
    /// 0
    #[default]
    Unknown,
    /// 1: the agent requests each call, or has set the state by hand.
    ManualIn,
    /// 2: calls are delivered automatically.
    AutoIn,
    /// 3: wrapping up the last call.
    AfterCallWork,
    /// 4: other work.
    AuxWork,
    /// 5
    NoCallDisconnect,
    /// 6
    WalkAway,
    /// 7
    ReturnBack,
    /// Not ready for the rest that must follow a business call. Published as a substate of not ready, with the number of `AutoIn`; ours is 8.
    LegalGuard,
}

/// A medium for which an agent is ready or not. Each has a state of its own; so far calls are the only one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Channel {
    /// Calls.
    #[default]
    Voice,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Voice];

    /// The published name of its medium.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "voice",
        }
    }

    /// The channel of a published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == name)
    }
}

/// The state of an agent session (person × place × login).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AgentState {
    /// Logged out.
    LoggedOut,
    /// Logged in, takes no calls.
    NotReady,
    /// May be offered a call.
    Ready,
    /// Wrapping up.
    AfterCallWork,
    /// On a business call; the state it returns to afterwards.
    Busy(AfterBusy),
}

/// The state of a busy agent after the call ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AfterBusy {
    /// Ready, or after-call work first when a wrap-up time is set.
    Ready,
    /// Not ready.
    NotReady,
    /// After-call work until the agent ends it.
    AfterCallWork,
}
