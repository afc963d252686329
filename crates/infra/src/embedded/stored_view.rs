//! A view as it is in memory.

use model::Timestamp;

use crate::KeptView;

/// A view, and when it goes by itself, if it does.
#[derive(Clone)]
pub(super) struct StoredView {
    pub(super) kept: KeptView,
    pub(super) ends_at: Option<Timestamp>,
}

impl StoredView {
    /// Whether it is there at that time.
    pub(super) fn is_there(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|ends_at| now < ends_at)
    }
}
