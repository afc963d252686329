//! Single objects of a tenant's stored configuration: read, listed, changed in batches, put back as they were.
//!
//! The rules are those of the tenant's file, applied to the tenant as it would be after a change. An administrator edits one object against
//! the revision of that object; that others change other objects meanwhile is settled here.

mod affected;
mod annex_document;
mod change;
mod difference;
mod document;
mod held;
mod history;
mod indexed;
mod list;
mod plan;
mod projection;
mod put_back;
mod rights;
#[cfg(test)]
pub(crate) mod test_one_tenant;
mod ties;
mod uses;

use std::fmt;

use contracts::provisioning::ObjectKey;
use infra::{Revision, StoreError};
use model::TenantId;

pub(crate) use change::repeatable_since;
pub use change::{Batch, BatchOutcome, ChangedDocuments, EditsOfPeople, change, change_held};
pub use difference::{FieldDifference, differences, secret_differences};
pub use held::{HeldTenants, SharedTenant};
pub use history::{HistoryPart, history};
pub use indexed::{HeldObject, IndexedTenant};
pub use list::{ListedObject, ListedPage, Listing, PAGE_MAX, PageEnd, list, list_seen};
pub use projection::shown;
pub use put_back::{document_at, never_known, put_back};
pub use rights::{CallerRights, effective_privileges, groups_of, privileges_of};
pub use uses::{ObjectUse, uses};

pub use crate::broken_rule::BrokenRule;
pub use crate::file::ObjectFault;

/// The most edits in one batch of a caller by gRPC.
pub const EDITS_MAX: usize = 500;
/// The most objects with passwords, PINs or secrets in clear in such a batch: each costs a part of a second to hash, and the caller waits
/// at most 30 s.
pub const PASSWORDS_MAX: usize = 50;
/// The largest document of an object, in bytes: an application of 512 KiB, all of it escaped, is below it.
pub const DOCUMENT_BYTES_MAX: usize = 2 << 20;
/// The longest key of a batch that may be repeated, in bytes.
pub const REQUEST_BYTES_MAX: usize = 128;

/// One object's edit.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectEdit {
    /// The object.
    pub key: ObjectKey,
    /// The revision of the object that the edit is meant for: 0 if it must not exist, none if that does not matter.
    pub expected: Option<Revision>,
    /// What is done.
    pub action: EditAction,
}

/// What an edit does.
#[derive(Clone, PartialEq, Eq)]
pub enum EditAction {
    /// The object becomes this JSON document; secrets that it leaves out are kept.
    Put(String),
    /// These fields of the present object become those of the document; a field that the document lacks, or has as null, is removed.
    Merge {
        /// The document.
        document: String,
        /// Paths as `agent.skills`.
        fields: Vec<String>,
    },
    /// The object becomes this document of its history: fields that this release does not know are ignored.
    PutBack(String),
    /// The object is deleted.
    Delete,
}

/// An object that is not at the expected revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleObject {
    /// The object.
    pub key: ObjectKey,
    /// The revision that the edit is meant for.
    pub expected: Revision,
    /// The revision at which it is; 0 if it does not exist.
    pub present: Revision,
}

/// Why a batch was not carried out. Nothing of it has happened.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRefusal {
    /// Objects have changed since the caller read them.
    #[error("{}", Lines(.0))]
    Stale(Vec<StaleObject>),
    /// The objects would break rules.
    #[error("{}", Lines(.0))]
    Faults(Vec<ObjectFault>),
    /// Objects that are referred to would be gone: the faults name who refers.
    #[error("{}", Lines(.0))]
    Referred(Vec<ObjectFault>),
    /// The person may not do that.
    #[error("{}", Lines(.0))]
    NotPermitted(Vec<ObjectFault>),
    /// The key of the batch was used for another one.
    #[error("request_id: it was used for another batch, or objects that this one left as they were have changed since")]
    RequestReused,
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    NoTenant(TenantId),
    /// The object's history does not say how it stood.
    #[error("{kind} {id} did not exist at revision {at}, or its history does not reach back to it")]
    NotThen {
        /// The kind of the object.
        kind: &'static str,
        /// Its id.
        id: String,
        /// The revision.
        at: u64,
    },
    /// The history of that revision was removed for its age.
    #[error(
        "{kind} {id}: how it stood at revision {at} is no longer known: its history up to revision {pruned} was removed for its age"
    )]
    NotKept {
        /// The kind of the object.
        kind: &'static str,
        /// Its id.
        id: String,
        /// The revision.
        at: u64,
        /// The highest revision of which entries were removed.
        pruned: u64,
    },
    /// Others have changed the tenant so often that the batch found no turn.
    #[error("others change the tenant at the same time: try again")]
    NoTurn,
    /// The batch has more passwords, PINs and secrets in clear than are hashed while a caller waits.
    #[error(
        "password: {given} passwords or PINs in clear are in one request, at most {most} may be: send them in several"
    )]
    ManyPasswords {
        /// The objects of the batch with one in clear.
        given: usize,
        /// The most that it may have.
        most: usize,
    },
    /// A password could not be hashed.
    #[error("a password could not be hashed")]
    Hash(#[from] identity::password::HashError),
    /// The store refused or failed.
    #[error("the configuration cannot be changed")]
    Store(#[from] StoreError),
}

/// A line for each.
struct Lines<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.iter();
        if let Some(first) = lines.next() {
            first.fmt(f)?;
        }
        lines.try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl fmt::Display for StaleObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, id) = (self.key.kind.as_str(), &self.key.id);
        match (self.expected.0, self.present.0) {
            (0, present) => write!(f, "{kind} {id}: it exists already, at revision {present}"),
            (expected, 0) => write!(f, "{kind} {id}: it does not exist, revision {expected} was expected"),
            (expected, present) => write!(f, "{kind} {id}: it is at revision {present}, not {expected}"),
        }
    }
}

#[cfg(test)]
mod tests;
