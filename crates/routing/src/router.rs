//! The router of one tenant: matches waiting requests with free agents, in both directions.
//!
//! Drive it with [`Router::submit`] and the other functions, pass facts to [`Router::observe`], then call [`Router::poll_output`] until it
//! is empty, and call [`Router::handle_timeout`] at [`Router::next_timeout`].

mod gather;
mod observe;
mod output;
mod select;
mod snapshot;
mod table;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use model::plan::AgentProfile;
use model::{AgentId, ConnId, QueueName, Timestamp};

pub use output::{Changes, Output, Status, SubmitError};
pub use snapshot::{AgentSnapshot, RouterSnapshot};

use crate::agents::Agents;
use crate::pool::{Pools, Rank};
use crate::request::{
    Declined, EXCLUDED_MAX, EndReason, RequestId, RequestSnapshot, Stage, Submission, TARGETS_MAX, Target,
};

/// The most requests that may wait in one tenant.
pub const REQUESTS_MAX: usize = 200_000;
/// The most waiting requests of one call; further ones are refused, so that no application loops. A normal application submits a handful,
/// one after the other.
pub const REQUESTS_OF_CALL_MAX: usize = 64;
/// The most timers that one turn handles; the next turn comes at once and handles the rest. Each timer may search for an agent: about ten
/// milliseconds for a large tenant.
pub const TIMERS_PER_TURN: usize = 1_000;
/// How long a chosen agent stays reserved before the phone must ring.
pub const OFFER_EXPIRY: Duration = Duration::from_secs(10);
/// How long a call passes over an agent that did not take it, unless the agent becomes ready earlier.
pub const DECLINED_FOR: Duration = Duration::from_secs(30);
/// How long a phone may ring before the reservation ends, in case every other fact is lost.
pub const RINGING_EXPIRY: Duration = Duration::from_secs(120);

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

    fn excludes_nobody(&self) -> bool {
        self.submission.excluded.is_empty() && self.declined.is_empty()
    }

    /// When the router must check it again.
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
    /// Requests that an agent has declined; there are few.
    declining: BTreeSet<RequestId>,
    touched: BTreeSet<RequestId>,
    phones_touched: bool,
    arrivals: u64,
    outputs: VecDeque<Output>,
    /// Whether nothing is offered yet, after a takeover.
    gathers: bool,
}

// === Requests ===

impl Router {
    /// An empty router.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a request. It is offered at once when an agent is free, otherwise it waits. Idempotent by its id.
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

    /// The state of a request; `None` when it is over or unknown.
    pub fn status(&self, id: &RequestId) -> Option<Status> {
        let waiting = self.requests.get(id)?;
        let position = if waiting.stage == Stage::Waiting { self.position(id) } else { 0 };
        Some(Status { position, logged_in: self.logged_in_for(id), stage: waiting.stage.clone() })
    }

    /// Changes priority or targets of a waiting request and keeps its age. Returns `false` when it is unknown.
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

    /// Cancels a request. Returns `false` when it is unknown, for example because it has ended.
    pub fn cancel(&mut self, id: &RequestId, now: Timestamp) -> bool {
        let call = self.requests.get(id).map(|waiting| waiting.submission.call);
        let is_distributed = |other: &RequestId| other != id && self.promised_to(other).is_some();
        let elsewhere = call.is_some_and(|call| self.of_call(call).any(is_distributed));
        self.end(id, if elsewhere { EndReason::Redirected } else { EndReason::Cancelled }, now)
    }

    /// As [`Self::give_back`], by the client that was offered this agent. Does nothing if the request is reserved for another agent by now:
    /// the router then knew already that the first agent did not take the call.
    pub fn decline(&mut self, id: &RequestId, agent: &AgentId, now: Timestamp) -> bool {
        self.promised_to(id).as_ref() == Some(agent) && self.give_back(id, now)
    }

    /// The chosen agent did not take the call. The request waits again, keeps its age and passes that agent over for [`DECLINED_FOR`].
    /// Idempotent: a request without a reserved agent is not changed.
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

