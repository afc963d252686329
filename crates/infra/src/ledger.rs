//! The ledgers: one per aggregate, each with one call per turn of an event loop.
//!
//! A commit writes state, intentions and events and checks the fencing token inside the record, all or nothing. All keys that one
//! write touches carry the hash tag `{tenant}`, so that one script on one Redis slot can do it:
//!
//! | key | what |
//! |---|---|
//! | `call:{tenant}:<connid>` | the call's record: owner, token, state, intentions; after its end a tombstone |
//! | `dialog:{tenant}:<key>` | index of initial INVITEs and of the further calls of a thread, set if absent |
//! | `owned:{tenant}:call:<node>.<epoch>` | owner set, likewise `agent`, `session`, `media` |
//! | `agent:{tenant}:<agent>`, `session:{tenant}:<id>`, `media:{tenant}:<id>` | records |
//! | `due:{tenant}:<ledger>` | sorted set by the next timer's time |
//! | `rq:{tenant}`, `rq:{tenant}:requests`, `rq:{tenant}:reservations` | the tenant's routing state |
//! | `rq:{tenant}:staged:<owner>:<attempt>:requests`, likewise `reservations` | the same while it is written again |
//! | `threads:{tenant}`, `threads:{tenant}:open` | the tenant's open call threads |
//! | `ev:{tenant}` | the stream of facts |
//! | `newcalls:{tenant}` | the stream of new calls |
//! | `read:{tenant}:<view>` | how far a view has read |
//! | `readers:{tenant}` | the views |

mod queue_parts;

use bytes::Bytes;
use model::{AgentId, ConnId, Owner, Stamped, TenantId, Timestamp, Token};

use crate::record::{Change, Claim, Claimed, Consumed, Holding, Loaded, Record, Written};
use crate::{Answer, NewCall, Position, Refusal, Room, Size};

// ==================================================================================== calls

/// The dialog of an initial INVITE. A repeated INVITE with the same key belongs to the same call.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DialogKey {
    /// The INVITE's Call-ID.
    pub call_id: String,
    /// The tag of its From.
    pub from_tag: String,
}

/// A key in the index of calls: what leads to a record beside the ConnID of its first call.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum CallIndex {
    /// The INVITE that began the call.
    Invite(DialogKey),
    /// A further call of its thread.
    Call(ConnId),
}

impl CallIndex {
    /// The key as text, the same in every store. A dialog has a Call-ID, and no part of it contains a line break.
    pub fn text(&self) -> String {
        match self {
            Self::Invite(dialog) => format!("{}\n{}", dialog.call_id, dialog.from_tag),
            Self::Call(conn_id) => Self::of_key(&conn_id.to_string()),
        }
    }

    /// The text of [`Self::Call`] for the key of a record.
    pub(crate) fn of_key(key: &str) -> String {
        format!("\n{key}")
    }
}

/// One call's part of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallWrite {
    /// The tenant.
    pub tenant: TenantId,
    /// The call.
    pub conn_id: ConnId,
    /// The writer.
    pub owner: Owner,
    /// The token that the writer holds; 1 with [`Change::Create`].
    pub token: Token,
    /// The new state.
    pub change: Change,
    /// When the next timer is due.
    pub due: Option<Timestamp>,
    /// Keys to index. If one of them belongs to another call, nothing is written and the answer is [`Written::Exists`].
    /// The index entries are removed with the call's tombstone.
    pub index: Vec<CallIndex>,
    /// What happened, in order; seq continues the record's without a gap.
    pub events: Vec<Stamped>,
    /// An entry for the stream of new calls.
    pub new_call: Option<NewCall>,
    /// Another record of the writer, which becomes part of this one: two threads meet.
    pub absorbs: Option<Absorbed>,
}

/// A record that becomes part of another one in the same write: it is removed without a tombstone, and its keys of the index lead to that
/// other one from then on. The writer also indexes the removed record's own id, [`CallIndex::Call`]: a former owner that writes it is fenced by
/// the owner of the other one. If somebody else has it, or it is over, nothing is written and the answer is [`Written::NotAbsorbed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absorbed {
    /// Its call.
    pub conn_id: ConnId,
    /// The token that the writer holds.
    pub token: Token,
}

