//! Why a store refused or failed, so that the caller knows what to do next.

use model::{Owner, Token};

/// A store's refusal or failure.
///
/// Only [`StoreError::Unavailable`] leaves open whether the write happened: the caller repeats it, and every write here may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A newer owner has written: the caller no longer owns this record.
    #[error("{key} belongs to {owner} by token {}", token.0)]
    Fenced {
        /// The record.
        key: String,
        /// The present owner.
        owner: Owner,
        /// Its token.
        token: Token,
    },
    /// The record has changed since the caller read it.
    #[error("{key} is at revision {actual}, not {expected}")]
    Conflict {
        /// The record.
        key: String,
        /// The revision that the caller had read.
        expected: u64,
        /// The revision that it has.
        actual: u64,
    },
    /// There is no such record.
    #[error("{key} does not exist")]
    Missing {
        /// The record.
        key: String,
    },
    /// Entries after the requested position were trimmed: restart from a snapshot, or continue after the last trimmed one.
    #[error("the stream was trimmed up to {gone}")]
    Trimmed {
        /// The last trimmed entry: a read after it returns all that is left.
        gone: crate::Position,
    },
    /// A named bound is reached.
    #[error("{what} is full: at most {bound}")]
    Full {
        /// Which table, queue or stream.
        what: &'static str,
        /// Its bound, in its own unit.
        bound: u64,
    },
    /// The disk is full; nothing of the write remains.
    #[error("no room on the disk for {what}")]
    DiskFull {
        /// Which file.
        what: String,
    },
    /// The data read back are not those written.
    #[error("{what} is damaged: {reason}")]
    Corrupt {
        /// Which record or file.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// The caller broke the contract of the call.
    #[error("not a valid write: {0}")]
    Invalid(String),
    /// A text has the character 0, and the store has no such text: nothing of the write remains, and what was looked for is not there. The
    /// store answers all the same.
    #[error("a text has the character 0, which the store has in none")]
    NulInText,
    /// The store does not answer; the write may or may not have happened.
    #[error("the store is away: {reason}")]
    Unavailable {
        /// The observed failure.
        reason: String,
    },
}

impl StoreError {
    /// Whether the error ends when the store answers or has room again: a retry loses nothing.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }
}

/// The result of every store method.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A boxed answer, so that the traits can be used as `Arc<dyn ..>`.
pub type Answer<'a, T> = futures::future::BoxFuture<'a, Result<T>>;
