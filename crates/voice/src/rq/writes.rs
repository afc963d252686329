//! Writes the turns of one tenant's queues. A row that the store refuses costs only its own request; other rows are written.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use infra::{Clock, QUEUES, QueueBatch, QueueLedger, Refusal, Room, StoreError, Written};
use model::{Owner, Timestamp};
use routing::RequestId;
use tracing::{error, warn};

/// Pause before an unavailable or full store is queried again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long a store may be full before its refusal counts. Callers wait during this time, and no agent is chosen.
const NO_ROOM_FOR: Duration = Duration::from_secs(5);

/// The result of writing a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    /// The turn is stored, except the rows of these requests.
    Done(Vec<RefusedRequest>),
    /// Another replica owns the queues.
    Lost(Owner),
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

impl Writes {
    pub fn new(ledger: Arc<dyn QueueLedger>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, clock, no_room_since: None }
    }

    /// Writes a turn. Waits while the store is unavailable: no message may leave before its answer.
    ///
    /// # Errors
    /// The queues' record is not as this replica left it: take the queues over again.
    pub async fn write(&mut self, turn: QueueBatch) -> Result<Wrote> {
        match self.commit(&turn).await? {
            Answer::Done => Ok(Wrote::Done(Vec::new())),
            Answer::Lost(owner) => Ok(Wrote::Lost(owner)),
            Answer::Refused(refusal) => {
                warn!(tenant = %turn.tenant, %refusal, "a turn of the queues is not taken as a whole");
                match refusal {
                    // If facts have no room, refuse the rows that cause facts. If the queues are full, others may still have room.
                    Refusal::NoRoom { what, .. } if what != QUEUES => self.without_rows(turn, &refusal).await,
                    _ => self.one_by_one(turn).await,
                }
            }
        }
    }

    /// Writes the parts of a turn one by one: some part is refused, the others may be written.
    async fn one_by_one(&mut self, turn: QueueBatch) -> Result<Wrote> {
        let mut refused = Vec::new();
        for part in turn.apart() {
            match self.commit(&part).await? {
                Answer::Done => {}
                Answer::Lost(owner) => return Ok(Wrote::Lost(owner)),
                Answer::Refused(refusal) => {
                    let named = part.requests.into_iter().next().filter(|(_, body)| body.is_some());
                    match named {
                        Some((id, _)) => {
                            refused.push(RefusedRequest { id: RequestId(id), reason: refusal.to_string() })
                        }
                        // No client waits for it: an agent's row or a fact. It continues only in memory.
                        None => error!(tenant = %part.tenant, %refusal, "a part of the queues' turn is not stored"),
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
        let refused = put.map(|(id, _)| RefusedRequest { id: RequestId(id), reason: reason.clone() }).collect();
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
        match refusal {
            Refusal::NoRoom { what, .. } if *what != QUEUES => {
                now.since(*self.no_room_since.get_or_insert(now)) < NO_ROOM_FOR
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
