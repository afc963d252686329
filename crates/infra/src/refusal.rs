//! Why one write is refused although its writer owns the record, and the size limits of a write.

use std::fmt;

use crate::record::Change;
use crate::{StoreError, bounds};

/// Why a store refuses one write of a batch. Nothing of that write is done; the other writes are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The write is larger than a store ever accepts: a retry is refused again.
    TooLarge {
        /// The part that is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The largest accepted size.
        bound: usize,
    },
    /// There is no room for it now. A removal is never refused for this.
    NoRoom {
        /// Which table, stream or disk is full.
        what: &'static str,
        /// Its bound, in its own unit; 0 if the store does not know it.
        bound: u64,
    },
    /// The store cannot do it however often it is tried.
    Invalid(String),
}

impl Refusal {
    /// Whether the same write may be accepted later.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::NoRoom { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { what, bytes, bound } => write!(f, "{what} has {bytes} bytes: at most {bound} are taken"),
            Self::NoRoom { what, bound: 0 } => write!(f, "{what} is full"),
            Self::NoRoom { what, bound } => write!(f, "{what} is full: at most {bound}"),
            Self::Invalid(reason) => f.write_str(reason),
        }
    }
}

/// The error of a write that is answered as a whole.
impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoRoom { what, bound } => Self::Full { what, bound },
            refusal => Self::Invalid(refusal.to_string()),
        }
    }
}

/// The size of one write to a ledger, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// State and intentions.
    pub state: usize,
    /// The largest of its facts.
    pub largest_fact: usize,
    /// All its facts.
    pub facts: usize,
    /// Its entry for the stream of new calls.
    pub new_call: usize,
    /// The other keys by which the record is found.
    pub links: usize,
}

impl Size {
    /// The size of a change alone.
    pub fn of(change: &Change) -> Self {
        let state = match change {
            Change::Create { state, intentions } | Change::Save { state, intentions } => state.len() + intentions.len(),
            Change::Keep | Change::End => 0,
        };
        Self { state, ..Self::default() }
    }

    /// Adds facts of these lengths.
    #[must_use]
    pub fn with_facts(self, lengths: impl Iterator<Item = usize>) -> Self {
        lengths.fold(self, |size, length| Self {
            facts: size.facts + length,
            largest_fact: size.largest_fact.max(length),
            ..size
        })
    }

    /// Everything together.
    pub const fn total(&self) -> usize {
        self.state + self.facts + self.new_call + self.links
    }

    /// The refusal of the first part that is too large.
    pub const fn refusal(&self) -> Option<Refusal> {
        let (what, bytes, bound) = if self.state > bounds::STATE_MAX {
            ("a record's state", self.state, bounds::STATE_MAX)
        } else if self.largest_fact > bounds::FACT_MAX {
            ("a fact", self.largest_fact, bounds::FACT_MAX)
        } else if self.new_call > bounds::NEW_CALL_MAX {
            ("an entry of new calls", self.new_call, bounds::NEW_CALL_MAX)
        } else if self.total() > bounds::WRITE_MAX {
            ("a write", self.total(), bounds::WRITE_MAX)
        } else {
            return None;
        };
        Some(Refusal::TooLarge { what, bytes, bound })
    }
}

/// How a write changes the available room: the less it takes, the longer it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It begins something.
    Begins,
    /// It continues what has begun.
    GoesOn,
    /// It removes: it is never refused for lack of room.
    Ends,
}

impl Room {
    /// The effect of a change.
    pub const fn of(change: &Change) -> Self {
        match change {
            Change::Create { .. } => Self::Begins,
            Change::Save { .. } | Change::Keep => Self::GoesOn,
            Change::End => Self::Ends,
        }
    }

    /// The length of a tenant's stream of facts up to which the write is accepted, in bytes. What has begun goes on: nobody's call ends
    /// because the reporting log stands still.
    pub const fn stream_bytes(self) -> usize {
        match self {
            Self::Begins => bounds::STREAM_BYTES_HARD,
            Self::GoesOn | Self::Ends => usize::MAX,
        }
    }

    /// How many new calls may wait for an application for the write to add one.
    pub const fn new_calls(self) -> usize {
        match self {
            Self::Begins => bounds::NEW_CALLS_MAX,
            Self::GoesOn | Self::Ends => usize::MAX,
        }
    }
}
