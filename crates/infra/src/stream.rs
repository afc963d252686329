//! The streams: facts by position, new calls by consumer group, requests by recipient.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use model::{CallUuid, ConnId, Owner, Request, Stamped, Subject, TenantId, Timestamp};

use crate::Answer;

/// A place in a stream: greater is later. Printed as `major-minor`, as Redis prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    /// Milliseconds in Redis, 0 in the embedded streams.
    pub major: u64,
    /// Counts within `major`.
    pub minor: u64,
}

impl Position {
    /// Before the first entry.
    pub const START: Self = Self { major: 0, minor: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.major, self.minor)
    }
}

impl FromStr for Position {
    type Err = model::id::InvalidId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const BAD: model::id::InvalidId = model::id::InvalidId { kind: "position", rule: "it is not MAJOR-MINOR" };
        let (major, minor) = text.split_once('-').ok_or(BAD)?;
        Ok(Self { major: major.parse().map_err(|_| BAD)?, minor: minor.parse().map_err(|_| BAD)? })
    }
}

/// A fact in a tenant's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// Its position in the stream.
    pub position: Position,
    /// The fact, in its envelope.
    pub event: Arc<Stamped>,
    /// Who gave it; none for facts of phones, which have no owner, and for those of earlier versions.
    pub owner: Option<Owner>,
}

/// A fact for the reporting log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutEntry {
    /// The fact.
    pub entry: EventEntry,
    /// Whether the fact came too late: its commit waited for the store, and its owner failed before the write. A successor continued
    /// from the commit before. The fact has happened all the same.
    pub is_correction: bool,
}

/// A tenant's facts, in the order of their commits. Key `ev:{tenant}`.
///
/// Only the ledgers write facts, in the same commit as the state that they describe.
pub trait EventStream: Send + Sync {
    /// The entries after `after`, at most `max`; waits up to `wait` for the first.
    ///
    /// # Errors
    /// [`crate::StoreError::Trimmed`] when entries after `after` were trimmed.
    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Position,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<EventEntry>>;

    /// The entries after `after` for the reporting log. Besides the entries of [`Self::read`] these are corrections, and facts repeated
    /// because their store was emptied and nobody knows whether they had been exported.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    fn read_out<'a>(&'a self, tenant: &'a TenantId, after: Position, max: usize) -> Answer<'a, Vec<OutEntry>> {
        async move {
            let entries = self.read(tenant, after, max, Duration::ZERO).await?;
            Ok(entries.into_iter().map(|entry| OutEntry { entry, is_correction: false }).collect())
        }
        .boxed()
    }

    /// The position of the last entry; [`Position::START`] when there has been none.
    fn end<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Position>;
}

/// An entry in the stream of new calls: an ors node must run the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCall {
    /// The call.
    pub conn_id: ConnId,
    /// Its global id, which is its trace.
    pub trace: CallUuid,
    /// When it entered the route point.
    pub at: Timestamp,
    /// Start data of the session (a `contracts` record).
    pub body: Bytes,
}

/// A new call that a consumer holds until it acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenCall {
    /// Its position, by which it is acknowledged.
    pub position: Position,
    /// Number of deliveries, including this one.
    pub deliveries: u32,
    /// The entry.
    pub call: NewCall,
}

/// A tenant's new calls, shared by the ors nodes. Key `newcalls:{tenant}`, consumer group `ors`.
///
/// Entries are written by [`crate::CallLedger::commit`]; they are acknowledged by [`crate::SessionLedger::commit`] in the commit
/// that creates the session, or by [`NewCalls::ack`] when there is nothing to run.
pub trait NewCalls: Send + Sync {
    /// Assigns entries that nobody holds to `by`, at most `max`; waits up to `wait` for the first.
    fn take<'a>(
        &'a self,
        tenant: &'a TenantId,
        by: &'a Owner,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<TakenCall>>;

    /// Drops entries.
    fn ack<'a>(&'a self, tenant: &'a TenantId, positions: &'a [Position]) -> Answer<'a, ()>;

    /// Reassigns to `by` the entries that others have held for `idle` without an acknowledgement.
    fn reclaim<'a>(
        &'a self,
        tenant: &'a TenantId,
        by: &'a Owner,
        idle: Duration,
        max: usize,
    ) -> Answer<'a, Vec<TakenCall>>;
}

/// The node or nodes that carry out a request.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Recipient {
    /// The agent-state nodes.
    AgentState,
    /// The node that owns a call, in that run of the node.
    Owner(Owner),
    /// The rq node of the tenant.
    Routing,
}

/// The content of an entry in the request stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Posted {
    /// A request that frontend admitted.
    Request(Request),
    /// A repair that the auditor found necessary.
    Repair(Repair),
    /// A call that another node wants.
    HandOver(HandOver),
}

/// A call that its owner is to hand over to a node which joins it with one of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HandOver {
    /// The call.
    pub conn_id: ConnId,
    /// That node.
    pub to: Owner,
}

/// A repair. Carrying it out produces an event that states the reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repair {
    /// The subject whose state is wrong.
    pub subject: Subject,
    /// The action to take.
    pub action: RepairAction,
    /// What the auditor compared and found.
    pub why: String,
}

/// The action that a repair requests from the owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RepairAction {
    /// End the call.
    Clear,
    /// Free the agent from a call that is over.
    Free,
    /// Publish the present state again, as an event.
    Restate,
}

/// An entry of the request stream, held until it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedEntry {
    /// Its position, by which it is acknowledged.
    pub position: Position,
    /// When it was posted, by the clock of who takes it.
    pub at: Timestamp,
    /// The trace that it belongs to.
    pub trace: Option<CallUuid>,
    /// The request.
    pub posted: Posted,
}

/// Requests on their way to a recipient. Key `req:{tenant}:<recipient>`, one consumer group each.
pub trait RequestStream: Send + Sync {
    /// Posts a request.
    ///
    /// # Errors
    /// [`crate::StoreError::Full`] when the recipient has [`crate::bounds::REQUESTS_MAX`] waiting.
    fn post<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        trace: Option<CallUuid>,
        posted: Posted,
    ) -> Answer<'a, Position>;

    /// Assigns requests that nobody holds to `by`, at most `max`; waits up to `wait` for the first.
    fn take<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        by: &'a Owner,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<PostedEntry>>;

    /// Drops requests that are carried out.
    fn ack<'a>(&'a self, tenant: &'a TenantId, to: &'a Recipient, positions: &'a [Position]) -> Answer<'a, ()>;

    /// Gives back the requests that `by` holds and has dropped: [`Self::take`] or [`Self::reclaim`] assigns them again, to `by` too.
    fn hand_back(&self, tenant: &TenantId, to: &Recipient, by: &Owner);

    /// Reassigns to `by` the requests that others have held for `idle` without an acknowledgement.
    fn reclaim<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        by: &'a Owner,
        idle: Duration,
        max: usize,
    ) -> Answer<'a, Vec<PostedEntry>>;
}
