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
