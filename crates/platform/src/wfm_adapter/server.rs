//! The routes of wfm-adapter.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use infra::Clock;
use model::{TenantId, Timestamp};
use net::http::{Caller, Problem, Query};
use runtime::scope::{CONFIG_READ, STATISTICS_READ};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stats::ObjectType;

use super::agent_states::{AgentInterval, StateWindow};
use super::pages::{self, RowFormat, RowPage, WorkforceRow};
use super::queue_steps::{self, QueueStep};
use super::shared_history::SharedHistory;
use super::tenants::FollowedTenants;
use super::time_query::{self, shown};
use super::workforce::{WorkforceAgent, WorkforceQueue};

/// What the routes share.
#[derive(Clone)]
struct ServedHistories {
    followed: FollowedTenants,
    clock: Arc<dyn Clock>,
}

pub(super) fn router(followed: FollowedTenants, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/wfm/v1/{tenant}/agents", get(agents))
        .route("/wfm/v1/{tenant}/agent-states", get(agent_states))
        .route("/wfm/v1/{tenant}/queues", get(queues))
        .route("/wfm/v1/{tenant}/queues/{queue}/intervals", get(queue_intervals))
        .with_state(ServedHistories { followed, clock })
}

impl ServedHistories {
    /// The history of a tenant, if the caller may read it.
    fn history(&self, tenant: &str, caller: &Caller) -> Result<SharedHistory, Problem> {
        let tenant = TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))?;
        caller.may_act_for(&tenant)?;
        caller.needs_scope(STATISTICS_READ)?;
        let found = self.followed.find(&tenant);
        let history = found.ok_or_else(|| Problem::not_found(format!("there is no tenant {tenant}")))?;
        if !history.lock().is_present {
            return Err(Problem::unavailable("the events up to now are not read yet"));
        }
        Ok(history)
    }
}

/// Which rows of a list, and how.
#[derive(Deserialize)]
struct ListQuery {
    page_size: Option<usize>,
    page_token: Option<String>,
    #[serde(default)]
    format: RowFormat,
}

#[derive(Deserialize)]
struct StatesQuery {
    from: Option<String>,
    to: Option<String>,
    agent: Option<String>,
    page_size: Option<usize>,
    page_token: Option<String>,
    #[serde(default)]
    format: RowFormat,
}

#[derive(Deserialize)]
struct StepsQuery {
    from: Option<String>,
    to: Option<String>,
    step: Option<String>,
    #[serde(default)]
    format: RowFormat,
}

// === agents ===

#[derive(Serialize, JsonSchema)]
pub(super) struct WorkforceAgentRow {
    id: String,
    user_name: String,
    first_name: String,
    last_name: String,
    disabled: bool,
    skills: Vec<WorkforceSkill>,
    /// None if no event has ever concerned the agent.
    state: Option<&'static str>,
    reason: Option<String>,
    since: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct WorkforceSkill {
    skill: String,
    level: u16,
}

impl WorkforceAgentRow {
    fn of(id: &str, agent: &WorkforceAgent, state: Option<AgentInterval<'_>>) -> Self {
        let skills = agent.skills.iter().map(|has| WorkforceSkill { skill: has.skill.clone(), level: has.level });
        Self {
            id: id.to_owned(),
            user_name: agent.user_name.clone(),
            first_name: agent.first_name.clone(),
            last_name: agent.last_name.clone(),
            disabled: agent.is_disabled,
            skills: skills.collect(),
            state: state.map(|state| state.state.as_str()),
            reason: state.and_then(|state| state.reason).map(str::to_owned),
            since: state.map(|state| shown(state.begin)),
        }
    }
}

impl WorkforceRow for WorkforceAgentRow {
    const COLUMNS: &'static [&'static str] =
        &["id", "user_name", "first_name", "last_name", "disabled", "skills", "state", "reason", "since"];

    fn fields(&self) -> Vec<String> {
        let skills: Vec<String> = self.skills.iter().map(|has| format!("{}={}", has.skill, has.level)).collect();
        vec![
            self.id.clone(),
            self.user_name.clone(),
            self.first_name.clone(),
            self.last_name.clone(),
            self.disabled.to_string(),
            skills.join(";"),
            self.state.unwrap_or_default().to_owned(),
            self.reason.clone().unwrap_or_default(),
            self.since.clone().unwrap_or_default(),
        ]
    }
}

