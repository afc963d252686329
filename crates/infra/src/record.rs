//! What the ledgers have in common: a record with an owner and a token, and how its owner changes.

use bytes::Bytes;
use model::{AgentId, ConnId, Owner, TenantId, Timestamp, Token};

use crate::{Answer, MediaSessionId, Position, Refusal, Result, SessionId};

/// A record of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<K> {
    /// The tenant.
    pub tenant: TenantId,
    /// Its key within the tenant.
    pub key: K,
    /// The owner, which alone may write it.
    pub owner: Owner,
    /// The token that a write must carry.
    pub token: Token,
    /// The state, as the role's `records.rs` wrote it.
    pub state: Bytes,
    /// Intentions: messages to send after the last commit. A successor sends them again. Empty if there are none.
    pub intentions: Bytes,
    /// When its next timer is due.
    pub due: Option<Timestamp>,
    /// How often its owner has changed since an owner last wrote it. A record that has crashed its owners is taken over in
    /// a claim of its own, or quarantined.
    pub claims: u32,
}

/// How a write changes a record's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The record must not exist yet; the writer becomes its owner with token 1.
    Create {
        /// The state.
        state: Bytes,
        /// Messages to send after the commit.
        intentions: Bytes,
    },
    /// The record exists and the writer owns it.
    Save {
        /// The state.
        state: Bytes,
        /// Messages to send after the commit.
        intentions: Bytes,
    },
    /// The state stays as it is: only events are added.
    Keep,
    /// The record ends: it is removed, and a tombstone stays for [`crate::bounds::TOMBSTONE`].
    End,
}

/// The result of one write of a batch. Each write is done whole or not at all, independently of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The write is as durable as the store's policy promises; messages may be sent.
    Done {
        /// Stream position of the last event of this write; none if it had none.
        position: Option<Position>,
    },
    /// A newer owner has the record. The writer must forget it and send nothing.
    Fenced {
        /// The present owner.
        owner: Owner,
        /// Its token.
        token: Token,
    },
    /// The record is over.
    Ended,
    /// There is no such record.
    Unknown,
    /// A [`Change::Create`] found that the record, or a key that it was to index, already exists.
    Exists {
        /// The owner of the existing record.
        owner: Owner,
        /// Its token.
        token: Token,
    },
    /// The record that this one was to absorb is not the writer's, or is over: nothing is written.
    NotAbsorbed,
    /// The store refuses this write: nothing of it is done, and nothing of it may be sent. The record is unchanged.
    Refused(Refusal),
}

/// The result of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed<K> {
    /// The claimer owns the record; its token has grown unless the claimer had it before.
    Yours(Record<K>),
    /// Another owner claimed it first.
    Raced {
        /// The present owner.
        owner: Owner,
        /// Its token.
        token: Token,
    },
    /// The record is over.
    Ended,
    /// There is no such record.
    Unknown,
}

/// A claim on a record: takes it over if it still has the token that the claimer has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<K> {
    /// The tenant.
    pub tenant: TenantId,
    /// The record.
    pub key: K,
    /// The token that the claimer has seen; `None` claims the record whatever its token.
    pub seen: Option<Token>,
}

/// Claims all records of a failed owner, batch by batch, and returns those claimed.
///
/// # Errors
/// Those of the store.
pub async fn claim_all<'a, K: Clone>(
    tenant: &TenantId,
    orphans: impl Fn() -> Answer<'a, Vec<Record<K>>>,
    claim: impl Fn(Vec<Claim<K>>) -> Answer<'a, Vec<Claimed<K>>>,
) -> Result<Vec<Record<K>>> {
    let mut ours = Vec::new();
    loop {
        let claims: Vec<Claim<K>> = orphans()
            .await?
            .iter()
            .map(|record| Claim { tenant: tenant.clone(), key: record.key.clone(), seen: Some(record.token) })
            .collect();
        if claims.is_empty() {
            return Ok(ours);
        }
        let before = ours.len();
        for outcome in claim(claims).await? {
            if let Claimed::Yours(record) = outcome {
                ours.push(record);
            }
        }
        // Another node claims them as well: the rest are its.
        if ours.len() == before {
            return Ok(ours);
        }
    }
}

/// The result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded<K> {
    /// The record.
    Live(Record<K>),
    /// It existed and has ended.
    Ended,
    /// There is no such record.
    Unknown,
}

/// Numbers the writes of one owner in increasing order, so that a store recognises a repeated write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers(u64);

impl Numbers {
    /// Takes `count` consecutive numbers and returns the first. They start at the clock's time, so the next run of the process
    /// continues above them.
    pub fn take(&mut self, count: usize, now: Timestamp) -> u64 {
        let first = now.as_micros().max(self.0 + 1);
        self.0 = first + count.max(1) as u64 - 1;
        first
    }
}

/// How far a view has read a tenant's events: stored in the same write as the view's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// The view's name, as `agent-state` or `rq`.
    pub view: &'static str,
    /// The last position that it has folded.
    pub position: Position,
}

/// An owner, and how many records of a tenant it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The owner.
    pub owner: Owner,
    /// How many records.
    pub records: usize,
}

/// A type that can be the key of a record.
pub trait RecordKey: Sized + Clone {
    /// Writes it.
    fn text(&self) -> String;
    /// Reads what [`Self::text`] wrote.
    fn parse(text: &str) -> Option<Self>;
}

impl RecordKey for ConnId {
    fn text(&self) -> String {
        self.to_string()
    }
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl RecordKey for AgentId {
    fn text(&self) -> String {
        self.to_string()
    }
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl RecordKey for SessionId {
    fn text(&self) -> String {
        self.0.clone()
    }
    fn parse(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }
}

impl RecordKey for MediaSessionId {
    fn text(&self) -> String {
        self.0.clone()
    }
    fn parse(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }
}
