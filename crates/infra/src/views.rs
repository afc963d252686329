//! The sums of a view and its position in the stream, in one write. Key `view:{tenant}:<view>`.

use std::time::Duration;

use bytes::Bytes;
use model::{TenantId, Timestamp};

use crate::Answer;

/// A view as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptView {
    /// The last position that it has folded, in the stream's own form; empty if it has folded none.
    pub position: String,
    /// The state, as the role's `records.rs` wrote it.
    pub state: Bytes,
}

/// The states of views, which could be rebuilt, but not at once.
pub trait ViewStore: Send + Sync {
    /// The state stored last; none if there is none.
    fn load<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, Option<KeptView>>;

    /// Stores state and position together, replacing the previous ones.
    ///
    /// # Errors
    /// [`crate::StoreError::Full`] when the state has more than [`crate::bounds::VIEW_MAX`] bytes.
    fn keep<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView) -> Answer<'a, ()>;

    /// [`Self::keep`], but it goes by itself once it was not stored again for that long. For views that are of no use later.
    ///
    /// # Errors
    /// Those of [`Self::keep`].
    fn keep_for<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView, within: Duration) -> Answer<'a, ()>;

    /// Removes what is stored, if there is anything.
    fn remove<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, ()>;

    /// [`Self::keep`], if the stored position is still `seen` (`None`: nothing is stored yet). `false`: another writer was faster, and
    /// nothing has changed. Writers that must not undo each other's work count with the position.
    ///
    /// # Errors
    /// Those of [`Self::keep`].
    fn replace<'a>(
        &'a self,
        tenant: &'a TenantId,
        view: &'a str,
        seen: Option<&'a str>,
        kept: KeptView,
    ) -> Answer<'a, bool>;

    /// The present time by the store's own clock, where a tenant's views are. Writers whose clocks differ ask it which of them is wrong.
    fn time<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Timestamp>;
}
