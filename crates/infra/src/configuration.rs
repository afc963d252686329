//! The cache of configuration: the tenant role writes it (tenant-21), config reads it (voice-17).
//!
//! Keys `cfg:{tenant}:<kind>` (hash of documents), `cfg:{tenant}:changes` (stream), `cfg:{tenant}:state` (generation and revision).

use std::time::Duration;

use bytes::Bytes;
use model::TenantId;

use crate::Answer;

/// Which state of a tenant's configuration this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ConfigVersion {
    /// Grows when the documents were written whole: what is not in them is gone.
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
    /// The document (JSON of `contracts::provisioning`); none says that it is gone.
    pub body: Option<Bytes>,
}

/// What the tenant role publishes at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The tenant.
    pub tenant: TenantId,
    /// The state after it.
    pub version: ConfigVersion,
    /// Whether the documents are all or those that changed.
    pub extent: Extent,
    /// The documents.
    pub documents: Vec<Document>,
}

/// How much a publication holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything: other documents of the tenant go.
    Whole,
    /// What changed since the revision before.
    Changes,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The state after these documents.
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
    /// [`crate::StoreError::Conflict`] when the cache is at this revision or later already.
    fn publish(&self, publication: Publication) -> Answer<'_, ()>;

    /// The tenants that have a state.
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>>;

    /// What changed after `after`, waiting up to `wait` for something; everything when `after` is none, of another generation, or
    /// older than the changes kept. An empty answer with [`Extent::Changes`] says that nothing changed.
    fn read<'a>(&'a self, tenant: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading>;
}