/// The calls of sip-cluster.
pub trait CallLedger: Send + Sync {
    /// Writes a turn's batch. The answers are in the order of the writes.
    ///
    /// # Errors
    /// Fails only if the store as a whole fails; a refused write is an answer, not an error.
    fn commit(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>>;

    /// Like [`Self::commit`], for an owner that other nodes may have considered failed. It answers only when the store has the batch,
    /// however long the store is unavailable. The answers therefore prove who owns the calls.
    ///
    /// # Errors
    /// Fails only if the store as a whole fails.
    fn confirm(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>> {
        self.commit(batch)
    }

    /// Whether new calls may begin. False while the store is full: its remaining room is for calls that have begun.
    fn has_room(&self) -> bool {
        true
    }

    /// Takes calls over. The answers are in the order of the claims. A claim of a call that the claimer already owns returns that call.
    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<ConnId>>) -> Answer<'a, Vec<Claimed<ConnId>>>;

    /// Reads a call.
    fn load<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Loaded<ConnId>>;

    /// The calls of a failed owner, at most `max`, to be claimed in batches.
    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<ConnId>>>;

    /// The owners of the tenant's calls.
    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>>;

    /// The record to which a key of the index leads, while the record exists or its tombstone remains.
    fn lookup<'a>(&'a self, tenant: &'a TenantId, index: &'a CallIndex) -> Answer<'a, Option<ConnId>>;

    /// The existing calls after `after`, ordered by id, at most `max`. For the auditor and for snapshots.
    fn list<'a>(&'a self, tenant: &'a TenantId, after: Option<ConnId>, max: usize) -> Answer<'a, Vec<Record<ConnId>>>;
}

// =================================================================================== agents

/// One agent's part of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentWrite {
    /// The agent.
    pub agent: AgentId,
    /// The token that the writer holds; with [`Change::Create`] the record's first one: 1, or later than those that a record of this name
    /// had before its end.
    pub token: Token,
    /// The new state. [`Change::End`] drops the record without a tombstone.
    pub change: Change,
    /// When the next timer (wrap-up, logout) is due.
    pub due: Option<Timestamp>,
    /// What happened, in order.
    pub events: Vec<Stamped>,
}

/// A turn of agent-state for one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentBatch {
    /// The tenant.
    pub tenant: TenantId,
    /// The writer.
    pub owner: Owner,
    /// The agents that changed; first the record that says who owns the tenant's agents. If that one is fenced, all are.
    pub writes: Vec<AgentWrite>,
    /// How far the tenant's call events are folded into these states. Not written if the first write is fenced.
    pub consumed: Option<Consumed>,
    /// Number of the first write, from [`crate::Numbers`]; the other writes have the numbers that follow. A batch that is repeated
    /// because the store did not answer keeps its number and so is applied once. 0 for a batch that is not repeated.
    pub number: u64,
}

/// The agents of agent-state.
pub trait AgentLedger: Send + Sync {
    /// Writes a turn's batch. The answers are in the order of the writes.
    fn commit(&self, batch: AgentBatch) -> Answer<'_, Vec<Written>>;

    /// Takes agents over.
    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<AgentId>>) -> Answer<'a, Vec<Claimed<AgentId>>>;

    /// Reads an agent.
    fn load<'a>(&'a self, tenant: &'a TenantId, agent: &'a AgentId) -> Answer<'a, Loaded<AgentId>>;

    /// The agents after `after`, ordered by id, at most `max`.
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a AgentId>,
        max: usize,
    ) -> Answer<'a, Vec<Record<AgentId>>>;

    /// The agents of an owner, at most `max`.
    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<AgentId>>>;

    /// The owners of the tenant's agents.
    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>>;

    /// How far a view's last commit had read the tenant's events; [`Position::START`] if it never did.
    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> Answer<'a, Position>;
}

// ================================================================================= sessions

/// Id of an SCXML session: the call that it runs for and a number among the sessions of that call.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionId(pub String);

/// One session's part of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionWrite {
    /// The session.
    pub session: SessionId,
    /// The call that it serves, for [`SessionLedger::of_call`].
    pub conn_id: Option<ConnId>,
    /// The token that the writer holds; 1 with [`Change::Create`].
    pub token: Token,
    /// The new state.
    pub change: Change,
    /// When the next timer (`<send delay>`) is due.
    pub due: Option<Timestamp>,
    /// What happened, in order.
    pub events: Vec<Stamped>,
    /// The entry of the stream of new calls from which this session began. This commit acknowledges it.
    pub began_with: Option<Position>,
}

