//! Admin HTTP of a role: the same paths for every role.
//!
//! `/live` and `/ready` return only a status, without a token; the rest needs one: `/metrics` (text format or
//! OpenMetrics), `/log-level` (GET, PUT), `/topology`, `/build`, `/trace/{tenant}/{call}` (see [`crate::trace`]).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::caller::Caller;
use crate::gate::Gate;
use crate::log::LogLevel;
use crate::meter::{ConnectionReport, Meters};
use crate::metrics::{Format, Metrics};
use crate::problem::Problem;
use crate::readiness::Readiness;
use crate::trace::Recorder;
use crate::trace::serve::{self as trace, Remembered};

/// Paths that need no token and return only a status.
pub const OPEN_PATHS: &[&str] = &["/live", "/ready"];
/// The scope for changing a role at run time.
pub const OPERATE_SCOPE: &str = crate::scope::OPERATE;
/// The longest directives that `/log-level` takes.
const DIRECTIVES_BYTES_MAX: usize = 1_024;

/// The parts that change with each run of a role: its metrics, its readiness and a router that shares the port.
#[derive(Clone)]
pub struct AdminSlot {
    run: Arc<watch::Sender<Run>>,
}

impl Default for AdminSlot {
    fn default() -> Self {
        Self { run: Arc::new(watch::Sender::new(Run::default())) }
    }
}

#[derive(Clone, Default)]
struct Run {
    ready: Readiness,
    metrics: Metrics,
    mounted: Option<Router>,
    number: u32,
    since: Timestamp,
}

impl AdminSlot {
    /// Begins a new run: the routers that the previous one mounted are removed.
    pub(crate) fn begin_run(&self, ready: Readiness, metrics: Metrics, since: Timestamp) {
        self.run.send_modify(|run| *run = Run { ready, metrics, mounted: None, number: run.number + 1, since });
    }

    /// Adds a router for paths that are not the admin's own.
    pub(crate) fn mount(&self, router: Router) {
        self.run.send_modify(|run| {
            run.mounted = Some(match run.mounted.take() {
                Some(mounted) => mounted.merge(router),
                None => router,
            });
        });
    }

    /// Waits until the role is ready, in any run.
    pub async fn ready(&self) {
        let mut runs = self.run.subscribe();
        loop {
            let readiness = runs.borrow_and_update().ready.clone();
            tokio::select! {
                () = readiness.ready() => return,
                _ = runs.changed() => {}
            }
        }
    }

    /// The conditions of the present run.
    pub fn readiness(&self) -> Readiness {
        self.run().ready
    }

    fn run(&self) -> Run {
        self.run.borrow().clone()
    }
}

/// State of the admin HTTP of one role.
#[derive(Clone)]
pub struct Admin {
    /// The role.
    pub role: &'static str,
    /// Its node.
    pub node: String,
    /// The parts that change with each run.
    pub slot: AdminSlot,
    /// Its connections.
    pub meters: Meters,
    /// The process's log level.
    pub log_level: LogLevel,
    /// Its memory of calls.
    pub recorder: Recorder,
}

/// The answer of `/topology`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TopologyReport {
    /// The role.
    pub role: String,
    /// Its node.
    pub node: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Conditions that are not met, with reasons.
    pub missing: Vec<String>,
    /// Its process id.
    pub pid: u32,
    /// How often the process has started it, from 1.
    pub lives: u32,
    /// When its present run began, in ms since the Unix epoch.
    pub since_ms: u64,
    /// Its clock, in ms since the Unix epoch.
    pub clock_ms: u64,
    /// Its connections.
    pub connections: Vec<ConnectionReport>,
}

/// The routes of admin HTTP behind the gate, then those that the role mounted.
pub fn router(admin: Admin, gate: Gate) -> Router {
    let gated = Router::new()
        .route("/metrics", get(metrics))
        .route("/log-level", get(log_level).put(set_log_level))
        .route("/topology", get(topology))
        .route("/build", get(build));
    let remembered = Remembered { role: admin.role, node: admin.node.clone(), recorder: admin.recorder.clone() };
    let traces = Router::new()
        .route("/trace", get(trace::tenants))
        .route("/trace/{tenant}", get(trace::list))
        .route("/trace/{tenant}/{call}", get(trace::call))
        .with_state(remembered);
    let gated = gated.merge(traces);
    let gate = std::sync::Arc::new(gate);
    let ask =
        move |request: Request, next: Next| crate::gate::ask(&gate, request, |request| Box::pin(next.run(request)));
    let gated = gated.layer(axum::middleware::from_fn(ask.clone()));
    let probes = Router::new().route("/live", get(live)).route("/ready", get(ready));
    let probes = probes.layer(axum::middleware::from_fn(ask.clone()));
    // Callers without a token do not learn which paths exist.
    let unknown =
        Router::new().fallback(async || Problem::not_found("no such path")).layer(axum::middleware::from_fn(ask));
    let rest = move |State(admin): State<Admin>, request: Request| mounted(admin, unknown.clone(), request);
    probes.merge(gated).fallback(rest).with_state(admin)
}

async fn live() -> StatusCode {
    StatusCode::OK
}

async fn ready(State(admin): State<Admin>) -> StatusCode {
    if admin.slot.readiness().is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::asked_for(&accept.collect::<Vec<_>>().join(","));
    ([(header::CONTENT_TYPE, format.content_type())], admin.slot.run().metrics.encode(format))
}

async fn log_level(State(admin): State<Admin>) -> String {
    admin.log_level.now()
}

async fn set_log_level(State(admin): State<Admin>, caller: Caller, body: Body) -> Result<String, Problem> {
    caller.needs_scope(OPERATE_SCOPE)?;
    let body =
        axum::body::to_bytes(body, DIRECTIVES_BYTES_MAX).await.map_err(|e| Problem::bad_request(e.to_string()))?;
    let directives = std::str::from_utf8(&body).map_err(|_| Problem::bad_request("not UTF-8"))?.trim();
    admin.log_level.set(directives).map_err(Problem::unprocessable)?;
    tracing::info!(directives, by = caller.subject(), "log level changed");
    Ok(admin.log_level.now())
}

async fn topology(State(admin): State<Admin>, caller: Caller) -> Result<Json<TopologyReport>, Problem> {
    if !caller.has_scope(OPERATE_SCOPE) {
        caller.needs_scope(crate::scope::TOPOLOGY_READ)?;
    }
    let run = admin.slot.run();
    let ready = &run.ready;
    let missing = ready.missing().into_iter().map(|(name, why)| format!("{name}: {why}")).collect();
    Ok(Json(TopologyReport {
        role: admin.role.to_owned(),
        node: admin.node.clone(),
        ready: ready.is_ready(),
        missing,
        pid: std::process::id(),
        lives: run.number,
        since_ms: run.since.as_millis(),
        clock_ms: admin.meters.now().as_millis(),
        connections: admin.meters.report(),
    }))
}

async fn build(State(admin): State<Admin>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "role": admin.role, "node": admin.node }))
}

/// All other paths go to the mounted router, which has its own gate.
async fn mounted(admin: Admin, unknown: Router, request: Request) -> Response {
    let router = admin.slot.run().mounted.unwrap_or(unknown);
    // A router never fails: its error type has no values.
    router.oneshot(request).await.unwrap_or_else(|never| match never {})
}
