//! The table of open requests with its indexes: by arrival, call, queue, pool and timer.

use model::AgentId;

use super::{Router, Waiting};
use crate::agents::Index;
use crate::request::{RequestId, RequestSnapshot, Stage, Target};

impl Router {
    pub(super) fn insert(&mut self, snapshot: RequestSnapshot) {
        let RequestSnapshot { submission, arrival, stage, declined } = snapshot;
        let id = submission.id.clone();
        let keys: Vec<String> = submission.targets.iter().map(Target::key).collect();
        for (key, target) in keys.iter().zip(&submission.targets) {
            self.pools.hold(key, target, &self.agents);
        }
        if !declined.is_empty() {
            self.declining.insert(id.clone());
        }
        self.by_arrival.insert(arrival, id.clone());
        self.by_call.entry(submission.call).or_default().insert(id.clone());
        self.requests.insert(id.clone(), Waiting { submission, keys, arrival, stage, declined, timer: None });
        self.enter_queue(&id);
        self.set_timer(&id);
    }

    pub(super) fn remove(&mut self, id: &RequestId) -> Option<Waiting> {
        self.leave_queue(id);
        let waiting = self.requests.remove(id)?;
        self.touched.insert(id.clone());
        if let Some(due) = waiting.timer {
            self.timers.remove(&(due, id.clone()));
        }
        for key in &waiting.keys {
            self.pools.release(key);
        }
        self.declining.remove(id);
        self.by_arrival.remove(&waiting.arrival);
        if let Some(ids) = self.by_call.get_mut(&waiting.submission.call) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_call.remove(&waiting.submission.call);
            }
        }
        Some(waiting)
    }

    /// Adds a waiting request to its virtual queue and to each of its pools.
    pub(super) fn enter_queue(&mut self, id: &RequestId) {
        let Some(waiting) = self.requests.get(id).filter(|waiting| waiting.stage == Stage::Waiting) else { return };
        let rank = waiting.rank();
        for key in &waiting.keys {
            self.pools.enter(key, rank);
        }
        self.queues.entry(waiting.submission.queue.clone()).or_default().insert(rank);
    }

    pub(super) fn leave_queue(&mut self, id: &RequestId) {
        let Some(waiting) = self.requests.get(id) else { return };
        let rank = waiting.rank();
        for key in &waiting.keys {
            self.pools.leave(key, &rank);
        }
        if let Some(queue) = self.queues.get_mut(&waiting.submission.queue) {
            queue.remove(&rank);
            if queue.is_empty() {
                self.queues.remove(&waiting.submission.queue);
            }
        }
    }

    pub(super) fn set_timer(&mut self, id: &RequestId) {
        self.touched.insert(id.clone());
        let Some(waiting) = self.requests.get_mut(id) else { return };
        if let Some(old) = waiting.timer.take() {
            self.timers.remove(&(old, id.clone()));
        }
        waiting.timer = waiting.due();
        if let Some(due) = waiting.timer {
            self.timers.insert((due, id.clone()));
        }
    }

    pub(super) fn set_stage(&mut self, id: &RequestId, stage: Stage) {
        self.leave_queue(id);
        if let Some(waiting) = self.requests.get_mut(id) {
            waiting.stage = stage;
        }
        self.enter_queue(id);
        self.set_timer(id);
    }

    pub(super) fn promised_to(&self, id: &RequestId) -> Option<AgentId> {
        self.requests.get(id)?.stage.agent().cloned()
    }

    pub(super) fn declined_by(&self, agent: &AgentId) -> Vec<RequestId> {
        let has_declined = |waiting: &Waiting| waiting.declined.iter().any(|declined| declined.agent == *agent);
        self.declining.iter().filter(|id| self.requests.get(*id).is_some_and(has_declined)).cloned().collect()
    }

    pub(super) fn position(&self, id: &RequestId) -> usize {
        let Some(waiting) = self.requests.get(id) else { return 0 };
        let rank = waiting.rank();
        self.queues.get(&waiting.submission.queue).map_or(0, |queue| queue.range(..=rank).count())
    }

    pub(super) fn logged_in_for(&self, id: &RequestId) -> u64 {
        let Some(waiting) = self.requests.get(id) else { return 0 };
        let fitting = waiting
            .keys
            .iter()
            .filter_map(|key| self.pools.get(key))
            .fold(roaring::RoaringBitmap::new(), |all, pool| all | pool.members());
        fitting.intersection_len(self.agents.logged_in())
    }

    pub(super) fn excludes(&self, id: &RequestId, index: Index) -> bool {
        let Some(row) = self.agents.row(index) else { return true };
        self.requests.get(id).is_none_or(|waiting| {
            waiting.submission.excluded.contains(&row.id)
                || waiting.declined.iter().any(|declined| declined.agent == row.id)
        })
    }
}
