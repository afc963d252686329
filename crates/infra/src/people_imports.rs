//! What is noted of tables of people that a tenant has taken: who has sent which one, when, and how it came out. It goes with the tenant,
//! and by itself when it is too old; backups and snapshots of tenants do not have it.

use model::{TenantId, Timestamp};

use crate::Answer;

/// A table that was to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleImport {
    /// Which one: unique in its tenant.
    pub id: String,
    /// The name of the request by which it is taken: a table that is sent again under the same counts once. Empty where none was noted.
    pub request: String,
    /// The user name of who has sent it.
    pub user: String,
    /// By which client.
    pub client: Option<String>,
    /// The name of the file; empty if it had none.
    pub file_name: String,
    /// When it came.
    pub begun_at: Timestamp,
    /// Its lines behind the head.
    pub lines: u32,
    /// How it came out; none while it is not known.
    pub end: Option<ImportEnd>,
}

/// How a table came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportEnd {
    /// When that was.
    pub at: Timestamp,
    /// Lines that were taken.
    pub taken: u32,
    /// What was wrong, a text for each line that was.
    pub faults: Vec<String>,
    /// Whether nobody knows if it was taken: whoever was to take it has not answered to the end. Then `faults` say so, for releases that do
    /// not know this field.
    pub is_unknown: bool,
}

/// Which of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportPage {
    /// Of this person alone, found without regard to case.
    pub user: Option<String>,
    /// Not before this time.
    pub since: Timestamp,
    /// Behind so many later ones.
    pub offset: u32,
    /// The most of them.
    pub limit: u32,
}

/// The table of imports.
pub trait PeopleImports: Send + Sync {
    /// Notes that a table has come, whose end is not known. Of more than [`crate::bounds::PEOPLE_IMPORTS_MAX`] of the tenant the earliest
    /// go.
    ///
    /// # Errors
    /// [`crate::StoreError::Invalid`] where there is no such tenant.
    fn import_begins<'a>(&'a self, tenant: &'a TenantId, import: &'a PeopleImport) -> Answer<'a, ()>;

    /// Notes how one came out; `false` if there is none of that id. May be repeated.
    fn import_ends<'a>(&'a self, tenant: &'a TenantId, id: &'a str, end: &'a ImportEnd) -> Answer<'a, bool>;

    /// Those of a tenant, the latest first.
    fn imports<'a>(&'a self, tenant: &'a TenantId, page: &'a ImportPage) -> Answer<'a, Vec<PeopleImport>>;

    /// Forgets those of all tenants that came before that time, and says how many.
    fn forget_imports_before(&self, before: Timestamp) -> Answer<'_, u64>;
}
