//! The history of one tenant: folds its facts, with agents and queues as configured.

use std::collections::{BTreeMap, HashMap};

use contracts::{v1, wire};
use model::{Stamped, Timestamp, WorkMode};
use stats::{
    Category, Definition, Engine, Joined, JoinedAgent, Mask, ObjectId, ObjectType, Output, Profile, Request,
    StatisticId, Subject, Value, Zone,
};

use super::Metrics;
use super::agent_states::AgentStates;
use super::queue_steps::{QueueStatistics, QueueStep};
use super::workforce::{Workforce, WorkforceQueue};

/// The most agents and the most queues of a tenant that have a history.
const AGENTS_MAX: usize = 10_000;
const QUEUES_MAX: usize = 1_000;

/// What is known of a tenant.
pub(super) struct TenantHistory {
    engine: Engine,
    pub(super) workforce: Workforce,
    pub(super) states: AgentStates,
    agents: BTreeMap<String, StatisticId>,
    agent_of: HashMap<StatisticId, String>,
    queues: BTreeMap<String, (WorkforceQueue, QueueStatistics)>,
    /// Whether the facts up to the present have been folded once.
    pub(super) is_present: bool,
    metrics: Metrics,
}

impl TenantHistory {
    pub fn new(metrics: Metrics) -> Self {
        Self {
            // Nothing here counts by days.
            engine: Engine::new(Zone::utc()),
            workforce: Workforce::default(),
            states: AgentStates::default(),
            agents: BTreeMap::new(),
            agent_of: HashMap::new(),
            queues: BTreeMap::new(),
            is_present: false,
            metrics,
        }
    }

    /// Takes over changes of the configuration.
    pub fn configure(&mut self, changes: v1::FollowResponse, now: Timestamp) {
        let has_changed = !changes.objects.is_empty();
        self.workforce.change(changes);
        if has_changed {
            self.engine.set_services(self.workforce.services.iter().cloned());
            self.configure_agents(now);
            self.configure_queues();
        }
    }

    fn configure_agents(&mut self, now: Timestamp) {
        let Self { engine, workforce, states, agents, agent_of, metrics, .. } = self;
        agents.retain(|agent, id| {
            let stays = workforce.agents.contains_key(agent);
            if !stays {
                engine.close(*id);
                agent_of.remove(&*id);
                states.gone(agent, now);
            }
            stays
        });
        for agent in workforce.agents.keys() {
            if agents.contains_key(agent) {
                continue;
            }
            let of = [ObjectType::Agent];
            let state = Definition::new(&of, Category::CurrentState, Subject::AgentStatus, Mask::NONE);
            let request = Request::new(state, ObjectId::new(ObjectType::Agent, agent), Profile::day());
            match (agents.len() < AGENTS_MAX).then(|| engine.open(request)) {
                Some(Ok(id)) => {
                    agents.insert(agent.clone(), id);
                    agent_of.insert(id, agent.clone());
                }
                refused => {
                    metrics.refused.inc();
                    tracing::warn!(%agent, ?refused, "an agent has no history");
                }
            }
        }
    }

    fn configure_queues(&mut self) {
        let Self { engine, workforce, queues, metrics, .. } = self;
        queues.retain(|name, (known, statistics)| {
            // Other thresholds begin a history anew, so that a level is one level.
            let stays = workforce.queues.get(name).is_some_and(|queue| *queue == *known);
            if !stays {
                statistics.close(engine);
            }
            stays
        });
        for (name, queue) in &workforce.queues {
            if queues.contains_key(name) {
                continue;
            }
            match (queues.len() < QUEUES_MAX).then(|| QueueStatistics::open(engine, name, queue)) {
                Some(Ok(statistics)) => drop(queues.insert(name.clone(), (queue.clone(), statistics))),
                refused => {
                    metrics.refused.inc();
                    tracing::warn!(queue = %name, ?refused, "a queue has no history");
                }
            }
        }
    }

    /// Forgets what the engine has counted, because facts are gone. Intervals of agents stay.
    pub fn begin_anew(&mut self, now: Timestamp) {
        self.engine = Engine::new(Zone::utc());
        self.engine.set_services(self.workforce.services.iter().cloned());
        self.agents.clear();
        self.agent_of.clear();
        self.queues.clear();
        self.is_present = false;
        self.configure_agents(now);
        self.configure_queues();
    }

    /// Begins with what is, because earlier facts are gone: calls that are up then are counted from their next facts.
    pub fn join(&mut self, snapshot: v1::Snapshot, now: Timestamp) {
        let agents = snapshot.agents.into_iter().map(|agent| JoinedAgent {
            ready: agent.ready,
            after_call_work: agent.work_mode.and_then(|mode| wire::work_mode_from_wire(mode).ok())
                == Some(WorkMode::AfterCallWork),
            since: Timestamp::from_micros(agent.since_us),
            agent: agent.agent,
            dn: agent.dn,
        });
        self.engine.join(Joined { calls: Vec::new(), agents: agents.collect() }, now);
        self.take_outputs(now);
        self.is_present = true;
    }

    /// Folds a fact.
    pub fn fold(&mut self, stamped: &Stamped, now: Timestamp) {
        self.metrics.facts.inc();
        self.engine.handle_event(stamped, now);
        self.take_outputs(now);
    }

    /// Handles what is due.
    pub fn tick(&mut self, now: Timestamp) {
        if self.engine.next_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
            self.take_outputs(now);
        }
        self.states.forget(now);
    }

    fn take_outputs(&mut self, now: Timestamp) {
        while let Some(output) = self.engine.poll_output() {
            let Output::Changed(id) = output else { continue };
            let Some(agent) = self.agent_of.get(&id) else { continue };
            if let Value::State(state) = self.engine.value(id, now) {
                self.states.is_in(agent, &state);
            }
        }
    }

    /// The steps of a queue; `None` if it has no history.
    pub fn steps_of(&self, queue: &str, now: Timestamp) -> Option<Vec<QueueStep>> {
        let (_, statistics) = self.queues.get(queue)?;
        Some(statistics.steps(&self.engine, now))
    }
}
