//! Quarantine: records that nobody can live with are put aside, where they are read, released or discarded.
//!
//! | key | what |
//! |---|---|
//! | `asides:{tenant}` | sorted set of what is in quarantine, by the time at which it was put there |
//! | `aside:{tenant}:<id>` | one record: what stood in its ledger, why it was put aside, and what shows it |
//! | `asidemeta:{tenant}` | the last id, and how many were dropped |

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

    /// As it stands in keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Agent => "agent",
            Self::Session => "session",
            Self::Media => "media",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for LedgerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a tenant's record in quarantine is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AsideId(pub u64);

impl fmt::Display for AsideId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AsideId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A record that is to be put aside by its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutAside {
    /// The tenant.
    pub tenant: TenantId,
    /// Where the record stands.
    pub ledger: LedgerKind,
    /// Its key there.
    pub key: String,
    /// Who owns it.
    pub owner: Owner,
    /// By which token.
    pub token: Token,
    /// Why, in a line; longer than [`bounds::QUARANTINE_WHY_MAX`] it is cut off.
    pub why: String,
    /// What shows the fault again; longer than [`bounds::QUARANTINE_REPORT_MAX`] it is cut off.
    pub report: Bytes,
    /// What is told of it: the parties of a call are gone, its agent is free.
    pub events: Vec<Stamped>,
}

impl PutAside {
    /// Cuts off what is longer than is kept.
    pub fn bound(&mut self) {
        let end = (0..=bounds::QUARANTINE_WHY_MAX.min(self.why.len())).rev().find(|at| self.why.is_char_boundary(*at));
        self.why.truncate(end.unwrap_or_default());
        self.report.truncate(bounds::QUARANTINE_REPORT_MAX);
    }
}

/// A record in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// What it is called by.
    pub id: AsideId,
    /// Where it stood.
    pub ledger: LedgerKind,
    /// Its key there.
    pub key: String,
    /// Who owned it.
    pub owner: Owner,
    /// By which token.
    pub token: Token,
    /// Why it was put aside.
    pub why: String,
    /// When.
    pub at: Timestamp,
    /// When it goes.
    pub expires_at: Timestamp,
    /// How much room it takes.
    pub bytes: usize,
}

/// A record in quarantine with what stood in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsideState {
    /// What is listed of it.
    pub aside: Aside,
    /// What shows the fault again.
    pub report: Bytes,
    /// Its state, whatever that is: no store has looked into it.
    pub state: Bytes,
    /// What was to be sent after its last commit.
    pub intentions: Bytes,
    /// When its next timer was due.
    pub due: Option<Timestamp>,
}

/// Who owns a record that was released: a node that never lives, so that whoever takes over finds it.
pub fn released() -> Owner {
    // The name has the form of one.
    let node = NodeId::parse("released-0").unwrap_or_else(|_| unreachable!("a node's name"));
    Owner { node, epoch: Epoch(1) }
}

/// Where records are put aside. Bounded: a tenant's oldest goes first, and is counted.
pub trait Quarantine: Send + Sync {
    /// Moves a record into quarantine, in one write: its ledger is left with its tombstone, as by [`crate::Change::End`], and the
    /// events are told. Fenced by owner and token; never refused for want of room.
    ///
    /// # Errors
    /// Those of the store as a whole.
    fn put_aside(&self, aside: PutAside) -> Answer<'_, Written>;

    /// What is in quarantine, the oldest first.
    fn list<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Aside>>;

    /// A record with its state; none where there is none of that id.
    fn read<'a>(&'a self, tenant: &'a TenantId, id: AsideId) -> Answer<'a, Option<AsideState>>;

    /// Puts a record back where it stood, as one of [`released`] with the next token, over its tombstone, and still suspect (`claims` is 1); `false` where there is none
    /// of that id, or another record has its key by now. `by` stands in the log.
    fn release<'a>(&'a self, tenant: &'a TenantId, id: AsideId, by: &'a str) -> Answer<'a, bool>;

    /// Drops a record for good; `false` where there is none of that id. `by` stands in the log.
    fn discard<'a>(&'a self, tenant: &'a TenantId, id: AsideId, by: &'a str) -> Answer<'a, bool>;

    /// How many were dropped so far because there was no room, or their time was over.
    fn dropped<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, u64>;
}
