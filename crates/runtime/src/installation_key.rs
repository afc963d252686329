//! The key of the installation.

use std::sync::Arc;

/// The key of the installation, for MACs in tags and flow tokens, and for what is confidential in records. Shared by its processes.
#[derive(Clone)]
pub struct InstallationKey(pub(crate) Arc<[u8; 32]>);

impl InstallationKey {
    /// The key's bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key made of those bytes: for tests of roles.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Arc::new(bytes))
    }
}

impl std::fmt::Debug for InstallationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstallationKey(***)")
    }
}
