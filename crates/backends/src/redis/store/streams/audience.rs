//! The readers for whom an entry in the stream of facts is meant.

/// The readers of an entry in the stream of facts; a field of the entry names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::redis) enum Audience {
    /// All readers of the stream, and the reporting log.
    All,
    /// The reporting log, and every reader that has not received it before: an emptied Redis may have lost it.
    Repeat,
    /// The reporting log: others have continued from the state before it.
    LogCorrection,
}

impl Audience {
    pub(in crate::redis) const fn field(self) -> &'static str {
        match self {
            Self::All => "e",
            Self::Repeat => "r",
            Self::LogCorrection => "c",
        }
    }

    /// None for a field of a later release.
    pub(in crate::redis) fn of_field(field: &str) -> Option<Self> {
        [Self::All, Self::Repeat, Self::LogCorrection].into_iter().find(|for_whom| for_whom.field() == field)
    }
}
