//! The cache of configuration: the tenant role writes it (tenant-21), config reads it (voice-17).
//!
//! Keys `cfg:{tenant}:<kind>` (hash of documents), `cfg:{tenant}:changes` (stream), `cfg:{tenant}:state` (generation and revision).

use std::time::Duration;

use bytes::Bytes;
use model::TenantId;

use crate::Answer;

/// The version of a tenant's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ConfigVersion {
    /// Grows when all documents were written anew: any other document is deleted.
    pub generation: u64,
    /// The provisioning store's revision.
    pub revision: u64,
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its kind, as `dn` or `person`.
    pub kind: String,
    /// Its id within the kind.
    pub id: String,
    /// The revision that wrote it.
    pub revision: u64,
    /// The document (JSON of `contracts::provisioning`); none means that it is deleted.
    pub body: Option<Bytes>,
}

/// One publication by the tenant role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The tenant.
    pub tenant: TenantId,
    /// The version after it.
    pub version: ConfigVersion,
    /// Whether the documents are all or those that changed.
    pub extent: Extent,
    /// The documents.
    pub documents: Vec<Document>,
}

/// The extent of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All documents: others of the tenant are deleted.
    Whole,
    /// The changes since the revision before.
    Changes,
}

/// The answer to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The version after these documents.
    pub version: ConfigVersion,
    /// Whether the documents are all or those that changed.
    pub extent: Extent,
    /// The documents.
    pub documents: Vec<Document>,
}

/// The configuration that voice roles read.
pub trait ConfigCache: Send + Sync {
    /// Publishes a state.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when the cache already has this revision or a later one.
    fn publish(&self, publication: Publication) -> Answer<'_, ()>;

    /// Notes that every tenant is published.
    fn complete(&self) -> Answer<'_, ()>;

    /// Whether that was noted, and the cache was not emptied since: until then [`Self::tenants`] may lack some.
    fn is_complete(&self) -> Answer<'_, bool>;

    /// The tenants with a published state.
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>>;

    /// The changes after `after`, waiting up to `wait` for one. Everything if `after` is none, of another generation, or older than the
    /// changes kept. An empty answer with [`Extent::Changes`] means that nothing changed.
    fn read<'a>(&'a self, tenant: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading>;
}
