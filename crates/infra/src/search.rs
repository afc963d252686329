//! What desktops search: the targets of tenants (agents, groups, queues, and whatever else a call can be given to), and the states of
//! those that are monitored.
//!
//! All of it comes from elsewhere and can be collected anew: a store that is emptied loses nothing but time. A collection is one pass over a
//! tenant's configuration; its build is a number that grows, by which what it no longer has is told from what it has.

mod folding;
mod in_memory;
mod query;

use model::{TenantId, Timestamp};

use crate::{Answer, Result, StoreError, bounds};

pub use folding::{folded, spellings};
pub use in_memory::MemorySearch;
pub use query::{SearchTerm, TargetSearch};

/// The fields of targets that are searched, by their published names.
pub const SEARCH_FIELDS: [&str; 7] =
    ["name", "firstName", "lastName", "userName", "employeeId", "emailAddress", "number"];

/// A target as it is searched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TargetDocument {
    /// Which one, among those of its tenant: as `agent/ann`.
    pub key: String,
    /// Its published type, as `agent`.
    pub target_type: String,
    /// Texts by the names of fields, each one of [`SEARCH_FIELDS`]; a name may be there several times.
    pub fields: Vec<(String, String)>,
    /// The names and numbers of the groups that it is in, in lower case.
    pub groups: Vec<String>,
    /// By what it is sorted among those of one rank, in lower case.
    pub sorted_by: String,
    /// What of it is shown: JSON.
    pub shown: String,
}

/// Where a target stands among all that fit a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPlace {
    /// How well it fits: 3 if a field is what is searched for, 2 if one begins so, 1 if a word of one does, 0 else.
    pub rank: u8,
    /// By what it is sorted.
    pub sorted_by: String,
    /// Which one it is.
    pub key: String,
}

/// A target that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTarget {
    /// Where it stands.
    pub place: FoundPlace,
    /// What of it is shown: JSON.
    pub shown: String,
}

/// What a search has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundTargets {
    /// The first of them, or those behind a place, as many as were wanted.
    pub targets: Vec<FoundTarget>,
    /// How many fit, those included that are not among `targets`.
    pub total: u64,
    /// What is known of the collection that was searched.
    pub collection: Option<Collection>,
}

/// The state of an object that is monitored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitoredState {
    /// Which object: as `Agent/1001`.
    pub id: String,
    /// When it was true.
    pub at: Timestamp,
    /// The value: JSON.
    pub value: String,
}

/// What is known of the collection of a tenant. Times are by the wall clock of who collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// The pass that it comes from.
    pub build: u64,
    /// The revision of the tenant's configuration.
    pub revision: u64,
    /// How many targets there are.
    pub targets: u64,
    /// When it was known last that no later revision is there.
    pub checked_at: Timestamp,
    /// When it was known last that each change of a state comes.
    pub heard_at: Timestamp,
}

/// What a sweep goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// Targets.
    Targets,
    /// States.
    States,
}

/// The store of what is searched. Nothing of a tenant is ever found for another one, whatever is searched for.
///
/// All writes may be repeated. Documents are written, and what is old is swept; then the collection is noted, and from that moment
/// the tenant's targets are searched. Where no collection is noted, or not any more since the server has lost it, a search is
/// [`StoreError::Missing`], and so is a write to a server that has lost all: whoever collects does so anew.
pub trait SearchStore: Send + Sync {
    /// Whether all replicas have the same one: then one of them collects for all. Else each collects for itself.
    fn is_shared(&self) -> bool;

    /// Writes targets in place of those of the same keys, at most [`bounds::SEARCH_BATCH_MAX`] at once.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the tenant has [`bounds::SEARCH_TARGETS_MAX`], and [`StoreError::Invalid`] for what is too long.
    fn write<'a>(&'a self, tenant: &'a TenantId, build: u64, targets: &'a [TargetDocument]) -> Answer<'a, ()>;

    /// Removes targets, at most [`bounds::SEARCH_BATCH_MAX`] at once.
    fn remove<'a>(&'a self, tenant: &'a TenantId, keys: &'a [String]) -> Answer<'a, ()>;

    /// Removes what was written by earlier builds and not since.
    fn sweep<'a>(&'a self, tenant: &'a TenantId, build: u64, swept: Swept) -> Answer<'a, ()>;

    /// Notes what is known of the collection. With `is_searchable` all that was written before is found from now on; else within seconds.
    fn note<'a>(&'a self, tenant: &'a TenantId, collection: Collection, is_searchable: bool) -> Answer<'a, ()>;

    /// What is known of the collection; none where there is none.
    fn collection<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<Collection>>;

    /// Searches the targets of a tenant.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where no collection is noted.
    fn search<'a>(&'a self, tenant: &'a TenantId, asked: &'a TargetSearch) -> Answer<'a, FoundTargets>;

    /// Writes states in place of those before, at most [`bounds::SEARCH_BATCH_MAX`] at once.
    fn keep_states<'a>(&'a self, tenant: &'a TenantId, build: u64, states: &'a [MonitoredState]) -> Answer<'a, ()>;

    /// The states of those of the objects that have one, at most [`bounds::SEARCH_BATCH_MAX`] at once: as they were written last.
    fn states<'a>(&'a self, tenant: &'a TenantId, ids: &'a [String]) -> Answer<'a, Vec<MonitoredState>>;

    /// Removes all of a tenant.
    fn forget<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()>;
}

/// Checks the targets of a write.
///
/// # Errors
/// As [`SearchStore::write`] says.
pub fn accepted(targets: &[TargetDocument]) -> Result<()> {
    expect_batch(targets.len())?;
    for target in targets {
        expect_id(&target.key)?;
        let bytes = target.shown.len() + target.fields.iter().map(|(_, text)| text.len()).sum::<usize>();
        if bytes > bounds::SEARCH_DOCUMENT_MAX {
            return Err(StoreError::Full { what: "a target", bound: bounds::SEARCH_DOCUMENT_MAX as u64 });
        }
    }
    Ok(())
}

/// Checks the states of a write.
///
/// # Errors
/// [`StoreError::Invalid`] where there are too many, or an id is too long.
pub fn accepted_states(states: &[MonitoredState]) -> Result<()> {
    expect_batch(states.len())?;
    states.iter().try_for_each(|state| expect_id(&state.id))
}

/// Checks how many there are of what one call brings.
///
/// # Errors
/// [`StoreError::Invalid`] where there are too many.
pub fn expect_batch(count: usize) -> Result<()> {
    if count > bounds::SEARCH_BATCH_MAX {
        return Err(StoreError::Invalid(format!("{count} at once: at most {}", bounds::SEARCH_BATCH_MAX)));
    }
    Ok(())
}

fn expect_id(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > bounds::SEARCH_ID_MAX {
        return Err(StoreError::Invalid(format!("an id has not 1 to {} bytes", bounds::SEARCH_ID_MAX)));
    }
    Ok(())
}

/// That no collection of a tenant is noted.
pub fn not_collected(tenant: &TenantId) -> StoreError {
    StoreError::Missing { key: format!("the collection of {tenant}") }
}
