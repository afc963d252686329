//! Writes the sessions of one tenant. A write that fails affects its own session only: the others are written without delay.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use infra::{Clock, Numbers, Refusal, Room, SessionBatch, SessionId, SessionLedger, SessionWrite, StoreError, Written};
use model::{Owner, TenantId, Timestamp};

/// Pause before a batch is retried while the store is unavailable.
const AGAIN: Duration = Duration::from_millis(250);
/// Time that a store may lack room before its refusals are final. The calls concerned hear nothing meanwhile.
const NO_ROOM_FOR: Duration = Duration::from_secs(5);
/// The reason for a refused write that has no answer of the store.
const NO_ANSWER: &str = "the store has given no answer";

/// The result of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// It is in the ledger.
    Done,
    /// Another node owns the session.
    Lost,
    /// The record is ended, or there is none.
    Gone,
    /// It is not written, and will not be.
    Refused(String),
}

/// A tenant's access to the ledger.
pub(super) struct Writes {
    ledger: Arc<dyn SessionLedger>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
    owner: Owner,
    numbers: Numbers,
    /// Since when the store has had no room for new sessions.
    none_begins_since: Option<Timestamp>,
    /// Since when it has had no room for existing sessions.
    none_goes_on_since: Option<Timestamp>,
}

impl Writes {
    pub fn new(ledger: Arc<dyn SessionLedger>, clock: Arc<dyn Clock>, tenant: TenantId, owner: Owner) -> Self {
        let numbers = Numbers::default();
        Self { ledger, clock, tenant, owner, numbers, none_begins_since: None, none_goes_on_since: None }
    }

    /// Writes a batch; the answers are in its order. Waits while the store is unavailable: nothing may be sent before it has answered.
    ///
    /// A step after a refused step of its session is not written either, so that a successor does not carry out its requests.
    pub async fn write(&mut self, writes: Vec<SessionWrite>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(writes.len());
        let mut refused: HashSet<SessionId> = HashSet::new();
        let mut left = VecDeque::from(writes);
        while !left.is_empty() {
            let round = next_round(&mut left);
            let stands = |write: &&SessionWrite| !refused.contains(&write.session);
            let mut written = self.write_round(round.iter().filter(stands).cloned().collect()).await.into_iter();
            for SessionWrite { session, .. } in round {
                let answer = match refused.contains(&session) {
                    true => Answer::Refused("it continues a step that was refused".to_owned()),
                    false => written.next().unwrap_or_else(|| Answer::Refused(NO_ANSWER.to_owned())),
                };
                if matches!(answer, Answer::Refused(_)) {
                    refused.insert(session);
                }
                answers.push(answer);
            }
        }
        answers
    }

    /// Writes a batch of independent writes. Those for which there is no room are retried for a while.
    async fn write_round(&mut self, writes: Vec<SessionWrite>) -> Vec<Answer> {
        let mut written = self.write_once(&writes).await;
        while self.is_room_waited_for(&writes, &written) {
            tokio::time::sleep(AGAIN).await;
            let without: Vec<usize> = (0..written.len()).filter(|at| has_no_room(&written[*at])).collect();
            let again: Vec<SessionWrite> = without.iter().map(|at| writes[*at].clone()).collect();
            for (at, answer) in without.into_iter().zip(self.write_once(&again).await) {
                written[at] = answer;
            }
        }
        written.into_iter().map(Answer::from).collect()
    }

    /// Returns one answer for each write.
    async fn write_once(&mut self, writes: &[SessionWrite]) -> Vec<Written> {
        if writes.is_empty() {
            return Vec::new();
        }
        let number = self.numbers.take(writes.len(), self.clock.now());
        match self.commit(writes, number).await {
            Ok(written) if written.len() == writes.len() => return written,
            Err(error) if writes.len() == 1 => return vec![Written::Refused(refusal_of(error))],
            // One write of the batch fails: the others can be written.
            Ok(_) | Err(_) => {}
        }
        let mut written = Vec::with_capacity(writes.len());
        // Each has its own batch number, so that none is written twice.
        for (number, write) in (number..).zip(writes) {
            let answer = self.commit(std::slice::from_ref(write), number).await;
            written.push(match answer.map(|mut answer| answer.pop()) {
                Ok(Some(answer)) => answer,
                Ok(None) => Written::Refused(Refusal::Invalid(NO_ANSWER.to_owned())),
                Err(error) => Written::Refused(refusal_of(error)),
            });
        }
        written
    }

    /// Retries a commit until the store has answered.
    async fn commit(&self, writes: &[SessionWrite], number: u64) -> infra::Result<Vec<Written>> {
        let (tenant, owner) = (self.tenant.clone(), self.owner.clone());
        let batch = SessionBatch { tenant, owner, writes: writes.to_vec(), consumed: None, number };
        let mut waits = false;
        loop {
            // The store may be back later, and may have done the commit.
            let error = match self.ledger.commit(batch.clone()).await {
                Err(error @ StoreError::Unavailable { .. }) => error,
                answered => return answered,
            };
            if !std::mem::replace(&mut waits, true) {
                tracing::warn!(tenant = %self.tenant, %error, "sessions wait for their store");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether to retry because some write found no room. A full store is waited for as long as a caller may hear silence:
    /// once, not again for each session. New sessions are refused sooner than existing ones, so each kind has its own time.
    fn is_room_waited_for(&mut self, writes: &[SessionWrite], written: &[Written]) -> bool {
        let now = self.clock.now();
        let mut is_waited_for = false;
        for (room, since) in [(Room::Begins, &mut self.none_begins_since), (Room::GoesOn, &mut self.none_goes_on_since)]
        {
            let mut these = writes.iter().zip(written).filter(|(write, _)| Room::of(&write.change) == room).peekable();
            match these.peek().is_some() {
                true if these.any(|(_, answer)| has_no_room(answer)) => {
                    is_waited_for |= now.since(*since.get_or_insert(now)) < NO_ROOM_FOR;
                }
                true => *since = None,
                false => {}
            }
        }
        is_waited_for
    }
}

/// Takes the longest prefix without two writes of one session: the result of a step must be known before a step that
/// builds on it is written.
fn next_round(left: &mut VecDeque<SessionWrite>) -> Vec<SessionWrite> {
    let mut sessions = HashSet::new();
    let end = left.iter().position(|write| !sessions.insert(&write.session)).unwrap_or(left.len());
    left.drain(..end).collect()
}

const fn has_no_room(written: &Written) -> bool {
    matches!(written, Written::Refused(Refusal::NoRoom { .. }))
}

/// Maps an error of the whole store to the refusal of one write.
fn refusal_of(error: StoreError) -> Refusal {
    match error {
        StoreError::Full { what, bound } => Refusal::NoRoom { what, bound },
        StoreError::DiskFull { .. } => Refusal::NoRoom { what: "the disk", bound: 0 },
        error => Refusal::Invalid(error.to_string()),
    }
}

impl From<Written> for Answer {
    fn from(written: Written) -> Self {
        match written {
            Written::Done { .. } => Self::Done,
            Written::Fenced { .. } | Written::Exists { .. } => Self::Lost,
            Written::Ended | Written::Unknown | Written::NotAbsorbed => Self::Gone,
            Written::Refused(refusal) => Self::Refused(refusal.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
