//! When people work, as workforce management has planned it: shifts, each with what is planned within it. A shift goes with its person and
//! with the tenant; backups and snapshots of tenants do not have it, since the plan is kept where it is made.

use model::{TenantId, Timestamp};

use crate::{Answer, ChangeNote};

/// A shift of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredShift {
    /// What whoever has planned it calls it: unique in its tenant.
    pub id: String,
    /// The user name of the person.
    pub user: String,
    /// When it begins.
    pub begin: Timestamp,
    /// When it ends: after its begin.
    pub end: Timestamp,
    /// Its time zone and what is planned within it: JSON.
    pub document: String,
}

/// Which shifts new ones take the place of: those that begin at `from` or later, and before `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftSpan {
    /// The first moment.
    pub from: Timestamp,
    /// The moment behind the last one.
    pub to: Timestamp,
    /// Of these people, by user names; none means of all.
    pub people: Vec<String>,
}

/// How shifts are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShiftTerms {
    /// Nothing is changed: what would be is counted.
    pub is_trial: bool,
    /// Shifts that have ended before this moment go, whosever they are.
    pub forget_before: Timestamp,
}

/// What has become of the shifts of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShiftCounts {
    /// Those that were not in the span before.
    pub added: u64,
    /// Those that are otherwise than they were.
    pub changed: u64,
    /// Those that are there no more.
    pub removed: u64,
    /// Those that are as they were.
    pub unchanged: u64,
}

/// Whether shifts were replaced: all of them, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShiftsReplaced {
    /// They were, or would be.
    Replaced(ShiftCounts),
    /// A shift would be at the same time as one of the same person that stays.
    Overlap {
        /// The id of the new one.
        id: String,
        /// The id of the one that stays.
        other: String,
    },
    /// The tenant would have more than [`crate::bounds::SHIFTS_OF_TENANT_MAX`].
    TooMany,
}

/// The table of shifts. People are found without regard to case.
pub trait Shifts: Send + Sync {
    /// The shifts of these people that have a part behind `from` and before `to`, by person and begin; at most so many.
    fn shifts_of<'a>(
        &'a self,
        tenant: &'a TenantId,
        people: &'a [String],
        span: (Timestamp, Timestamp),
        at_most: usize,
    ) -> Answer<'a, Vec<StoredShift>>;

    /// Puts shifts in the place of those of a span, all or none. None of them may be at the same time as another one of its person. What
    /// that changes is noted in the history, under the span ([`crate::key_of_shifts`]): how many shifts there were, and what has become
    /// of them.
    ///
    /// # Errors
    /// [`crate::StoreError::Invalid`] where one of the people is not there, or there is no such tenant.
    fn replace_shifts<'a>(
        &'a self,
        tenant: &'a TenantId,
        span: &'a ShiftSpan,
        shifts: &'a [StoredShift],
        terms: ShiftTerms,
        note: &'a ChangeNote,
    ) -> Answer<'a, ShiftsReplaced>;
}