async fn agents(
    State(served): State<ServedHistories>,
    Path(tenant): Path<String>,
    caller: Caller,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Problem> {
    let shared = served.history(&tenant, &caller)?;
    caller.needs_scope(CONFIG_READ)?;
    // Folders say what people see, of which nothing is known here.
    if caller.person().is_some() {
        return Err(Problem::forbidden("people read this in Agent Setup or at port 8888, as folders let them"));
    }
    let after = pages::key_of(asked.page_token.as_deref())?;
    let history = shared.lock();
    let follows = |id: &str| after.as_deref().is_none_or(|after| id > after);
    let rows = history.workforce.agents.iter().filter(|(id, _)| follows(id));
    let rows = rows.map(|(id, agent)| WorkforceAgentRow::of(id, agent, history.states.present(id)));
    Ok(RowPage::first(rows, asked.page_size, |row| row.id.clone())?.answer(asked.format))
}

// === states ===

#[derive(Serialize, JsonSchema)]
pub(super) struct AgentStateRow {
    agent: String,
    state: &'static str,
    reason: Option<String>,
    begin: String,
    /// None while it lasts.
    end: Option<String>,
    #[serde(skip)]
    begin_us: u64,
}

impl AgentStateRow {
    fn of(interval: AgentInterval<'_>) -> Self {
        Self {
            agent: interval.agent.to_owned(),
            state: interval.state.as_str(),
            reason: interval.reason.map(str::to_owned),
            begin: shown(interval.begin),
            end: interval.end.map(shown),
            begin_us: interval.begin.as_micros(),
        }
    }
}

impl WorkforceRow for AgentStateRow {
    const COLUMNS: &'static [&'static str] = &["agent", "state", "reason", "begin", "end"];

    fn fields(&self) -> Vec<String> {
        let (reason, end) = (self.reason.clone().unwrap_or_default(), self.end.clone().unwrap_or_default());
        vec![self.agent.clone(), self.state.to_owned(), reason, self.begin.clone(), end]
    }
}

async fn agent_states(
    State(served): State<ServedHistories>,
    Path(tenant): Path<String>,
    caller: Caller,
    Query(asked): Query<StatesQuery>,
) -> Result<Response, Problem> {
    let shared = served.history(&tenant, &caller)?;
    let now = served.clock.now();
    let (from, to) = time_query::window(asked.from.as_deref(), asked.to.as_deref(), now)?;
    let window = StateWindow { from, to, after: after_state(asked.page_token.as_deref())? };
    let history = shared.lock();
    let key = |row: &AgentStateRow| format!("{} {}", row.begin_us, row.agent);
    let page = match &asked.agent {
        Some(agent) => {
            RowPage::first(history.states.of_agent(agent, &window).map(AgentStateRow::of), asked.page_size, key)
        }
        None => RowPage::first(history.states.within(&window).map(AgentStateRow::of), asked.page_size, key),
    };
    Ok(page?.beginning(shown(history.begins(now))).answer(asked.format))
}

/// The last state of the page before.
fn after_state(token: Option<&str>) -> Result<Option<(Timestamp, String)>, Problem> {
    let Some(key) = pages::key_of(token)? else { return Ok(None) };
    let read = || {
        let (begin, agent) = key.split_once(' ')?;
        Some((Timestamp::from_micros(begin.parse().ok()?), agent.to_owned()))
    };
    read().map(Some).ok_or_else(|| Problem::bad_request("page_token: it is none of ours"))
}

// === queues ===

#[derive(Serialize, JsonSchema)]
pub(super) struct WorkforceQueueRow {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    service_level_threshold_s: u32,
    short_abandon_threshold_s: u32,
}

impl WorkforceQueueRow {
    fn of(id: &str, queue: &WorkforceQueue) -> Self {
        Self {
            id: id.to_owned(),
            kind: if queue.kind == ObjectType::RoutePoint { "route_point" } else { "virtual_queue" },
            service_level_threshold_s: queue.service_level_s,
            short_abandon_threshold_s: queue.short_abandon_s,
        }
    }
}

