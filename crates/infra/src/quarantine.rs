//! Quarantine for records that no owner can process: there they are read, released or discarded.
//!
//! | key | what |
//! |---|---|
//! | `asides:{tenant}` | sorted set of the records in quarantine, by the time at which they were put there |
//! | `aside:{tenant}:<id>` | one record: its content in the ledger, why it was quarantined, and a report that shows the fault |
//! | `asidemeta:{tenant}` | the last id, and the number of records dropped |

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use model::{Epoch, NodeId, Owner, Stamped, TenantId, Timestamp, Token};

use crate::record::Written;
use crate::{Answer, bounds};

/// One of the ledgers that hold records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LedgerKind {
    /// Calls.
    Call,
    /// Agents.
    Agent,
    /// SCXML sessions.
    Session,
    /// Media sessions.
    Media,
}

impl LedgerKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Call, Self::Agent, Self::Session, Self::Media];

    /// Its name in keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Agent => "agent",
            Self::Session => "session",
            Self::Media => "media",
        }
    }

    /// The ledger of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for LedgerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Id of a record in a tenant's quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuarantineId(pub u64);

impl fmt::Display for QuarantineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for QuarantineId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A record that its owner moves to quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRequest {
    /// The tenant.
    pub tenant: TenantId,
    /// The record's ledger.
    pub ledger: LedgerKind,
    /// Its key there.
    pub key: String,
    /// Its owner.
    pub owner: Owner,
    /// The owner's token.
    pub token: Token,
    /// The reason, in a line; cut off after [`bounds::QUARANTINE_WHY_MAX`] bytes.
    pub why: String,
    /// Data that show the fault again; cut off after [`bounds::QUARANTINE_REPORT_MAX`] bytes.
    pub report: Bytes,
    /// Facts that are published with it: the parties of a call have left, its agent is free.
    pub events: Vec<Stamped>,
}

impl QuarantineRequest {
    /// Cuts off what exceeds the limits.
    pub fn bound(&mut self) {
        let end = (0..=bounds::QUARANTINE_WHY_MAX.min(self.why.len())).rev().find(|at| self.why.is_char_boundary(*at));
        self.why.truncate(end.unwrap_or_default());
        self.report.truncate(bounds::QUARANTINE_REPORT_MAX);
    }
}

/// A record in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedRecord {
    /// Its id.
    pub id: QuarantineId,
    /// The ledger that contained it.
    pub ledger: LedgerKind,
    /// Its key there.
    pub key: String,
    /// Its last owner.
    pub owner: Owner,
    /// That owner's token.
    pub token: Token,
    /// Why it was quarantined.
    pub why: String,
    /// When it was quarantined.
    pub at: Timestamp,
    /// When it is dropped.
    pub expires_at: Timestamp,
    /// Room that it takes, in bytes.
    pub bytes: usize,
}

/// A record in quarantine with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedState {
    /// Its entry in the list.
    pub aside: QuarantinedRecord,
    /// Data that show the fault again.
    pub report: Bytes,
    /// Its state, in whatever form: no store has parsed it.
    pub state: Bytes,
    /// Messages to send after its last commit.
    pub intentions: Bytes,
    /// When its next timer was due.
    pub due: Option<Timestamp>,
}

/// The owner of a released record: a node that never runs, so that a takeover finds the record.
pub fn released() -> Owner {
    // The text has the form of a node's name.
    let node = NodeId::parse("released-0").unwrap_or_else(|_| unreachable!("a node's name"));
    Owner { node, epoch: Epoch(1) }
}

/// The store of quarantined records. Bounded: a tenant's oldest record is dropped first, and counted.
pub trait Quarantine: Send + Sync {
    /// Moves a record into quarantine, in one write: its ledger keeps the tombstone, as by [`crate::Change::End`], and the
    /// events are published. Fenced by owner and token; never refused for lack of room.
    ///
    /// # Errors
    /// Fails only if the store as a whole fails.
    fn put_aside(&self, aside: QuarantineRequest) -> Answer<'_, Written>;

    /// The records in quarantine, oldest first.
    fn list<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<QuarantinedRecord>>;

    /// A record with its state; `None` if no record has that id.
    fn read<'a>(&'a self, tenant: &'a TenantId, id: QuarantineId) -> Answer<'a, Option<QuarantinedState>>;

    /// Puts a record back into its ledger, over its tombstone. Its owner is then [`released`] with the next token, and it is still
    /// suspect (`claims` is 1). `false` if no record has that id, or another record has its key by now. `by` is logged.
    fn release<'a>(&'a self, tenant: &'a TenantId, id: QuarantineId, by: &'a str) -> Answer<'a, bool>;

    /// Drops a record for good; `false` if no record has that id. `by` is logged.
    fn discard<'a>(&'a self, tenant: &'a TenantId, id: QuarantineId, by: &'a str) -> Answer<'a, bool>;

    /// Number of records dropped so far for lack of room, or because their time was over.
    fn dropped<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, u64>;
}