/// A turn of ors for one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionBatch {
    /// The tenant.
    pub tenant: TenantId,
    /// The writer.
    pub owner: Owner,
    /// The sessions that changed.
    pub writes: Vec<SessionWrite>,
    /// How far the tenant's events are folded into these states.
    pub consumed: Option<Consumed>,
    /// Number of the first write, from [`crate::Numbers`]; the other writes have the numbers that follow. A batch that is repeated
    /// because the store did not answer keeps its number and so is applied once. 0 for a batch that is not repeated.
    pub number: u64,
}

/// The sessions of ors.
pub trait SessionLedger: Send + Sync {
    /// Writes a turn's batch. The answers are in the order of the writes.
    fn commit(&self, batch: SessionBatch) -> Answer<'_, Vec<Written>>;

    /// Takes sessions over.
    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<SessionId>>) -> Answer<'a, Vec<Claimed<SessionId>>>;

    /// Reads a session.
    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a SessionId) -> Answer<'a, Loaded<SessionId>>;

    /// The sessions that serve a call.
    fn of_call<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Vec<Record<SessionId>>>;

    /// The sessions of an owner, at most `max`.
    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<SessionId>>>;

    /// The owners of the tenant's sessions.
    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>>;

    /// How far a view's last commit had read the tenant's events; [`Position::START`] if it never did.
    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> Answer<'a, Position>;
}

// =================================================================================== queues

/// Reported as full when a tenant has more requests or reservations than [`crate::bounds::RECORDS_MAX`].
pub const QUEUES: &str = "the queues";

/// A turn of rq for one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueBatch {
    /// The tenant.
    pub tenant: TenantId,
    /// The writer.
    pub owner: Owner,
    /// The token that the writer holds.
    pub token: Token,
    /// Requests that changed, by id; `None` removes the request.
    pub requests: Vec<(String, Option<Bytes>)>,
    /// Reservations that changed, by agent; `None` removes the reservation.
    pub reservations: Vec<(AgentId, Option<Bytes>)>,
    /// State of the tenant's routing as a whole, if it changed.
    pub state: Option<Bytes>,
    /// What happened, in order.
    pub events: Vec<Stamped>,
    /// How far the tenant's events are folded into this state.
    pub consumed: Option<Consumed>,
    /// Its number, from [`crate::Numbers`]. A batch that is repeated because the store did not answer keeps its number and so is
    /// applied once. 0 for a batch that is not repeated.
    pub number: u64,
}

impl QueueBatch {
    /// Checks the sizes that every store refuses, whatever room it has. `facts` are the lengths of the encoded facts.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] names the part that is too large.
    pub fn check(&self, facts: impl Iterator<Item = usize>) -> std::result::Result<(), Refusal> {
        let bodies = self.requests.iter().map(|(_, body)| body).chain(self.reservations.iter().map(|(_, body)| body));
        let bodies = bodies.chain([&self.state]).flatten().map(Bytes::len);
        let (state, all) = bodies.fold((0, 0), |(largest, all), bytes| (largest.max(bytes), all + bytes));
        let size = Size { state, ..Size::default() }.with_facts(facts);
        // Of the rows each has the size of a record, and all together that of a write.
        let parts = Size { facts: 0, ..size };
        parts.refusal().or_else(|| Size { state: 0, links: all, ..size }.refusal()).map_or(Ok(()), Err)
    }

    /// Splits the turn into parts that can be refused one by one: removals, each row, each fact, the state, and how far the tenant's
    /// events are folded. Their numbers begin with the turn's own, see [`Self::parts_max`].
    pub fn apart(self) -> Vec<Self> {
        let none = self.without_content();
        let Self { requests, reservations, state, events, consumed, number, .. } = self;
        let (requests, ended): (Vec<_>, Vec<_>) = requests.into_iter().partition(|(_, body)| body.is_some());
        let (reservations, freed): (Vec<_>, Vec<_>) = reservations.into_iter().partition(|(_, body)| body.is_some());
        // Removals come first: they make room for the rest.
        let mut parts = vec![Self { requests: ended, reservations: freed, ..none.clone() }];
        parts.extend(requests.into_iter().map(|row| Self { requests: vec![row], ..none.clone() }));
        parts.extend(reservations.into_iter().map(|row| Self { reservations: vec![row], ..none.clone() }));
        parts.extend(events.into_iter().map(|event| Self { events: vec![event], ..none.clone() }));
        parts.extend(state.map(|state| Self { state: Some(state), ..none.clone() }));
        parts.push(Self { consumed, ..none });
        if number != 0 {
            parts.iter_mut().zip(number..).for_each(|(part, number)| part.number = number);
        }
        parts
    }

