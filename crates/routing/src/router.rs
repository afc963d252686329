//! The router of one tenant: pairs waiting requests with free agents, both ways round.
//!
//! Drive it with [`Router::submit`] and the other verbs, tell it facts with [`Router::observe`], then take
//! [`Router::poll_output`] until it is empty, and call [`Router::handle_timeout`] at [`Router::next_timeout`].

mod observe;
mod select;
mod snapshot;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use model::plan::AgentProfile;
use model::{AgentId, ConnId, Dn, QueueName, Timestamp};

pub use snapshot::{AgentSnapshot, RouterSnapshot};

use crate::agents::{AGENTS_MAX, Agents, Index};
use crate::decision::Decision;
use crate::pool::{POOLS_MAX, Pools, Rank};
use crate::request::{
    Declined, EXCLUDED_MAX, EndReason, RequestId, RequestSnapshot, Stage, Submission, TARGETS_MAX, Target,
};

/// The most requests that may wait in one tenant.
pub const REQUESTS_MAX: usize = 200_000;
/// The most requests of one call: an application that asks without end is refused. One asks for a handful, one after the other.
pub const REQUESTS_OF_CALL_MAX: usize = 64;
/// The most timers that one turn handles; those that are due beyond it are handled by the next turn, which comes at once. Each may look for an
/// agent: some ten milliseconds of a large tenant.
pub const TIMERS_PER_TURN: usize = 1_000;
/// How long a chosen agent stays promised until the phone must ring.
pub const OFFER_EXPIRY: Duration = Duration::from_secs(10);
/// How long a call passes over an agent who did not take it, unless the agent says "ready" before.
pub const DECLINED_FOR: Duration = Duration::from_secs(30);
/// How long a phone may ring before the promise is given up, should every other fact be lost.
pub const RINGING_EXPIRY: Duration = Duration::from_secs(120);

/// What the router wants done or known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// The request entered its virtual queue (also again, after an agent did not answer).
    Queued(RequestId, QueueName, ConnId),
    /// An agent is promised: route the call to it.
    Offered {
        /// The request.
        request: RequestId,
        /// The call.
        call: ConnId,
        /// The virtual queue that it leaves.
        queue: QueueName,
        /// The agent.
        agent: AgentId,
        /// The agent's phone.
        dn: Dn,
        /// Why this one.
        decision: Decision,
    },
    /// The promise was given up; the request waits again, with its age.
    Returned(RequestId, ConnId),
    /// The application's time is over; the request goes on waiting.
    TimedOut(RequestId, ConnId),
    /// The request is over. `queued` tells whether it was still in its virtual queue.
    Ended {
        /// The request.
        request: RequestId,
        /// The call.
        call: ConnId,
        /// The virtual queue.
        queue: QueueName,
        /// Whether it was still counted there.
        queued: bool,
        /// Why.
        reason: EndReason,
    },
}

/// Why a submission was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// Nobody could ever be found.
    #[error("a request needs 1 to {TARGETS_MAX} targets")]
    Targets,
    /// Too many exclusions.
    #[error("a request may exclude at most {EXCLUDED_MAX} agents")]
    Excluded,
    /// The tenant's limit of waiting requests is reached.
    #[error("{REQUESTS_MAX} requests wait already")]
    Full,
    /// The call's limit of requests is reached.
    #[error("{REQUESTS_OF_CALL_MAX} requests of this call wait already")]
    TooManyOfCall,
    /// Too many different targets are in use.
    #[error("{POOLS_MAX} different targets are in use already")]
    TooManyTargets,
}

/// What has changed since it was last asked: the records that a turn must write.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Requests that changed or ended.
    pub requests: Vec<RequestId>,
    /// Agents whose row changed.
    pub agents: Vec<AgentId>,
    /// Whether a phone's service changed.
    pub phones: bool,
}

/// Where a request stands, for the application that asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its place in its virtual queue, from 1; 0 when it is promised already.
    pub position: usize,
    /// How many agents that fit are logged in.
    pub logged_in: u64,
    /// Where it stands.
    pub stage: Stage,
}

#[derive(Clone, Debug)]
struct Waiting {
    submission: Submission,
    keys: Vec<String>,
    arrival: u64,
    stage: Stage,
    declined: Vec<Declined>,
    timer: Option<Timestamp>,
}

impl Waiting {
    fn rank(&self) -> Rank {
        (Reverse(self.submission.priority), self.submission.queued_at, self.arrival)
    }

