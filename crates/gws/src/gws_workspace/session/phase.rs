//! Whether a session goes on, and why it does not.

use model::Timestamp;

use super::super::desk::DeskEnd;
use super::super::metrics::SessionEnd;

/// Whether a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionPhase {
    /// It does.
    Open,
    /// Its agent is being logged out, since then.
    Ending(SessionEnd, Timestamp),
    /// It does not.
    Over,
}

impl SessionPhase {
    pub(super) fn is_over(self) -> bool {
        self == Self::Over
    }
}

impl From<DeskEnd> for SessionEnd {
    fn from(why: DeskEnd) -> Self {
        match why {
            DeskEnd::Logout => Self::Logout,
            DeskEnd::SignedOut => Self::Revoked,
            DeskEnd::Idle => Self::Idle,
        }
    }
}