    /// Ends every request of a call whose caller has left.
    pub fn abandon(&mut self, call: ConnId, now: Timestamp) {
        for id in self.by_call.get(&call).cloned().unwrap_or_default() {
            self.end(&id, EndReason::Abandoned, now);
        }
    }

    /// Ends the requests of a call without a reserved agent: the caller has left.
    pub fn abandon_waiting(&mut self, call: ConnId, now: Timestamp) {
        for id in self.by_call.get(&call).cloned().unwrap_or_default() {
            if self.promised_to(&id).is_none() {
                self.end(&id, EndReason::Abandoned, now);
            }
        }
    }

    // === Outputs ===

    /// The next output; `None` when there is none left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Router::handle_timeout`] must be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, _)| *due).filter(|_| !self.gathers)
    }

    /// Handles the timers that are due, at most [`TIMERS_PER_TURN`].
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.gathers {
            return;
        }
        for _ in 0..TIMERS_PER_TURN {
            let Some((due, id)) = self.timers.first().cloned().filter(|(due, _)| *due <= now) else { return };
            self.timers.remove(&(due, id.clone()));
            let Some(waiting) = self.requests.get_mut(&id) else { continue };
            waiting.timer = None;
            if waiting.stage == Stage::Waiting {
                self.waited(&id, now);
            } else {
                // The agent's phone never rang, or rang too long: another agent gets the call.
                self.give_back(&id, now);
            }
        }
    }

    /// The timeout of a waiting request has passed, or an agent that has declined it may be tried again.
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

    /// The changes since the last call of this function.
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

    /// The number of requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there are no requests.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    // === Agents ===

    /// Takes an agent's skills and most calls from provisioning; the same as before change nothing. Returns `false` when the table of agents is full.
    pub fn set_profile(&mut self, profile: &AgentProfile, now: Timestamp) -> bool {
        if self.agents.has_profile(profile) {
            return true;
        }
        let Some(index) = self.agents.set_profile(profile) else { return false };
        self.pools.reassess(&self.agents, index);
        self.find_request(index, now);
        true
    }

    /// The agent is no longer provisioned, or was disabled.
    pub fn forget_profile(&mut self, agent: &AgentId) {
        if let Some(index) = self.agents.forget_profile(agent) {
            self.pools.reassess(&self.agents, index);
        }
    }

    /// The agent's row is to be written again, as it is not stored: it counts as changed.
    pub fn touch_agent(&mut self, agent: &AgentId) {
        self.agents.touch(agent);
    }

    /// The provisioned agents.
    pub fn profiles(&self) -> impl Iterator<Item = &AgentId> {
        self.agents.rows().filter(|(_, row)| row.known).map(|(_, row)| &row.id)
    }
}

// === The end of a reservation and of a request ===

impl Router {
    fn return_to_queue(&mut self, id: &RequestId, now: Timestamp) {
        let agent = self.promised_to(id);
        self.set_stage(id, Stage::Waiting);
        if let Some(waiting) = self.requests.get(id) {
            let (queue, call) = (waiting.submission.queue.clone(), waiting.submission.call);
            self.outputs.push_back(Output::Returned(id.clone(), call));
            self.outputs.push_back(Output::Queued(id.clone(), queue, call));
        }
        self.find_agent(id, now);
        let Some(index) = agent.and_then(|agent| self.agents.index_of(&agent)) else { return };
        self.agents.free(index);
        // Of one who has another call the session may be about to say not ready; if not, the call is offered there again after a while.
        if !self.agents.has_calls(index) {
            self.find_request(index, now);
        }
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
        if reason == EndReason::Answered {
            // The call waited in other queues, too: it does not any more.
            for other in self.by_call.get(&waiting.submission.call).cloned().unwrap_or_default() {
                self.end(&other, EndReason::Redirected, now);
            }
        }
        true
    }

    /// Ends the reservation of an agent, which may then take another call.
    fn free(&mut self, agent: Option<AgentId>, now: Timestamp) {
        let Some(index) = agent.and_then(|agent| self.agents.index_of(&agent)) else { return };
        self.agents.free(index);
        self.find_request(index, now);
    }
}

#[cfg(test)]
mod tests;