    /// When the router must look at it again.
    fn due(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Waiting => {
                let lifted = self.declined.iter().map(|declined| declined.until);
                self.submission.times_out_at.into_iter().chain(lifted).min()
            }
            Stage::Offered { expires_at, .. } | Stage::Ringing { expires_at, .. } => Some(*expires_at),
        }
    }
}

/// The router of one tenant.
#[derive(Clone, Debug, Default)]
pub struct Router {
    agents: Agents,
    pools: Pools,
    requests: HashMap<RequestId, Waiting>,
    by_arrival: BTreeMap<u64, RequestId>,
    by_call: HashMap<ConnId, BTreeSet<RequestId>>,
    queues: HashMap<QueueName, BTreeSet<Rank>>,
    timers: BTreeSet<(Timestamp, RequestId)>,
    /// The few requests that somebody has declined.
    declining: BTreeSet<RequestId>,
    touched: BTreeSet<RequestId>,
    phones_touched: bool,
    arrivals: u64,
    outputs: VecDeque<Output>,
}

// === Requests ===

impl Router {
    /// An empty router.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a request. It is offered at once when an agent is free, else it waits. Idempotent by its id.
    pub fn submit(&mut self, submission: Submission, now: Timestamp) -> Result<Status, SubmitError> {
        if let Some(status) = self.status(&submission.id) {
            return Ok(status);
        }
        self.admit(&submission)?;
        let id = submission.id.clone();
        self.arrivals += 1;
        let (queue, call) = (submission.queue.clone(), submission.call);
        self.insert(RequestSnapshot { submission, arrival: self.arrivals, stage: Stage::Waiting, declined: vec![] });
        self.outputs.push_back(Output::Queued(id.clone(), queue, call));
        let logged_in = self.logged_in_for(&id);
        let position = self.position(&id);
        self.find_agent(&id, now);
        let stage = self.requests.get(&id).map_or(Stage::Waiting, |waiting| waiting.stage.clone());
        Ok(Status { position: if stage == Stage::Waiting { position } else { 0 }, logged_in, stage })
    }

    fn admit(&mut self, submission: &Submission) -> Result<(), SubmitError> {
        if !(1..=TARGETS_MAX).contains(&submission.targets.len()) {
            return Err(SubmitError::Targets);
        }
        if submission.excluded.len() > EXCLUDED_MAX {
            return Err(SubmitError::Excluded);
        }
        if self.requests.len() >= REQUESTS_MAX {
            return Err(SubmitError::Full);
        }
        if self.by_call.get(&submission.call).is_some_and(|ids| ids.len() >= REQUESTS_OF_CALL_MAX) {
            return Err(SubmitError::TooManyOfCall);
        }
        for target in &submission.targets {
            if !self.pools.ensure(&target.key(), target, &self.agents) {
                return Err(SubmitError::TooManyTargets);
            }
        }
        Ok(())
    }

    /// Where a request stands; `None` when it is over or unknown.
    pub fn status(&self, id: &RequestId) -> Option<Status> {
        let waiting = self.requests.get(id)?;
        let position = if waiting.stage == Stage::Waiting { self.position(id) } else { 0 };
        Some(Status { position, logged_in: self.logged_in_for(id), stage: waiting.stage.clone() })
    }

    /// Changes priority or targets of a waiting request; its age stays. `false` when it is unknown.
    pub fn update(
        &mut self,
        id: &RequestId,
        priority: Option<i32>,
        targets: Option<Vec<Target>>,
        now: Timestamp,
    ) -> Result<bool, SubmitError> {
        let Some(waiting) = self.requests.get(id) else { return Ok(false) };
        let mut changed = waiting.submission.clone();
        changed.priority = priority.unwrap_or(changed.priority);
        changed.targets = targets.unwrap_or(changed.targets);
        if !(1..=TARGETS_MAX).contains(&changed.targets.len()) {
            return Err(SubmitError::Targets);
        }
        for target in &changed.targets {
            if !self.pools.ensure(&target.key(), target, &self.agents) {
                return Err(SubmitError::TooManyTargets);
            }
        }
        let (arrival, stage, declined) = (waiting.arrival, waiting.stage.clone(), waiting.declined.clone());
        self.remove(id);
        self.insert(RequestSnapshot { submission: changed, arrival, stage, declined });
        self.find_agent(id, now);
        Ok(true)
    }

    /// Takes a request back. `false` when it is unknown, for example because it has ended.
    pub fn cancel(&mut self, id: &RequestId, now: Timestamp) -> bool {
        self.end(id, EndReason::Cancelled, now)
    }