    /// The same owner's batch with nothing in it.
    fn without_content(&self) -> Self {
        Self {
            tenant: self.tenant.clone(),
            owner: self.owner.clone(),
            token: self.token,
            requests: Vec::new(),
            reservations: Vec::new(),
            state: None,
            events: Vec::new(),
            consumed: None,
            number: self.number,
        }
    }

    /// The largest number of parts, and so of numbers, that [`Self::apart`] uses.
    const fn apart_max(&self) -> usize {
        self.requests.len() + self.reservations.len() + self.events.len() + 3
    }

    /// The largest number of numbers that [`Self::in_parts`] uses, of which each part may be split by [`Self::apart`]: each but the last
    /// has something in it.
    pub const fn parts_max(&self) -> usize {
        4 * self.apart_max()
    }

    /// [`Room::Ends`] if the batch only removes.
    pub fn room(&self) -> Room {
        let puts = self.requests.iter().any(|(_, body)| body.is_some());
        let reserves = self.reservations.iter().any(|(_, body)| body.is_some());
        if puts || reserves { Room::GoesOn } else { Room::Ends }
    }
}

/// A tenant's routing state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRecord {
    /// The tenant.
    pub tenant: TenantId,
    /// The one rq replica that may write it.
    pub owner: Owner,
    /// The token that a write must carry.
    pub token: Token,
    /// State as a whole.
    pub state: Bytes,
    /// Waiting requests, by id.
    pub requests: Vec<(String, Bytes)>,
    /// Reservations, by agent.
    pub reservations: Vec<(AgentId, Bytes)>,
    /// How far the tenant's events are folded into this state.
    pub consumed: Position,
}

/// The queues of rq: a tenant has one owner for all of them.
pub trait QueueLedger: Send + Sync {
    /// Writes a turn's batch: [`Written::Done`], [`Written::Fenced`], [`Written::Refused`] or, before the first claim,
    /// [`Written::Unknown`].
    fn commit(&self, batch: QueueBatch) -> Answer<'_, Written>;

    /// Takes a tenant's queues over if they still have the token `seen` (`None`: any token) or are the claimer's own; creates
    /// them if there are none. Each claim has a token of its own.
    fn claim<'a>(
        &'a self,
        by: &'a Owner,
        tenant: &'a TenantId,
        seen: Option<Token>,
    ) -> Answer<'a, std::result::Result<QueueRecord, Holder>>;

    /// Who owns a tenant's queues; none before the first claim. It costs the same however much they have.
    fn holder<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<Holder>>;

    /// A tenant's waiting requests, by id, without the rows of its agents, which may be many more.
    fn requests<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<(String, Bytes)>>;

    /// Reads a tenant's queues with all that they have.
    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<QueueRecord>>;
}

/// The owner of a record, and its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The owner.
    pub owner: Owner,
    /// Its token.
    pub token: Token,
}

// ==================================================================================== media

/// A media session: the conference or announcement of one leg.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MediaSessionId(pub String);

/// One media session's part of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaWrite {
    /// The tenant.
    pub tenant: TenantId,
    /// The session.
    pub session: MediaSessionId,
    /// The writer.
    pub owner: Owner,
    /// The token that the writer holds; 1 with [`Change::Create`].
    pub token: Token,
    /// The new state: SDP, addresses, the treatment and its position.
    pub change: Change,
    /// When the next timer is due.
    pub due: Option<Timestamp>,
}

/// The sessions of media.
pub trait MediaLedger: Send + Sync {
    /// Writes a turn's batch. The answers are in the order of the writes.
    fn commit(&self, batch: Vec<MediaWrite>) -> Answer<'_, Vec<Written>>;

    /// Takes sessions over.
    fn claim<'a>(
        &'a self,
        by: &'a Owner,
        claims: Vec<Claim<MediaSessionId>>,
    ) -> Answer<'a, Vec<Claimed<MediaSessionId>>>;

    /// Reads a session.
    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a MediaSessionId) -> Answer<'a, Loaded<MediaSessionId>>;

    /// The sessions of an owner, at most `max`.
    fn orphans<'a>(
        &'a self,
        tenant: &'a TenantId,
        of: &'a Owner,
        max: usize,
    ) -> Answer<'a, Vec<Record<MediaSessionId>>>;

    /// The owners of the tenant's sessions.
    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>>;
}
