//! Why one write is refused although its writer owns the record, and what a write may bring at most.

use std::fmt;

use crate::record::Change;
use crate::{StoreError, bounds};

/// Why a store does not take one write of a batch. Nothing of that write is done; its neighbours are not concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It brings more than a store ever takes: the same write is refused again.
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// The most that is taken.
        bound: usize,
    },
    /// There is no room for it now. Nothing that removes is refused so.
    NoRoom {
        /// Which table, stream or disk is full.
        what: &'static str,
        /// Its bound, in its own unit; 0 where the store does not know it.
        bound: u64,
    },
    /// The store cannot do it however often it is asked.
    Invalid(String),
}

impl Refusal {
    /// Whether the same write may be taken later.
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

/// What one write of a ledger brings, in bytes.
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
    /// By what else the record is found.
    pub links: usize,
}

impl Size {
    /// The size of a change with nothing beside it.
    pub fn of(change: &Change) -> Self {
        let state = match change {
            Change::Create { state, intentions } | Change::Save { state, intentions } => state.len() + intentions.len(),
            Change::Keep | Change::End => 0,
        };
        Self { state, ..Self::default() }
    }

    /// With facts of these lengths as well.
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

    /// What of it is more than a store takes.
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

/// What a write does to the room that there is: the less it takes, the longer it is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It begins something.
    Begins,
    /// It goes on with what has begun.
    GoesOn,
    /// It removes: it is never refused for want of room.
    Ends,
}

impl Room {
    /// What a change does.
    pub const fn of(change: &Change) -> Self {
        match change {
            Change::Create { .. } => Self::Begins,
            Change::Save { .. } | Change::Keep => Self::GoesOn,
            Change::End => Self::Ends,
        }
    }

    /// How long a tenant's stream of facts may be for the write to be let in, in bytes.
    pub const fn stream_bytes(self) -> usize {
        match self {
            Self::Begins => bounds::STREAM_BYTES_HARD,
            Self::GoesOn => bounds::STREAM_BYTES_LAST,
            Self::Ends => usize::MAX,
        }
    }
}