    /// As [`Self::give_back`], said by whoever was told that this agent is chosen. Nothing happens when the request is promised to
    /// another one by now: the fact that the first did not take the call was here before.
    pub fn decline(&mut self, id: &RequestId, agent: &AgentId, now: Timestamp) -> bool {
        self.promised_to(id).as_ref() == Some(agent) && self.give_back(id, now)
    }

    /// The chosen agent did not take the call: the request waits again with its age, and passes that agent over for
    /// [`DECLINED_FOR`].
    /// Idempotent: nothing happens to a request that is not promised.
    pub fn give_back(&mut self, id: &RequestId, now: Timestamp) -> bool {
        let Some(agent) = self.promised_to(id) else { return false };
        if let Some(waiting) = self.requests.get_mut(id) {
            waiting.declined.retain(|declined| declined.agent != agent);
            if waiting.declined.len() >= EXCLUDED_MAX {
                waiting.declined.remove(0);
            }
            waiting.declined.push(Declined { agent, until: now + DECLINED_FOR });
            self.declining.insert(id.clone());
        }
        self.return_to_queue(id, now);
        true
    }

    /// Ends every request of a call: the caller is gone.
    pub fn abandon(&mut self, call: ConnId, now: Timestamp) {
        for id in self.by_call.get(&call).cloned().unwrap_or_default() {
            self.end(&id, EndReason::Abandoned, now);
        }
    }

    /// Ends the requests of a call for which nobody is chosen yet: the caller is gone.
    pub fn abandon_waiting(&mut self, call: ConnId, now: Timestamp) {
        for id in self.by_call.get(&call).cloned().unwrap_or_default() {
            if self.promised_to(&id).is_none() {
                self.end(&id, EndReason::Abandoned, now);
            }
        }
    }

    // === What comes out ===

    /// The next thing to do; `None` when there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Router::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Lets expire what is due, at most [`TIMERS_PER_TURN`].
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for _ in 0..TIMERS_PER_TURN {
            let Some((due, id)) = self.timers.first().cloned().filter(|(due, _)| *due <= now) else { return };
            self.timers.remove(&(due, id.clone()));
            let Some(waiting) = self.requests.get_mut(&id) else { continue };
            waiting.timer = None;
            if waiting.stage == Stage::Waiting {
                self.waited(&id, now);
            } else {
                // The agent's phone never rang, or rang for ever: somebody else gets the call.
                self.give_back(&id, now);
            }
        }
    }

    /// A waiting request's time is over, or it may try an agent again who has declined it.
    fn waited(&mut self, id: &RequestId, now: Timestamp) {
        let Some(waiting) = self.requests.get_mut(id) else { return };
        waiting.declined.retain(|declined| declined.until > now);
        if waiting.submission.times_out_at.is_some_and(|due| due <= now) {
            waiting.submission.times_out_at = None;
            self.outputs.push_back(Output::TimedOut(id.clone(), waiting.submission.call));
        }
        if waiting.declined.is_empty() {
            self.declining.remove(id);
        }
        self.set_timer(id);
        self.find_agent(id, now);
    }

    /// What has changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        Changes {
            requests: std::mem::take(&mut self.touched).into_iter().collect(),
            agents: self.agents.take_touched(),
            phones: std::mem::take(&mut self.phones_touched),
        }
    }

    /// The requests of a call.
    pub fn of_call(&self, call: ConnId) -> impl Iterator<Item = &RequestId> {
        self.by_call.get(&call).into_iter().flatten()
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is no request.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    // === Agents ===

    /// Takes an agent's skills from provisioning. `false` when the table of agents is full.
    pub fn set_profile(&mut self, profile: &AgentProfile, now: Timestamp) -> bool {
        let Some(index) = self.agents.set_profile(profile) else { return false };
        self.pools.reassess(&self.agents, index);
        self.find_request(index, now);
        true
    }

    /// An agent is not provisioned any more, or disabled.
    pub fn forget_profile(&mut self, agent: &AgentId) {
        if let Some(index) = self.agents.forget_profile(agent) {
            self.pools.reassess(&self.agents, index);
        }
    }

    /// The agents that provisioning has named.
    pub fn profiles(&self) -> impl Iterator<Item = &AgentId> {
        self.agents.rows().filter(|(_, row)| row.known).map(|(_, row)| &row.id)
    }

    /// How many agents the tables can hold.
    pub const fn agents_max() -> usize {
        AGENTS_MAX
    }
}

// === Bookkeeping ===

