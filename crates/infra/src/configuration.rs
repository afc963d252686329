//! The cache of configuration: the tenant role writes it (tenant-21), config reads it (voice-17).
//!
//! Keys `cfg:{tenant}:documents` (hash), `cfg:{tenant}:changes` (sorted set of what has changed since the last whole state, by revision),
//! `cfg:{tenant}:state` (generation and revision, or that it is withdrawn), `cfg:{tenant}:staged:<generation>:<number>` (hash of a whole
//! state that is being published).

use std::time::Duration;

use bytes::Bytes;
use model::TenantId;

use crate::{Answer, StoreError, bounds};

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
    /// The revision that wrote it: that of its publication, or an earlier one.
    pub revision: u64,
    /// The document (JSON of `contracts::provisioning`); none means that it is deleted.
    pub body: Option<Bytes>,
}

impl Document {
    /// Its bytes: names and body.
    pub fn size(&self) -> usize {
        self.kind.len() + self.id.len() + self.body.as_ref().map_or(0, Bytes::len)
    }
}

/// One publication by the tenant role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The tenant.
    pub tenant: TenantId,
    /// The version after it.
    pub version: ConfigVersion,
    /// The version that the cache must have: the documents are those that have changed since. None: they are all, others of the tenant are
    /// deleted, and a generation begins.
    pub base: Option<ConfigVersion>,
    /// The documents, each once.
    pub documents: Vec<Document>,
}

impl Publication {
    /// Whether its changes may go in one write, which blocks all others of the cache; what does not fit is published whole, and a whole
    /// state always fits, because it goes in parts.
    pub fn fits_one_write(&self) -> bool {
        let bytes = || self.documents.iter().map(Document::size).sum::<usize>();
        let fits = self.documents.len() <= bounds::CONFIG_CHANGES_MAX && bytes() <= bounds::CONFIG_CHANGES_BYTES;
        self.base.is_none() || fits
    }

    /// Checks what does not depend on the cache, before each implementation writes.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the changes do not fit into one write or are of another generation than their base, or a document is
    /// later than the version.
    pub fn check(&self) -> crate::Result<()> {
        if self.base.is_some_and(|base| base.generation != self.version.generation) {
            return Err(StoreError::Invalid(format!("changes of {} begin a generation", self.tenant)));
        }
        if !self.fits_one_write() {
            let count = self.documents.len();
            return Err(StoreError::Invalid(format!("{count} changes of {} are too many for one write", self.tenant)));
        }
        match self.documents.iter().find(|document| document.revision > self.version.revision) {
            Some(Document { kind, id, revision, .. }) => {
                let (tenant, version) = (&self.tenant, self.version.revision);
                let what = format!("{kind} {id} of {tenant} is of revision {revision}, its publication of {version}");
                Err(StoreError::Invalid(what))
            }
            None => Ok(()),
        }
    }
}

/// The extent of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All documents: others of the tenant are deleted.
    Whole,
    /// The changes since the version that was named.
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
    /// Publishes a state. Readers see the state before until it is there as a whole.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a whole state when the cache already has this generation or a later one, and for changes when it has
    /// another version than the base: then the whole state is to be published. [`StoreError::Invalid`] as [`Publication::check`] says.
    fn publish(&self, publication: Publication) -> Answer<'_, ()>;

    /// Takes away what is published of a tenant, so that it is not among [`Self::tenants`] until it is published again, and notes that it
    /// is withdrawn; the same for one of which nothing is published.
    fn withdraw<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()>;

    /// Whether the tenant was withdrawn and not published since. One that the cache merely lacks was not: the cache may have lost it, or
    /// nobody can publish it now.
    fn is_withdrawn<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, bool>;

    /// Notes that every tenant is published.
    fn complete(&self) -> Answer<'_, ()>;

    /// Whether that was noted, and the cache was not emptied since: until then [`Self::tenants`] may lack some.
    fn is_complete(&self) -> Answer<'_, bool>;

    /// The tenants with a published state.
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>>;

    /// The changes after `after`, waiting up to `wait` for one. Everything if `after` is none, of another generation, or older than the
    /// changes kept. An empty answer with [`Extent::Changes`] means that nothing changed. All documents are of one version, whatever is
    /// published while they are read.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when nothing is published of the tenant, unless it is waited for; [`StoreError::Unavailable`] also when
    /// whole states follow each other faster than one is read.
    fn read<'a>(&'a self, tenant: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading>;
}
