//! Writes the sessions of one tenant. A fault of one write is paid by that one: its neighbours are written, and nobody waits for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use infra::{Clock, Numbers, SessionBatch, SessionId, SessionLedger, SessionWrite, StoreError, Written};
use model::{Owner, TenantId, Timestamp};

/// Pause before a batch is tried again while the store is away.
const AGAIN: Duration = Duration::from_millis(250);
/// How long a store may have no room before what it does not take counts as refused. The calls concerned hear nothing meanwhile.
const NO_ROOM_FOR: Duration = Duration::from_secs(5);

/// What became of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// It stands in the ledger.
    Done,
    /// Another node has the session.
    Lost,
    /// The record is over, or there is none.
    Gone,
    /// It is not done, and will not be.
    Refused(String),
}

/// A tenant's way into the ledger.
pub(super) struct Writes {
    ledger: Arc<dyn SessionLedger>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
    owner: Owner,
    numbers: Numbers,
    /// Since when the store has no room.
    no_room_since: Option<Timestamp>,
}

impl Writes {
    pub fn new(ledger: Arc<dyn SessionLedger>, clock: Arc<dyn Clock>, tenant: TenantId, owner: Owner) -> Self {
        Self { ledger, clock, tenant, owner, numbers: Numbers::default(), no_room_since: None }
    }

    /// Writes a batch; the answers stand in its order. Waits while the store is away: nothing may leave before it has answered.
    pub async fn write(&mut self, writes: Vec<SessionWrite>) -> Vec<Answer> {
        if writes.is_empty() {
            return Vec::new();
        }
        let number = self.numbers.take(writes.len(), self.clock.now());
        match self.commit(&writes, number).await {
            Ok(written) => written.into_iter().map(Answer::from).collect(),
            Err(error) if writes.len() == 1 => vec![Answer::Refused(error.to_string())],
            Err(_) => self.one_by_one(writes, number).await,
        }
    }

    /// Somebody in the batch cannot be written: the others can. Each keeps its number, so that none is written twice.
    async fn one_by_one(&mut self, writes: Vec<SessionWrite>, number: u64) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(writes.len());
        let mut refused: HashSet<SessionId> = HashSet::new();
        for (number, write) in (number..).zip(writes) {
            if refused.contains(&write.session) {
                answers.push(Answer::Refused("it goes on from a step that was refused".to_owned()));
                continue;
            }
            let written = self.commit(std::slice::from_ref(&write), number).await;
            let answer = match written.map(|mut written| written.pop()) {
                Ok(Some(written)) => Answer::from(written),
                Ok(None) => Answer::Refused("the store has given no answer".to_owned()),
                Err(error) => Answer::Refused(error.to_string()),
            };
            if matches!(answer, Answer::Refused(_)) {
                refused.insert(write.session);
            }
            answers.push(answer);
        }
        answers
    }

    /// Commits until the store has answered, or will never take it.
    async fn commit(&mut self, writes: &[SessionWrite], number: u64) -> infra::Result<Vec<Written>> {
        let (tenant, owner) = (self.tenant.clone(), self.owner.clone());
        let batch = SessionBatch { tenant, owner, writes: writes.to_vec(), consumed: None, number };
        let mut waits = false;
        loop {
            let error = match self.ledger.commit(batch.clone()).await {
                Ok(written) => {
                    self.no_room_since = None;
                    return Ok(written);
                }
                Err(error) => error,
            };
            if !self.is_waited_for(&error) {
                return Err(error);
            }
            if !std::mem::replace(&mut waits, true) {
                tracing::warn!(tenant = %self.tenant, %error, "sessions wait for their store");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// A store that is away comes back, and may have done it. One that is full is waited for as long as a caller may hear nothing: once,
    /// not for each session again.
    fn is_waited_for(&mut self, error: &StoreError) -> bool {
        let now = self.clock.now();
        match error {
            StoreError::Unavailable { .. } => true,
            error if error.passes() => now.since(*self.no_room_since.get_or_insert(now)) < NO_ROOM_FOR,
            _ => false,
        }
    }
}

impl From<Written> for Answer {
    fn from(written: Written) -> Self {
        match written {
            Written::Done { .. } => Self::Done,
            Written::Fenced { .. } | Written::Exists { .. } => Self::Lost,
            Written::Ended | Written::Unknown => Self::Gone,
            Written::Refused(refusal) => Self::Refused(refusal.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