impl Router {
    fn insert(&mut self, snapshot: RequestSnapshot) {
        let RequestSnapshot { submission, arrival, stage, declined } = snapshot;
        let id = submission.id.clone();
        let keys: Vec<String> = submission.targets.iter().map(Target::key).collect();
        for (key, target) in keys.iter().zip(&submission.targets) {
            self.pools.ensure(key, target, &self.agents);
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

    fn remove(&mut self, id: &RequestId) -> Option<Waiting> {
        self.leave_queue(id);
        let waiting = self.requests.remove(id)?;
        self.touched.insert(id.clone());
        if let Some(due) = waiting.timer {
            self.timers.remove(&(due, id.clone()));
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

    /// Puts a waiting request among those that wait, in its virtual queue and in each of its pools.
    fn enter_queue(&mut self, id: &RequestId) {
        let Some(waiting) = self.requests.get(id).filter(|waiting| waiting.stage == Stage::Waiting) else { return };
        let rank = waiting.rank();
        for key in &waiting.keys {
            self.pools.enter(key, rank);
        }
        self.queues.entry(waiting.submission.queue.clone()).or_default().insert(rank);
    }

    fn leave_queue(&mut self, id: &RequestId) {
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

    fn set_timer(&mut self, id: &RequestId) {
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

    fn set_stage(&mut self, id: &RequestId, stage: Stage) {
        self.leave_queue(id);
        if let Some(waiting) = self.requests.get_mut(id) {
            waiting.stage = stage;
        }
        self.enter_queue(id);
        self.set_timer(id);
    }

    fn promised_to(&self, id: &RequestId) -> Option<AgentId> {
        match &self.requests.get(id)?.stage {
            Stage::Waiting => None,
            Stage::Offered { agent, .. } | Stage::Ringing { agent, .. } => Some(agent.clone()),
        }
    }

    fn return_to_queue(&mut self, id: &RequestId, now: Timestamp) {
        let agent = self.promised_to(id);
        self.set_stage(id, Stage::Waiting);
        if let Some(waiting) = self.requests.get(id) {
            let (queue, call) = (waiting.submission.queue.clone(), waiting.submission.call);
            self.outputs.push_back(Output::Returned(id.clone(), call));
            self.outputs.push_back(Output::Queued(id.clone(), queue, call));
        }
        self.find_agent(id, now);
        self.free(agent, now);
    }

    fn end(&mut self, id: &RequestId, reason: EndReason, now: Timestamp) -> bool {
        let agent = self.promised_to(id);
        let Some(waiting) = self.remove(id) else { return false };
        self.outputs.push_back(Output::Ended {
            request: id.clone(),
            call: waiting.submission.call,
            queue: waiting.submission.queue,
            queued: waiting.stage == Stage::Waiting,
            reason,
        });
        self.free(agent, now);
        true
    }

    /// Ends the promise of an agent, who may take another call then.
    fn free(&mut self, agent: Option<AgentId>, now: Timestamp) {
        let Some(index) = agent.and_then(|agent| self.agents.index_of(&agent)) else { return };
        self.agents.set_reserved(index, false);
        self.find_request(index, now);
    }

    fn declined_by(&self, agent: &AgentId) -> Vec<RequestId> {
        let has_declined = |waiting: &Waiting| waiting.declined.iter().any(|declined| declined.agent == *agent);
        self.declining.iter().filter(|id| self.requests.get(*id).is_some_and(has_declined)).cloned().collect()
    }

    fn position(&self, id: &RequestId) -> usize {
        let Some(waiting) = self.requests.get(id) else { return 0 };
        let rank = waiting.rank();
        self.queues.get(&waiting.submission.queue).map_or(0, |queue| queue.range(..=rank).count())
    }

    fn logged_in_for(&self, id: &RequestId) -> u64 {
        let Some(waiting) = self.requests.get(id) else { return 0 };
        let fitting = waiting
            .keys
            .iter()
            .filter_map(|key| self.pools.get(key))
            .fold(roaring::RoaringBitmap::new(), |all, pool| all | pool.members());
        fitting.intersection_len(self.agents.logged_in())
    }

    fn excludes(&self, id: &RequestId, index: Index) -> bool {
        let Some(row) = self.agents.row(index) else { return true };
        self.requests.get(id).is_none_or(|waiting| {
            waiting.submission.excluded.contains(&row.id)
                || waiting.declined.iter().any(|declined| declined.agent == row.id)
        })
    }
}

#[cfg(test)]
mod tests;
