//! The history of one tenant: folds its facts, with agents and queues as configured.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use contracts::v1;
use infra::{HistoryPoint, Position, Revision};
use model::{Stamped, TenantId, Timestamp};
use net::tenant::FollowedChange;
use stats::{
    Category, Definition, Engine, Mask, ObjectId, ObjectType, Output, Profile, Request, StatisticId, Subject, Value,
    Zone,
};

use super::Metrics;
use super::agent_states::{AgentStates, KEPT_FOR};
use super::queue_steps::{QueueStatistics, QueueStep, STEP};
use super::refusals::Refusals;
use super::workforce::{Workforce, WorkforceQueue};

/// The most agents and the most queues of a tenant that have a history.
const AGENTS_MAX: usize = 10_000;
const QUEUES_MAX: usize = 1_000;
/// How often states that are too old are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// What is known of a tenant.
pub(super) struct TenantHistory {
    engine: Engine,
    pub(super) workforce: Workforce,
    pub(super) states: AgentStates,
    agents: BTreeMap<String, StatisticId>,
    agent_of: HashMap<StatisticId, String>,
    queues: BTreeMap<String, QueueHistory>,
    begin: HistoryBegin,
    /// What the facts that are gone add up to, until the facts that are left have told all up to there.
    ahead: Option<StateAhead>,
    /// The time of the last fact since the begin.
    last_at: Option<Timestamp>,
    /// Whether the facts up to the present have been folded once.
    pub(super) is_present: bool,
    forgot_at: Timestamp,
    refused_agents: Refusals,
    refused_queues: Refusals,
    metrics: Metrics,
}

/// From when on facts are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HistoryBegin {
    /// From the first on that there was.
    FirstFact,
    /// From the next one on: those before it are gone.
    NextFact,
    At(Timestamp),
}

/// The state at a later position of the stream.
struct StateAhead {
    position: Position,
    snapshot: v1::Snapshot,
}

/// The history of a queue, with the thresholds that it has been counted by.
struct QueueHistory {
    known: WorkforceQueue,
    statistics: QueueStatistics,
    /// When it began, if facts had come before.
    since: Option<Timestamp>,
}

impl TenantHistory {
    pub fn new(tenant: &TenantId, metrics: Metrics) -> Self {
        Self {
            // Nothing here counts by days.
            engine: Engine::new(Zone::utc()),
            workforce: Workforce::default(),
            states: AgentStates::default(),
            agents: BTreeMap::new(),
            agent_of: HashMap::new(),
            queues: BTreeMap::new(),
            begin: HistoryBegin::FirstFact,
            ahead: None,
            last_at: None,
            is_present: false,
            forgot_at: Timestamp::ZERO,
            refused_agents: Refusals::of(tenant, "agents"),
            refused_queues: Refusals::of(tenant, "queues"),
            metrics,
        }
    }

    // === configuration ===

    /// Takes over a whole change of the configuration; the first one has all objects, as has one after the tenant was restored.
    pub fn configure(&mut self, change: FollowedChange, now: Timestamp) {
        let is_everything = change.is_whole || self.workforce.point.revision == Revision(0);
        if is_everything {
            self.workforce = Workforce::default();
        }
        let has_changed = is_everything || !change.objects.is_empty();
        self.workforce.change(change);
        if has_changed {
            self.engine.set_services(self.workforce.services.iter().cloned());
            self.configure_agents(now);
            self.configure_queues(now);
        }
    }

    /// The next change has all objects. Until it comes, those that are known stay.
    pub fn configuration_was_reset(&mut self) {
        self.workforce.point = HistoryPoint::default();
    }

    fn configure_agents(&mut self, now: Timestamp) {
        let Self { engine, workforce, states, agents, agent_of, .. } = self;
        agents.retain(|agent, id| {
            let stays = workforce.agents.contains_key(agent);
            if !stays {
                engine.close(*id);
                agent_of.remove(&*id);
                states.gone(agent, now);
            }
            stays
        });
        let mut refused = 0;
        for agent in workforce.agents.keys() {
            if agents.contains_key(agent) {
                continue;
            }
            let of = [ObjectType::Agent];
            let state = Definition::new(&of, Category::CurrentState, Subject::AgentStatus, Mask::NONE);
            let request = Request::new(state, ObjectId::new(ObjectType::Agent, agent), Profile::day());
            let opened = (agents.len() < AGENTS_MAX).then(|| engine.open(request).ok()).flatten();
            let Some(id) = opened else {
                refused += 1;
                continue;
            };
            agents.insert(agent.clone(), id);
            agent_of.insert(id, agent.clone());
            // Facts may have told of the agent before.
            if let Value::State(state) = engine.value(id, now) {
                states.is_in(agent, &state, now);
            }
        }
        self.refused_agents.are(refused, &self.metrics.refused);
    }

    fn configure_queues(&mut self, now: Timestamp) {
        let Self { engine, workforce, queues, last_at, is_present, .. } = self;
        queues.retain(|name, history| {
            // Other thresholds begin a history anew, so that a level is one level.
            let stays = workforce.queues.get(name).is_some_and(|queue| *queue == history.known);
            if !stays {
                history.statistics.close(engine);
            }
            stays
        });
        let since = last_at.map(|last| if *is_present { now } else { last });
        let mut refused = 0;
        for (name, queue) in &workforce.queues {
            if queues.contains_key(name) {
                continue;
            }
            match (queues.len() < QUEUES_MAX).then(|| QueueStatistics::open(engine, name, queue)) {
                Some(Ok(statistics)) => {
                    queues.insert(name.clone(), QueueHistory { known: queue.clone(), statistics, since });
                }
                _ => refused += 1,
            }
        }
        self.refused_queues.are(refused, &self.metrics.refused);
    }

