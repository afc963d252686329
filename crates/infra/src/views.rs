//! What a view has added up to, and how far it has read: in one write. Key `view:{tenant}:<view>`.

use bytes::Bytes;
use model::TenantId;

use crate::Answer;

/// A view as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptView {
    /// The last position that it has folded, in the form in which it was told; empty when it has folded none.
    pub position: String,
    /// The state, as the role's `records.rs` wrote it.
    pub state: Bytes,
}

/// The states of views that can be built again, but not at once.
pub trait ViewStore: Send + Sync {
    /// What was kept last; none if nothing was.
    fn load<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, Option<KeptView>>;

    /// Keeps state and position together, in place of what was kept before.
    ///
    /// # Errors
    /// [`crate::StoreError::Full`] when the state has more than [`crate::bounds::VIEW_MAX`] bytes.
    fn keep<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView) -> Answer<'a, ()>;
}
