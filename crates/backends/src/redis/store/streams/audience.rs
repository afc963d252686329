//! The readers for whom an entry in the stream of facts is meant.

/// The readers of an entry in the stream of facts; a field of the entry names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::redis) enum Audience {
    /// All readers of the stream, and the reporting log.
    All,
    /// The reporting log: all other readers have received it before.
    LogRepeat,
    /// The reporting log: others have continued from the state before it.
    LogCorrection,
}

impl Audience {
    pub(in crate::redis) const fn field(self) -> &'static str {
        match self {
            Self::All => "e",
            Self::LogRepeat => "r",
            Self::LogCorrection => "c",
        }
    }

    /// None for a field of a later release.
    pub(in crate::redis) fn of_field(field: &str) -> Option<Self> {
        [Self::All, Self::LogRepeat, Self::LogCorrection].into_iter().find(|for_whom| for_whom.field() == field)
    }
}
