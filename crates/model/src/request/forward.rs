//! Which calls to a DN are forwarded.

/// Which calls a DN forwards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ForwardMode {
    /// None: as if forwarding were cancelled.
    None,
    /// All.
    #[default]
    Unconditional,
    /// Those that find it busy.
    OnBusy,
    /// Those that nobody answers.
    OnNoAnswer,
    /// Those that find it busy, and those that nobody answers.
    OnBusyAndNoAnswer,
    /// All, as [`Self::Unconditional`].
    SendAllCalls,
    /// Those that come while no phone is registered (ours: the published modes have none for it).
    OnUnregistered,
}

impl ForwardMode {
    /// All modes, in the order of their published numbers.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Unconditional,
        Self::OnBusy,
        Self::OnNoAnswer,
        Self::OnBusyAndNoAnswer,
        Self::SendAllCalls,
        Self::OnUnregistered,
    ];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Unconditional => "Unconditional",
            Self::OnBusy => "OnBusy",
            Self::OnNoAnswer => "OnNoAnswer",
            Self::OnBusyAndNoAnswer => "OnBusyAndNoAnswer",
            Self::SendAllCalls => "SendAllCalls",
            Self::OnUnregistered => "OnUnregistered",
        }
    }

    /// The mode of a published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}
