//! Writes the turns of one tenant's queues. A row that the store refuses costs only its own request; other rows are written.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use infra::{Clock, QUEUES, QueueBatch, QueueLedger, Refusal, Room, StoreError, Written};
use model::{AgentId, Owner, Timestamp};
use routing::RequestId;
use tracing::{error, warn};

use super::handler::request_of;

/// Pause before an unavailable or full store is queried again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long a store may be full before its refusal counts. Callers wait during this time, and no agent is chosen.
const NO_ROOM_FOR: Duration = Duration::from_secs(5);

/// The result of writing a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    /// The turn is stored, except those rows.
    Done(RefusedRows),
    /// Another replica owns the queues.
    Lost(Owner),
}

/// The rows of a turn that the store has refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RefusedRows {
    /// The requests that end by that.
    pub requests: Vec<RefusedRequest>,
    /// Agents for whose rows there was no room: they are written again with a later turn.
    pub agents: Vec<AgentId>,
}

/// A request whose row the store refuses: the row stays unchanged, or does not exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefusedRequest {
    pub id: RequestId,
    /// The store's reason.
    pub reason: String,
}

/// A tenant's writer to the ledger of queues.
pub(super) struct Writes {
    ledger: Arc<dyn QueueLedger>,
    clock: Arc<dyn Clock>,
    /// Since when the store has been full.
    no_room_since: Option<Timestamp>,
}

/// The store's final answer to a batch.
enum Answer {
    Done,
    Lost(Owner),
    Refused(Refusal),
}

impl RefusedRows {
    fn extend(&mut self, other: Self) {
        self.requests.extend(other.requests);
        self.agents.extend(other.agents);
    }
}

impl Writes {
    pub fn new(ledger: Arc<dyn QueueLedger>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, clock, no_room_since: None }
    }

    /// Writes a turn, a large one in several writes. Waits while the store is unavailable: no message may leave before its answer.
    ///
    /// # Errors
    /// The queues' record is not as this replica left it: take the queues over again.
    pub async fn write(&mut self, turn: QueueBatch) -> Result<Wrote> {
        let mut refused = RefusedRows::default();
        for part in turn.in_parts(request_of) {
            match self.write_part(part).await? {
                Wrote::Done(more) => refused.extend(more),
                Wrote::Lost(owner) => return Ok(Wrote::Lost(owner)),
            }
        }
        Ok(Wrote::Done(refused))
    }

    async fn write_part(&mut self, turn: QueueBatch) -> Result<Wrote> {
        match self.commit(&turn).await? {
            Answer::Done => Ok(Wrote::Done(RefusedRows::default())),
            Answer::Lost(owner) => Ok(Wrote::Lost(owner)),
            Answer::Refused(refusal) => {
                warn!(tenant = %turn.tenant, %refusal, "a turn of the queues is not taken as a whole");
                // If facts have no room, refuse the rows that cause facts. If the queues are full, others may still have room.
                if has_no_room_for_facts(&refusal) {
                    self.without_rows(turn, &refusal).await
                } else {
                    self.one_by_one(turn).await
                }
            }
        }
    }

    /// Writes the parts of a turn one by one: some part is refused, the others may be written.
    async fn one_by_one(&mut self, turn: QueueBatch) -> Result<Wrote> {
        let mut refused = RefusedRows::default();
        for mut part in turn.apart() {
            match self.commit(&part).await? {
                Answer::Done => {}
                Answer::Lost(owner) => return Ok(Wrote::Lost(owner)),
                Answer::Refused(refusal) => {
                    let named = part.requests.pop().filter(|(_, body)| body.is_some());
                    if let Some((id, _)) = named {
                        refused.requests.push(RefusedRequest { id: RequestId(id), reason: refusal.to_string() });
                        continue;
                    }
                    // No client waits for it: an agent's row or a fact. It continues only in memory, at least until there is room again.
                    error!(tenant = %part.tenant, %refusal, "a part of the queues' turn is not stored");
                    if has_no_room_for_facts(&refusal) {
                        refused.agents.extend(put_agents(&part));
                    }
                }
            }
        }
        Ok(Wrote::Done(refused))
    }

    /// Writes the turn's removals only: these are never refused for lack of room.
    async fn without_rows(&mut self, mut turn: QueueBatch, refusal: &Refusal) -> Result<Wrote> {
        let reason = refusal.to_string();
        let put = turn.requests.extract_if(.., |(_, body)| body.is_some());
        let requests = put.map(|(id, _)| RefusedRequest { id: RequestId(id), reason: reason.clone() }).collect();
        let refused = RefusedRows { requests, agents: put_agents(&turn).collect() };
        turn.reservations.retain(|(_, body)| body.is_none());
        match self.commit(&turn).await? {
            Answer::Done => Ok(Wrote::Done(refused)),
            Answer::Lost(owner) => Ok(Wrote::Lost(owner)),
            Answer::Refused(refusal) => bail!("what the queues have removed is refused: {refusal}"),
        }
    }

    /// Commits until the store has answered or refuses.
    async fn commit(&mut self, batch: &QueueBatch) -> Result<Answer> {
        loop {
            let refusal = match self.ledger.commit(batch.clone()).await {
                Ok(Written::Done { .. }) => {
                    if batch.room() == Room::GoesOn {
                        self.no_room_since = None;
                    }
                    return Ok(Answer::Done);
                }
                Ok(Written::Fenced { owner, .. }) => return Ok(Answer::Lost(owner)),
                Ok(Written::Refused(refusal)) => refusal,
                Ok(other) => bail!("the queues' record is not as it was left: {other:?}"),
                Err(error @ StoreError::Unavailable { .. }) => {
                    warn!(tenant = %batch.tenant, %error, "the turn waits for the store");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(StoreError::Full { what, bound }) => Refusal::NoRoom { what, bound },
                Err(StoreError::DiskFull { .. }) => Refusal::NoRoom { what: "the disk", bound: 0 },
                Err(error) => Refusal::Invalid(error.to_string()),
            };
            if !self.is_waited_for(&refusal) {
                return Ok(Answer::Refused(refusal));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether to wait for a full store: once, and not again for each turn. Not if the queues themselves are full: only this turn could
    /// make room there.
    fn is_waited_for(&mut self, refusal: &Refusal) -> bool {
        let now = self.clock.now();
        has_no_room_for_facts(refusal) && now.since(*self.no_room_since.get_or_insert(now)) < NO_ROOM_FOR
    }
}

/// Whether something else than the queues is full. It gets room without us.
fn has_no_room_for_facts(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::NoRoom { what, .. } if *what != QUEUES)
}

/// The agents whose rows are put.
fn put_agents(turn: &QueueBatch) -> impl Iterator<Item = AgentId> {
    turn.reservations.iter().filter(|(_, body)| body.is_some()).map(|(agent, _)| agent.clone())
}

#[cfg(test)]
mod tests;