    // === begin ===

    /// Begins with the first fact of the stream, which is another one than before.
    pub fn begin_with_stream(&mut self, now: Timestamp) {
        self.states = AgentStates::default();
        self.ahead = None;
        self.begin_at(HistoryBegin::FirstFact, now);
    }

    /// Begins after a position, up to which facts are gone. `snapshot` is the state at a later one, or at the same.
    pub fn begin_after(&mut self, gone: Position, snapshot: v1::Snapshot, now: Timestamp) {
        self.states.unknown_from(self.last_at.unwrap_or(now));
        let position = snapshot.position.parse().unwrap_or(Position::START);
        self.ahead = Some(StateAhead { position, snapshot });
        self.begin_at(HistoryBegin::NextFact, now);
        self.passed(gone, now);
    }

    /// Forgets what the engine has counted.
    fn begin_at(&mut self, begin: HistoryBegin, now: Timestamp) {
        self.engine = Engine::new(Zone::utc());
        self.engine.set_services(self.workforce.services.iter().cloned());
        self.agents.clear();
        self.agent_of.clear();
        self.queues.clear();
        self.begin = begin;
        self.last_at = None;
        self.is_present = false;
        self.configure_agents(now);
        self.configure_queues(now);
    }

    /// Takes in the part of the state ahead that was so before the first fact that is left.
    fn join_earlier(&mut self, first: Timestamp, now: Timestamp) {
        let Some(ahead) = &self.ahead else { return };
        let agents = ahead.snapshot.agents.iter().filter(|agent| agent.since_us < first.as_micros());
        let earlier = v1::Snapshot { agents: agents.cloned().collect(), ..Default::default() };
        self.engine.join(tally::joined(earlier, |dn| self.workforce.is_route_point(dn)), first);
        self.take_outputs(first, now);
    }

    /// Takes in the rest of it: the facts have come to its position.
    fn join_rest(&mut self, snapshot: v1::Snapshot, now: Timestamp) {
        if self.begin == HistoryBegin::NextFact {
            self.begin = HistoryBegin::At(now);
        }
        self.engine.join(tally::joined(snapshot, |dn| self.workforce.is_route_point(dn)), now);
        self.take_outputs(now, now);
        for agent in self.states.unknown() {
            let is_told = self
                .agents
                .get(&*agent)
                .is_some_and(|id| matches!(self.engine.value(*id, now), Value::State(state) if state.since.is_some()));
            if !is_told {
                self.states.has_logged_out(&agent, now);
            }
        }
    }

    // === facts ===

    /// Folds a fact.
    pub fn fold(&mut self, stamped: &Stamped, now: Timestamp) {
        self.metrics.facts.inc();
        if self.begin == HistoryBegin::NextFact {
            self.begin = HistoryBegin::At(stamped.at);
            self.join_earlier(stamped.at, now);
        }
        self.engine.handle_event(stamped, now);
        self.take_outputs(stamped.at, now);
        self.last_at = self.last_at.max(Some(stamped.at));
    }

    /// The facts up to this position have been folded, or left out.
    pub fn passed(&mut self, position: Position, now: Timestamp) {
        if let Some(ahead) = self.ahead.take_if(|ahead| ahead.position <= position) {
            self.join_rest(ahead.snapshot, now);
        }
    }

    /// There are no more facts at present.
    pub fn caught_up(&mut self) {
        self.is_present |= self.ahead.is_none();
    }

    /// Handles what is due.
    pub fn tick(&mut self, now: Timestamp) {
        if self.engine.next_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
            self.take_outputs(now, now);
        }
        if self.forgot_at + FORGET_EVERY <= now {
            self.forgot_at = now;
            self.states.forget(now);
        }
        self.metrics.states_evicted.inc_by(self.states.take_evicted());
    }

    /// Takes over the states of agents, which are known at `at`.
    fn take_outputs(&mut self, at: Timestamp, now: Timestamp) {
        while let Some(output) = self.engine.poll_output() {
            let Output::Changed(id) = output else { continue };
            let Some(agent) = self.agent_of.get(&id) else { continue };
            if let Value::State(state) = self.engine.value(id, now) {
                self.states.is_in(agent, &state, at);
            }
        }
    }

    // === reading ===

    /// From when on the states of agents are known.
    pub fn begins(&self, now: Timestamp) -> Timestamp {
        self.begins_within(now - KEPT_FOR, now)
    }

    fn begins_within(&self, kept_from: Timestamp, now: Timestamp) -> Timestamp {
        match self.begin {
            HistoryBegin::FirstFact => kept_from,
            HistoryBegin::NextFact => now,
            HistoryBegin::At(begin) => begin.max(kept_from),
        }
    }

    /// The steps of a queue, and from when on they are known; `None` if it has no history.
    pub fn steps_of(&self, queue: &str, now: Timestamp) -> Option<(Vec<QueueStep>, Timestamp)> {
        let history = self.queues.get(queue)?;
        let mut steps = history.statistics.steps(&self.engine, now);
        let kept_from = steps.first().map_or(now, |step| step.begin);
        let begins = self.begins_within(kept_from, now).max(history.since.unwrap_or(kept_from));
        steps.retain(|step| step.begin + STEP > begins);
        Some((steps, begins))
    }
}

#[cfg(test)]
mod tests;