impl WorkforceRow for WorkforceQueueRow {
    const COLUMNS: &'static [&'static str] = &["id", "type", "service_level_threshold_s", "short_abandon_threshold_s"];

    fn fields(&self) -> Vec<String> {
        let thresholds = [self.service_level_threshold_s, self.short_abandon_threshold_s];
        [self.id.clone(), self.kind.to_owned()].into_iter().chain(thresholds.map(|it| it.to_string())).collect()
    }
}

async fn queues(
    State(served): State<ServedHistories>,
    Path(tenant): Path<String>,
    caller: Caller,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Problem> {
    let shared = served.history(&tenant, &caller)?;
    let after = pages::key_of(asked.page_token.as_deref())?;
    let history = shared.lock();
    let follows = |id: &str| after.as_deref().is_none_or(|after| id > after);
    let rows = history.workforce.queues.iter().filter(|(id, _)| follows(id));
    let rows = rows.map(|(id, queue)| WorkforceQueueRow::of(id, queue));
    Ok(RowPage::first(rows, asked.page_size, |row| row.id.clone())?.answer(asked.format))
}

/// What happened in a queue from `begin` on, up to `end`.
#[derive(Serialize, JsonSchema)]
pub(super) struct QueueIntervalRow {
    queue: String,
    begin: String,
    end: String,
    offered: u64,
    answered: u64,
    answered_in_time: u64,
    abandoned: u64,
    abandoned_shortly: u64,
    handled: u64,
    average_speed_of_answer_s: Option<f64>,
    average_handling_time_s: Option<f64>,
    service_level_percent: Option<f64>,
}

impl WorkforceRow for QueueIntervalRow {
    const COLUMNS: &'static [&'static str] = &[
        "queue",
        "begin",
        "end",
        "offered",
        "answered",
        "answered_in_time",
        "abandoned",
        "abandoned_shortly",
        "handled",
        "average_speed_of_answer_s",
        "average_handling_time_s",
        "service_level_percent",
    ];

    fn fields(&self) -> Vec<String> {
        let counts =
            [self.offered, self.answered, self.answered_in_time, self.abandoned, self.abandoned_shortly, self.handled];
        let values = [self.average_speed_of_answer_s, self.average_handling_time_s, self.service_level_percent];
        let names = [&self.queue, &self.begin, &self.end].map(String::clone);
        let values = values.map(|value| value.map(|value| value.to_string()).unwrap_or_default());
        names.into_iter().chain(counts.map(|count| count.to_string())).chain(values).collect()
    }
}

async fn queue_intervals(
    State(served): State<ServedHistories>,
    Path((tenant, queue)): Path<(String, String)>,
    caller: Caller,
    Query(asked): Query<StepsQuery>,
) -> Result<Response, Problem> {
    let shared = served.history(&tenant, &caller)?;
    let now = served.clock.now();
    let (from, to) = time_query::window_of_steps(asked.from.as_deref(), asked.to.as_deref(), now)?;
    let length = time_query::step(asked.step.as_deref())?;
    let history = shared.lock();
    let steps = history.steps_of(&queue, now);
    let (steps, begins) = steps.ok_or_else(|| Problem::not_found(format!("there is no queue {queue}")))?;
    let row = |sum: QueueStep| QueueIntervalRow {
        queue: queue.clone(),
        begin: shown(sum.begin.max(begins)),
        end: shown((sum.begin + length).min(to).min(now)),
        offered: sum.offered,
        answered: sum.answered,
        answered_in_time: sum.answered_in_time,
        abandoned: sum.abandoned,
        abandoned_shortly: sum.abandoned_shortly,
        handled: sum.handled,
        average_speed_of_answer_s: sum.average_answer_s(),
        average_handling_time_s: sum.average_handling_s(),
        service_level_percent: sum.service_level(),
    };
    let rows = queue_steps::sums(&steps, from, to, length).into_iter().map(row).collect();
    Ok(RowPage::whole(rows).beginning(shown(begins)).answer(asked.format))
}
