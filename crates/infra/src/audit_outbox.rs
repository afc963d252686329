//! What the tables of the audit have got and the reporting log has not: the tables note it themselves, with each row, in its transaction.

use model::Timestamp;

use crate::{Answer, ChangeOrigin};

/// The most characters of a document that are read for the reporting log. A longer one is left out, and said to be: the history has it.
pub const AUDIT_DOCUMENT_MAX: usize = 200_000;

/// A row of the tables that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place among those that wait: of one tenant, changes are in the order in which they were made.
    pub place: u64,
    /// The tenant; `*` is the installation itself.
    pub tenant: String,
    /// Its number in its own table, which is given once.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: Audited,
}

/// What happened. Its names are those of the tables: a later release may have written some that this one does not know.
#[allow(clippy::large_enum_variant, reason = "a batch has a few dozen")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audited {
    /// An object has changed.
    Change(AuditedChange),
    /// Something at signing in.
    SignIn(AuditedSignIn),
}

/// The change of an object, as the history has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditedChange {
    /// The revision of the tenant that it led to.
    pub revision: u64,
    /// Who: the subject of a token, or the user of a machine.
    pub by: String,
    /// By which way.
    pub way: String,
    /// From where.
    pub origin: ChangeOrigin,
    /// The key of the caller's batch.
    pub request: Option<String>,
    /// The kind of the object.
    pub kind: String,
    /// Its id; empty for the tenant itself.
    pub id: String,
    /// How it was.
    pub before: AuditedDocument,
    /// How it became.
    pub after: AuditedDocument,
    /// Whether its secrets have changed.
    pub secrets_changed: bool,
}

/// A document of an object, JSON without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditedDocument {
    /// There was no object.
    #[default]
    None,
    /// It is longer than [`AUDIT_DOCUMENT_MAX`].
    TooLong,
    /// It is this.
    Json(String),
}

/// What has happened at signing in, as it is noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditedSignIn {
    /// What.
    pub event: String,
    /// By which way.
    pub way: Option<String>,
    /// Whom it is about.
    pub subject: Option<String>,
    /// Who has done it, where the subject may not have.
    pub by: Option<String>,
    /// From where.
    pub origin: ChangeOrigin,
    /// What the browser or program calls itself; empty if it says nothing.
    pub user_agent: String,
    /// How often, within a minute.
    pub times: u32,
}

/// Rows of the tables that get into the reporting log together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditBatch {
    /// The rows, in the order of their places.
    pub entries: Vec<AuditEntry>,
    /// The tenant whose changes were read last; none if there are none.
    pub last: Option<String>,
}

/// The tables of the audit as an outbox. A row that goes for its age goes from here too.
pub trait AuditOutbox: Send + Sync {
    /// Rows that wait: at most so many, and not many more than have 1 MiB. Up to half of them are what has happened at signing in, the
    /// first of it; the others are changes, of each tenant the first. Tenants take turns, as [`crate::AuditTurns`] says, beginning with
    /// the one behind `after`: the last of the batch before, or empty. Rows of other kinds are left for whoever knows them.
    fn waiting<'a>(&'a self, at_most: u32, after: &'a str) -> Answer<'a, AuditBatch>;

    /// When the first of those that wait has happened; none if none waits.
    fn waits_since(&self) -> Answer<'_, Option<Timestamp>>;

    /// These places wait no more.
    fn sent<'a>(&'a self, places: &'a [u64]) -> Answer<'a, ()>;
}
