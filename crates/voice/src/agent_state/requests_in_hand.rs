//! Requests that were taken from the stream and are not acknowledged yet. The stream gives them to this process no second time, so they are
//! kept here, also while a tenant's agents are taken over again after a fault.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use infra::{Position, PostedEntry};

/// How often a request is tried whose turn ends in a fault, before it is refused.
const TRIES_MAX: u8 = 3;

/// The requests of a tenant, in the order in which they were taken: at most those that the stream holds.
#[derive(Clone, Default)]
pub(super) struct RequestsInHand(Arc<Mutex<InHand>>);

#[derive(Default)]
struct InHand {
    /// Not carried out yet, each with the number of tries.
    waiting: Vec<(PostedEntry, u8)>,
    /// Carried out, not acknowledged.
    carried_out: Vec<Position>,
}

/// A request that is to be carried out now.
#[derive(Clone, Debug)]
pub(super) struct DueRequest {
    /// The request.
    pub(super) entry: PostedEntry,
    /// Whether it is only to be refused: turns have failed at it.
    pub(super) is_hopeless: bool,
}

impl RequestsInHand {
    /// Requests have been taken.
    pub(super) fn take(&self, entries: Vec<PostedEntry>) {
        self.lock().waiting.extend(entries.into_iter().map(|entry| (entry, 0)));
    }

    /// Whether requests wait to be carried out.
    pub(super) fn are_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// The requests that are to be carried out now. After a turn that failed it is one at a time, so that the one at fault is found; that one is
    /// refused in the end, and left out, as if it had been carried out, if even that fails.
    pub(super) fn due(&self) -> Vec<DueRequest> {
        let mut in_hand = self.lock();
        let given_up = in_hand.waiting.extract_if(.., |(_, tries)| *tries > TRIES_MAX);
        let given_up: Vec<Position> = given_up.map(|(entry, _)| entry.position).collect();
        for position in &given_up {
            tracing::error!(%position, "a request is given up: each turn with it has failed");
        }
        in_hand.carried_out.extend(given_up);
        let has_failed = in_hand.waiting.iter().any(|(_, tries)| *tries > 0);
        let together = if has_failed { 1 } else { usize::MAX };
        let mut due = Vec::new();
        for (entry, tries) in in_hand.waiting.iter_mut().take(together) {
            due.push(DueRequest { entry: entry.clone(), is_hopeless: *tries >= TRIES_MAX });
            *tries += 1;
        }
        due
    }

    /// The turn of these requests is committed.
    pub(super) fn carried_out(&self, entries: &[PostedEntry]) {
        let mut in_hand = self.lock();
        in_hand.waiting.retain(|(waiting, _)| entries.iter().all(|entry| entry.position != waiting.position));
        in_hand.carried_out.extend(entries.iter().map(|entry| entry.position));
    }

    /// Another replica owns the agents, and carries them out.
    pub(super) fn forget(&self) {
        *self.lock() = InHand::default();
    }

    /// What is still to be acknowledged.
    pub(super) fn unacknowledged(&self) -> Vec<Position> {
        self.lock().carried_out.clone()
    }

    /// The stream has dropped them.
    pub(super) fn acknowledged(&self, positions: &[Position]) {
        self.lock().carried_out.retain(|position| !positions.contains(position));
    }

    fn lock(&self) -> MutexGuard<'_, InHand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use infra::{HandOver, Posted};
    use model::{ConnId, Epoch, NodeId, Owner, Timestamp};

    use super::*;

    fn entry(minor: u64) -> PostedEntry {
        let to = Owner { node: NodeId::parse("agent-state-1").unwrap(), epoch: Epoch(1) };
        let posted = Posted::HandOver(HandOver { conn_id: ConnId(minor), to });
        PostedEntry { position: Position { major: 1, minor }, at: Timestamp::ZERO, trace: None, posted }
    }

    fn positions(due: &[DueRequest]) -> Vec<u64> {
        due.iter().map(|due| due.entry.position.minor).collect()
    }

    fn entries(due: Vec<DueRequest>) -> Vec<PostedEntry> {
        due.into_iter().map(|due| due.entry).collect()
    }

    #[test]
    fn what_a_fault_interrupted_is_due_again_one_by_one_and_is_acknowledged_until_that_succeeds() {
        let requests = RequestsInHand::default();
        requests.take(vec![entry(1), entry(2)]);
        assert_eq!(positions(&requests.due()), [1, 2]);
        requests.take(vec![entry(3)]);
        for n in 1..=2 {
            let due = requests.due();
            assert_eq!(positions(&due), [n], "the turn with it had failed");
            requests.carried_out(&entries(due));
        }
        requests.take(vec![entry(4)]);
        let due = requests.due();
        assert_eq!(positions(&due), [3, 4], "together again");
        requests.carried_out(&entries(due));
        assert!(!requests.are_waiting());
        let done = requests.unacknowledged();
        assert_eq!(done.len(), 4);
        assert_eq!(requests.unacknowledged(), done, "the stream did not answer");
        requests.acknowledged(&done);
        assert_eq!(requests.unacknowledged(), []);
        requests.take(vec![entry(5)]);
        requests.forget();
        assert!(!requests.are_waiting(), "another replica has it");
    }

    #[test]
    fn a_request_that_fails_each_turn_is_refused_and_then_given_up_and_takes_no_other_with_it() {
        let requests = RequestsInHand::default();
        requests.take(vec![entry(1), entry(2)]);
        for _ in 0..TRIES_MAX {
            assert!(requests.due().iter().all(|due| !due.is_hopeless));
        }
        let last = requests.due();
        assert_eq!((positions(&last), last[0].is_hopeless), (vec![1], true), "it is to be refused");
        assert_eq!(positions(&requests.due()), [2], "that failed, too");
        assert_eq!(requests.unacknowledged(), [entry(1).position]);
    }
}
