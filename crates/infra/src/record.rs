//! What the ledgers have in common: a record with an owner and a token, and how it changes hands.

use bytes::Bytes;
use model::{AgentId, ConnId, Owner, TenantId, Timestamp, Token};

use crate::{Answer, MediaSessionId, Position, Refusal, Result, SessionId};

/// A record as it stands in a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<K> {
    /// The tenant.
    pub tenant: TenantId,
    /// Its key within the tenant.
    pub key: K,
    /// Who may write it.
    pub owner: Owner,
    /// The token that a write must carry.
    pub token: Token,
    /// The state, as the role's `records.rs` wrote it.
    pub state: Bytes,
    /// What was to be sent after the last commit; an heir sends it again. Empty when there was nothing.
    pub intentions: Bytes,
    /// When its next timer is due.
    pub due: Option<Timestamp>,
    /// How often it has changed hands since its owner last wrote it. Whoever takes over one that has killed its owners takes it by
    /// itself, or puts it aside.
    pub claims: u32,
}

/// What a write does to a record's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The record must not exist yet; the writer becomes its owner with token 1.
    Create {
        /// The state.
        state: Bytes,
        /// What is sent after the commit.
        intentions: Bytes,
    },
    /// The writer owns it.
    Save {
        /// The state.
        state: Bytes,
        /// What is sent after the commit.
        intentions: Bytes,
    },
    /// The state stays as it is: only events are added.
    Keep,
    /// It is over: the record goes, a tombstone stays for [`crate::bounds::TOMBSTONE`].
    End,
}

/// What became of one write of a batch. A write is done whole or not at all, each for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is durable as far as the store's policy promises; messages may leave.
    Done {
        /// The stream's position of the last event of this write; none if it had none.
        position: Option<Position>,
    },
    /// A newer owner has the record: forget it, send nothing.
    Fenced {
        /// Who owns it now.
        owner: Owner,
        /// By which token.
        token: Token,
    },
    /// The record is over.
    Ended,
    /// There is no such record.
    Unknown,
    /// A [`Change::Create`] found the record there already, or the key that it was to index taken.
    Exists {
        /// Who owns what is there.
        owner: Owner,
        /// By which token.
        token: Token,
    },
    /// The store does not take this write: nothing of it is done, and nothing of it may be sent. The record stands as it stood.
    Refused(Refusal),
}

/// What a claim found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed<K> {
    /// The claimer owns the record; its token has grown unless the claimer had it before.
    Yours(Record<K>),
    /// Somebody else was faster.
    Raced {
        /// Who owns it.
        owner: Owner,
        /// By which token.
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
    /// The token that the claimer has seen; none claims from whoever has it now.
    pub seen: Option<Token>,
}

/// Claims everything that an owner who is gone has left, a batch after the other; the answer is what became ours.
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
        // Somebody else claims them as well: what is left is theirs.
        if ours.len() == before {
            return Ok(ours);
        }
    }
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded<K> {
    /// The record.
    Live(Record<K>),
    /// It was there and is over.
    Ended,
    /// There is no such record.
    Unknown,
}

/// Numbers the writes of one owner, each greater than all before it, so that a store knows one again that is repeated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers(u64);

impl Numbers {
    /// The first of so many numbers in a row. They begin with the clock's time: the next life of the process goes on above them.
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

/// Who owns how many records of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The owner.
    pub owner: Owner,
    /// How many records.
    pub records: usize,
}

/// What can be the key of a record.
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
